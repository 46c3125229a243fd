"""One request's body, played by hand: pieces, stalls and hang-ups."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import Request

from caesura.server.prerecorded.body_rate import BodyRate, BodyTooSlow
from caesura.server.prerecorded.upload import BodyStalled, BodyTooLarge, ClientGone, Upload
from tests.server.http_peer import GONE, Message, Peer, piece, run


def upload(peer: Peer, max_bytes: int = 100, stall_timeout_s: float = 10.0, rate_s: float | None = None) -> Upload:
    request = Request(peer.scope, peer.receive)
    rate = BodyRate(stall_timeout_s if rate_s is None else rate_s)
    return Upload(request, max_bytes=max_bytes, stall_timeout_s=stall_timeout_s, rate=rate)


async def taken(found: Upload) -> list[bytes]:
    return [each async for each in found.pieces()]


def test_the_body_comes_in_its_pieces() -> None:
    found = upload(Peer(piece(b"one"), piece(b""), piece(b"two", more=False)))
    assert not found.complete
    assert run(taken(found)) == [b"one", b"two"]
    assert found.complete
    assert found.size == 6


def test_a_body_of_nothing_is_complete() -> None:
    found = upload(Peer(piece(b"", more=False)))
    assert run(taken(found)) == []
    assert found.complete


def test_a_short_body_comes_whole() -> None:
    assert run(upload(Peer(piece(b"{"), piece(b"}", more=False))).read_all(2)) == b"{}"
    with pytest.raises(BodyTooLarge):
        run(upload(Peer(piece(b"{"), piece(b"}", more=False))).read_all(1))


def test_a_body_that_is_too_large_is_rejected_by_its_length_and_by_its_bytes() -> None:
    with pytest.raises(BodyTooLarge):
        upload(Peer(content_length="101")).check_length()
    upload(Peer(content_length="100")).check_length()
    upload(Peer(content_length="many")).check_length()
    with pytest.raises(BodyTooLarge):
        run(taken(upload(Peer(piece(bytes(60)), piece(bytes(41))))))


def test_a_stall_and_a_disconnect_raise() -> None:
    with pytest.raises(BodyStalled):
        run(taken(upload(Peer(piece(b"one")), stall_timeout_s=0.01)))
    with pytest.raises(ClientGone):
        run(taken(upload(Peer(piece(b"one"), GONE))))


def test_a_body_that_is_too_slow_is_rejected_and_its_end_is_in_time() -> None:
    class Dripping(Peer):
        async def receive(self) -> Message:
            await asyncio.sleep(0.01)
            return await super().receive()

    with pytest.raises(BodyTooSlow):
        run(taken(upload(Dripping(*[piece(b"")] * 1_000), rate_s=0.05)))
    assert run(taken(upload(Dripping(piece(b"", more=False)), rate_s=0.005))) == []


def test_a_disconnect_is_awaited_once_all_is_read() -> None:
    async def main() -> None:
        peer = Peer(piece(b"one", more=False), piece(b"", more=False), GONE)
        found = upload(peer)
        gone = asyncio.create_task(found.disconnected())
        await asyncio.sleep(0)
        assert len(peer.messages) == 3
        await taken(found)
        await gone

    run(main())
