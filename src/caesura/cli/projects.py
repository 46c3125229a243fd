"""`caesura projects`: makes and lists projects, limits their use, gives them credit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from caesura.cli.database import DatabaseFlag, JsonFlag, ledger_at, named_project, wall_clock
from caesura.cli.escape import escape_control
from caesura.cli.numbers import whole
from caesura.cli.usage import dollars

if TYPE_CHECKING:
    from caesura.ledger.projects import Project

projects_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Make and list projects, limit their use, give them credit.",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name or id of the project.")]


@projects_app.command(short_help="Make a project.")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the project.")],
    as_json: JsonFlag = False,
    database: DatabaseFlag = None,
) -> None:
    """Make a project, with keys, requests and credits of its own; prints its id."""
    with ledger_at(database, create=True) as ledger:
        from caesura.ledger import projects

        with ledger.writing() as connection:
            made = projects.create_project(connection, name, now=wall_clock())
    typer.echo(json.dumps(_plain(made)) if as_json else made.project_id)


@projects_app.command("list", short_help="List the projects.")
def list_(as_json: JsonFlag = False, database: DatabaseFlag = None) -> None:
    """List the projects, with their open requests, limits, spending and credit."""
    with ledger_at(database) as ledger:
        from caesura.ledger import projects, servers

        with ledger.reading() as connection:
            found = projects.list_projects(connection)
            open_requests = servers.open_requests(connection, now=wall_clock())
    if as_json:
        plain = [_plain(project) | {"open": open_requests.get(project.project_id, 0)} for project in found]
        typer.echo(json.dumps(plain, indent=2))
    else:
        _print(found, open_requests)


@projects_app.command("set", short_help="Set the limits of a project.")
def set_(
    name: Name,
    streams: Annotated[
        int | None,
        typer.Option(
            envvar="CAESURA_STREAMS",
            parser=whole(0),
            metavar="COUNT",
            show_default=False,
            help="Requests at once over all servers of the ledger, more are refused with 429; 0: no limit.",
        ),
    ] = None,
    obey_credits: Annotated[
        bool | None,
        typer.Option(
            "--obey-credits/--ignore-credits",
            envvar="CAESURA_OBEY_CREDITS",
            show_default=False,
            help="Whether requests are refused with 402 once its credit is used up.",
        ),
    ] = None,
    database: DatabaseFlag = None,
) -> None:
    """Set the limits of a project. Those that are not given stay as they are."""
    with ledger_at(database) as ledger:
        from caesura.ledger import projects

        with ledger.writing() as connection:
            project = named_project(connection, name)
            assert project is not None
            if streams is not None:
                projects.limit_project(connection, project.project_id, streams or None)
            if obey_credits is not None:
                projects.obey_credits(connection, project.project_id, obey_credits)


@projects_app.command(short_help="Give a project credit.")
def credit(
    name: Name,
    usd: Annotated[float, typer.Argument(metavar="USD", help="How much, in US dollars.")],
    note: Annotated[str, typer.Option(envvar="CAESURA_NOTE", metavar="TEXT", help="What it is for.")] = "",
    database: DatabaseFlag = None,
) -> None:
    """Give a project credit, from which the list price of its requests is deducted; prints the id of the balance."""
    with ledger_at(database) as ledger:
        from caesura.ledger.balances import add_credit

        with ledger.writing() as connection:
            project = named_project(connection, name)
            assert project is not None
            balance_id = add_credit(connection, project.project_id, usd, now=wall_clock(), note=note)
    typer.echo(balance_id)


def _plain(project: Project) -> dict[str, object]:
    from caesura.rfc3339 import rfc3339

    return asdict(project) | {"created": rfc3339(project.created)}


def _print(found: list[Project], open_requests: Mapping[str, int]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("id", no_wrap=True)
    table.add_column("name", overflow="fold")
    for column in ("open", "spent", "credit left"):
        table.add_column(column, justify="right", no_wrap=True)
    for project in found:
        left = dollars(max(project.credits_usd - project.spent_usd, 0.0))
        credit_left = left if project.obeys_credits else f"{left} (ignored)"
        limit = "" if project.concurrency_limit is None else f" of {project.concurrency_limit}"
        table.add_row(
            project.project_id,
            Text(escape_control(project.name)),
            f"{open_requests.get(project.project_id, 0)}{limit}",
            dollars(project.spent_usd),
            credit_left,
        )
    Console(highlight=False).print(table)
