"""The documentation, held against the code: examples are the tested ones, every flag and every event is named."""

from __future__ import annotations

import dataclasses
import re
import runpy
from pathlib import Path
from typing import get_args

import pytest
import typer

import caesura
from caesura.cli.main import app
from caesura.client.events import Event
from caesura.client.plan import Tuning

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CLIENT = (ROOT / "docs" / "client.md").read_text()
EXAMPLE = ROOT / "tests" / "client" / "test_documented.py"


def test_the_example_in_the_docs_is_the_one_that_is_run() -> None:
    run = EXAMPLE.read_text().split("# docs: begin\n")[1].split("\n\n# docs: end")[0].strip()
    assert f"```python\n{run}\n```" in CLIENT


@pytest.mark.parametrize("command", ["serve", "listen", "demo", "doctor"])
def test_every_flag_of_every_command_is_in_the_readme(command: str) -> None:
    group = typer.main.get_command(app)
    found = group.commands[command]  # type: ignore[attr-defined]
    for parameter in found.params:
        for flag in (each for each in parameter.opts if each.startswith("--") and each != "--help"):
            assert f"`{flag}" in README, f"{command} {flag}"


@pytest.mark.parametrize("event", [each.__name__ for each in get_args(Event)])
def test_every_event_is_in_the_docs_and_public(event: str) -> None:
    assert f"`{event}`" in CLIENT
    assert hasattr(caesura, event)


@pytest.mark.parametrize("field", [each.name for each in dataclasses.fields(Tuning)])
def test_every_knob_says_what_it_does(field: str) -> None:
    """Behind each field of Tuning stands a docstring of its own."""
    source = (ROOT / "src" / "caesura" / "client" / "plan.py").read_text()
    assert re.search(rf'^    {field}: .*\n    """.+"""$', source, re.MULTILINE), field


def test_all_links_of_the_docs_lead_to_files() -> None:
    for page in [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").glob("*.md"),
        ROOT / "examples/README.md",
    ]:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_table_of_parameters_is_made_of_the_rows_that_read_them() -> None:
    source = runpy.run_path(str(ROOT / "docs" / "parameters.py"))
    assert (ROOT / "docs" / "parameters.md").read_text() == source["page"](), "run: python docs/parameters.py"
