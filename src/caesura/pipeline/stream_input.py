"""Queue of a stream's input that is not decoded yet: audio bytes, and marks at their place among them. Pure.

Audio leaves it in batches, a mark alone. A large message is cut into pieces, except where a message is a unit of the
encoding: that of Opus is a packet.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from caesura.audio.format import AudioFormat, Encoding
from caesura.audio.speex import MESSAGE_BYTES
from caesura.engines.base import Term

BATCH_BYTES = 64 * 1024
"""Bytes that go to the audio thread at once; a larger message is decoded in pieces."""
SMALL_BYTES = 16 * 1024
"""Fewer bytes than this wait a moment for more, unless a mark came behind them."""
SMALL_MESSAGES = 64
"""Fewer messages than this wait likewise."""
ROOM_BYTES = 256 * 1024
"""Undecoded bytes beyond which the queue is full."""
ROOM_ITEMS = 1024
"""Messages and marks that wait, beyond which the queue is full."""


@dataclass(frozen=True, slots=True)
class FlushMark:
    """Everything before this becomes final, on one channel or, with None, on all."""

    channel: int | None


@dataclass(frozen=True, slots=True)
class ReconfigureMark:
    """The audio after this is formatted with these fields of the style; `terms` None leaves the preferred terms."""

    features: dict[str, bool]
    terms: tuple[Term, ...] | None


@dataclass(frozen=True, slots=True)
class ReleaseHeldMark:
    """Audio pauses: finals that wait for the end of a number are emitted."""


@dataclass(frozen=True, slots=True)
class EndMark:
    """There is no more audio."""

    is_stop: bool = False
    """It was stopped, perhaps in speech, which is then final up to between two words only."""


Mark = FlushMark | ReconfigureMark | ReleaseHeldMark | EndMark


class StreamInput:
    """The input of one stream, in order."""

    def __init__(self, audio: AudioFormat) -> None:
        self._whole = audio.encoding is Encoding.OPUS
        self._most_bytes = MESSAGE_BYTES if audio.encoding is Encoding.SPEEX else BATCH_BYTES
        self._items: deque[bytes | Mark] = deque()
        self.waiting_bytes = 0
        """Bytes of audio in the queue."""

    @property
    def is_full(self) -> bool:
        """Whether more audio should wait."""
        return self.waiting_bytes > ROOM_BYTES or len(self._items) > ROOM_ITEMS

    @property
    def is_large(self) -> bool:
        """Whether there is so much that it need not wait for more."""
        return self.waiting_bytes >= SMALL_BYTES or len(self._items) >= SMALL_MESSAGES

    @property
    def audio_is_next(self) -> bool:
        """Whether the oldest item is audio."""
        return bool(self._items) and isinstance(self._items[0], bytes)

    def add_audio(self, data: bytes) -> None:
        """Append a message of audio, as it came."""
        if self._whole or len(data) <= self._most_bytes:
            self._items.append(data)
        else:
            self._items.extend(data[at : at + self._most_bytes] for at in range(0, len(data), self._most_bytes))
        self.waiting_bytes += len(data)

    def add_mark(self, mark: Mark) -> None:
        """Append a mark behind all audio so far."""
        self._items.append(mark)

    def take_batch(self) -> list[bytes]:
        """Remove and return the audio before the next mark: at most BATCH_BYTES of it, but at least one message."""
        batch: list[bytes] = []
        size = 0
        while self._items and isinstance(item := self._items[0], bytes):
            if batch and size + len(item) > BATCH_BYTES:
                break
            batch.append(item)
            size += len(item)
            self._items.popleft()
        self.waiting_bytes -= size
        return batch

    def take_mark(self) -> Mark | None:
        """Remove and return the mark that is next; None when audio is next, or nothing."""
        if not self._items or isinstance(item := self._items[0], bytes):
            return None
        self._items.popleft()
        return item

    def clear(self) -> None:
        """Drop everything."""
        self._items.clear()
        self.waiting_bytes = 0
