"""Usage: by day, by group, by filter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from caesura.ledger.requests import Method
from caesura.server.service import Service
from tests.ledger.rows import ended, opened
from tests.server.rest.api import HERE, SCRIPTED, ManagementApi, run_story

MODEL = Service(SCRIPTED).engines[0].model
DAY_S = 24 * 3600
ROWS = (
    ended(1),
    ended(2, tags=("day",), features=("diarize",)),
    ended(3, method=Method.SYNC, code=200, tags=(), features=(), channels=2, billed_seconds=60.0),
    ended(DAY_S, model_uuid=MODEL.uuid, model_name=MODEL.name, features=("diarize", "punctuate"), api_key_id=None),
    opened(4, tags=("running",)),
)
"""Three requests of one day, one of the next, and one that runs."""


async def ask(api: ManagementApi, path: str) -> Any:
    answer = await api.get(f"{HERE}/usage{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_usage_is_reported_by_day() -> None:
    async def story(api: ManagementApi) -> None:
        await api.save(*ROWS)
        used = await ask(api, "")
        assert used["resolution"] == {"units": "day", "amount": 1}
        assert (used["start"], used["end"]) == ("2026-11-22", datetime.now(UTC).date().isoformat())
        assert [(row["start"], row["end"], row["requests"]) for row in used["results"]] == [
            ("2026-11-22", "2026-11-22", 3),
            ("2026-11-23", "2026-11-23", 1),
        ]
        assert used["results"][0]["hours"] == 90 / 3600
        assert used["results"][0]["total_hours"] == 120 / 3600

    run_story(story)


def test_a_range_is_reported_as_requested() -> None:
    async def story(api: ManagementApi) -> None:
        await api.save(*ROWS)
        used = await ask(api, "?start=2026-11-20&end=2026-11-22")
        assert (used["start"], used["end"]) == ("2026-11-20", "2026-11-22")
        assert [row["requests"] for row in used["results"]] == [3]
        exact = await ask(api, "?start=2026-11-22T10:00:02Z&end=2026-11-22T10:00:03Z")
        assert (exact["start"], exact["end"]) == ("2026-11-22", "2026-11-22")
        assert [row["requests"] for row in exact["results"]] == [1]

    run_story(story)


def test_without_requests_the_range_is_today() -> None:
    async def story(api: ManagementApi) -> None:
        used = await ask(api, "")
        assert used["results"] == []
        assert used["start"] == used["end"]
        assert datetime.now(UTC).date() - datetime.fromisoformat(used["start"]).date() <= timedelta(days=1)

    run_story(story)


FILTERS = (
    ("accessor=11111111-0000-4000-8000-000000000001", 3),
    ("accessor=11111111-0000-4000-8000-000000000002", 0),
    ("method=sync", 1),
    ("method=streaming", 3),
    ("endpoint=listen", 4),
    ("endpoint=read", 0),
    ("deployment=self-hosted", 4),
    ("deployment=beta", 0),
    (f"model={MODEL.uuid}", 1),
    (f"model={MODEL.name}", 4),
    ("tag=night", 2),
    ("tag=day", 1),
    ("tag=nig", 0),
    ("diarize=true", 2),
    ("diarize=false", 2),
    ("diarize=true&punctuate=true", 3),
    ("diarize=true&punctuate=false", 1),
    ("diarize=false&punctuate=false", 1),
    ("summarize=true", 0),
    ("summarize=false", 4),
    ("tag=night&diarize=true&method=streaming", 1),
)


def test_every_filter_counts(location: str | None) -> None:
    """Features that are true are alternatives; those that are false are left out, each of them."""

    async def story(api: ManagementApi) -> None:
        await api.save(*ROWS)
        for query, requests in FILTERS:
            for path in (f"?{query}", f"/breakdown?{query}"):
                used = await ask(api, path)
                assert sum(row["requests"] for row in used["results"]) == requests, query

    run_story(story, location=location)


def test_usage_is_grouped_as_requested(location: str | None) -> None:
    async def story(api: ManagementApi) -> None:
        await api.save(*ROWS)
        plain = await ask(api, "/breakdown")
        assert [row["requests"] for row in plain["results"]] == [3, 1]
        assert plain["results"][0]["grouping"] == {
            "start": "2026-11-22",
            "end": "2026-11-22",
            "accessor": None,
            "endpoint": None,
            "feature_set": None,
            "models": None,
            "method": None,
            "tags": None,
            "deployment": None,
        }
        expected: dict[str, list[object]] = {
            "accessor": [ROWS[0].api_key_id, None],
            "endpoint": ["listen", "listen"],
            "feature_set": ["", "diarize", "interim_results,punctuate", "diarize,punctuate"],
            "models": [[ROWS[0].model_uuid], [MODEL.uuid]],
            "method": ["streaming", "sync", "streaming"],
            "tags": [["day"], ["night", "call"], [], ["night", "call"]],
            "deployment": ["self-hosted", "self-hosted"],
        }
        for name, groups in expected.items():
            rows = (await ask(api, f"/breakdown?grouping={name}"))["results"]
            assert sorted(map(str, (row["grouping"][name] for row in rows))) == sorted(map(str, groups)), name
            assert sum(row["requests"] for row in rows) == 4

    run_story(story, location=location)


def test_several_groupings_are_one() -> None:
    async def story(api: ManagementApi) -> None:
        await api.save(*ROWS)
        rows = (await ask(api, "/breakdown?grouping=method&grouping=tags&start=2026-11-22&end=2026-11-22"))["results"]
        found = {(row["grouping"]["method"], *row["grouping"]["tags"]): row["requests"] for row in rows}
        assert found == {("streaming", "day"): 1, ("streaming", "night", "call"): 1, ("sync",): 1}
        assert all(row["agent_hours"] == row["tokens_in"] == row["tts_characters"] == 0 for row in rows)

    run_story(story)


def test_filters_and_groupings_go_together() -> None:
    """A field that only a filter uses does not separate groups."""

    async def story(api: ManagementApi) -> None:
        await api.save(*ROWS, ended(5, tags=("night",)))
        rows = (await ask(api, "/breakdown?tag=night&grouping=method"))["results"]
        assert [(row["grouping"]["method"], row["grouping"]["tags"], row["requests"]) for row in rows] == [
            ("streaming", None, 2),
            ("streaming", None, 1),
        ]

    run_story(story)


def test_values_that_occur_are_listed() -> None:
    async def story(api: ManagementApi) -> None:
        await api.save(*ROWS)
        fields = await ask(api, "/fields")
        assert fields["tags"] == ["call", "day", "night", "running"]
        assert fields["processing_methods"] == ["streaming", "sync"]
        assert fields["features"] == ["diarize", "interim_results", "punctuate"]
        assert fields["models"] == [
            {"name": "scripted", "language": "en", "version": "1", "model_id": MODEL.uuid},
            {"name": "scripted", "language": None, "version": None, "model_id": ROWS[0].model_uuid},
        ]
        assert (await ask(api, "/fields?end=2026-11-21"))["models"] == []

    run_story(story)


def test_unsupported_filters_are_refused() -> None:
    async def story(api: ManagementApi) -> None:
        for path, name in (
            ("?encoding=true", "encoding"),
            ("?language=false", "language"),
            ("?diarize=perhaps", "diarize"),
            ("?start=2026-11-22T", "start"),
            ("?tag=", "tag"),
            ("/breakdown?grouping=colour", "grouping"),
            ("/breakdown?grouping=", "grouping"),
            ("/fields?tag=night", "tag"),
        ):
            answer = await api.get(f"{HERE}/usage{path}")
            assert (answer.status_code, answer.json()["err_code"]) == (400, "INVALID_QUERY_PARAMETER"), path
            assert name in answer.json()["err_msg"]

    run_story(story)
