"""An answer to a request whose body is still being sent: whole before the rest is read, and bounded."""

from __future__ import annotations

import pytest

from caesura.server import early_response
from caesura.server.early_response import EarlyResponse
from tests.server.http_peer import GONE, Message, Peer, piece, run


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


def test_what_is_dropped_has_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early_response, "LINGER_BYTES", 25)
    peer = Peer(*[piece(bytes(10))] * 5)
    respond(peer)
    assert len(peer.messages) == 2
    monkeypatch.setattr(early_response, "LINGER_S", 0.01)
    assert len(respond(Peer(piece(bytes(10))))) == 3
