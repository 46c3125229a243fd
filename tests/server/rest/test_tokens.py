"""Temporary tokens, and information on keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.server.rest.api import ManagementApi, run_story

GRANT = "/v1/auth/grant"


def test_a_token_is_accepted_and_has_its_lifetime() -> None:
    async def story(api: ManagementApi) -> None:
        key = await api.secret("member")
        for body, expires in ((None, 30), ({}, 30), ({"ttl_seconds": None}, 30), ({"ttl_seconds": 3600}, 3600)):
            granted = await api.request("POST", GRANT, key=key, **({} if body is None else {"json": body}))
            assert granted.status_code == 200
            assert set(granted.json()) == {"access_token", "expires_in"}
            assert granted.json()["expires_in"] == expires
        access = api.writer.verify(granted.json()["access_token"])
        assert access is not None
        assert access.may("usage:write")
        assert not access.may("project:read")

    run_story(story)


def test_whole_numbers_may_be_written_with_a_point() -> None:
    async def story(api: ManagementApi) -> None:
        granted = await api.request("POST", GRANT, json={"ttl_seconds": 60.0})
        assert granted.json()["expires_in"] == 60

    run_story(story)


@pytest.mark.parametrize("ttl", [0, 3601, -1, 1.5, "30", True, [], {}, 10**30])
def test_a_token_lasts_a_second_to_an_hour(ttl: Any) -> None:
    async def story(api: ManagementApi) -> None:
        answer = await api.request("POST", GRANT, json={"ttl_seconds": ttl})
        assert (answer.status_code, answer.json()["category"]) == (400, "INVALID_JSON")
        assert "ttl_seconds" in answer.json()["details"]

    run_story(story)


def test_a_key_below_member_makes_no_tokens_nor_does_a_token() -> None:
    async def story(api: ManagementApi) -> None:
        weak = await api.secret("usage:write", "usage:read", "project:read")
        token = (await api.request("POST", GRANT, key=await api.secret("member"))).json()["access_token"]
        for presented in (weak, token):
            answer = await api.request("POST", GRANT, key=presented)
            assert answer.status_code == 403
            assert (answer.json()["err_code"], answer.json()["err_msg"]) == ("FORBIDDEN", "Insufficient permissions.")

    run_story(story)


def test_information_on_a_key_has_no_secret() -> None:
    async def story(api: ManagementApi) -> None:
        made = await api.key("member", comment="of the cat", tags=("night",))
        known = await api.get("/v1/auth/token", key=made.secret)
        assert made.secret not in known.text
        assert made.key.digest not in known.text
        body = known.json()
        assert body.pop("created").endswith("Z")
        assert body == {
            "api_key_id": made.key.api_key_id,
            "project_id": made.key.project_id,
            "scopes": ["member"],
            "tags": ["night"],
            "temporary": False,
            "comment": "of the cat",
        }

    run_story(story)


def test_the_end_of_a_key_is_reported() -> None:
    async def story(api: ManagementApi) -> None:
        key = await api.secret(expires=datetime(2100, 1, 1, tzinfo=UTC))
        known = (await api.get("/v1/auth/token", key=key)).json()
        assert known["expiration_date"] == "2100-01-01T00:00:00.000Z"

    run_story(story)


def test_a_temporary_token_may_read_information_on_itself() -> None:
    async def story(api: ManagementApi) -> None:
        made = await api.key("member", tags=("night",))
        token = (await api.request("POST", GRANT, key=made.secret)).json()["access_token"]
        known = (await api.get("/v1/auth/token", headers={"authorization": f"Bearer {token}"})).json()
        assert (known["api_key_id"], known["temporary"]) == (made.key.api_key_id, True)
        assert (known["scopes"], known["tags"]) == (["usage:write"], ["night"])

    run_story(story)


def test_without_required_keys_the_key_is_null() -> None:
    async def story(api: ManagementApi) -> None:
        known = (await api.get("/v1/auth/token")).json()
        assert (known["api_key_id"], known["temporary"]) == (None, False)
        assert "grant" not in known["scopes"]

    run_story(story)
