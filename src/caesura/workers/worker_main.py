"""Main program of an engine worker process, which runs jobs that it receives on a socket.

Started by the server as `python -m caesura.workers.worker_main FD PARENT`. It may be killed at any time: the states of
streams that it holds for a streaming engine are made again from audio that the server keeps. It ends when its socket
does, and on Linux with its parent in any case.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, assert_never

from caesura.errors import CaesuraError, EngineError
from caesura.workers.ipc import (
    HEADER,
    CloseStates,
    FeedStates,
    Frame,
    JobsFailed,
    LoadEngine,
    LoadFailed,
    Ready,
    ToServer,
    Transcribe,
    Transcribed,
    checked_length,
    decode,
    encode,
)

if TYPE_CHECKING:
    from caesura.workers.engine_host import EngineHost

_PR_SET_PDEATHSIG: Final = 1


class WorkerSocket:
    """The worker's end of the socket; blocking."""

    def __init__(self, sock: socket.socket) -> None:
        """Takes over `sock`."""
        self._sock = sock

    def send(self, frame: ToServer) -> None:
        """Sends one frame. Raises OSError when the server has gone."""
        self.write(encode(frame))

    def write(self, data: bytes) -> None:
        """Sends a frame that is encoded. Raises OSError when the server has gone."""
        self._sock.sendall(data)

    def receive(self) -> Frame | None:
        """The next frame; None when the server has gone, in mid-frame too."""
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


def serve(connection: WorkerSocket) -> None:
    """Answer frames until the server closes the socket; returns early when the engine cannot be loaded."""
    host: EngineHost | None = None
    while (frame := connection.receive()) is not None:
        match frame:
            case LoadEngine():
                host = _load(connection, frame)
                if host is None:
                    return
            case Transcribe() | FeedStates():
                if host is None:
                    raise EngineError("a worker was given a job before its engine")
                connection.write(_answer(host, frame))
            case CloseStates(states):
                if host is not None:
                    host.close_states(states)
            case Ready() | LoadFailed() | Transcribed() | JobsFailed():
                raise EngineError(f"a worker was sent a frame of its own kind: {type(frame).__name__}")
            case _:
                assert_never(frame)


def _load(connection: WorkerSocket, frame: LoadEngine) -> EngineHost | None:
    sys.path[:] = frame.path
    # Not at the head of the file: this loads numpy, and with it its threads.
    from caesura.workers.engine_host import EngineHost

    try:
        host = EngineHost.load(frame.engine)
    except CaesuraError as error:
        connection.send(LoadFailed(str(error)))
        return None
    _release_freed_memory()
    connection.send(Ready())
    return host


def _release_freed_memory() -> None:
    # Loading frees tens of megabytes that glibc keeps for later; a worker never needs as much again.
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _answer(host: EngineHost, frame: Transcribe | FeedStates) -> bytes:
    from caesura.workers.engine_host import failure_reason

    try:
        hypotheses = host.feed(frame.jobs) if isinstance(frame, FeedStates) else host.transcribe(frame.jobs)
        return encode(Transcribed(hypotheses))
    except Exception as error:  # noqa: BLE001  # also what cannot be encoded, such as a confidence that is no number
        return encode(JobsFailed(failure_reason(error)))


def _settle(parent: int) -> None:
    # Ctrl-C and a service manager's SIGTERM reach the whole group; the server decides when its workers end.
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
    """Serve the socket whose descriptor is the first argument, for the parent whose id is the second."""
    descriptor, parent = map(int, arguments)
    _settle(parent)
    with socket.socket(fileno=descriptor) as sock:
        sock.set_inheritable(False)
        try:
            serve(WorkerSocket(sock))
        except (BrokenPipeError, ConnectionResetError):
            # The server has gone, and nobody is left to read the result.
            return


if __name__ == "__main__":
    main(sys.argv[1:])
