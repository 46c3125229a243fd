"""Parser of server messages for tests, with those that a client of this package does not know."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from caesura.protocol import client_codec
from caesura.protocol.messages import (
    ConfigureFailure,
    ConfigureSuccess,
    Results,
    SearchHit,
    SearchResult,
    ServerMessage,
)


def read_server_message(text: str) -> ServerMessage:
    """The message of `text`; times are rounded to milliseconds there."""
    fields = json.loads(text)
    match fields.pop("type"):
        case "ConfigureSuccess":
            terms = fields.get("keyterms")
            return ConfigureSuccess(fields["request_id"], None if terms is None else tuple(terms))
        case "ConfigureFailure":
            return ConfigureFailure(**fields)
    message = client_codec.read_server_message(text)
    assert not isinstance(message, client_codec.Unrecognised), text
    if isinstance(message, Results):
        return replace(message, searches=tuple(map(_search, fields["channel"].get("search", ()))))
    return message


def _search(fields: dict[str, Any]) -> SearchResult:
    return SearchResult(fields["query"], tuple(SearchHit(**hit) for hit in fields["hits"]))
