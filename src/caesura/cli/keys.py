"""`caesura keys`: makes, lists and revokes API keys."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from caesura.cli.database import DatabaseFlag, JsonFlag, ProjectFlag, ledger_at, named_project, wall_clock
from caesura.cli.errors import fail
from caesura.cli.escape import escape_control
from caesura.cli.time_args import time_after

if TYPE_CHECKING:
    from datetime import datetime

    from caesura.ledger.keys import Key

FIRST_KEY = "This is the first key: from now on every request needs one, on this machine too."

keys_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Make, list and revoke API keys.\n\nA running server applies changes within a second.",
)


@keys_app.command(short_help="Make a key and show it once.")
def create(
    project: ProjectFlag = None,
    comment: Annotated[str, typer.Option(envvar="CAESURA_COMMENT", metavar="TEXT", help="What it is for.")] = "",
    scope: Annotated[
        list[str] | None,
        typer.Option(
            envvar="CAESURA_SCOPE",
            metavar="SCOPE",
            show_default=False,
            help="What it may do; may be given again: a role (member, admin, owner), or single ones such as "
            "usage:write, to transcribe. Left out: member.",
        ),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            envvar="CAESURA_TAG",
            metavar="TAG",
            show_default=False,
            help="Tag of each of its requests; may be given again.",
        ),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            envvar="CAESURA_EXPIRES", metavar="WHEN", show_default=False, help="30d, 12h, or a moment: 2026-12-31."
        ),
    ] = None,
    as_json: JsonFlag = False,
    database: DatabaseFlag = None,
) -> None:
    """Make a key in a project, which is made if it does not exist. The secret is shown only once."""
    now = wall_clock()
    with ledger_at(database, create=True) as ledger:
        from caesura.ledger import keys, projects
        from caesura.ledger.scopes import DEFAULT

        end = None if expires is None else time_after(expires, now)
        with ledger.writing() as connection:
            name = project or projects.DEFAULT_PROJECT_ID
            in_project = projects.find_project(connection, name)
            if in_project is None:
                in_project = projects.create_project(connection, name, now=now)
                _note(f"There was no project {name!r}, so it was created.")
            first = not keys.any_keys(connection)
            made = keys.create_key(
                connection,
                project_id=in_project.project_id,
                now=now,
                comment=comment,
                scopes=scope or DEFAULT,
                tags=tag or (),
                expires=end,
            )
    if as_json:
        shown = {"key": made.secret, "api_key_id": made.key.api_key_id, "project_id": made.key.project_id}
        typer.echo(json.dumps(shown))
    else:
        typer.echo(made.secret)
        _note(f"Its id is {made.key.api_key_id}. Keep the key now: it cannot be shown again.")
    if first:
        _note(FIRST_KEY)


@keys_app.command("list", short_help="List the keys.")
def list_(project: ProjectFlag = None, as_json: JsonFlag = False, database: DatabaseFlag = None) -> None:
    """List the keys, revoked and expired ones too; never their secrets."""
    now = wall_clock()
    with ledger_at(database) as ledger:
        from caesura.ledger import keys, projects

        with ledger.reading() as connection:
            in_project = named_project(connection, project)
            found = keys.list_keys(connection, None if in_project is None else in_project.project_id)
            names = {each.project_id: each.name for each in projects.list_projects(connection)}
    if as_json:
        typer.echo(json.dumps([_plain(key, now) for key in found], indent=2))
    else:
        _print(found, names, now)


@keys_app.command(short_help="Revoke a key.")
def revoke(
    api_key_id: Annotated[str, typer.Argument(metavar="ID", help="The id of the key, not its secret.")],
    database: DatabaseFlag = None,
) -> None:
    """Revoke a key and its tokens; streams that it opened are closed."""
    with ledger_at(database) as ledger:
        from caesura.ledger import keys

        with ledger.writing() as connection:
            known = keys.find_key(connection, api_key_id)
            changed = keys.revoke_key(connection, api_key_id, now=wall_clock())
    if known is None:
        fail(f"There is no key with the id {api_key_id}: see `caesura keys list`.")
    _note(f"Revoked {api_key_id}." if changed else f"{api_key_id} was revoked before.")


def _note(sentence: str) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False).print(Text(sentence))


def _state(key: Key, now: datetime) -> str:
    if key.revoked is not None:
        return "revoked"
    return "active" if key.is_valid(now) else "expired"


def _plain(key: Key, now: datetime) -> dict[str, Any]:
    shown = {name: value for name, value in asdict(key).items() if name != "digest"}
    return shown | {
        "created": _moment(key.created),
        "expires": _moment(key.expires),
        "revoked": _moment(key.revoked),
        "state": _state(key, now),
    }


def _moment(moment: datetime | None) -> str | None:
    from caesura.rfc3339 import rfc3339

    return None if moment is None else rfc3339(moment)


def _print(found: list[Key], names: dict[str, str], now: datetime) -> None:
    console = Console(highlight=False, soft_wrap=True)
    if not found:
        console.print(Text("There are no keys.", style="dim"))
    for key in found:
        state = _state(key, now)
        head = Text(f"{key.api_key_id}  ").append(f"{state:<7}", "green" if state == "active" else "dim")
        project = escape_control(names.get(key.project_id, "(deleted)"))
        console.print(head.append(f"  {project}: {' '.join(key.scopes)}"))
        end = "never expires" if key.expires is None else f"expires {key.expires:%Y-%m-%d %H:%M} UTC"
        facts = [
            f"made {key.created:%Y-%m-%d}",
            end,
            *([f"tags {' '.join(key.tags)}"] if key.tags else []),
            key.comment,
        ]
        console.print(Text("    " + escape_control(", ".join(fact for fact in facts if fact)), style="dim"))
