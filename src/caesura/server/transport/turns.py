"""Fair turns on the event loop: hands the bytes of one connection to its protocol in small pieces.

A single read from a socket may bring a quarter of a megabyte, which is 43,000 frames of 6 bytes: half a second in which
no other connection is served. `TurnTakingTransport` passes such a read on in pieces that each take about a millisecond
to parse, one in each turn of the loop, and reads no more until all of it is parsed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

_log = logging.getLogger("caesura.wire")

FIRST_BYTES = 2048
MIN_BYTES = 256
MAX_BYTES = 16 * 1024
"""Largest piece. It also bounds the time that the first piece of a flood takes after normal traffic: some 30 ms."""
SLOW_S = 0.002
FAST_S = 0.0005
"""Target time for a piece: one that took longer is followed by a smaller one, one that took less by a larger one."""


def next_size(size: int, took_s: float) -> int:
    """Number of bytes to pass on in the next turn, after `size` bytes took `took_s` seconds to parse."""
    if took_s > SLOW_S:
        return max(size // 2, MIN_BYTES)
    return min(size * 2, MAX_BYTES) if took_s < FAST_S else size


class TurnProtocol(Protocol):
    """A protocol that is served in turns."""

    def receive_turn(self, data: bytes) -> None:
        """Parse one piece of what was received."""


class TurnTakingTransport(asyncio.Transport):
    """The transport that the protocol sees; it alone decides whether the socket is read.

    The protocol passes received bytes to `feed`, and parses the pieces with which its `receive_turn` is called. Nothing
    is parsed while the protocol has paused reading, and the socket is not read while bytes wait.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._clock = clock
        self._size = FIRST_BYTES
        self._waiting = b""
        self._at = 0
        self._paused = False
        self._stopped = False
        """Whether the socket is not being read."""
        self._turn: asyncio.Handle | None = None

    @property
    def waiting(self) -> int:
        """Number of bytes that were received but not parsed yet."""
        return len(self._waiting) - self._at

    def feed(self, data: bytes) -> None:
        """Take bytes from the socket; the first piece is parsed at once if no other bytes wait."""
        self._waiting = self._waiting[self._at :] + data if self.waiting else data
        self._at = 0
        if self._turn is None and not self._paused:
            self._take_turn()

    def push_back(self, data: bytes) -> None:
        """Put back bytes that belong to the protocol that is served from now on; they come before all others."""
        self._waiting, self._at = data + self._waiting[self._at :], 0
        self._continue()

    def pause_reading(self) -> None:
        """Parse nothing more until `resume_reading`."""
        self._paused = True
        self._stop()

    def resume_reading(self) -> None:
        """Parse waiting bytes, then resume reading the socket."""
        self._paused = False
        self._continue()

    def _take_turn(self) -> None:
        self._turn = None
        if self._paused or not self.waiting:
            return
        if self.is_closing():
            self._waiting, self._at = b"", 0
            return
        piece = self._waiting[self._at : self._at + self._size]
        self._at += len(piece)
        began = self._clock()
        try:
            self.get_protocol().receive_turn(piece)
        except Exception:  # noqa: BLE001  # as asyncio does for data_received: a fault of ours ends this connection alone
            _log.exception("a connection is cut: its bytes could not be handled")
            self.abort()
            return
        self._size = next_size(len(piece), self._clock() - began) if len(piece) == self._size else self._size
        self._continue()

    def _continue(self) -> None:
        if self._paused or self.is_closing():
            return
        if self.waiting:
            self._stop()
            if self._turn is None:
                self._turn = self._loop.call_soon(self._take_turn)
            return
        self._waiting, self._at = b"", 0
        if self._stopped:
            self._stopped = False
            self._transport.resume_reading()

    def _stop(self) -> None:
        if not self._stopped and not self.is_closing():
            self._stopped = True
            self._transport.pause_reading()

    # ---- delegated to the real transport ----

    def get_protocol(self) -> Any:
        """The protocol that is served now."""
        return self._transport.get_protocol()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Serve another protocol from now on."""
        self._transport.set_protocol(protocol)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Information about the socket; see `asyncio.BaseTransport.get_extra_info`."""
        return self._transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        """Whether the transport is closed or will be."""
        return self._transport.is_closing()

    def is_reading(self) -> bool:
        """Whether the protocol wants to be served."""
        return not self._paused and not self.is_closing()

    def close(self) -> None:
        """Close once everything is written."""
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Send bytes."""
        self._transport.write(data)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview[Any]]) -> None:
        """Send several pieces."""
        self._transport.writelines(list_of_data)

    def write_eof(self) -> None:
        """Close the sending direction."""
        self._transport.write_eof()

    def can_write_eof(self) -> bool:
        """Whether one direction can be closed alone."""
        return self._transport.can_write_eof()

    def get_write_buffer_size(self) -> int:
        """Number of bytes that wait to be sent."""
        return self._transport.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Low and high water marks of the write buffer."""
        return self._transport.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the low and high water marks of the write buffer."""
        self._transport.set_write_buffer_limits(high, low)
