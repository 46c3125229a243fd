"""Request ids are UUIDv7."""

from __future__ import annotations

import time
import uuid

from caesura.server.request_id import new_request_id


def test_ids_are_version_7_and_carry_the_time() -> None:
    """The first 48 bits are milliseconds since 1970; variant and version are those of RFC 9562."""
    before = time.time_ns() // 1_000_000
    text = new_request_id()
    after = time.time_ns() // 1_000_000
    parsed = uuid.UUID(text)
    assert str(parsed) == text
    assert parsed.version == 7
    assert parsed.variant == uuid.RFC_4122
    assert before <= parsed.int >> 80 <= after


def test_ids_differ() -> None:
    """A thousand in a row are a thousand."""
    assert len({new_request_id() for _ in range(1000)}) == 1000
