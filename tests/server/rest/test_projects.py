"""Projects: listed, renamed and deleted."""

from __future__ import annotations

import pytest

from caesura.ledger.projects import DEFAULT_PROJECT_ID
from tests.server.rest.api import HERE, ManagementApi, run_story


def test_a_key_sees_its_own_project_only() -> None:
    async def story(api: ManagementApi) -> None:
        other = await api.project("other")
        for project, name in ((DEFAULT_PROJECT_ID, "default"), (other.project_id, "other")):
            key = await api.secret(project=project)
            assert (await api.get("/v1/projects", key=key)).json() == {
                "projects": [{"project_id": project, "name": name}]
            }
            one = (await api.get(f"/v1/projects/{project}?limit=10&page=0", key=key)).json()
            assert one == {"project_id": project, "name": name, "mip_opt_out": True}

    run_story(story)


def test_a_project_can_be_renamed() -> None:
    async def story(api: ManagementApi) -> None:
        key = await api.secret()
        answer = await api.request("PATCH", HERE, key=key, json={"name": "Überfahrt"})
        assert answer.status_code == 200
        assert set(answer.json()) == {"message"}
        assert (await api.get(HERE, key=key)).json()["name"] == "Überfahrt"
        # Once more with its own name is no conflict.
        assert (await api.request("PATCH", HERE, key=key, json={"name": "Überfahrt"})).status_code == 200

    run_story(story)


@pytest.mark.parametrize("wish", [{}, {"name": ""}, {"name": "  "}, {"name": 5}, {"name": None}, {"name": "x" * 257}])
def test_a_name_must_be_one(wish: object) -> None:
    async def story(api: ManagementApi) -> None:
        answer = await api.request("PATCH", HERE, json=wish)
        assert (answer.status_code, answer.json()["category"]) == (400, "INVALID_JSON")
        assert "name" in answer.json()["details"]

    run_story(story)


def test_a_name_in_use_is_a_conflict() -> None:
    async def story(api: ManagementApi) -> None:
        await api.project("other")
        answer = await api.request("PATCH", HERE, json={"name": "other"})
        assert (answer.status_code, answer.json()["category"]) == (409, "CONFLICT")

    run_story(story)


def test_a_project_that_is_deleted_takes_its_keys_with_it() -> None:
    async def story(api: ManagementApi) -> None:
        other = await api.project("other")
        key = await api.secret(project=other.project_id)
        assert (await api.request("DELETE", f"/v1/projects/{other.project_id}", key=key)).status_code == 200
        assert (await api.get("/v1/auth/token", key=key)).status_code == 401

    run_story(story)


def test_the_default_project_stays() -> None:
    async def story(api: ManagementApi) -> None:
        answer = await api.request("DELETE", HERE)
        assert (answer.status_code, answer.json()["category"]) == (409, "CONFLICT")
        assert (await api.get(HERE)).status_code == 200

    run_story(story)


def test_a_project_deleted_during_a_request_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another server deleted it, and this one has not reloaded its table yet."""

    async def story(api: ManagementApi) -> None:
        from caesura.server.rest import projects

        monkeypatch.setattr(projects, "rename_project", lambda *_: False)
        monkeypatch.setattr(projects, "delete_project", lambda *_, **__: False)
        for answer in (await api.request("PATCH", HERE, json={"name": "x"}), await api.request("DELETE", HERE)):
            assert (answer.status_code, answer.json()["err_code"]) == (404, "PROJECT_NOT_FOUND")

    run_story(story)
