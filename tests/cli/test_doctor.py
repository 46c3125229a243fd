"""Findings as tables or JSON, and the exit code."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from caesura.cli import doctor
from caesura.cli.checks import CheckState, Finding
from caesura.cli.main import app
from caesura.distribution import install_command

runner = CliRunner()

WORKING = Finding("codecs", "flac", CheckState.WORKS, "decodes, encodes")
HEAVY = Finding("footprint", "front process, resident", CheckState.LIMITED, "260 MB of at most 250 MB", "report it")
BROKEN = Finding("engines", "moonshine", CheckState.BROKEN, "no model", "install it again")


def found(monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: iter(findings))


def test_tables_show_each_finding_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, WORKING, HEAVY)
    result = runner.invoke(app, ["doctor"])
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines() if "flac" in line] == [
        ["flac", "works", "decodes,", "encodes"]
    ]
    assert "report it" in result.stdout


def test_anything_broken_fails_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, WORKING, BROKEN)
    assert runner.invoke(app, ["doctor"]).exit_code == 1


def test_json_holds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, BROKEN)
    result = runner.invoke(app, ["doctor", "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout) == [
        {
            "section": "engines",
            "name": "moonshine",
            "state": "broken",
            "detail": "no model",
            "advice": "install it again",
        }
    ]


def test_without_the_server_extra_no_engine_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = Finding("packages", "soxr", CheckState.BROKEN, "not installed", install_command("server"))
    monkeypatch.setattr(doctor, "check_packages", lambda: iter([missing]))
    assert {finding.section for finding in doctor.examine()} == {"packages", "codecs", "devices"}


def test_every_engine_that_ships_is_tried_and_only_real_ones_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: dict[str, bool] = {}

    def checked(engine: str, recording: object, *, compare: bool) -> list[Finding]:
        tried[engine] = compare
        return []

    def capacity(engine: str) -> list[Finding]:
        tried[f"capacity of {engine}"] = True
        return []

    monkeypatch.setattr(doctor, "check_engine", checked)
    monkeypatch.setattr(doctor, "check_capacity", capacity)
    found = {(finding.section, finding.name) for finding in doctor.examine()}
    assert tried == {"moonshine": True, "scripted": False, "capacity of moonshine": True}
    assert ("engines", "whisper") in found
