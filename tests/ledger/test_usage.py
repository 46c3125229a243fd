"""Usage of requests, summed by every grouping."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from caesura.ledger.database import Ledger
from caesura.ledger.requests import Method, Outcome, RequestFilter, save_requests
from caesura.ledger.usage import Grouping, Totals, UsageFields, UsageRow, sum_usage, usage_fields
from tests.example_count import examples
from tests.ledger.rows import NOW, ended, opened

DAY_S = 86_400
ONE = Totals(1, 0, 30.0, 30.0, 60.0, 20.0, 0.0024, 0.0016)


@pytest.fixture
def used(ledger: Ledger) -> Ledger:
    with ledger.writing() as connection:
        save_requests(
            connection,
            [
                ended(0),
                ended(1, tags=("call",), method=Method.SYNC, outcome=Outcome.FAILED),
                ended(DAY_S, api_key_id=None, features=(), model_name="other", model_uuid="m2", tags=()),
                opened(2),
            ],
        )
    return ledger


def sums(ledger: Ledger, *by: Grouping, by_day: bool = False, **wanted: object) -> list[UsageRow]:
    with ledger.reading() as connection:
        return sum_usage(connection, RequestFilter(**wanted), by=by, by_day=by_day)  # type: ignore[arg-type]


def test_without_groups_it_is_one_row_of_all_that_ended(used: Ledger) -> None:
    (row,) = sums(used)
    assert row == UsageRow(Totals(3, 1, 90.0, 90.0, 180.0, 60.0, 0.0072, 0.0048))


def test_nothing_sums_to_nothing(ledger: Ledger) -> None:
    assert sums(ledger) == [UsageRow(Totals())]
    assert sums(ledger, by_day=True) == []


def test_days_are_those_of_utc_and_come_in_their_order(used: Ledger) -> None:
    assert [(row.day, row.totals.requests) for row in sums(used, by_day=True)] == [
        (date(2026, 11, 22), 2),
        (date(2026, 11, 23), 1),
    ]


@pytest.mark.parametrize(
    ("grouping", "fields", "groups"),
    [
        (Grouping.ACCESSOR, ("accessor",), {("11111111-0000-4000-8000-000000000001",): 2, (None,): 1}),
        (Grouping.ENDPOINT, ("endpoint",), {("listen",): 3}),
        (Grouping.FEATURE_SET, ("feature_set",), {(("interim_results", "punctuate"),): 2, ((),): 1}),
        (
            Grouping.MODELS,
            ("model_name", "model_uuid"),
            {("scripted", "33333333-0000-4000-8000-000000000001"): 2, ("other", "m2"): 1},
        ),
        (Grouping.METHOD, ("method",), {("streaming",): 2, ("sync",): 1}),
        (Grouping.TAGS, ("tags",), {(("night", "call"),): 1, (("call",),): 1, ((),): 1}),
        (Grouping.DEPLOYMENT, ("deployment",), {("self-hosted",): 3}),
    ],
)
def test_each_grouping_makes_its_rows(
    used: Ledger, grouping: Grouping, fields: tuple[str, ...], groups: dict[tuple[object, ...], int]
) -> None:
    rows = sums(used, grouping)
    assert {tuple(getattr(row, field) for field in fields): row.totals.requests for row in rows} == groups


def test_groupings_and_days_and_filters_go_together(used: Ledger) -> None:
    rows = sums(used, Grouping.METHOD, Grouping.ACCESSOR, by_day=True, end=NOW + timedelta(seconds=1))
    assert rows == [
        UsageRow(ONE, day=date(2026, 11, 22), accessor="11111111-0000-4000-8000-000000000001", method="streaming")
    ]


@settings(examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    days=st.lists(st.integers(0, 4), max_size=10),
    by=st.sets(st.sampled_from(Grouping), max_size=3),
    by_day=st.booleans(),
)
def test_however_it_is_grouped_the_rows_add_up_to_the_whole(
    ledger: Ledger, days: list[int], by: set[Grouping], by_day: bool
) -> None:
    with ledger.writing() as connection:
        connection.exec_driver_sql("DELETE FROM requests")
        records = [
            ended(number, created=NOW + timedelta(days=day), method=list(Method)[day % 3], tags=("x",) * (number % 2))
            for number, day in enumerate(days)
        ]
        save_requests(connection, records)
    whole = Totals()
    for row in sums(ledger, *by, by_day=by_day):
        whole += row.totals
    assert whole.requests == len(days)
    assert whole.audio_seconds == pytest.approx(30 * len(days))
    assert whole.usd == pytest.approx(0.0024 * len(days))


def test_values_that_occur_are_reported_once_and_sorted(used: Ledger) -> None:
    with used.reading() as connection:
        assert usage_fields(connection, RequestFilter()) == UsageFields(
            tags=("call", "night"),
            models=(("other", "m2"), ("scripted", "33333333-0000-4000-8000-000000000001")),
            methods=("streaming", "sync"),
            features=("interim_results", "punctuate"),
        )
        assert usage_fields(connection, RequestFilter(method=Method.SYNC)).tags == ("call",)
