"""Records of requests, found by every filter, page by page."""

from __future__ import annotations

from dataclasses import replace

from caesura.ledger.requests import Method, Outcome
from caesura.server.rest.requests import facts
from tests.ledger.rows import ended, opened
from tests.server.rest.api import HERE, NOWHERE, ManagementApi, run_story

REQUESTS = f"{HERE}/requests"
ROWS = (
    ended(1),
    ended(2, method=Method.SYNC, code=200),
    ended(3, method=Method.ASYNC, code=200, callback="https://example.org"),
    ended(4, outcome=Outcome.FAILED, close_code=1011),
    ended(5, outcome=Outcome.INTERRUPTED, api_key_id="0123456789ab"),
    opened(6, api_key_id=None),
)


def test_a_request_is_reported_in_the_shape_of_the_wire() -> None:
    async def story(api: ManagementApi) -> None:
        await api.save(*ROWS)
        (told_so,) = (await api.get(f"{REQUESTS}?request_id={ROWS[0].request_id}")).json()["requests"]
        assert told_so == (await api.get(f"{REQUESTS}/{ROWS[0].request_id}")).json()["request"]
        assert set(told_so) == {
            "request_id",
            "project_uuid",
            "created",
            "path",
            "api_key_id",
            "response",
            "code",
            "deployment",
            "callback",
        }
        assert (told_so["code"], told_so["deployment"], told_so["callback"]) == (101, "self-hosted", None)
        assert told_so["created"] == "2026-11-22T10:00:01.000Z"
        response, details = told_so["response"], told_so["response"]["details"]
        assert (response["code"], response["completed"]) == (101, "2026-11-22T10:01:01.000Z")
        assert response["token_details"] == []
        assert (details["usd"], details["duration"], details["total_audio"]) == (0.0024, 30.0, 30.0)
        assert (details["channels"], details["streams"], details["method"]) == (1, 1, "streaming")
        assert (details["tags"], details["features"]) == (["night", "call"], ["interim_results", "punctuate"])
        assert details["config"] == {"model": "nova-3", "language": "en"}
        assert details["models"] == [ROWS[0].model_uuid]
        assert (details["paused_seconds"], details["saved_usd"], details["close_code"]) == (20.0, 0.0016, 1000)

    run_story(story)


def test_a_request_that_runs_has_no_response_yet() -> None:
    running = facts(opened(6))
    assert (running.response, running.code) == (None, 101)


def test_where_an_answer_went_is_reported() -> None:
    assert facts(ROWS[2]).callback == "https://example.org"


FOUND: tuple[tuple[str, list[int]], ...] = (
    ("", [6, 5, 4, 3, 2, 1]),
    ("?limit=2", [6, 5]),
    ("?limit=2&page=1", [4, 3]),
    ("?limit=2&page=9", []),
    ("?limit=2.0&page=1.0", [4, 3]),
    ("?status=succeeded", [3, 2, 1]),
    ("?status=failed", [5, 4]),
    ("?method=sync", [2]),
    ("?method=async", [3]),
    ("?method=streaming", [6, 5, 4, 1]),
    ("?endpoint=listen", [6, 5, 4, 3, 2, 1]),
    ("?endpoint=speak", []),
    ("?deployment=self-hosted", [6, 5, 4, 3, 2, 1]),
    ("?deployment=hosted", []),
    ("?accessor=0123456789ab", [5]),
    ("?accessor=11111111-0000-4000-8000-000000000001", [4, 3, 2, 1]),
    (f"?request_id={ROWS[0].request_id}", [1]),
    (f"?request_id={NOWHERE}", []),
    ("?start=2026-11-22T10:00:05", [6, 5]),
    ("?end=2026-11-22T10:00:03Z", [2, 1]),
    ("?start=2026-11-22T12:00:02%2B02:00&end=2026-11-22T10:00:04.000Z", [3, 2]),
    ("?start=2026-11-22&end=2026-11-22", [6, 5, 4, 3, 2, 1]),
    ("?end=2026-11-21", []),
    ("?start=2026-11-23", []),
    ("?status=failed&accessor=0123456789ab&limit=1", [5]),
)


def test_requests_are_found_by_every_filter_the_newest_first(location: str | None) -> None:
    async def story(api: ManagementApi) -> None:
        await api.save(*ROWS)
        for query, found in FOUND:
            listed = (await api.get(REQUESTS + query)).json()
            assert [int(each["request_id"][-12:]) for each in listed["requests"]] == found, query

    run_story(story, location=location)


def test_a_page_has_its_number() -> None:
    async def story(api: ManagementApi) -> None:
        assert (await api.get(REQUESTS)).json() == {"page": 0, "limit": 10, "requests": []}
        assert (await api.get(f"{REQUESTS}?limit=1000&page=1000000000")).json()["limit"] == 1000

    run_story(story)


REFUSED = (
    "limit=0",
    "limit=1001",
    "limit=ten",
    "limit=",
    "limit=1.5",
    "limit=99999999999999999999999",
    "limit=inf",
    "page=-1",
    "page=1000000001",
    "start=yesterday",
    "start=2026-11-22T10:00:05 02:00",
    "end=2026-02-30",
    "accessor=me",
    "accessor=%00%00%00%00%00%00%00%00%00%00%00%00",
    "request_id=1",
    "deployment=moon",
    "endpoint=sing",
    "method=live",
    "status=open",
    "limit=1&limit=2",
    "stats=failed",
)


def test_a_filter_that_cannot_be_is_refused_by_name() -> None:
    async def story(api: ManagementApi) -> None:
        for query in REFUSED:
            answer = await api.get(f"{REQUESTS}?{query}")
            assert answer.status_code == 400, query
            assert answer.json()["err_code"] == "INVALID_QUERY_PARAMETER"
            assert answer.json()["err_msg"].startswith("Failed to deserialize query parameters: ")
            assert query.partition("=")[0] in answer.json()["err_msg"]

    run_story(story)


def test_requests_of_other_projects_are_not_there() -> None:
    async def story(api: ManagementApi) -> None:
        other = await api.project("other")
        theirs = replace(ROWS[0], project_id=other.project_id)
        await api.save(theirs)
        assert (await api.get(REQUESTS)).json()["requests"] == []
        answer = await api.get(f"{REQUESTS}/{theirs.request_id}")
        assert (answer.status_code, answer.json()["category"]) == (404, "NOT_FOUND")

    run_story(story)
