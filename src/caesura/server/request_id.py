"""Generates ids of requests: UUIDv7, which sort by time."""

from __future__ import annotations

import secrets
import time
import uuid


def new_request_id() -> str:
    """A fresh UUIDv7, lower-case and hyphenated: ids sort by time of connecting (RFC 9562, section 5.7)."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))
