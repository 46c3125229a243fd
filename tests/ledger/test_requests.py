"""Rows of requests: written, replaced, filtered, paged."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from caesura.errors import LedgerError, UsageError
from caesura.ledger.database import Ledger
from caesura.ledger.projects import list_projects
from caesura.ledger.requests import (
    Method,
    Outcome,
    RequestFilter,
    RequestRecord,
    RequestStatus,
    callback_origin,
    count_requests,
    find_request,
    find_requests,
    save_requests,
)
from tests.example_count import examples
from tests.ledger.rows import NOW, ended, opened


def save(ledger: Ledger, *records: RequestRecord) -> None:
    with ledger.writing() as connection:
        save_requests(connection, records)


def find(ledger: Ledger, limit: int = 10, page: int = 0, **wanted: Any) -> list[RequestRecord]:
    with ledger.reading() as connection:
        return find_requests(connection, RequestFilter(**wanted), limit=limit, page=page)


def test_a_row_is_read_back_as_it_was_written(ledger: Ledger) -> None:
    record = ended(close_code=1011, close_reason="NET-0001", callback="https://example.com", config={"n": 1, "a": None})
    save(ledger, record)
    assert find(ledger) == [record]


def test_the_end_replaces_the_beginning(ledger: Ledger) -> None:
    save(ledger, opened())
    save(ledger, ended())
    assert find(ledger) == [ended()]


def test_a_late_beginning_does_not_replace_the_end(ledger: Ledger) -> None:
    save(ledger, ended())
    save(ledger, opened())
    assert find(ledger) == [ended()]


def test_an_end_replaces_an_interruption_that_was_only_supposed(ledger: Ledger) -> None:
    save(ledger, opened(outcome=Outcome.INTERRUPTED, completed=NOW))
    save(ledger, ended())
    assert find(ledger) == [ended()]


def test_writing_no_rows_is_not_an_error(ledger: Ledger) -> None:
    save(ledger)
    assert find(ledger) == []


def test_text_that_a_database_rejects_is_stored_with_replacements(ledger: Ledger) -> None:
    save(ledger, ended(path="/v1/\0listen", close_reason="\ud800x", tags=("\0", "\udfff", "\u00e9")))
    (found,) = find(ledger)
    assert (found.path, found.close_reason) == ("/v1/\ufffdlisten", "\ufffdx")
    assert found.tags == ("\0", "\udfff", "\u00e9")


def test_dollars_are_kept_to_the_nanodollar(ledger: Ledger) -> None:
    save(ledger, ended(usd=0.000000123, saved_usd=1234.5))
    (found,) = find(ledger)
    assert (found.usd, found.saved_usd) == (0.000000123, 1234.5)


def test_a_row_of_a_nonexistent_project_is_rejected_permanently(ledger: Ledger) -> None:
    with pytest.raises(LedgerError) as refused:
        save(ledger, ended(project_id="nobody"))
    assert not refused.value.transient
    assert "960000" not in str(refused.value)


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({}, [4, 3, 2, 1, 0]),
        ({"start": NOW + timedelta(seconds=2)}, [4, 3, 2]),
        ({"end": NOW + timedelta(seconds=2)}, [1, 0]),
        ({"start": NOW + timedelta(seconds=1), "end": NOW + timedelta(seconds=3)}, [2, 1]),
        ({"accessor": "other"}, [3]),
        ({"request_id": opened(2).request_id}, [2]),
        ({"endpoint": "listen"}, [4, 3, 2, 1, 0]),
        ({"endpoint": "speak"}, []),
        ({"method": Method.SYNC}, [1]),
        ({"deployment": "hosted"}, []),
        ({"status": RequestStatus.SUCCEEDED}, [1, 0]),
        ({"status": RequestStatus.FAILED}, [3, 2]),
        ({"model": "scripted"}, [4, 3, 2, 1, 0]),
        ({"model": "33333333-0000-4000-8000-000000000001"}, [4, 3, 2, 1, 0]),
        ({"model": "nova-3"}, []),
        ({"project_id": "nobody"}, []),
        ({"accessor": "\0"}, []),
        ({"endpoint": "\ud800"}, []),
        ({"method": Method.STREAMING, "status": RequestStatus.SUCCEEDED}, [0]),
    ],
)
def test_a_filter_returns_matching_requests_the_newest_first(
    ledger: Ledger, wanted: dict[str, Any], numbers: list[int]
) -> None:
    save(
        ledger,
        ended(0),
        ended(1, method=Method.SYNC, code=200),
        ended(2, outcome=Outcome.FAILED),
        ended(3, outcome=Outcome.INTERRUPTED, api_key_id="other"),
        opened(4),
    )
    assert [int(record.request_id[-12:]) for record in find(ledger, **wanted)] == numbers
    with ledger.reading() as connection:
        assert count_requests(connection, RequestFilter(**wanted)) == len(numbers)


def test_the_cost_of_a_request_is_added_to_its_projects_spending_once(ledger: Ledger) -> None:
    save(ledger, opened(0), opened(1))
    save(ledger, ended(0, usd=0.5), ended(1, usd=0.25))
    save(ledger, ended(0, usd=0.5), opened(1))
    save(ledger, ended(1, usd=0.125))
    with ledger.reading() as connection:
        (project,) = list_projects(connection)
    assert project.spent_usd == 0.625


def test_of_two_records_of_one_request_in_a_batch_the_last_counts(ledger: Ledger) -> None:
    save(ledger, opened(), ended())
    assert find(ledger) == [ended()]


def test_one_request_is_found_by_its_id_in_its_own_project_only(ledger: Ledger) -> None:
    save(ledger, ended(1))
    with ledger.reading() as connection:
        assert find_request(connection, ended(1).request_id) == ended(1)
        assert find_request(connection, ended(1).request_id, project_id="other") is None


@pytest.mark.parametrize(
    ("limit", "page", "named"),
    [
        (0, 0, "limit is 0"),
        (1001, 0, "limit is 1001"),
        (1, -1, "page is -1"),
        (1, 10**18, "page is 1000000000000000000"),
    ],
)
def test_a_page_that_cannot_be_is_refused(ledger: Ledger, limit: int, page: int, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        find(ledger, limit, page)


@settings(examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    offsets=st.lists(st.integers(0, 3), max_size=12),
    limit=st.integers(1, 5),
    method=st.sampled_from([None, *Method]),
)
def test_pages_laid_end_to_end_are_the_whole(
    ledger: Ledger, offsets: list[int], limit: int, method: Method | None
) -> None:
    """Also where many requests began in the same millisecond: nothing twice, nothing left out."""
    records = [
        replace(
            ended(number),
            created=NOW + timedelta(seconds=offset),
            project_id=ended().project_id,
            method=list(Method)[number % 3],
        )
        for number, offset in enumerate(offsets)
    ]
    with ledger.writing() as connection:
        connection.exec_driver_sql("DELETE FROM requests")
        save_requests(connection, records)
    expected = sorted(
        (each for each in records if method in (None, each.method)),
        key=lambda each: (each.created, each.request_id),
        reverse=True,
    )
    pages = [find(ledger, limit, page, method=method) for page in range(len(expected) // limit + 2)]
    assert [each for page in pages for each in page] == expected


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://user:secret@example.com:8443/hook/token?key=1#x", "https://example.com:8443"),
        ("http://[::1]/x", "http://[::1]"),
        ("https://example.com", "https://example.com"),
    ],
)
def test_of_a_callback_only_its_origin_is_kept(url: str, origin: str) -> None:
    assert callback_origin(url) == origin
