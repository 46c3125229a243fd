"""Keeps the header of a container that is sent as it is, which a new connection needs to understand the rest. Pure."""

from __future__ import annotations

from caesura.containers.header import MAGIC_BYTES, header_bytes
from caesura.errors import BadAudio

MAX_HEADER_BYTES = 256 * 1024
"""A container without audio in so many bytes is sent on without looking further."""


class HeaderKeeper:
    """Watches the beginning of a container until its header is known."""

    def __init__(self) -> None:
        self._head = bytearray()
        self.header: bytes | None = None
        """Known once it is whole; b"" when this kind of container has none, or none was found."""

    def watch(self, data: bytes) -> None:
        """`data` is the next part of the container."""
        if self.header is not None:
            return
        self._head += data
        if len(self._head) < MAGIC_BYTES:
            return
        head = bytes(self._head)
        length = _length(head)
        if length is None and len(head) < MAX_HEADER_BYTES:
            return
        self.header = head[: length or 0]
        self._head.clear()

    def again(self, until: int) -> bytes:
        """What a new connection must be sent first, when the ones before were sent the first `until` bytes."""
        return bytes(self._head[:until]) if self.header is None else self.header[:until]


def _length(head: bytes) -> int | None:
    """Bytes of the header at the start of `head`; a broken one is not sent again."""
    try:
        return header_bytes(head)
    except BadAudio:
        return 0
