"""Handshake of the fake server: parses an upgrade request, and builds the response, 101 or a refusal of this wire."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import parse_qs, parse_qsl, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request as Head
from websockets.http11 import Response
from websockets.typing import Subprotocol

from caesura.errors import BadParameter
from caesura.protocol.catalogue import Catalogue, Offer
from caesura.protocol.closing import (
    INVALID_AUTH,
    SERVICE_UNAVAILABLE,
    TOO_MANY_REQUESTS,
    Refusal,
    refusal_body,
    refusal_for,
)
from caesura.protocol.options import ListenOptions, parse_options
from caesura.testing.connection import UpgradeRequest
from caesura.testing.fake_session import MODEL
from caesura.testing.faults import HttpAnswer

NOT_FOUND = Refusal(404, "NOT_FOUND", "No WebSocket is served here: live speech goes to /v1/listen.")
NOT_LINEAR16 = Refusal(400, "INVALID_QUERY_PARAMETER", "This fake server accepts 'encoding=linear16' only.")
_KNOWN = {refusal.status: refusal for refusal in (INVALID_AUTH, TOO_MANY_REQUESTS, SERVICE_UNAVAILABLE)}
_SCHEMES = ("token", "bearer")


def read(head: Head, request_id: str, at: float) -> UpgradeRequest:
    """Parse the request into a record for tests."""
    url = urlsplit(head.path)
    query = {name: tuple(values) for name, values in parse_qs(url.query, keep_blank_values=True).items()}
    return UpgradeRequest(request_id, url.path, query, head.headers, at)


def check(head: Head, languages: Sequence[str]) -> ListenOptions | Refusal:
    """The options of the stream, or the refusal."""
    url = urlsplit(head.path)
    if url.path != "/v1/listen":
        return NOT_FOUND
    try:
        options = parse_options(parse_qsl(url.query, keep_blank_values=True), catalogue=_catalogue(languages))
    except BadParameter as error:
        return refusal_for(error)
    return options if options.encoding == "linear16" else NOT_LINEAR16


def _catalogue(languages: Sequence[str]) -> Catalogue:
    return Catalogue((Offer(MODEL, tuple(languages), biases=True),), diarizes=True)


def refusal(status: int) -> Refusal:
    """This wire's refusal with that status; for a status that it does not use, one with HTTP's reason phrase."""
    phrase = HTTPStatus(status).phrase
    return _KNOWN.get(status, Refusal(status, phrase.upper().replace(" ", "_"), f"{phrase}."))


def refused(peer: ServerConnection, reason: Refusal, request_id: str) -> Response:
    """Response that refuses the upgrade."""
    response = peer.respond(reason.status, refusal_body(reason, request_id))
    _set(response, "Content-Type", "application/json")
    _set(response, "dg-error", reason.err_msg)
    return response


def answered(peer: ServerConnection, answer: HttpAnswer, request_id: str) -> Response:
    """The response that a test configured."""
    reason = refusal(answer.status)
    response = refused(peer, reason, request_id)
    if answer.body is not None:
        response = peer.respond(answer.status, answer.body)
        _set(response, "dg-error", reason.err_msg)
    for name, value in answer.headers.items():
        _set(response, name, value)
    return response


def select_subprotocol(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """The scheme that was offered before the credential, never the credential itself; None if there is none."""
    return next((name for name in offered if name.lower() in _SCHEMES), None)


def _set(response: Response, name: str, value: str) -> None:
    # Assigning a header adds a second one of that name, so the old one is deleted first.
    if name in response.headers:
        del response.headers[name]
    response.headers[name] = value
