"""The `--database` flag: where the ledger is, and opening it for a command."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from caesura.cli.errors import report_errors, require_server_extra
from caesura.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from caesura.ledger.database import Ledger
    from caesura.ledger.projects import Project

DatabaseFlag = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="CAESURA_DATABASE",
        metavar="URL",
        show_default=False,
        help="Ledger of keys and usage: a path, sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME; put one with a "
        "password into the variable. Left out, a file in your data directory.",
    ),
]
ProjectFlag = Annotated[
    str | None,
    typer.Option("--project", envvar="CAESURA_PROJECT", metavar="NAME", help="Name or id of the project."),
]
JsonFlag = Annotated[bool, typer.Option("--json", envvar="CAESURA_JSON", help="Print JSON instead of a table.")]


def default_database() -> str:
    """Path of the ledger by default: in the user's data directory of this system."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        # The XDG specification requires that relative paths are ignored.
        given = Path(os.environ.get("XDG_DATA_HOME", ""))
        base = given if given.is_absolute() else Path.home() / ".local" / "share"
    return str(base / "caesura" / "ledger.db")


@contextmanager
def ledger_at(database: str | None, *, create: bool = False) -> Iterator[Ledger]:
    """Context with the open ledger; errors inside end the command with one sentence."""
    with require_server_extra():
        from caesura.ledger.database import open_ledger
    with (
        report_errors(),
        open_ledger(database or default_database(), now=wall_clock(), create=create) as ledger,
    ):
        yield ledger


def named_project(connection: Connection, name: str | None) -> Project | None:
    """The project with the name or id `named`; None if none is given. Raises UsageError when it does not exist."""
    from caesura.ledger.projects import find_project, list_projects

    if name is None:
        return None
    project = find_project(connection, name)
    if project is None:
        known = ", ".join(sorted(each.name for each in list_projects(connection)))
        raise UsageError(f"there is no project {name!r}: give one of {known}")
    return project


def wall_clock() -> datetime:
    """The current time in UTC."""
    return datetime.now(UTC)
