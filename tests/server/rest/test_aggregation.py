"""Sums by day and group, with filters that the database cannot apply."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from fastapi import HTTPException

from caesura.ledger.database import open_ledger
from caesura.ledger.requests import RequestFilter, save_requests
from caesura.ledger.usage import Grouping, UsageRow, sum_usage
from caesura.server.rest import aggregation as module
from caesura.server.rest.aggregation import aggregate, days
from tests.ledger.rows import NOW, ended

EVERYTHING = RequestFilter()


def summed(path: Path, **asked: object) -> list[UsageRow]:
    with open_ledger(str(path / "ledger.db"), now=NOW) as ledger:
        with ledger.writing() as connection:
            save_requests(
                connection,
                [
                    ended(1, tags=("a", "b"), features=("diarize",)),
                    ended(2, tags=("b",), features=()),
                    ended(3, tags=(), features=("diarize", "punctuate")),
                ],
            )
        with ledger.reading() as connection:
            return aggregate(connection, EVERYTHING, **asked)  # type: ignore[arg-type]


def test_rows_that_only_a_filter_separated_are_merged(tmp_path: Path) -> None:
    (row,) = summed(tmp_path, tag="b")
    assert (row.totals.requests, row.totals.audio_seconds, row.tags, row.feature_set) == (2, 60.0, None, None)


def test_requested_groups_stay_separate(tmp_path: Path) -> None:
    rows = summed(tmp_path, by={Grouping.TAGS}, tag="b", features={"punctuate": False})
    assert [(row.tags, row.feature_set, row.totals.requests) for row in rows] == [
        (("a", "b"), None, 1),
        (("b",), None, 1),
    ]


def test_without_filters_it_is_what_the_ledger_sums(tmp_path: Path) -> None:
    rows = summed(tmp_path, by={Grouping.METHOD})
    with open_ledger(str(tmp_path / "ledger.db"), now=NOW) as ledger, ledger.reading() as connection:
        assert rows == sum_usage(connection, EVERYTHING, by={Grouping.METHOD}, by_day=True)


def test_so_many_groups_are_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_GROUPED_REQUESTS", 2)
    assert len(summed(tmp_path, by={Grouping.METHOD})) == 1
    with pytest.raises(HTTPException) as refused:
        summed(tmp_path, by={Grouping.TAGS})
    assert refused.value.status_code == 400


def test_the_days_of_a_range_are_requested_or_found(tmp_path: Path) -> None:
    rows, today = summed(tmp_path), date(2026, 12, 1)
    assert days(rows, None, None, today=today) == (date(2026, 11, 22), today)
    assert days([], None, None, today=today) == (today, today)
    start, end = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC)
    assert days(rows, start, end, today=today) == (date(2026, 11, 1), date(2026, 11, 2))
