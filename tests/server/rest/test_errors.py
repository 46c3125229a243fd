"""The three shapes of errors, and internal errors."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from caesura.errors import LedgerError
from caesura.server.rest.errors import (
    MAX_QUOTED,
    DataPlaneFault,
    ManagementFault,
    PlainTextFault,
    bad_id,
    error_responses,
    fault_response,
    first_error,
    quoted,
)
from tests.server.rest.api import HERE, ManagementApi, run_story


def test_the_shape_of_the_data_plane() -> None:
    told_so = fault_response(DataPlaneFault(401, "CODE", "Words.", "more"), "an-id")
    assert told_so.status_code == 401
    assert told_so.headers["dg-error"] == "Words."
    expected = {"err_code": "CODE", "err_msg": "Words.", "request_id": "an-id", "details": "more"}
    assert json.loads(bytes(told_so.body)) == expected


def test_some_of_it_does_not_name_the_request() -> None:
    body = json.loads(bytes(fault_response(DataPlaneFault(404, "CODE", "Words.", identified=False), "an-id").body))
    assert body == {"err_code": "CODE", "err_msg": "Words."}


def test_the_shape_of_the_management_plane() -> None:
    told_so = fault_response(ManagementFault(400, "CATEGORY", "Words."), "an-id")
    assert "dg-error" not in told_so.headers
    assert json.loads(bytes(told_so.body)) == {"category": "CATEGORY", "message": "Words.", "request_id": "an-id"}


def test_plain_text() -> None:
    told_so = fault_response(PlainTextFault(404, "Words."), "an-id")
    assert (told_so.status_code, told_so.body) == (404, b"Words.")
    assert told_so.headers["content-type"].startswith("text/plain")


def test_a_quoted_value_is_printable_and_short() -> None:
    assert quoted("a\r\nb\u2028") == r"'a\r\nb\u2028'"
    assert len(quoted("x" * 10_000)) == MAX_QUOTED + 3
    assert bad_id("\u00e9").text.isascii()


def test_a_secret_in_an_unknown_field_is_not_repeated() -> None:
    error = {"type": "extra_forbidden", "loc": ("query", "token"), "msg": "", "input": "secret"}
    assert "secret" not in first_error([error], skip=1)


def test_a_long_unknown_name_is_shortened_because_headers_are_bounded() -> None:
    async def story(api: ManagementApi) -> None:
        answer = await api.get(f"{HERE}?{'a' * 20_000}=1")
        assert answer.status_code == 400
        assert len(answer.headers["dg-error"]) < 200

    run_story(story)


def test_a_query_that_breaks_lines_cannot_break_headers() -> None:
    async def story(api: ManagementApi) -> None:
        answer = await api.get(f"{HERE}?a%0d%0aset-cookie:%20x=1")
        assert answer.status_code == 400
        assert "set-cookie" not in answer.headers
        assert answer.headers["dg-error"] == answer.json()["err_msg"]

    run_story(story)


@contextmanager
def _failing(error: Exception) -> Iterator[None]:
    raise error
    yield


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (LedgerError("the disk is full"), 503, "Service Unavailable"),
        (LedgerError("no such column", transient=False), 500, "INTERNAL_SERVER_ERROR"),
    ],
)
def test_a_ledger_that_fails_is_reported_without_its_reason(
    error: LedgerError, status: int, code: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has the reason, with the id that the client got."""

    async def story(api: ManagementApi) -> None:
        monkeypatch.setattr(api.ledger, "reading", lambda: _failing(error))
        answer = await api.get(f"{HERE}/requests")
        assert (answer.status_code, answer.json()["err_code"]) == (status, code)
        assert str(error) not in answer.text
        (line,) = [record.getMessage() for record in caplog.records if record.name == "caesura.rest"]
        assert str(error) in line
        assert answer.headers["dg-request-id"] in line

    with caplog.at_level(logging.ERROR):
        run_story(story)


def test_an_internal_error_is_reported_without_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(api: ManagementApi) -> None:
        monkeypatch.setattr(api.ledger, "reading", lambda: _failing(RuntimeError("private")))
        with pytest.raises(RuntimeError, match="private"):
            # The server logs it; a client on a socket has received a 500 before.
            await api.get(f"{HERE}/requests")

    run_story(story)


def test_every_error_that_a_route_names_is_described() -> None:
    named = error_responses(409, 501)
    assert set(named) == {400, 401, 403, 404, 409, 500, 501, 503}
    assert "text/plain" in named[404]["content"]
    assert 404 not in error_responses(ids=False)
