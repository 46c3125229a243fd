"""Sizes of installed distributions and running processes."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest

from caesura.cli import footprint
from caesura.cli.footprint import added_bytes, extra_closure, family, installed_bytes


def test_the_closure_of_an_extra_has_exactly_its_distributions() -> None:
    """Direct, indirect and base requirements; no development tools."""
    names = set(extra_closure("server"))
    assert {"numpy", "onnxruntime", "starlette", "anyio", "rich", "websockets"} <= names
    assert not names & {"pytest", "mypy", "deepgram-sdk", "hypothesis"}


def test_an_extra_that_does_not_exist_leaves_the_base_install() -> None:
    names = set(extra_closure("nothing"))
    assert {"rich", "typer", "websockets"} <= names
    assert "numpy" not in names


def test_the_size_of_an_extra_excludes_distributions_already_installed() -> None:
    whisper = [package for package in extra_closure("whisper").values() if package]
    added = added_bytes("whisper", to="server")
    assert 50_000_000 < added < installed_bytes(whisper)
    assert added_bytes("nothing", to="server") == 0


class Pretended(Distribution):
    """A package that requires another one, which is not installed."""

    def read_text(self, filename: str) -> str | None:
        return "Metadata-Version: 2.1\nName: x\nRequires-Dist: no-such_Package>=1; extra == 'server'\n"

    def locate_file(self, path: object) -> Path:
        return Path(str(path))


def test_a_missing_requirement_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = distribution
    monkeypatch.setattr(footprint, "distribution", lambda name: Pretended() if name == "x" else real(name))
    assert extra_closure("server", of="x") == {"no-such-package": None}


def test_size_grows_with_each_package() -> None:
    alone = installed_bytes([])
    with_numpy = installed_bytes([distribution("numpy")])
    assert 0 < alone < with_numpy
    assert with_numpy - alone > 10_000_000


def test_a_family_is_a_process_and_its_children() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        first, *others = family(os.getpid())
        assert first.pid == os.getpid()
        assert first.resident > 1_000_000
        assert [process.parent for process in others if process.pid == child.pid] == [os.getpid()]
        child.communicate(b"\n")


def test_ps_finds_the_same_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without /proc, `ps` is used."""
    monkeypatch.setattr(
        subprocess,
        "run",
        lambda *_, **__: subprocess.CompletedProcess([], 0, "  1  0  400\n 20  1  512\n 30 20 100\n 40 1 7\n"),
    )
    monkeypatch.setattr(Path, "exists", lambda _: False)
    assert family(20) == [footprint.Process(20, 1, 512 * 1024), footprint.Process(30, 20, 100 * 1024)]
