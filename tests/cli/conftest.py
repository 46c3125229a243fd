"""The command line is built once for all tests that call it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
from typer.main import get_command


@pytest.fixture(scope="session", autouse=True)
def _command_line_built_once() -> Iterator[None]:
    """Spare each call of a CliRunner 50 ms: Typer would read the signatures of all commands again."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("typer.testing._get_command", cache(get_command))
        yield
