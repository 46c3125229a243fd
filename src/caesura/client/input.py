"""Byte inputs for recordings: a path, an http(s) address, standard input or an open file, read as bytes arrive."""

from __future__ import annotations

import contextlib
import http.client
import io
import os
import select
import socket
import stat
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import BinaryIO, Protocol
from urllib.parse import urlsplit

from caesura.errors import UsageError

Source = str | os.PathLike[str] | BinaryIO
"""A path, "-" for standard input, an http(s) address, or a file opened for bytes, which stays its opener's to close."""

RESPONSE_S = 10.0
"""Timeout of an address: for connecting, and for each part of its response."""

_HEADERS = {"User-Agent": "caesura", "Accept": "audio/*, video/*, application/ogg, */*;q=0.5"}


class _ByteSource(Protocol):
    """Underlying source of an Input.

    `name` is its name in messages, `size` its length in bytes where that is known, `whole` the file itself where a
    decoder may seek in it.
    """

    name: str
    size: int | None
    whole: BinaryIO | None

    def read(self, most: int, /) -> bytes:
        """Some bytes, waiting for the first; b"" at the end. Raises OSError, HTTPException or UsageError."""
        ...

    def interrupt(self) -> None:
        """End a `read` that waits on another thread."""
        ...

    def close(self) -> None:
        """Close what was opened."""
        ...


class Input:
    """Bytes of one source, in order; bytes that were only inspected can be unread.

    `name` is its name in messages, `size` its length in bytes where that is known, `seekable` whether there is a
    `whole`.
    """

    def __init__(self, source: _ByteSource) -> None:
        self.name = source.name
        self.size = source.size
        self.seekable = source.whole is not None
        self.over = False
        """Was it interrupted or closed?"""
        self._source = source
        self._back = b""

    def read(self, most: int) -> bytes:
        """1 to `most` bytes, as soon as there are any; b"" at the end. Raises UsageError."""
        if self._back:
            data, self._back = self._back[:most], self._back[most:]
            return data
        try:
            return b"" if self.over else self._source.read(most)
        except (OSError, http.client.HTTPException) as error:
            if self.over:
                return b""
            raise UsageError(f"{self.name} can no longer be read: {_reason(error)}.") from error

    def take(self, count: int) -> bytes:
        """Exactly `count` bytes, fewer only at the end. Raises UsageError."""
        data = self.read(count)
        while len(data) < count and (more := self.read(count - len(data))):
            data += more
        return data

    def unread(self, data: bytes) -> None:
        """Put back the bytes that were read last, to be read again."""
        self._back = data + self._back

    @property
    def whole(self) -> BinaryIO | None:
        """The file itself, at its start, where a decoder may seek in it; read only there from then on."""
        if self._source.whole is not None:
            self._source.whole.seek(0)
        return self._source.whole

    def interrupt(self) -> None:
        """End the reading, also on another thread; only a file that the caller opened may go on waiting."""
        self.over = True
        self._source.interrupt()

    def close(self) -> None:
        """Close what was opened; not while another thread reads."""
        self.over = True
        self._source.close()


def open_input(source: Source) -> Input:
    """Open a source; for an address this waits for the head of its response.

    Raises UsageError when it does not exist, may not be read, or is of another type.
    """
    match source:
        case "-":
            return Input(_standard_input())
        case str() if source.lower().startswith(("http://", "https://")):
            return Input(_HttpBody(source))
        case str() | os.PathLike():
            return Input(_open_path(os.fspath(source)))
        case _ if hasattr(source, "read"):
            return Input(_BorrowedFile(source))
        case _:
            raise UsageError(f"Audio cannot be read from {source!r}: it must be a path, an address, - or an open file.")


def _open_path(path: str) -> _File:
    try:
        return _File(path, open(path, "rb", buffering=0))
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}.") from error
    except IsADirectoryError as error:
        raise UsageError(f"{path} is a folder; it must be a file with audio.") from error
    except PermissionError as error:
        raise UsageError(f"{path} may not be read by this user.") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be opened: {_reason(error)}.") from error


def _standard_input() -> _ByteSource:
    if sys.stdin is None:
        raise UsageError("There is no standard input here; name a file instead of -.")
    if sys.stdin.isatty():
        raise UsageError("Standard input is the keyboard; pipe audio into it, or name a file instead of -.")
    try:
        # Unbuffered: a thread that waits in the buffer would hold its lock when the program ends.
        return _File("standard input", io.FileIO(sys.stdin.fileno(), "rb", closefd=False))
    except (OSError, AttributeError):
        return _BorrowedFile(sys.stdin.buffer, "standard input")


