"""Refusals of requests for a recording's transcript, and bodies that name a URL."""

from __future__ import annotations

import pytest

from caesura.errors import BadAudio, EngineError, NotFetched
from caesura.protocol.closing import Refusal
from caesura.server.prerecorded.body_rate import BodyTooSlow
from caesura.server.prerecorded.request import (
    BAD_JSON,
    CLIENT_GONE,
    INTERNAL,
    TOO_LARGE,
    TOO_SLOW,
    UNREAD,
    RequestRejected,
    parse_url,
    refusal_of,
)
from caesura.server.prerecorded.upload import BodyStalled, BodyTooLarge, ClientGone


@pytest.mark.parametrize("refusal", [BAD_JSON, CLIENT_GONE, INTERNAL, TOO_LARGE, TOO_SLOW, UNREAD])
def test_refusals_fit_into_a_header(refusal: Refusal) -> None:
    assert refusal.err_msg.isascii()
    assert refusal.err_msg.isprintable()
    assert str(RequestRejected(refusal)) == refusal.err_msg


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RequestRejected(BAD_JSON), 400),
        (ClientGone(), 422),
        (BodyStalled(), 422),
        (BodyTooSlow(), 408),
        (BodyTooLarge(), 413),
        (NotFetched("it answered 404."), 400),
        (BadAudio("no audio"), 400),
    ],
)
def test_every_error_of_a_client_or_url_has_a_refusal(error: Exception, status: int) -> None:
    refusal = refusal_of(error)
    assert refusal is not None
    assert refusal.status == status


@pytest.mark.parametrize("error", [ZeroDivisionError(), EngineError("gone"), OSError("disk full")])
def test_a_fault_of_our_own_has_none(error: Exception) -> None:
    assert refusal_of(error) is None


def test_a_sentence_from_outside_can_stand_in_a_header() -> None:
    refusal = refusal_of(NotFetched("That host is private: \u00e4\n."))
    assert refusal is not None
    assert refusal.err_msg == "That host is private: \\xe4 ."


def test_a_url_is_read_from_json() -> None:
    assert parse_url(b'{"url": "https://example.org/a", "more": 1}') == "https://example.org/a"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"url": 3}', b'{"url": ""}', b"[" * 50_000])
def test_json_without_a_url_is_rejected(body: bytes) -> None:
    with pytest.raises(RequestRejected) as caught:
        parse_url(body)
    assert caught.value.refusal is BAD_JSON
