"""The vendor's newest SDKs, unmodified, managing a real server: on SQLite, and on PostgreSQL where it is installed."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import postgres
from tests.conformance.managing import PROJECT, Managed, managed
from tests.conformance.speech import DATA, FIRST, RATE, frames, pcm, seconds
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.conformance,
    # The SDK asks websockets for names that it is about to drop.
    pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning"),
]

HERE = Path(__file__).parent
WAIT_S = 100.0
ONCE = {"max_retries": 0}
"""The SDK tries again what was answered with 409 or 5xx."""
NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Managed]:
    """One for all tests of a database."""
    if request.param == "sqlite":
        with managed(str(tmp_path_factory.mktemp("managed") / "ledger.db")) as running:
            yield running
        return
    if postgres.programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with postgres.running() as database, managed(postgres.new_database(database.url)) as running:
        yield running


def environment(server: Managed) -> Any:
    """The only setting of the SDK that differs: the address of the server."""
    from deepgram.environment import DeepgramClientEnvironment

    wire = server.served.url
    return DeepgramClientEnvironment(base=server.http, production=wire, agent=wire, agent_rest=server.http)


@pytest.fixture
def connect(server: Managed) -> Iterator[Callable[..., Any]]:
    """Synchronous clients of the SDK, by default with the owner's key."""
    from deepgram import DeepgramClient

    # Its own HTTP client is never closed.
    with httpx.Client(timeout=WAIT_S) as http:

        def client(**credential: str) -> Any:
            told = credential or {"api_key": server.key}
            return DeepgramClient(environment=environment(server), httpx_client=http, **told)

        yield client


@pytest.fixture
def client(connect: Callable[..., Any]) -> Any:
    """With the owner's key."""
    return connect()


@pytest.fixture
def manage(client: Any) -> Any:
    """The SDK's management calls."""
    return client.manage.v1


def refusal(call: Callable[[], Any]) -> tuple[int, Any]:
    """Status and body of a call that must fail."""
    from deepgram.core.api_error import ApiError

    with pytest.raises(ApiError) as refused:
        call()
    assert refused.value.headers is not None
    assert refused.value.headers["dg-request-id"]
    return refused.value.status_code or 0, refused.value.body


def stream(client: Any, **asked: Any) -> str:
    """A live stream of one recording from its start to its end; returns the id of its request."""
    from deepgram.core.events import EventType

    messages: list[Any] = []
    options = {"model": "nova-3", "encoding": "linear16", "sample_rate": RATE, "channels": 1, "punctuate": "true"}
    with client.listen.v1.connect(**options, **asked) as live:
        live.on(EventType.MESSAGE, messages.append)
        thread = threading.Thread(target=live.start_listening, daemon=True)
        thread.start()
        for frame in frames(pcm(FIRST)):
            live.send_media(frame)
        live.send_close_stream()
        thread.join(WAIT_S)
        assert not thread.is_alive()
    request_id: str = messages[-1].request_id
    return request_id


def recorded(manage: Any, request_id: str) -> Any:
    """The request once it has ended in the ledger."""

    def found() -> list[Any]:
        listed = manage.projects.requests.list(PROJECT, request_id=request_id).requests
        return [request for request in listed if request.response is not None]

    wait_until(found, WAIT_S)
    return found()[0]


def test_models_are_listed(manage: Any) -> None:
    (model,) = manage.models.list().stt
    assert (model.name, model.streaming, model.batch, model.languages) == ("scripted", True, True, ["en"])
    assert manage.models.list(include_outdated=True).tts == []
    assert manage.models.get(model.uuid_).canonical_name == "scripted"
    assert manage.projects.models.list(PROJECT).stt == [model]
    assert manage.projects.models.get(PROJECT, model.uuid_).version == model.version
    assert refusal(lambda: manage.models.get(NOWHERE))[0] == 404


def test_projects_are_shown_and_renamed(manage: Any) -> None:
    (project,) = manage.projects.list().projects
    assert project.project_id == PROJECT
    renamed = f"renamed at {datetime.now(UTC)}"
    assert manage.projects.update(PROJECT, name=renamed).message
    told = manage.projects.get(PROJECT, limit=10, page=0)
    assert (told.name, told.mip_opt_out) == (renamed, True)
    assert refusal(lambda: manage.projects.update(PROJECT))[0] == 400
    assert refusal(lambda: manage.projects.delete(PROJECT, request_options=ONCE))[0] == 409
    assert refusal(lambda: manage.projects.leave(PROJECT, request_options=ONCE))[0] == 501


