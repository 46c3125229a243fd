"""What went wrong in; one sentence on stderr and an exit code out."""

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
    """Print `sentence` in red on stderr and leave with `code`."""
    Console(stderr=True, soft_wrap=True).print(Text(sentence, style="red"))
    raise typer.Exit(code)


@contextmanager
def report_errors() -> Iterator[None]:
    """Inside, an error that we raised on purpose ends the command: 2 when its caller is to blame, 1 otherwise."""
    try:
        yield
    except UsageError as error:
        fail(str(error), MISUSED)
    except CaesuraError as error:
        fail(str(error))


@contextmanager
def require_server_extra() -> Iterator[None]:
    """Inside, a package of the server extra that is not installed ends the command with what to do."""
    try:
        yield
    except ModuleNotFoundError as missing:
        if (missing.name or "").split(".")[0] == "caesura":
            raise
        fail(f"This needs the server's packages: {install_command('server')}  ({missing.name} was not found)", MISUSED)
