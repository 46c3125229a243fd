"""Interface of all decoders, which are fed bytes, work in steps, and put samples into a Collector."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class Decoder(Protocol):
    """Decodes one stream into the Collector it was made with. Used by one thread, except `close`.

    `feed` and `finish` return the steps of the work: nothing is done before they are iterated, and each must be
    iterated to its end before the next call. After each step, which takes at most some milliseconds and adds about a
    second of audio at most, the caller may do something else for as long as it likes.
    """

    def feed(self, data: bytes) -> Iterator[None]:
        """Decode everything that the new bytes complete. Raises BadAudio when they cannot be audio of this format."""
        ...

    def finish(self) -> Iterator[None]:
        """Decodes the rest. Raises BadAudio when the stream ended before it could hold audio."""
        ...

    def close(self) -> None:
        """Stop decoding and free threads; idempotent; may be called from any thread."""
        ...