def test_another_project_is_not_there(server: Managed, manage: Any) -> None:
    for call in (
        lambda: manage.projects.get(server.other),
        lambda: manage.projects.keys.list(server.other),
        lambda: manage.projects.requests.list(server.other),
        lambda: manage.projects.usage.get(server.other),
        lambda: manage.projects.billing.balances.list(server.other),
    ):
        assert refusal(call) == (404, {"err_code": "PROJECT_NOT_FOUND", "err_msg": "Project not found."})
    assert refusal(lambda: manage.projects.get("none"))[0] == 404


def test_keys_are_made_listed_and_revoked(connect: Callable[..., Any], manage: Any) -> None:
    wish = {"comment": "of a night", "scopes": ["member"], "tags": ["night"], "time_to_live_in_seconds": 3600}
    made = manage.projects.keys.create(PROJECT, request=wish)
    assert timedelta(minutes=50) < made.expiration_date - datetime.now(UTC) <= timedelta(hours=1)
    listed = manage.projects.keys.list(PROJECT, status="active").api_keys
    assert made.api_key_id in [each.api_key.api_key_id for each in listed]
    shown = manage.projects.keys.get(PROJECT, made.api_key_id).item.member
    assert (shown.api_key.comment, shown.api_key.tags) == ("of a night", ["night"])
    other = connect(api_key=made.key).manage.v1
    assert other.projects.get(PROJECT).project_id == PROJECT
    assert refusal(lambda: other.projects.keys.list(PROJECT))[0] == 401
    assert manage.projects.keys.delete(PROJECT, made.api_key_id).message
    assert refusal(lambda: other.projects.get(PROJECT))[0] == 401
    assert refusal(lambda: manage.projects.keys.get(PROJECT, made.api_key_id))[0] == 404
    both = wish | {"expiration_date": "2100-01-01T00:00:00Z"}
    status, body = refusal(lambda: manage.projects.keys.create(PROJECT, request=both))
    assert (status, body["category"]) == (400, "INVALID_JSON")


def test_a_temporary_token_may_listen_and_not_manage(connect: Callable[..., Any], client: Any) -> None:
    granted = client.auth.v1.tokens.grant(ttl_seconds=60)
    assert granted.expires_in == 60
    assert client.auth.v1.tokens.grant().expires_in == 30
    other = connect(access_token=granted.access_token)
    assert stream(other)
    status, body = refusal(other.manage.v1.projects.list)
    assert (status, body["err_code"]) == (403, "FORBIDDEN")
    assert refusal(lambda: client.auth.v1.tokens.grant(ttl_seconds=3601))[0] == 400


def test_a_stream_is_a_request_that_was_used_and_billed(client: Any, manage: Any) -> None:
    tag = f"stream-{datetime.now(UTC).timestamp()}"
    request_id = stream(client, tag=[tag])
    request = recorded(manage, request_id)
    assert (request.code, request.path, request.deployment) == (101, "/v1/listen", "self-hosted")
    assert request.project_uuid == PROJECT
    details = request.response["details"]
    assert details["duration"] == pytest.approx(seconds(pcm(FIRST)), abs=2e-3)
    assert (details["method"], details["tags"]) == ("streaming", [tag])
    assert 0 < details["usd"] < 0.01
    assert manage.projects.requests.get(PROJECT, request_id).request == request

    today = datetime.now(UTC).date().isoformat()
    used = manage.projects.usage.get(PROJECT, start=today, end=today, tag=tag, punctuate=True)
    assert (used.start, used.end, used.resolution.units) == (today, today, "day")
    (row,) = manage.projects.usage.breakdown.get(PROJECT, tag=tag, grouping="method").results
    assert (row.requests, row.grouping.method) == (1, "streaming")
    assert row.hours == pytest.approx(seconds(pcm(FIRST)) / 3600, rel=1e-3)
    fields = manage.projects.usage.fields.list(PROJECT, start=today)
    assert tag in fields.tags
    assert "streaming" in fields.processing_methods
    (line,) = manage.projects.billing.breakdown.list(PROJECT, tag=tag, grouping=["line_item", "tags"]).results
    assert (line.grouping.line_item, line.grouping.tags) == ("streaming::scripted", [tag])
    assert line.dollars == pytest.approx(details["usd"])
    assert "streaming::scripted" in manage.projects.billing.fields.list(PROJECT).line_items