class _File:
    """A file or pipe of the operating system, unbuffered. On Windows a pipe cannot be interrupted."""

    def __init__(self, name: str, file: io.FileIO) -> None:
        self.name = name
        self._file = file
        status = os.fstat(file.fileno())
        regular = stat.S_ISREG(status.st_mode)
        # Standard input may be a file of which another process has read a part.
        at = file.tell() if regular else 0
        self.size = status.st_size - at if regular else None
        self.whole: BinaryIO | None = file if regular and at == 0 else None
        self._wake = None if regular or not hasattr(select, "poll") else _Wake(file.fileno())

    def read(self, most: int, /) -> bytes:
        if self._wake is not None and not self._wake.wait():
            return b""
        return self._file.read(most) or b""

    def interrupt(self) -> None:
        if self._wake is not None:
            self._wake.up()

    def close(self) -> None:
        self._file.close()
        if self._wake is not None:
            self._wake.close()


class _Wake:
    """Waits until a descriptor is readable or until woken."""

    def __init__(self, descriptor: int) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)
        self._poll.register(self._ours, select.POLLIN)

    def wait(self) -> bool:
        """Wait; True when the descriptor is readable or at its end, False when woken."""
        return self._ours.fileno() not in {ready for ready, _ in self._poll.poll()}

    def up(self) -> None:
        """End every wait from now on."""
        with contextlib.suppress(OSError):
            self._theirs.send(b"!")

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()


class _BorrowedFile:
    """A file that the caller opened; a read in it cannot be interrupted."""

    def __init__(self, file: BinaryIO, name: str = "") -> None:
        self.name = name or str(getattr(file, "name", "") or "the open file")
        # read() of a buffered pipe waits for the whole size, read1() does not.
        self._read: Callable[[int], object] = getattr(file, "read1", file.read)
        self.size, at = _extent(file)
        self.whole = file if at == 0 and self.size is not None else None

    def read(self, most: int, /) -> bytes:
        data = self._read(most)
        if isinstance(data, str):
            raise UsageError(f"{self.name} is opened for text; it must be opened for bytes, with mode 'rb'.")
        return data if isinstance(data, bytes) else b""

    def interrupt(self) -> None:
        """Reads of the caller's own file cannot be interrupted."""

    def close(self) -> None:
        """The caller closes it."""


def _extent(file: BinaryIO) -> tuple[int | None, int]:
    """Bytes left in a file that can seek, and the position in it; None and 0 for one that cannot."""
    try:
        at = file.tell()
        end = file.seek(0, io.SEEK_END)
        file.seek(at)
    except (OSError, AttributeError, ValueError):
        return None, 0
    return end - at, at


class _HttpBody:
    """Body of an HTTP response as it arrives; redirects are followed."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        # The query may hold a secret.
        self.name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        self.whole: BinaryIO | None = None
        if parts.username is not None:
            raise UsageError(f"{self.name}: a name and password in the address are not understood.")
        self._response = self._request(address)
        self.size = self._length()
        self._received = 0
        # A second handle on the socket, so that it can be shut down while another thread reads.
        self._socket = socket.fromfd(self._response.fileno(), socket.AF_INET, socket.SOCK_STREAM)

    def _request(self, address: str) -> http.client.HTTPResponse:
        try:
            response = urllib.request.urlopen(urllib.request.Request(address, headers=_HEADERS), timeout=RESPONSE_S)
        except urllib.error.HTTPError as error:
            error.close()
            raise UsageError(f"{self.name} answered {error.code} {error.reason}; it must be audio.") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise UsageError(f"{self.name} cannot be fetched: {_reason(error)}.") from error
        assert isinstance(response, http.client.HTTPResponse)
        return response

    def _length(self) -> int | None:
        length = self._response.headers.get("Content-Length", "")
        return int(length) if length.isdecimal() else None

    def read(self, most: int, /) -> bytes:
        data = self._response.read1(most)
        self._received += len(data)
        if not data and self.size is not None and self._received < self.size:
            raise UsageError(f"{self.name} broke off: {self._received} of its {self.size} bytes arrived.")
        return data

    def interrupt(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._socket.close()
        self._response.close()


def _reason(error: Exception) -> str:
    """The cause, in a few words."""
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"no answer within {RESPONSE_S:g} s"
    words = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return words.rstrip(".") or type(cause).__name__
