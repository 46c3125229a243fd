"""The seam between a stream and what decodes it: bytes in by `feed`, samples out into a Collector."""

from __future__ import annotations

from typing import Protocol


class Decoder(Protocol):
    """Decodes one stream into the Collector it was made with. Used by one thread, except `close`."""

    def feed(self, data: bytes) -> None:
        """Decodes all that became decodable. Raises BadAudio when the bytes cannot be audio of this kind."""
        ...

    def finish(self) -> None:
        """Decodes the rest. Raises BadAudio when the stream ended before it could hold audio."""
        ...

    def close(self) -> None:
        """Gives up and frees threads; idempotent; may be called from any thread."""
        ...