def test_a_recording_is_a_request_too(client: Any, manage: Any) -> None:
    told = client.listen.v1.media.transcribe_file(request=(DATA / FIRST).read_bytes(), model="nova-3", tag=["file"])
    assert told.results.channels[0].alternatives[0].transcript
    request = recorded(manage, told.metadata.request_id)
    assert (request.code, request.response["details"]["method"]) == (200, "sync")
    found = manage.projects.requests.list(PROJECT, method="sync", status="succeeded", limit=1000)
    assert told.metadata.request_id in [each.request_id for each in found.requests]


def test_requests_are_filtered_by_time_and_page(client: Any, manage: Any) -> None:
    before = datetime.now(UTC)
    newest = stream(client)
    recorded(manage, newest)
    found = manage.projects.requests.list(PROJECT, start=before - timedelta(seconds=1), limit=1, page=0)
    assert (found.page, found.limit) == (0, 1)
    assert found.requests[0].request_id == newest
    assert manage.projects.requests.list(PROJECT, end=before - timedelta(days=1)).requests == []
    assert refusal(lambda: manage.projects.requests.list(PROJECT, limit=0))[0] == 400


def test_balances_are_reported(server: Managed, manage: Any) -> None:
    (balance,) = manage.projects.billing.balances.list(PROJECT).balances
    assert (balance.balance_id, balance.units, balance.purchase_order_id) == (server.credit, "usd", "po-1")
    assert 4.9 < balance.amount <= 5
    assert manage.projects.billing.balances.get(PROJECT, server.credit).amount <= 5
    (order,) = manage.projects.billing.purchases.list(PROJECT, limit=10).orders
    assert (order.order_id, order.amount) == (server.credit, 5)
    assert refusal(lambda: manage.projects.billing.balances.get(PROJECT, NOWHERE))[0] == 404


def test_people_are_one(manage: Any) -> None:
    (member,) = manage.projects.members.list(PROJECT).members
    assert manage.projects.members.scopes.list(PROJECT, member.member_id).scopes == ["owner"]
    assert manage.projects.members.invites.list(PROJECT).invites == []
    call = manage.projects.members.delete
    assert refusal(lambda: call(PROJECT, member.member_id, request_options=ONCE))[0] == 501


def test_the_asynchronous_client_manages_too(server: Managed) -> None:
    from deepgram import AsyncDeepgramClient

    async def story() -> None:
        async with httpx.AsyncClient(timeout=WAIT_S) as http:
            client = AsyncDeepgramClient(api_key=server.key, environment=environment(server), httpx_client=http)
            (project,) = (await client.manage.v1.projects.list()).projects
            assert project.project_id == PROJECT
            assert (await client.auth.v1.tokens.grant(ttl_seconds=5)).expires_in == 5
            assert (await client.manage.v1.projects.keys.list(PROJECT)).api_keys

    asyncio.run(story())


def test_the_javascript_sdk_manages_too(node: str, server: Managed) -> None:
    """One round through all of it, by node."""
    job = {"url": server.served.url, "key": server.key, "project": PROJECT, "other": server.other, "nowhere": NOWHERE}
    job |= {"credit": server.credit, "audio": str(DATA / FIRST)}
    done = subprocess.run(
        [node, str(HERE / "manage.mjs"), json.dumps(job)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    told = {line["step"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert told["models"]["names"] == ["scripted"]
    assert told["projects"]["ids"] == [PROJECT]
    assert told["key"]["listed"] is True
    assert told["key"]["tags"] == ["js"]
    assert told["revoked"]["status"] == 401
    assert told["token"]["expires_in"] == 60
    assert told["token managing"]["status"] == 403
    assert told["recording"]["transcript"]
    assert (told["request"]["code"], told["request"]["method"]) == (200, "sync")
    assert told["usage"]["units"] == "day"
    assert told["breakdown"]["methods"] == ["sync"]
    assert "js" in told["fields"]["tags"]
    assert told["balance"]["id"] == server.credit
    assert told["bill"]["items"] == ["sync::scripted"]
    assert told["member"]["scopes"] == ["owner"]
    assert told["other project"] == {"step": "other project", "status": 404, "code": "PROJECT_NOT_FOUND"}
    assert told["bad filter"]["status"] == 400
