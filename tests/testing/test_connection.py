"""Records of a connection."""

from __future__ import annotations

from typing import Any

from websockets.datastructures import Headers

from caesura.protocol.options import ListenOptions
from caesura.testing import Connection, Request, Text


def connection(sample_rate: int = 8000, **options: Any) -> Connection:
    request = Request("id", "/v1/listen", {}, Headers({"Authorization": "Token secret"}), 1.0)
    return Connection(request, ListenOptions(encoding="linear16", sample_rate=sample_rate, **options), 1.0)


def test_audio_is_all_messages_in_one_and_has_a_length() -> None:
    seen = connection(channels=2)
    seen.chunks += [b"ab", b"cd" * 15_999]
    assert seen.audio == b"ab" + b"cd" * 15_999
    assert seen.seconds == 1.0


def test_texts_have_types() -> None:
    seen = connection()
    seen.texts += [Text("KeepAlive", "{}", 1.0), Text("", "?", 2.0)]
    assert seen.types == ["KeepAlive", ""]


def test_a_header_is_found_in_any_case() -> None:
    seen = connection()
    assert seen.request.authorization == "Token secret"
    assert seen.request_id == "id"


def test_the_repr_of_a_connection_is_short() -> None:
    """A failed assertion prints it: neither the audio nor a secret may be in that."""
    seen = connection()
    seen.chunks.append(bytes(10_000))
    assert len(repr(seen)) < 1000
    assert "secret" not in repr(seen)
