"""The main of an engine worker process: frames with jobs in on a socket, frames with hypotheses out.

Started by the front as `python -m caesura.pipeline.worker FD PARENT`. It holds no stream's state, so it
may be killed at any time. It ends when its socket does, and on Linux with its parent in any case.
"""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, assert_never

from caesura.errors import CaesuraError, EngineError, InternalError
from caesura.pipeline.frames import (
    HEADER,
    Failed,
    Frame,
    Load,
    Ready,
    Refused,
    ToFront,
    Transcribe,
    Transcribed,
    checked_length,
    decode,
    encode,
)

if TYPE_CHECKING:
    from caesura.engines.base import Engine, Hypothesis, SegmentJob
    from caesura.speech.voices import VoiceModel

_PR_SET_PDEATHSIG: Final = 1


class Line:
    """The worker's end of the socket; blocking."""

    def __init__(self, sock: socket.socket) -> None:
        """Takes over `sock`."""
        self._sock = sock

    def send(self, frame: ToFront) -> None:
        """Sends one frame. Raises OSError when the front has gone."""
        self.write(encode(frame))

    def write(self, data: bytes) -> None:
        """Sends a frame that is encoded. Raises OSError when the front has gone."""
        self._sock.sendall(data)

    def receive(self) -> Frame | None:
        """The next frame; None when the front has gone, in mid-frame too."""
        header = self._exactly(HEADER.size)
        body = None if header is None else self._exactly(checked_length(HEADER.unpack(header)[0]))
        return None if body is None else decode(body)

    def _exactly(self, size: int) -> bytearray | None:
        data = bytearray(size)
        view = memoryview(data)
        while view:
            received = self._sock.recv_into(view)
            if not received:
                return None
            view = view[received:]
        return data


def work(line: Line) -> None:
    """Answers frames until the front hangs up; returns early when the engine cannot be loaded."""
    engine: Engine | None = None
    while (frame := line.receive()) is not None:
        match frame:
            case Load():
                engine = _loaded(line, frame)
                if engine is None:
                    return
            case Transcribe():
                if engine is None:
                    raise EngineError("a worker was given a job before its engine")
                line.write(_encoded(_answer(engine, frame)))
            case Ready() | Refused() | Transcribed() | Failed():
                raise EngineError(f"a worker was sent its own kind of frame: {type(frame).__name__}")
            case _:
                assert_never(frame)


def _loaded(line: Line, frame: Load) -> Engine | None:
    sys.path[:] = frame.path
    # Not at the head of the file: this loads numpy, and with it its threads.
    from caesura.engines.registry import load_engine

    try:
        engine = load_engine(frame.engine)
    except CaesuraError as error:
        line.send(Refused(str(error)))
        return None
    _release_freed_memory()
    line.send(Ready())
    return engine


def _release_freed_memory() -> None:
    # Loading frees tens of megabytes that glibc keeps for later; a worker never needs as much again.
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _answer(engine: Engine, frame: Transcribe) -> Transcribed | Failed:
    try:
        hypotheses = tuple(engine.transcribe(list(frame.jobs)))
        if len(hypotheses) == len(frame.jobs):
            hypotheses = tuple(map(_with_voices, frame.jobs, hypotheses))
    except Exception as error:  # noqa: BLE001 - whatever an engine raises is an answer, and the next job may do well
        return Failed(_without_words(error))
    if len(hypotheses) != len(frame.jobs):
        return Failed(f"the engine gave {len(hypotheses)} answers to {len(frame.jobs)} jobs")
    return Transcribed(hypotheses)


def _encoded(answer: Transcribed | Failed) -> bytes:
    try:
        return encode(answer)
    except Exception as error:  # noqa: BLE001  # what no engine may answer, such as a confidence that is no number
        return encode(Failed(_without_words(error)))


def _with_voices(job: SegmentJob, hypothesis: Hypothesis) -> Hypothesis:
    if not job.voices or not hypothesis.words:
        return hypothesis
    spans = [(hypothesis.words[0].start, hypothesis.words[-1].end)]
    return replace(hypothesis, voices=_voices().hear(job.audio, spans))


@functools.cache
def _voices() -> VoiceModel:
    # Loaded by the first job that asks who speaks: most workers never do.
    from caesura.speech.voices import load_voices

    return load_voices()


def _without_words(error: Exception) -> str:
    """Our engines' own sentences pass; what others wrote into an exception may be what somebody said."""
    if isinstance(error, EngineError | InternalError):
        return str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"the engine raised {type(error).__name__} in {os.path.basename(place.filename)}, line {place.lineno}"


def _settle(parent: int) -> None:
    # Ctrl-C and a service manager's SIGTERM reach the whole group; the front decides when its workers end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # One worker is one core: more threads would only fight the other workers. For native libraries, which
    # are loaded later, so that what Python has read of the environment plays no part.
    os.putenv("OMP_NUM_THREADS", "1")
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit(0)


def main(arguments: Sequence[str]) -> None:
    """Works on the socket whose descriptor is the first argument, for the parent whose id is the second."""
    descriptor, parent = map(int, arguments)
    _settle(parent)
    with socket.socket(fileno=descriptor) as sock:
        sock.set_inheritable(False)
        try:
            work(Line(sock))
        except (BrokenPipeError, ConnectionResetError):
            # The front has gone, and nobody is left who would read the answer.
            return


if __name__ == "__main__":
    main(sys.argv[1:])
