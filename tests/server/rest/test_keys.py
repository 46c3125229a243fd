"""Keys: made with a secret that is shown once, listed without it, revoked for good."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from caesura.ledger.keys import create_key
from caesura.ledger.projects import DEFAULT_PROJECT_ID
from caesura.server.rest.keys import listed_key
from tests.server.rest.api import HERE, NOWHERE, ManagementApi, run_story

KEYS = f"{HERE}/keys"


async def make(api: ManagementApi, key: str | None = None, **wish: Any) -> dict[str, Any]:
    answer = await api.request("POST", KEYS, key=key, json={"comment": "a key", "scopes": ["member"]} | wish)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_a_new_key_is_accepted_and_its_secret_is_shown_once() -> None:
    async def story(api: ManagementApi) -> None:
        owner = await make(api, scopes=["owner"])
        made = await make(api, owner["key"], tags=["night"])
        assert set(made) == {"api_key_id", "key", "comment", "scopes", "tags"}
        assert (made["comment"], made["scopes"], made["tags"]) == ("a key", ["member"], ["night"])
        assert (await api.get("/v1/auth/token", key=made["key"])).status_code == 200
        for path in (KEYS, f"{KEYS}/{made['api_key_id']}", "/v1/auth/token"):
            shown = await api.get(path, key=owner["key"])
            assert shown.status_code == 200
            assert made["key"] not in shown.text

    run_story(story)


def test_keys_are_listed_and_shown_in_the_shape_of_the_wire(location: str | None) -> None:
    async def story(api: ManagementApi) -> None:
        owner = await make(api, scopes=["owner"])
        made = await make(api, owner["key"], expiration_date="2100-01-02T03:04:05Z")
        listed = (await api.get(KEYS, key=owner["key"])).json()["api_keys"]
        assert [each["api_key"]["api_key_id"] for each in listed] == [owner["api_key_id"], made["api_key_id"]]
        assert set(listed[0]["member"]) == {"member_id", "email"}
        assert set(listed[0]["api_key"]) == {"api_key_id", "comment", "scopes", "tags", "created"}
        item = (await api.get(f"{KEYS}/{made['api_key_id']}", key=owner["key"])).json()["item"]
        assert item["member"]["api_key"]["expiration_date"] == "2100-01-02T03:04:05.000Z"
        assert item["member"]["member_id"] == listed[0]["member"]["member_id"]

    run_story(story, location=location)


def test_a_key_can_end_by_itself() -> None:
    async def story(api: ManagementApi) -> None:
        made = await make(api, time_to_live_in_seconds=60.0)
        ends = datetime.fromisoformat(made["expiration_date"])
        assert timedelta(seconds=50) < ends - datetime.now(UTC) <= timedelta(seconds=60)

    run_story(story)


def test_keys_are_listed_by_status_and_revoked_ones_not_at_all() -> None:
    async def story(api: ManagementApi) -> None:
        owner, gone = await make(api, scopes=["owner"]), await api.key()
        long_ago = datetime.now(UTC) - timedelta(days=9)
        expired = await api.writer.write(
            lambda c: create_key(
                c, project_id=DEFAULT_PROJECT_ID, now=long_ago, expires=long_ago + timedelta(days=1), comment="old"
            )
        )
        revoking = await api.request("DELETE", f"{KEYS}/{gone.key.api_key_id}", key=owner["key"])
        assert revoking.status_code == 200
        assert set(revoking.json()) == {"message"}

        async def ids(query: str) -> set[str]:
            listed = (await api.get(f"{KEYS}{query}", key=owner["key"])).json()["api_keys"]
            return {each["api_key"]["api_key_id"] for each in listed}

        assert await ids("") == {owner["api_key_id"], expired.key.api_key_id}
        assert await ids("?status=active") == {owner["api_key_id"]}
        assert await ids("?status=expired") == {expired.key.api_key_id}
        assert (await api.get(f"{KEYS}?status=revoked", key=owner["key"])).status_code == 400
        for method in ("GET", "DELETE"):
            again = await api.request(method, f"{KEYS}/{gone.key.api_key_id}", key=owner["key"])
            assert (again.status_code, again.json()["category"]) == (404, "NOT_FOUND")
        assert (await api.get(f"{KEYS}/{NOWHERE}", key=owner["key"])).status_code == 404

    run_story(story)


def test_invalid_keys_are_refused_with_a_reason() -> None:
    async def story(api: ManagementApi) -> None:
        wrong: list[tuple[dict[str, object], str]] = [
            ({"expiration_date": "2100-01-01", "time_to_live_in_seconds": 60}, "not both"),
            ({"expiration_date": "2020-01-01"}, "give a later end"),
            ({"expiration_date": "soon"}, "YYYY-MM-DD"),
            ({"expiration_date": 1}, "YYYY-MM-DD"),
            ({"time_to_live_in_seconds": 0}, "greater than or equal to 1"),
            ({"time_to_live_in_seconds": 1.5}, "integer"),
            ({"time_to_live_in_seconds": "60"}, "integer"),
            ({"time_to_live_in_seconds": True}, "integer"),
            ({"time_to_live_in_seconds": 10**20}, "less than or equal to"),
            ({"scopes": []}, "scopes"),
            ({"scopes": "member"}, "scopes"),
            ({"scopes": ["root"]}, "there is no scope 'root'"),
            ({"scopes": ["grant"]}, "there is no scope 'grant'"),
            ({"scopes": [1]}, "scopes.0"),
            ({"comment": None}, "comment"),
            ({"comment": 5}, "comment"),
            ({"comment": "x" * 1001}, "comment"),
            ({"tags": ["x" * 129]}, "tags.0"),
            ({"tags": [""]}, "tags.0"),
            ({"tags": ["x"] * 65}, "tags"),
            ({"tags": "x"}, "tags"),
            ({"color": "red"}, "color"),
        ]
        for wish, why in wrong:
            answer = await api.request("POST", KEYS, json={"comment": "", "scopes": ["member"]} | wish)
            assert answer.status_code == 400
            assert (answer.json()["category"], answer.json()["message"]) == ("INVALID_JSON", "Invalid JSON submitted.")
            assert why in answer.json()["details"]
            # Nothing was made: the server is still open.
            assert (await api.get(HERE)).status_code == 200

    run_story(story)


@pytest.mark.parametrize(
    ("maker", "wanted", "lacking"),
    [
        (("admin",), ["owner"], "billing:write, project:delete"),
        (("keys:write",), ["usage:write"], "usage:write"),
        (("keys:write", "usage:read", "usage:write", "project:read"), ["member"], "member"),
    ],
)
def test_a_key_makes_none_that_may_do_more_than_itself(maker: tuple[str, ...], wanted: list[str], lacking: str) -> None:
    async def story(api: ManagementApi) -> None:
        key = await api.secret(*maker)
        answer = await api.request("POST", KEYS, key=key, json={"comment": "", "scopes": wanted})
        assert (answer.status_code, answer.json()["err_code"]) == (401, "INSUFFICIENT_PERMISSIONS")
        assert lacking in answer.json()["details"]

    run_story(story)


def test_an_admin_makes_members() -> None:
    async def story(api: ManagementApi) -> None:
        await make(api, await api.secret("admin"), scopes=["member", "usage:read"])

    run_story(story)


def test_a_key_is_listed_with_all_its_fields() -> None:
    async def story(api: ManagementApi) -> None:
        made = await api.key("member", comment="c", tags=("t",))
        listed = listed_key(made.key)
        assert (listed.comment, listed.scopes, listed.tags) == ("c", ["member"], ["t"])
        assert listed.created.endswith("Z")
        assert listed.expiration_date is None

    run_story(story)
