"""The command and its help."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from caesura import __version__
from caesura.cli.main import app

runner = CliRunner()


def test_the_version_is_that_of_the_package() -> None:
    assert runner.invoke(app, ["--version"]).stdout == f"caesura {__version__}\n"


def test_without_arguments_the_help_names_every_command() -> None:
    shown = runner.invoke(app, []).output
    assert all(name in shown for name in ("serve", "listen", "demo", "doctor"))


def options() -> list[tuple[str, str, object]]:
    """Every flag of every command with its variable."""
    commands = get_command(app).commands  # type: ignore[attr-defined]
    return [
        (name, parameter.opts[0], parameter.envvar)
        for name, command in commands.items()
        for parameter in command.params
        if parameter.param_type_name == "option"
    ]


NAMED_OTHERWISE = {("serve", "--key"): "CAESURA_STATIC_KEYS"}
"""CAESURA_KEY is the key that clients present: a server must not take it for one to let in."""


def test_every_flag_is_also_a_variable() -> None:
    found = options()
    assert len(found) > 30
    usual = {(command, flag): "CAESURA_" + flag.lstrip("-").replace("-", "_").upper() for command, flag, _ in found}
    assert {(command, flag): variable for command, flag, variable in found} == usual | NAMED_OTHERWISE


@pytest.mark.parametrize("command", ["serve", "listen", "demo", "doctor"])
def test_help_does_not_show_what_a_key_variable_holds(command: str) -> None:
    env = {"CAESURA_KEY": "very-secret", "CAESURA_STATIC_KEYS": "very-secret"}
    shown = runner.invoke(app, [command, "--help"], env=env)
    assert shown.exit_code == 0
    assert "very-secret" not in shown.output


def test_python_m_runs_the_same_command() -> None:
    shown = subprocess.run([sys.executable, "-m", "caesura", "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout == f"caesura {__version__}\n"
