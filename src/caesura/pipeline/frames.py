"""What the front and its worker processes say to each other: values in, length-prefixed frames out, and back.

Both ends are this program, over a socket that nobody else holds; so the values travel as pickles. The
module loads nothing large, for a worker imports it before it has settled how many threads it may use.
"""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from caesura.errors import InternalError

if TYPE_CHECKING:
    from caesura.engines.base import Hypothesis, SegmentJob

HEADER: Final = struct.Struct("!I")
MAX_FRAME: Final = 64 * 1024 * 1024
"""Bytes of one frame; a longer one is a fault. Half an hour of audio, far above any engine's segment."""


@dataclass(frozen=True, slots=True)
class Load:
    """Front to worker, once: load this engine; `path` is where the front imports from."""

    engine: str
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Transcribe:
    """Front to worker: one batch for the engine."""

    jobs: tuple[SegmentJob, ...]


@dataclass(frozen=True, slots=True)
class Ready:
    """Worker to front, once: the engine is loaded."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Worker to front, once, before it ends: the engine cannot be loaded."""

    reason: str


@dataclass(frozen=True, slots=True)
class Transcribed:
    """Worker to front: one hypothesis for each job of the batch."""

    hypotheses: tuple[Hypothesis, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """Worker to front: the engine raised; the worker goes on. `reason` holds nothing that was said."""

    reason: str


ToWorker = Load | Transcribe
ToFront = Ready | Refused | Transcribed | Failed
Frame = ToWorker | ToFront


def encode(frame: Frame) -> bytes:
    """The bytes of one frame. Raises InternalError when it is longer than `MAX_FRAME`."""
    # Written in place: to pickle 10 s of audio into bytes and put a header before them takes 20 times as long.
    file = io.BytesIO()
    file.write(bytes(HEADER.size))
    pickle.dump(frame, file, protocol=5)
    length = checked_length(file.tell() - HEADER.size)
    file.seek(0)
    file.write(HEADER.pack(length))
    return file.getvalue()


def decode(body: bytes | bytearray) -> Frame:
    """The frame in `body`, which is without its header. Raises InternalError when it is none of ours."""
    frame = pickle.loads(body)
    if not isinstance(frame, Frame):
        raise InternalError(f"a frame between front and worker holds {type(frame).__name__}")
    return frame


def checked_length(length: int) -> int:
    """`length` itself. Raises InternalError when it is more than `MAX_FRAME`."""
    if length > MAX_FRAME:
        raise InternalError(f"a frame between front and worker of {length} bytes; the most is {MAX_FRAME}")
    return length


class FrameReader:
    """Puts frames together again from bytes in pieces of any size."""

    def __init__(self) -> None:
        """No byte has come yet."""
        self._buffer = bytearray()

    def receive(self, data: bytes) -> Iterator[Frame]:
        """The frames that `data` completes. Raises InternalError on what cannot be one."""
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            end = HEADER.size + checked_length(HEADER.unpack_from(self._buffer)[0])
            if len(self._buffer) < end:
                return
            body = bytes(memoryview(self._buffer)[HEADER.size : end])
            del self._buffer[:end]
            yield decode(body)
