"""`caesura usage`: totals, what they would have cost, bars."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from caesura.cli.main import app
from caesura.cli.usage import dollars, length
from caesura.ledger import keys, projects
from caesura.ledger.database import open_ledger
from caesura.ledger.requests import save_requests
from tests.ledger.fresh import fresh_ledger
from tests.ledger.rows import ended, opened

runner = CliRunner()
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)


@pytest.fixture
def database(tmp_path: Path) -> str:
    """A stream yesterday and one the day before, each of an hour of audio and half an hour of pause; one is open."""
    path = tmp_path / "ledger.db"
    with fresh_ledger(path, NOON) as ledger, ledger.writing() as connection:
        key = keys.create_key(connection, project_id=projects.DEFAULT_PROJECT_ID, now=NOON, comment="phone [x]").key
        acme = projects.create_project(connection, "acme", now=NOON)
        hour = {"audio_seconds": 3600.0, "paused_seconds": 1800.0, "usd": 0.288, "saved_usd": 0.144}
        save_requests(
            connection,
            [
                ended(0, created=NOON, api_key_id=key.api_key_id, **hour),
                ended(
                    1, created=NOON - timedelta(days=1), api_key_id=None, tags=(), project_id=acme.project_id, **hour
                ),
                opened(2, created=NOON),
            ],
        )
    return str(path)


def usage(database: str, *arguments: str) -> Result:
    return runner.invoke(app, ["usage", "--database", database, *arguments], env={"COLUMNS": "100"})


def test_the_table_sums_up_and_the_last_line_says_what_it_means(database: str) -> None:
    shown = usage(database).stdout
    assert f"{NOON:%Y-%m-%d}" in shown
    assert " ".join(next(line for line in shown.splitlines() if line.startswith("all")).split()) == (
        "all 2 0 2h00m 1h00m $0.5760 $0.2880"
    )
    assert "would have cost $0.5760; had silence been sent instead of pausing, another $0.2880." in " ".join(
        shown.split()
    )
    bars = [line for line in shown.splitlines() if "1h00m + 30m00s" in line]
    assert len(bars) == 2
    assert all("█" * 27 + "░" * 13 in bar for bar in bars)


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("key", ["(no key)", "phone [x]"]),
        ("model", ["scripted"]),
        ("tag", ["(no tag)", "call", "night"]),
        ("day", [f"{NOON:%Y-%m-%d}", f"{NOON - timedelta(days=1):%Y-%m-%d}"]),
    ],
)
def test_rows_can_be_grouped_by(database: str, by: str, names: list[str]) -> None:
    shown = usage(database, "--by", by).stdout
    assert all(name in shown for name in names)
    groups = json.loads(usage(database, "--by", by, "--json").stdout)["groups"]
    assert len(groups) == len(names)


def test_json_has_totals_groups_days_and_the_prices_of_when(database: str) -> None:
    shown = json.loads(usage(database, "--json").stdout)
    assert shown["totals"] == {
        "requests": 2,
        "failed": 0,
        "audio_seconds": 7200.0,
        "billed_seconds": 60.0,
        "connection_seconds": 120.0,
        "paused_seconds": 3600.0,
        "usd": 0.576,
        "saved_usd": 0.288,
    }
    assert [row["day"] for row in shown["days"]] == [f"{NOON - timedelta(days=1):%Y-%m-%d}", f"{NOON:%Y-%m-%d}"]
    assert shown["prices"]["date"] == "2026-08-01"


def test_it_can_be_that_of_one_project_and_of_a_time(database: str) -> None:
    assert json.loads(usage(database, "--json", "--project", "acme").stdout)["totals"]["requests"] == 1
    since = f"{NOON:%Y-%m-%dT%H:%M:%SZ}"
    assert json.loads(usage(database, "--json", "--since", since).stdout)["totals"]["requests"] == 1
    assert usage(database, "--project", "nobody").exit_code == 2


def test_a_tag_does_nothing_to_the_terminal(database: str) -> None:
    with open_ledger(database, now=NOON) as ledger, ledger.writing() as connection:
        save_requests(connection, [ended(7, created=NOON, tags=("\x1b]0;owned\x07[red]",))])
    shown = usage(database, "--by", "tag").stdout
    assert "\x1b" not in shown
    assert "]0;owned\ufffd[red]" in shown


def test_without_usage_only_a_note_is_printed(database: str) -> None:
    assert usage(database, "--since", "1s").stdout.startswith("Nothing was used since ")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.4, "59s"), (59.6, "1m00s"), (187, "3m07s"), (3599.9, "1h00m"), (18_120, "5h02m")],
)
def test_lengths_are_printed_in_short_form(seconds: float, text: str) -> None:
    assert length(seconds) == text


@pytest.mark.parametrize(("usd", "text"), [(0, "$0.00"), (0.00244, "$0.0024"), (1.005, "$1.00"), (1234.5, "$1234.50")])
def test_amounts_below_a_dollar_show_fractions_of_a_cent(usd: float, text: str) -> None:
    assert dollars(usd) == text
