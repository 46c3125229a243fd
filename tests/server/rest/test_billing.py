"""Credits, and what requests would have cost."""

from __future__ import annotations

from typing import Any

import pytest

from caesura.ledger.requests import Method
from tests.ledger.rows import ended
from tests.server.rest.api import HERE, NOWHERE, ManagementApi, run_story

ROWS = (ended(1), ended(2, method=Method.SYNC, code=200, tags=("day",), usd=0.01), ended(3, api_key_id=None, tags=()))


async def ask(api: ManagementApi, path: str) -> Any:
    answer = await api.get(f"{HERE}{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_remaining_credit_is_the_balance() -> None:
    async def story(api: ManagementApi) -> None:
        await api.save(*ROWS)
        first, second = await api.credit(0.01, "po-1"), await api.credit(5)
        balances = (await ask(api, "/balances"))["balances"]
        assert [each["balance_id"] for each in balances] == [first, second]
        assert balances[0] == {"balance_id": first, "amount": 0.0, "units": "usd", "purchase_order_id": "po-1"}
        assert balances[1]["amount"] == pytest.approx(5.01 - 0.0148)
        assert await ask(api, f"/balances/{second}") == balances[1]

    run_story(story)


def test_a_balance_of_another_project_is_not_found() -> None:
    async def story(api: ManagementApi) -> None:
        assert (await ask(api, "/balances")) == {"balances": []}
        answer = await api.get(f"{HERE}/balances/{NOWHERE}")
        assert (answer.status_code, answer.json()["category"]) == (404, "NOT_FOUND")

    run_story(story)


def test_purchases_are_credits_as_they_were_given() -> None:
    async def story(api: ManagementApi) -> None:
        await api.save(*ROWS)
        await api.credit(1)
        newest = await api.credit(5)
        (order,) = (await ask(api, "/purchases?limit=1"))["orders"]
        assert (order["order_id"], order["amount"], order["units"]) == (newest, 5.0, "usd")
        assert len((await ask(api, "/purchases"))["orders"]) == 2
        assert (await api.get(f"{HERE}/purchases?limit=0")).status_code == 400

    run_story(story)


def test_the_cost_of_requests_is_reported_by_day_and_group() -> None:
    async def story(api: ManagementApi) -> None:
        await api.save(*ROWS)
        (day,) = (await ask(api, "/billing/breakdown"))["results"]
        assert day["dollars"] == pytest.approx(0.0148)
        assert day["grouping"] == {
            "start": "2026-11-22",
            "end": "2026-11-22",
            "accessor": None,
            "deployment": None,
            "line_item": None,
            "tags": None,
        }
        rows = (await ask(api, "/billing/breakdown?grouping=line_item"))["results"]
        costs = {row["grouping"]["line_item"]: row["dollars"] for row in rows}
        assert costs == {"streaming::scripted": pytest.approx(0.0048), "sync::scripted": pytest.approx(0.01)}
        several = (await ask(api, "/billing/breakdown?grouping=tags&grouping=accessor&grouping=deployment"))["results"]
        assert len(several) == 3
        assert all(row["grouping"]["deployment"] == "self-hosted" for row in several)

    run_story(story)


def test_every_filter_of_a_bill_counts(location: str | None) -> None:
    async def story(api: ManagementApi) -> None:
        await api.save(*ROWS)
        for query, dollars in (
            ("accessor=11111111-0000-4000-8000-000000000001", 0.0124),
            ("deployment=hosted", 0),
            ("deployment=self-hosted", 0.0148),
            ("tag=day", 0.01),
            ("line_item=sync::scripted", 0.01),
            ("line_item=streaming::nova-3", 0),
            ("start=2026-11-22T10:00:03", 0.0024),
            ("end=2026-11-21", 0),
        ):
            rows = (await ask(api, f"/billing/breakdown?{query}"))["results"]
            assert sum(row["dollars"] for row in rows) == pytest.approx(dollars), query
        for query in ("line_item=scripted", "line_item=live::x", "grouping=models", "method=sync"):
            assert (await api.get(f"{HERE}/billing/breakdown?{query}")).status_code == 400, query

    run_story(story, location=location)


def test_values_that_occur_in_a_bill_are_listed() -> None:
    async def story(api: ManagementApi) -> None:
        await api.save(*ROWS)
        assert await ask(api, "/billing/fields") == {
            "accessors": ["11111111-0000-4000-8000-000000000001"],
            "deployments": ["self-hosted"],
            "tags": ["call", "day", "night"],
            "line_items": {"streaming::scripted": "scripted, streaming", "sync::scripted": "scripted, sync"},
        }

    run_story(story)
