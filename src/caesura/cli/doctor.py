"""`caesura doctor`: shows what works on this machine, how much space and memory it takes, and how to fix the rest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import groupby
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from caesura.bundled_recording import bundled_recording
from caesura.cli.checks import (
    CheckState,
    Finding,
    check_capacity,
    check_codecs,
    check_devices,
    check_engine,
    check_packages,
    check_vad,
    check_whisper,
)
from caesura.cli.errors import FAILED

DEFAULT_ENGINE = "moonshine"
SECTIONS = ("packages", "engines", "codecs", "devices", "footprint")
MARKS = {
    CheckState.WORKS: ("works", "green"),
    CheckState.LIMITED: ("limited", "yellow"),
    CheckState.BROKEN: ("broken", "red"),
}


def doctor(
    as_json: Annotated[
        bool, typer.Option("--json", envvar="CAESURA_JSON", help="Print JSON instead of tables.")
    ] = False,
) -> None:
    """Check which engines, codecs and devices work here and how large the server is, with advice about the rest.

    Loads each engine in a server of its own and transcribes the bundled recording. Exits with 1 when something is
    broken.
    """
    progress = Console(stderr=True)
    with progress.status("Transcribing a recording with each engine ..."):
        findings = list(examine())
    if as_json:
        typer.echo(json.dumps([_plain(finding) for finding in findings], indent=2))
    else:
        _print(Console(highlight=False), findings)
    if any(finding.state is CheckState.BROKEN for finding in findings):
        raise typer.Exit(FAILED)


def examine() -> Iterator[Finding]:
    """Run all checks; those of engines only where the server is installed."""
    packages = list(check_packages())
    yield from packages
    yield from check_codecs()
    yield from check_devices()
    if any(finding.state is CheckState.BROKEN for finding in packages):
        return
    from caesura.engines.registry import ENGINES

    recording = bundled_recording()
    yield from check_vad(recording)
    yield from check_whisper()
    for engine in sorted(ENGINES):
        yield from check_engine(engine, recording, compare=engine != "scripted")
    yield from check_capacity(DEFAULT_ENGINE)


def _plain(finding: Finding) -> dict[str, str]:
    return {**asdict(finding), "state": finding.state.value}


def _print(screen: Console, findings: Iterable[Finding]) -> None:
    ordered = sorted(findings, key=lambda finding: SECTIONS.index(finding.section))
    for section, members in groupby(ordered, key=lambda finding: finding.section):
        table = Table(title=section, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
        for heading in ("", "", "", "what to do"):
            table.add_column(heading, header_style="dim")
        rows = list(members)
        for finding in rows:
            word, style = MARKS[finding.state]
            table.add_row(finding.name, Text(word, style=style), Text(finding.detail), Text(finding.advice))
        if not any(finding.advice for finding in rows):
            table.columns[3].header = ""
        screen.print(table)
        screen.print()
