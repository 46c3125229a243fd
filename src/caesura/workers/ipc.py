"""Messages between the server and its worker processes, and their encoding as frames.

A frame is a length, the length of its head, the head in JSON, and arrays of float32, all behind one another. Nothing in
it can be executed: engines are other people's code, and a compromised worker must not compromise the server too. The
module loads nothing large, for a worker imports it before it has settled how many threads it may use.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, assert_never

from caesura.errors import InternalError

if TYPE_CHECKING:
    from caesura.engines.base import Hypothesis, SegmentJob
    from caesura.engines.streaming import FeedJob

HEADER: Final = struct.Struct("!I")
MAX_FRAME: Final = 64 * 1024 * 1024
"""Bytes of one frame; a longer one is a fault. Half an hour of audio, far above any engine's segment."""


@dataclass(frozen=True, slots=True)
class LoadEngine:
    """Server to worker, once: load this engine; `path` is the server's import path."""

    engine: str
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Transcribe:
    """Server to worker: one batch for the engine."""

    jobs: tuple[SegmentJob, ...]


@dataclass(frozen=True, slots=True)
class FeedStates:
    """Server to worker: one batch of jobs for states of a streaming engine; answered as `Transcribe` is."""

    jobs: tuple[FeedJob, ...]


@dataclass(frozen=True, slots=True)
class CloseStates:
    """Server to worker: close these states; has no answer."""

    states: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ready:
    """Worker to server, once: the engine is loaded."""


@dataclass(frozen=True, slots=True)
class LoadFailed:
    """Worker to server, once, before it ends: the engine cannot be loaded."""

    reason: str


@dataclass(frozen=True, slots=True)
class Transcribed:
    """Worker to server: one hypothesis for each job of the batch."""

    hypotheses: tuple[Hypothesis, ...]


@dataclass(frozen=True, slots=True)
class JobsFailed:
    """Worker to server: the engine raised; the worker goes on. `reason` quotes nothing of the transcript."""

    reason: str


ToWorker = LoadEngine | Transcribe | FeedStates | CloseStates
ToServer = Ready | LoadFailed | Transcribed | JobsFailed
Frame = ToWorker | ToServer


_ALIGNMENT: Final = 16
"""Arrays begin at a multiple of so many bytes, as the code of engines likes them."""


def encode(frame: Frame) -> bytes:
    """The bytes of one frame; see `encode_parts`."""
    return b"".join(encode_parts(frame))


def encode_parts(frame: Frame) -> list[bytes | memoryview]:
    """The bytes of one frame in parts to be sent one behind the other: audio is not copied.

    Raises InternalError when it is longer than `MAX_FRAME`, or holds what no job or hypothesis may hold.
    """
    arrays: list[Any] = []
    head = json.dumps(_to_json(frame, arrays), separators=(",", ":")).encode("ascii")
    head += b" " * (-(HEADER.size + len(head)) % _ALIGNMENT)
    length = HEADER.size + len(head) + sum(array.nbytes for array in arrays)
    start = HEADER.pack(checked_length(length)) + HEADER.pack(len(head)) + head
    return [start, *(memoryview(each).cast("B") for each in arrays)]


def decode(body: bytes | bytearray) -> Frame:
    """The frame in `body`, which is without its length. Raises InternalError when it is none."""
    try:
        at = HEADER.size + HEADER.unpack_from(body)[0]
        if at > len(body):
            raise InternalError(f"a frame of {len(body)} bytes with a head of {at - HEADER.size}")
        head = json.loads(body[HEADER.size : at].decode("ascii"))
    except (struct.error, ValueError, RecursionError) as error:
        raise InternalError(f"a frame of {len(body)} bytes cannot be read: {type(error).__name__}") from None
    match head:
        case ["ready"]:
            frame: Frame = Ready()
        case ["load_failed", str(reason)]:
            frame = LoadFailed(reason)
        case ["jobs_failed", str(reason)]:
            frame = JobsFailed(reason)
        case ["load", str(engine), [*path]] if all(isinstance(each, str) for each in path):
            frame = LoadEngine(engine, tuple(path))
        case ["close", [*states]] if all(type(each) is int for each in states):
            frame = CloseStates(tuple(states))
        case ["transcribe" | "feed" | "transcribed" as kind, [*values]]:
            return _with_arrays(kind, values, body, at)
        case _:
            raise InternalError("a frame between server and worker of an unknown kind")
    if at != len(body):
        raise InternalError(f"a frame has {len(body) - at} bytes behind its head")
    return frame


def _to_json(frame: Frame, arrays: list[Any]) -> list[Any]:
    match frame:
        case Ready():
            return ["ready"]
        case LoadFailed(reason):
            return ["load_failed", reason]
        case JobsFailed(reason):
            return ["jobs_failed", reason]
        case LoadEngine(engine, path):
            return ["load", engine, path]
        case Transcribe(jobs):
            from caesura.workers.job_codec import job_to_json

            return ["transcribe", [job_to_json(job, arrays) for job in jobs]]
        case FeedStates(jobs):
            from caesura.workers.job_codec import feed_to_json

            return ["feed", [feed_to_json(job, arrays) for job in jobs]]
        case CloseStates(states):
            return ["close", states]
        case Transcribed(hypotheses):
            from caesura.workers.job_codec import hypothesis_to_json

            return ["transcribed", [hypothesis_to_json(each, arrays) for each in hypotheses]]
        case _:
            assert_never(frame)


def _with_arrays(
    kind: Literal["transcribe", "feed", "transcribed"], values: list[Any], body: bytes | bytearray, at: int
) -> Transcribe | FeedStates | Transcribed:
    # Not at the head of the file: this loads numpy, and with it its threads.
    from caesura.workers.job_codec import Arrays, feed_from_json, hypothesis_from_json, job_from_json

    arrays = Arrays(body, at)
    frame: Transcribe | FeedStates | Transcribed
    match kind:
        case "transcribe":
            frame = Transcribe(tuple(job_from_json(value, arrays) for value in values))
        case "feed":
            frame = FeedStates(tuple(feed_from_json(value, arrays) for value in values))
        case "transcribed":
            frame = Transcribed(tuple(hypothesis_from_json(value, arrays) for value in values))
        case _:
            assert_never(kind)
    arrays.finish()
    return frame


def checked_length(length: int) -> int:
    """`length` itself. Raises InternalError when it is more than `MAX_FRAME`."""
    if length > MAX_FRAME:
        raise InternalError(f"a frame between server and worker of {length} bytes; the most is {MAX_FRAME}")
    return length


class FrameReader:
    """Puts frames together again from bytes in pieces of any size."""

    def __init__(self) -> None:
        """Start with an empty buffer."""
        self._buffer = bytearray()

    def receive(self, data: bytes) -> Iterator[Frame]:
        """The frames that `data` completes. Raises InternalError on bytes that cannot be a frame."""
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            end = HEADER.size + checked_length(HEADER.unpack_from(self._buffer)[0])
            if len(self._buffer) < end:
                return
            body = bytes(memoryview(self._buffer)[HEADER.size : end])
            del self._buffer[:end]
            yield decode(body)
