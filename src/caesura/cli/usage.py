"""`caesura usage`: what was used, what it would have cost at list price, and what pauses saved."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from caesura.cli.bars import Day, draw_days
from caesura.cli.database import DatabaseFlag, JsonFlag, ProjectFlag, ledger_at, named_project, wall_clock
from caesura.cli.escape import escape_control
from caesura.cli.time_args import time_before

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from caesura.ledger.requests import RequestFilter
    from caesura.ledger.usage import Totals

BAR_WIDTH = 40
NO_KEY = "(no key)"
NO_TAG = "(no tag)"


class By(StrEnum):
    """Groupings of the table."""

    DAY = "day"
    KEY = "key"
    MODEL = "model"
    TAG = "tag"


def usage(
    project: ProjectFlag = None,
    since: Annotated[
        str,
        typer.Option(envvar="CAESURA_SINCE", metavar="WHEN", help="30d, 12h, or a moment: 2026-12-01."),
    ] = "30d",
    by: Annotated[By, typer.Option(envvar="CAESURA_BY", help="Grouping of the rows.")] = By.DAY,
    as_json: JsonFlag = False,
    database: DatabaseFlag = None,
) -> None:
    """Show usage: audio, pauses, what it would have cost at Deepgram's list price, and what pausing saved.

    Open requests are not included. Days are in UTC.
    """
    now = wall_clock()
    with ledger_at(database) as ledger:
        from caesura.ledger.requests import RequestFilter
        from caesura.ledger.usage import sum_usage

        start = time_before(since, now)
        with ledger.reading() as connection:
            in_project = named_project(connection, project)
            criteria = RequestFilter(start=start, project_id=None if in_project is None else in_project.project_id)
            (whole,) = sum_usage(connection, criteria)
            groups = _groups(connection, criteria, by)
            days = {row.day: row.totals for row in sum_usage(connection, criteria, by_day=True) if row.day is not None}
    if as_json:
        typer.echo(json.dumps(_plain(start, now, by, whole.totals, groups, days), indent=2))
    elif whole.totals.requests == 0:
        Console().print(Text(f"Nothing was used since {start:%Y-%m-%d %H:%M} UTC.", style="dim"))
    else:
        _print(Console(highlight=False), by, whole.totals, groups, days)


def _groups(connection: Connection, criteria: RequestFilter, by: By) -> list[tuple[str, Totals]]:
    """Names of groups with their totals: days in order, other groups by cost, highest first."""
    from caesura.ledger.keys import list_keys
    from caesura.ledger.usage import Grouping, sum_usage

    match by:
        case By.DAY:
            return [(str(row.day), row.totals) for row in sum_usage(connection, criteria, by_day=True)]
        case By.KEY:
            names = {key.api_key_id: f"{key.api_key_id} {key.comment}".strip() for key in list_keys(connection)}
            rows = sum_usage(connection, criteria, by=[Grouping.ACCESSOR])
            found = [(names.get(row.accessor or "", row.accessor or NO_KEY), row.totals) for row in rows]
        case By.MODEL:
            rows = sum_usage(connection, criteria, by=[Grouping.MODELS])
            found = [(row.model_name or "", row.totals) for row in rows]
        case By.TAG:
            rows = sum_usage(connection, criteria, by=[Grouping.TAGS])
            found = [(tag, row.totals) for row in rows for tag in row.tags or (NO_TAG,)]
    return sorted(_merged(found), key=lambda each: (-each[1].usd, each[0]))


def _merged(found: Iterable[tuple[str, Totals]]) -> list[tuple[str, Totals]]:
    sums: dict[str, Totals] = {}
    for name, totals in found:
        sums[name] = sums[name] + totals if name in sums else totals
    return list(sums.items())


def _plain(
    start: datetime,
    end: datetime,
    by: By,
    whole: Totals,
    groups: list[tuple[str, Totals]],
    days: dict[date, Totals],
) -> dict[str, Any]:
    from caesura.ledger.prices import list_prices
    from caesura.rfc3339 import rfc3339

    prices = list_prices()
    return {
        "start": rfc3339(start),
        "end": rfc3339(end),
        "totals": asdict(whole),
        "by": by.value,
        "groups": [{by.value: name, **asdict(totals)} for name, totals in groups],
        "days": [{"day": str(day), **asdict(totals)} for day, totals in days.items()],
        "prices": {"date": prices.date, "source": prices.source},
    }


def _print(console: Console, by: By, whole: Totals, groups: list[tuple[str, Totals]], days: dict[date, Totals]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold", show_footer=True, footer_style="bold")
    table.add_column(by.value, "all", overflow="fold")
    for name, foot in zip(
        ("requests", "failed", "audio", "paused", "would have cost", "saved"), _cells(whole), strict=True
    ):
        table.add_column(name, foot, justify="right", no_wrap=True)
    for name, totals in groups:
        table.add_row(Text(escape_control(name)), *_cells(totals))
    console.print(table)
    if by is By.TAG:
        console.print(Text("A request with several tags is in the row of each.", style="dim"))
    console.print()
    _print_bars(console, days)
    console.print(
        Text(
            f"\nAt Deepgram's list price this would have cost {dollars(whole.usd)}; had silence been sent instead of "
            f"pausing, another {dollars(whole.saved_usd)}."
        )
    )


def _print_bars(console: Console, days: dict[date, Totals]) -> None:
    used = {day: Day(totals.audio_seconds, totals.paused_seconds) for day, totals in days.items()}
    ascii_only = not console.encoding.lower().startswith("utf")
    for bar in draw_days(used, width=BAR_WIDTH, ascii_only=ascii_only):
        row = Text(f"{bar.day}  ")
        row.append(bar.audio, "green").append(bar.paused, "yellow")
        row.append(" " * (BAR_WIDTH + 1 - len(bar.audio) - len(bar.paused)))
        console.print(row.append(f"{length(bar.value.audio)} + {length(bar.value.paused)}", "dim"), no_wrap=True)
    sent, held = ("#", ".") if ascii_only else ("█", "░")
    legend = Text(" " * 12).append(sent, "green").append(" audio  ").append(held, "yellow").append(" paused")
    console.print(legend)


def _cells(totals: Totals) -> tuple[str, ...]:
    return (
        str(totals.requests),
        str(totals.failed),
        length(totals.audio_seconds),
        length(totals.paused_seconds),
        dollars(totals.usd),
        dollars(totals.saved_usd),
    )


def length(seconds: float) -> str:
    """A duration in short form: `42s`, `3m07s`, `5h02m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"


def dollars(usd: float) -> str:
    """US dollars with cents, or with fractions of a cent below one dollar."""
    return f"${usd:.2f}" if usd >= 1 or usd == 0 else f"${usd:.4f}"
