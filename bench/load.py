"""Load generation: recordings as prepared frames, cheap WebSocket connections, and the resource usage of a server.

The load generator shares the machine with what it measures, so it is one event loop that writes prepared bytes: frames
are masked with a key of zeros, which every server must undo and which leaves them as they are.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import struct
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

import av
import numpy as np
import soxr
import uvloop
from numpy.typing import NDArray

from caesura.cli.child import running_server
from caesura.errors import CaesuraError
from caesura.server.settings import Settings

RATE = 16_000
FRAME_S = 0.05
FRAME_SAMPLES = int(RATE * FRAME_S)
BUNDLED = Path(__file__).parent.parent / "tests" / "data"
"""The bundled recordings; figures of accuracy need more."""

Pcm = NDArray[np.int16]
T = TypeVar("T")


# ---- recordings ----


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording: `pcm` is int16 mono at 16 kHz, `text` its reference transcript."""

    name: str
    text: str
    pcm: Pcm


def recordings(folder: Path) -> list[Recording]:
    """Every file that `manifest.jsonl` in `folder` lists (`file`, `text`), decoded. Exits when there is none."""
    manifest = folder / "manifest.jsonl"
    if not manifest.is_file():
        sys.exit(f"{manifest} is not there: it lists the recordings, one JSON object a line with `file` and `text`.")
    lines = [json.loads(line) for line in manifest.read_text().splitlines() if line.strip()]
    if not lines:
        sys.exit(f"{manifest} lists no recording.")
    return [Recording(line["file"], line["text"], decode(folder / line["file"])) for line in lines]


def decode(path: Path, channel: int | None = None) -> Pcm:
    """Decode any audio file to int16 at 16 kHz, with the server's resampler: one of its channels, or their mean."""
    plain = av.AudioResampler(format="fltp")
    with av.open(str(path)) as opened:
        rate = opened.streams.audio[0].rate
        decoded = [*opened.decode(audio=0), None]
        channels = np.concatenate([piece.to_ndarray() for frame in decoded for piece in plain.resample(frame)], axis=1)
    samples = soxr.resample(channels.mean(axis=0) if channel is None else channels[channel], rate, RATE)
    pcm: Pcm = np.clip(np.round(samples * 32768), -32768, 32767).astype(np.int16)
    return pcm


def room_tone(seconds: float) -> Pcm:
    """A pause as recorded by a microphone: very soft noise, identical each time."""
    return np.random.default_rng(1).normal(0.0, 4.0, int(seconds * RATE)).astype(np.int16)


# ---- the wire ----


def frame(opcode: int, payload: bytes) -> bytes:
    """A WebSocket frame as a client sends it."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
    elif size < 65536:
        head = struct.pack("!BBH", 0x80 | opcode, 0xFE, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0xFF, size)
    return head + b"\0\0\0\0" + payload


def audio_frames(pcm: Pcm) -> list[bytes]:
    """WebSocket frames of 50 ms each; the last one is padded with silence."""
    padded = np.concatenate((pcm, np.zeros(-len(pcm) % FRAME_SAMPLES, np.int16)))
    return [frame(2, piece.astype("<i2").tobytes()) for piece in padded.reshape(-1, FRAME_SAMPLES)]


KEEP_ALIVE = frame(1, b'{"type":"KeepAlive"}')
CLOSE_STREAM = frame(1, b'{"type":"CloseStream"}')


@dataclass(frozen=True, slots=True)
class Closed:
    """How a connection ended, and when by `time.monotonic`; the code is 1006 if it was lost."""

    code: int
    reason: str
    at: float


class UpgradeRejected(ConnectionError):
    """The server answered the upgrade with another status than 101."""

    def __init__(self, status: int, retry_after_s: float | None, answer: str) -> None:
        super().__init__(f"the server refused: {answer}")
        self.status = status
        self.retry_after_s = retry_after_s


class Connection(asyncio.Protocol):
    """One connection, opened by `open_connection`; `on_message` gets each text message and the time of its arrival.

    Times are those of `time.monotonic`: uvloop's own clock stands still while callbacks run, and counts milliseconds.
    """

    def __init__(self, request: bytes, on_message: Callable[[bytes, float], None]) -> None:
        loop = asyncio.get_running_loop()
        self._request = request
        self._on_message = on_message
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._upgraded = False
        self.opened: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[Closed] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Request the upgrade."""
        self._transport = transport  # type: ignore[assignment]
        self.send(self._request)

    def send(self, data: bytes) -> None:
        """Write prepared bytes, unless the connection is closed."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Parse frames and dispatch them."""
        now = time.monotonic()
        self._buffer += data
        if not self._upgraded and not self._upgrade_accepted():
            return
        while (received := self._next_frame()) is not None:
            opcode, payload = received
            if opcode == 1:
                self._on_message(payload, now)
            elif opcode == 8:
                self._set_closed(Closed(int.from_bytes(payload[:2]) or 1005, payload[2:].decode(), now))
                self.send(frame(8, payload[:2]))
                self.close()
            elif opcode == 9:
                self.send(frame(10, payload))

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the socket is closed."""
        self._set_closed(Closed(1006, str(exc or ""), time.monotonic()))
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("the server closed the connection before the upgrade"))

    def close(self) -> None:
        """Close the socket."""
        if self._transport is not None:
            self._transport.close()

    def _set_closed(self, closed: Closed) -> None:
        if not self.closed.done():
            self.closed.set_result(closed)

    def _upgrade_accepted(self) -> bool:
        head, end, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        if not end:
            return False
        status = head.split(b"\r\n")[0].decode()
        if " 101 " not in f"{status} ":
            if not self.opened.done():
                retry = re.search(rb"(?im)^retry-after: *(\d+)", head)
                retry_after_s = float(retry[1]) if retry else None
                code = int(status.split(" ")[1])
                self.opened.set_exception(UpgradeRejected(code, retry_after_s, f"{status} {rest.decode()}"))
            self.close()
            return False
        self._upgraded = True
        self._buffer = bytearray(rest)
        self.opened.set_result(None)
        return True

    def _next_frame(self) -> tuple[int, bytes] | None:
        """Remove and return the next complete frame; servers send them unmasked and ours sends them unfragmented."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, at = buffer[1] & 0x7F, 2
        if size >= 126:
            at = 4 if size == 126 else 10
            if len(buffer) < at:
                return None
            size = int.from_bytes(buffer[2:at])
        if len(buffer) < at + size:
            return None
        opcode, payload = buffer[0] & 0x0F, bytes(buffer[at : at + size])
        del buffer[: at + size]
        return opcode, payload


