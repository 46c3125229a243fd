"""Members and invitations: each project has one member and no invitations."""

from __future__ import annotations

import uuid

import pytest

from tests.server.rest.api import HERE, NOWHERE, ManagementApi, run_story


def test_a_project_has_one_member_who_owns_it() -> None:
    async def story(api: ManagementApi) -> None:
        (member,) = (await api.get(f"{HERE}/members")).json()["members"]
        assert (member["email"], member["scopes"]) == ("", ["owner"])
        uuid.UUID(member["member_id"])
        assert (await api.get(f"{HERE}/members")).json()["members"] == [member]
        scopes = await api.get(f"{HERE}/members/{member['member_id']}/scopes")
        assert scopes.json() == {"scopes": ["owner"]}
        assert (await api.get(f"{HERE}/members/{NOWHERE}/scopes")).status_code == 404

    run_story(story)


def test_there_are_no_invitations() -> None:
    async def story(api: ManagementApi) -> None:
        assert (await api.get(f"{HERE}/invites")).json() == {"invites": []}

    run_story(story)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/leave"),
        ("DELETE", f"/members/{NOWHERE}"),
        ("PUT", f"/members/{NOWHERE}/scopes"),
        ("POST", "/invites"),
        ("DELETE", "/invites/a@example.org"),
        ("GET", "/self-hosted/distribution/credentials"),
        ("POST", "/self-hosted/distribution/credentials"),
        ("GET", f"/self-hosted/distribution/credentials/{NOWHERE}"),
        ("DELETE", f"/self-hosted/distribution/credentials/{NOWHERE}"),
    ],
)
def test_unsupported_operations_are_answered_with_501(method: str, path: str) -> None:
    async def story(api: ManagementApi) -> None:
        answer = await api.request(method, f"{HERE}{path}")
        assert (answer.status_code, answer.json()["category"]) == (501, "NOT_IMPLEMENTED")
        assert answer.json()["message"].endswith(".")
        await api.key()
        assert (await api.request(method, f"{HERE}{path}")).status_code == 401

    run_story(story)
