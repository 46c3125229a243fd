"""One request's body, played by hand: pieces, stalls, hang-ups, and answers that come early."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from starlette.requests import Request

from caesura.server.prerecorded import upload
from caesura.server.prerecorded.body_rate import BodyRate, BodyTooSlow
from caesura.server.prerecorded.upload import BodyStalled, BodyTooLarge, ClientGone, EarlyResponse, Upload

GONE = {"type": "http.disconnect"}
Message = dict[str, Any]


def piece(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


class Peer:
    """Sends the given messages, then nothing."""

    def __init__(self, *messages: Message, **headers: str) -> None:
        self.messages = list(messages)
        self.sent: list[Message] = []
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        self.scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": raw}

    async def receive(self) -> Message:
        if not self.messages:
            await asyncio.Event().wait()
        return self.messages.pop(0)

    async def send(self, message: Any) -> None:
        self.sent.append(dict(message))

    def upload(self, max_bytes: int = 100, stall_timeout_s: float = 10.0, rate_s: float | None = None) -> Upload:
        request = Request(self.scope, self.receive)
        rate = BodyRate(stall_timeout_s if rate_s is None else rate_s)
        return Upload(request, max_bytes=max_bytes, stall_timeout_s=stall_timeout_s, rate=rate)


def run(story: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(story, 10))


async def taken(found: Upload) -> list[bytes]:
    return [each async for each in found.pieces()]


def test_the_body_comes_in_its_pieces() -> None:
    found = Peer(piece(b"one"), piece(b""), piece(b"two", more=False)).upload()
    assert not found.complete
    assert run(taken(found)) == [b"one", b"two"]
    assert found.complete
    assert found.size == 6


def test_a_body_of_nothing_is_complete() -> None:
    found = Peer(piece(b"", more=False)).upload()
    assert run(taken(found)) == []
    assert found.complete


def test_a_short_body_comes_whole() -> None:
    assert run(Peer(piece(b"{"), piece(b"}", more=False)).upload().read_all(2)) == b"{}"
    with pytest.raises(BodyTooLarge):
        run(Peer(piece(b"{"), piece(b"}", more=False)).upload().read_all(1))


def test_a_body_that_is_too_large_is_rejected_by_its_length_and_by_its_bytes() -> None:
    with pytest.raises(BodyTooLarge):
        Peer(content_length="101").upload().check_length()
    Peer(content_length="100").upload().check_length()
    Peer(content_length="many").upload().check_length()
    with pytest.raises(BodyTooLarge):
        run(taken(Peer(piece(bytes(60)), piece(bytes(41))).upload()))


def test_a_stall_and_a_disconnect_raise() -> None:
    with pytest.raises(BodyStalled):
        run(taken(Peer(piece(b"one")).upload(stall_timeout_s=0.01)))
    with pytest.raises(ClientGone):
        run(taken(Peer(piece(b"one"), GONE).upload()))


def test_a_body_that_is_too_slow_is_rejected_and_its_end_is_in_time() -> None:
    class Dripping(Peer):
        async def receive(self) -> Message:
            await asyncio.sleep(0.01)
            return await super().receive()

    with pytest.raises(BodyTooSlow):
        run(taken(Dripping(*[piece(b"")] * 1_000).upload(rate_s=0.05)))
    assert run(taken(Dripping(piece(b"", more=False)).upload(rate_s=0.005))) == []


def test_a_disconnect_is_awaited_once_all_is_read() -> None:
    async def main() -> None:
        peer = Peer(piece(b"one", more=False), piece(b"", more=False), GONE)
        found = peer.upload()
        gone = asyncio.create_task(found.disconnected())
        await asyncio.sleep(0)
        assert len(peer.messages) == 3
        await taken(found)
        await gone

    run(main())


def respond(peer: Peer) -> list[Message]:
    run(EarlyResponse("sorry", 400)(peer.scope, peer.receive, peer.send))
    return peer.sent


def test_an_early_answer_is_whole_before_the_rest_is_read_and_dropped() -> None:
    peer = Peer(piece(bytes(10)), piece(bytes(10), more=False), GONE)
    start, body, end = respond(peer)
    assert start["status"] == 400
    assert (b"connection", b"close") in start["headers"]
    assert (b"content-length", b"5") in start["headers"]
    assert (body["body"], body["more_body"]) == (b"sorry", True)
    assert not end.get("more_body", False)
    assert peer.messages == [GONE]


def test_a_client_that_waits_for_100_continue_is_not_invited_to_send() -> None:
    peer = Peer(piece(b"never asked for"), expect="100-continue")
    assert len(respond(peer)) == 3
    assert len(peer.messages) == 1


def test_the_discarded_rest_of_a_body_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "LINGER_BYTES", 25)
    peer = Peer(*[piece(bytes(10))] * 5)
    respond(peer)
    assert len(peer.messages) == 2
    monkeypatch.setattr(upload, "LINGER_S", 0.01)
    assert len(respond(Peer(piece(bytes(10))))) == 3
