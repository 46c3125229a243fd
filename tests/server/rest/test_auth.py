"""Authentication of management routes: keys, projects, scopes, and the order of refusals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from caesura.ledger.keys import create_key, revoke_key
from caesura.ledger.projects import DEFAULT_PROJECT_ID
from caesura.server.settings import Settings
from tests.server.rest.api import HERE, NOWHERE, ManagementApi, run_story

FLAG = "a-key-given-by-flag"
PATHS = (
    ("GET", "/v1/models"),
    ("GET", "/v1/projects"),
    ("GET", "/v1/auth/token"),
    ("POST", "/v1/auth/grant"),
    ("GET", HERE),
    ("PATCH", HERE),
    ("DELETE", HERE),
    ("GET", f"{HERE}/keys"),
    ("POST", f"{HERE}/keys"),
    ("DELETE", f"{HERE}/keys/{NOWHERE}"),
    ("GET", f"{HERE}/requests"),
    ("GET", f"{HERE}/usage"),
    ("GET", f"{HERE}/balances"),
    ("GET", f"{HERE}/members"),
    ("DELETE", f"{HERE}/leave"),
)
SCOPES = (
    ("GET", "/v1/projects", "project:read"),
    ("GET", HERE, "project:read"),
    ("GET", f"{HERE}/models", "project:read"),
    ("GET", f"{HERE}/members", "project:read"),
    ("PATCH", HERE, "project:write"),
    ("DELETE", HERE, "project:delete"),
    ("GET", f"{HERE}/keys", "keys:read"),
    ("POST", f"{HERE}/keys", "keys:write"),
    ("DELETE", f"{HERE}/keys/{NOWHERE}", "keys:write"),
    ("GET", f"{HERE}/requests", "usage:read"),
    ("GET", f"{HERE}/requests/{NOWHERE}", "usage:read"),
    ("GET", f"{HERE}/usage", "usage:read"),
    ("GET", f"{HERE}/usage/fields", "usage:read"),
    ("GET", f"{HERE}/usage/breakdown", "usage:read"),
    ("GET", f"{HERE}/balances", "billing:read"),
    ("GET", f"{HERE}/purchases", "billing:read"),
    ("GET", f"{HERE}/billing/fields", "billing:read"),
    ("GET", f"{HERE}/billing/breakdown", "billing:read"),
)


def test_while_no_key_exists_everything_on_loopback_is_open() -> None:
    async def story(api: ManagementApi) -> None:
        for path in ("/v1/projects", HERE, f"{HERE}/keys", f"{HERE}/usage", f"{HERE}/balances", "/v1/models"):
            assert (await api.get(path)).status_code == 200, path

    run_story(story)


def test_as_soon_as_a_key_exists_every_route_needs_one() -> None:
    async def story(api: ManagementApi) -> None:
        key = await api.key()
        wrong = ("Token wrong", key.secret, f"Basic {key.secret}", "", None)
        for (method, path), authorization in product(PATHS, wrong):
            headers = {} if authorization is None else {"authorization": authorization}
            answer = await api.request(method, path, headers=headers)
            assert answer.status_code == 401, path
            body = answer.json()
            assert (body["err_code"], body["err_msg"]) == ("INVALID_AUTH", "Invalid credentials.")
            assert body["request_id"] == answer.headers["dg-request-id"]
            assert answer.headers["dg-error"] == "Invalid credentials."

    run_story(story)


def test_the_scheme_may_be_token_or_bearer_in_any_case() -> None:
    async def story(api: ManagementApi) -> None:
        secret = await api.secret()
        for scheme in ("Token", "token", "Bearer", "bearer", "TOKEN"):
            assert (await api.get(HERE, headers={"authorization": f"{scheme} {secret}"})).status_code == 200

    run_story(story)


def test_expired_and_revoked_keys_and_their_tokens_are_out() -> None:
    async def story(api: ManagementApi) -> None:
        good = await api.secret()
        revoked = await api.key()
        token = (await api.request("POST", "/v1/auth/grant", key=revoked.secret)).json()["access_token"]
        assert (await api.get("/v1/auth/token", key=token)).status_code == 200
        await api.request("DELETE", f"{HERE}/keys/{revoked.key.api_key_id}", key=good)
        long_ago = datetime.now(UTC) - timedelta(days=2)
        expired = await api.writer.write(
            lambda connection: create_key(
                connection, project_id=DEFAULT_PROJECT_ID, now=long_ago, expires=long_ago + timedelta(days=1)
            )
        )
        for secret in (revoked.secret, token, expired.secret):
            assert (await api.get("/v1/auth/token", key=secret)).status_code == 401
        assert (await api.get("/v1/auth/token", key=good)).status_code == 200

    run_story(story)


def test_when_all_keys_are_revoked_no_door_opens() -> None:
    async def story(api: ManagementApi) -> None:
        only = await api.key()
        await api.writer.write(lambda c: revoke_key(c, only.key.api_key_id, now=datetime.now(UTC)))
        assert (await api.get("/v1/projects")).status_code == 401

    run_story(story)


def test_another_project_is_not_there() -> None:
    """The answer is 404 and never 403, as for a project that does not exist, so that its existence is not revealed."""

    async def story(api: ManagementApi) -> None:
        other = await api.project("other")
        key = await api.secret()
        for path in ("", "/keys", "/requests", "/usage", "/usage/fields", "/balances", "/members", "/models", "/leave"):
            for project in (other.project_id, NOWHERE):
                method = "DELETE" if path == "/leave" else "GET"
                answer = await api.request(method, f"/v1/projects/{project}{path}", key=key)
                assert answer.status_code == 404, path
                assert answer.json() == {"err_code": "PROJECT_NOT_FOUND", "err_msg": "Project not found."}

    run_story(story)


def test_objects_of_another_project_are_not_found_either() -> None:
    async def story(api: ManagementApi) -> None:
        other = await api.project("other")
        theirs = await api.key(project=other.project_id)
        credit = await api.credit(5, project=other.project_id)
        key = await api.secret()
        for path in (f"keys/{theirs.key.api_key_id}", f"balances/{credit}"):
            answer = await api.get(f"{HERE}/{path}", key=key)
            assert (answer.status_code, answer.json()["category"]) == (404, "NOT_FOUND")
        revoking = await api.request("DELETE", f"{HERE}/keys/{theirs.key.api_key_id}", key=key)
        assert revoking.status_code == 404
        assert (await api.get("/v1/auth/token", key=theirs.secret)).status_code == 200

    run_story(story)


@pytest.mark.parametrize("wrong", ["none", "1", "%00", "bc6c5b0d574351038916-7a97f41c3f0a", DEFAULT_PROJECT_ID + "0"])
def test_a_malformed_id_is_answered_in_plain_text(wrong: str) -> None:
    async def story(api: ManagementApi) -> None:
        key = await api.secret()
        for path in (
            f"/v1/projects/{wrong}",
            f"/v1/models/{wrong}",
            f"{HERE}/keys/{wrong}",
            f"{HERE}/requests/{wrong}",
        ):
            answer = await api.get(path, key=key)
            assert answer.status_code == 404
            assert answer.text.startswith("UUID parsing failed: ")
            assert answer.headers["content-type"].startswith("text/plain")

    run_story(story)


def test_ids_count_in_either_case() -> None:
    async def story(api: ManagementApi) -> None:
        assert (await api.get(f"/v1/projects/{DEFAULT_PROJECT_ID.upper()}")).status_code == 200

    run_story(story)


def test_reasons_count_in_order() -> None:
    """No key, no id, no project, no scope, no body: each hides those behind it."""

    async def story(api: ManagementApi) -> None:
        weak, strong = await api.secret("usage:write"), await api.secret()
        bad = {"content": b"{", "headers": {"content-type": "application/json"}}
        assert (await api.request("PATCH", "/v1/projects/none?x=1", key="wrong", **bad)).status_code == 401
        assert (await api.request("PATCH", "/v1/projects/none?x=1", key=weak, **bad)).text.startswith("UUID")
        absent = await api.request("PATCH", f"/v1/projects/{NOWHERE}?x=1", key=weak, **bad)
        assert absent.json()["err_code"] == "PROJECT_NOT_FOUND"
        scopeless = await api.request("PATCH", f"{HERE}?x=1", key=weak, **bad)
        assert (scopeless.status_code, scopeless.json()["err_code"]) == (401, "INSUFFICIENT_PERMISSIONS")
        query = await api.request("PATCH", f"{HERE}?x=1", key=strong, **bad)
        assert (query.status_code, query.json()["err_code"]) == (400, "INVALID_QUERY_PARAMETER")
        body = await api.request("PATCH", HERE, key=strong, **bad)
        assert (body.status_code, body.json()["category"]) == (400, "INVALID_JSON")

    run_story(story)


def test_each_route_requires_its_scope() -> None:
    async def story(api: ManagementApi) -> None:
        every = {scope for _, _, scope in SCOPES} | {"usage:write", "billing:write"}
        for method, path, scope in SCOPES:
            without, with_it = await api.secret(*(every - {scope})), await api.secret(scope)
            refused = await api.request(method, path, key=without)
            assert refused.status_code == 401, path
            assert refused.json()["err_code"] == "INSUFFICIENT_PERMISSIONS"
            assert refused.json()["err_msg"] == "User does not have sufficient permissions."
            assert scope in refused.json()["details"]
            assert (await api.request(method, path, key=with_it)).status_code in (200, 400, 404, 409), path

    run_story(story)


def test_a_temporary_token_may_not_manage() -> None:
    async def story(api: ManagementApi) -> None:
        key = await api.secret()
        token = (await api.request("POST", "/v1/auth/grant", key=key)).json()["access_token"]
        for method, path in PATHS:
            answer = await api.request(method, path, headers={"authorization": f"Bearer {token}"})
            if path != "/v1/auth/token":
                assert answer.status_code == 403, path
                assert (answer.json()["err_code"], answer.json()["err_msg"]) == (
                    "FORBIDDEN",
                    "Insufficient permissions.",
                )

    run_story(story)


def test_a_key_given_by_flag_is_a_member_of_the_default_project() -> None:
    async def story(api: ManagementApi) -> None:
        assert (await api.get("/v1/projects")).status_code == 401
        assert (await api.get(HERE, key=FLAG)).status_code == 200
        assert (await api.get(f"{HERE}/keys", key=FLAG)).status_code == 401

    run_story(story, settings=Settings(engines=("scripted",), keys=(FLAG,)))


@pytest.mark.parametrize(
    "host", ["http://speech.example.com", "http://192.168.1.7:8080", "http://localhost.evil.example"]
)
def test_an_open_server_reached_by_another_host_name_creates_no_keys(host: str) -> None:
    """A proxy's visitors, and a page whose name was pointed at loopback, are no owners of the machine."""

    async def story(api: ManagementApi) -> None:
        wish = {"comment": "mine now", "scopes": ["owner"]}
        answer = await api.request("POST", f"{HERE}/keys", json=wish, base=host)
        assert (answer.status_code, answer.json()["err_code"]) == (401, "INSUFFICIENT_PERMISSIONS")
        assert (await api.get(HERE, base=host)).status_code == 200

    run_story(story)


@pytest.mark.parametrize("host", ["http://localhost:8080", "http://127.0.0.1", "http://[::1]:8080"])
def test_a_local_user_may_create_the_first_key(host: str) -> None:
    async def story(api: ManagementApi) -> None:
        wish = {"comment": "first", "scopes": ["owner"]}
        assert (await api.request("POST", f"{HERE}/keys", json=wish, base=host)).status_code == 200

    run_story(story)


def test_a_server_without_authentication_lets_remote_clients_only_read() -> None:
    """With `--no-auth` this holds also once keys exist, and for clients with a wrong key."""

    async def story(api: ManagementApi) -> None:
        for _ in range(2):
            assert (await api.get(HERE, key="wrong")).status_code == 200
            assert (await api.get(HERE)).status_code == 200
            assert (await api.request("DELETE", HERE)).json()["err_code"] == "INSUFFICIENT_PERMISSIONS"
            await api.key()

    run_story(story, settings=Settings(engines=("scripted",), host="0.0.0.0", no_auth=True))


def test_an_invalid_host_header_causes_no_error() -> None:
    async def story(api: ManagementApi) -> None:
        for host in ("[", "[::1", "", "a b"):
            assert (await api.get(HERE, headers={"host": host})).status_code == 200

    run_story(story)