async def open_connection(url: str, on_message: Callable[[bytes, float], None], **parameters: str) -> Connection:
    """Open a connection for linear16 at 16 kHz and further parameters. Raises OSError when it is refused."""
    parts = urlsplit(url)
    query = urlencode({"encoding": "linear16", "sample_rate": str(RATE)} | parameters)
    request = (
        f"GET /v1/listen?{query} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: Y2Flc3VyYSdzIGJlbmNoIQ==\r\n\r\n"
    )
    loop = asyncio.get_running_loop()
    host, port = parts.hostname or "", parts.port or 80
    try:
        _, connection = await loop.create_connection(lambda: Connection(request.encode(), on_message), host, port)
    except OSError as error:
        raise ConnectionError(f"nothing answers at {url}: {error}; name a running server with --url") from error
    await connection.opened
    return connection


# ---- the server ----


@dataclass(frozen=True, slots=True)
class Usage:
    """Resource usage of one process: CPU seconds so far, and resident memory in MiB now."""

    cpu_s: float
    rss_mib: float


@dataclass(frozen=True, slots=True)
class Server:
    """A server under load: its URL, and the process id of its front, None where its resource usage is not measured."""

    url: str
    pid: int | None

    def front(self) -> Usage | None:
        """The resource usage of the front so far."""
        return usage(self.pid) if self.pid is not None else None

    def metric(self, name: str) -> float:
        """A metric of the server that has no labels."""
        with urlopen(f"{self.url.replace('ws://', 'http://', 1)}/metrics") as response:
            lines = response.read().decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    def workers(self) -> list[Usage]:
        """The resource usage of each worker so far; workers are children of the front."""
        return [usage(pid) for pid in _children(self.pid)] if self.pid is not None else []


ALL = ("--capacity", str(Settings().max_sessions))
"""Flags of a server that refuses no stream for lack of capacity, however late its words are then."""


@asynccontextmanager
async def serving(
    url: str | None, pid: int | None, *, engine: str, flags: Sequence[str] = (), refuses: bool = False
) -> AsyncIterator[Server]:
    """The server at `url`, or, without one, a new server that is stopped at the end.

    The new one takes all streams, unless it `refuses` those that it has measured no room for.
    """
    if url is not None:
        yield Server(url, pid)
        return
    async with running_server(engine, flags=flags if refuses else [*flags, *ALL]) as own:
        yield Server(own.url, own.pid)


def usage(pid: int) -> Usage:
    """Read the resource usage of a process from /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE") / 2**20)


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def raise_socket_limit(count: int) -> None:
    """Raise the limit of open files, for this process and its server, to allow `count` sockets; exits if it cannot."""
    need = count + 256
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= need:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (need, max(hard, need)))
    except (ValueError, OSError):
        sys.exit(
            f"{count} connections need {need} open files and this user may have {hard}: raise the limit "
            f"(as root: `ulimit -Hn {need}`, or `nofile` in /etc/security/limits.conf), or give fewer --sessions."
        )


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop; exits with a sentence when the server cannot be reached or started."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(main)
    except (OSError, CaesuraError) as error:
        sys.exit(str(error))
