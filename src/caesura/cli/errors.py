"""Turns errors into one sentence on stderr and an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from rich.console import Console
from rich.text import Text

from caesura.distribution import install_command
from caesura.errors import CaesuraError, UsageError

FAILED = 1
MISUSED = 2


def fail(sentence: str, code: int = FAILED) -> NoReturn:
    """Print `sentence` in red on stderr and exit with `code`."""
    Console(stderr=True, soft_wrap=True).print(Text(sentence, style="red"))
    raise typer.Exit(code)


@contextmanager
def report_errors() -> Iterator[None]:
    """Context in which a CaesuraError ends the command: with exit code 2 for a UsageError, else 1."""
    try:
        yield
    except UsageError as error:
        fail(str(error), MISUSED)
    except CaesuraError as error:
        fail(str(error))


@contextmanager
def require_server_extra() -> Iterator[None]:
    """Context in which a missing package of the server extra ends the command with what to install."""
    try:
        yield
    except ModuleNotFoundError as missing:
        if (missing.name or "").split(".")[0] == "caesura":
            raise
        fail(f"This needs the server's packages: {install_command('server')}  ({missing.name} was not found)", MISUSED)
