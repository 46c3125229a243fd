"""Download of the recording behind a URL, bounded in size and time."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import httpcore2

from caesura.errors import BadUrl, NotFetched, RemoteFailed
from caesura.server.outbound.http import TRANSPORT_ERRORS, Client, Outbound, Timeouts, body, header, raise_remote_failed

MAX_BYTES = 2 * 1024**3
"""The limit of uploads."""
SLICE_BYTES = 64 * 1024
"""Most bytes that are decompressed at once: a few compressed bytes can expand a thousandfold."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A recording that is being downloaded."""

    media_type: str
    """The `Content-Type`, in lower case and without parameters; "" without one."""
    parts: AsyncIterator[bytes]
    """The bytes of the recording, decompressed; can be iterated once. Raises NotFetched."""


@asynccontextmanager
async def open_download(url: str, *, outbound: Outbound, max_bytes: int = MAX_BYTES) -> AsyncIterator[Remote]:
    """Request `url`; its bytes can be read inside the block.

    Credentials in the URL are sent as basic authentication, to its own origin only. Redirects are
    followed and guarded in the same way.

    Raises:
        NotFetched: The URL may not be reached, does not answer with 200, takes too long, breaks off or is larger than
            `max_bytes`; raised on entry, or while `parts` are read.
    """
    timeouts = outbound.timeouts
    deadline = asyncio.get_running_loop().time() + timeouts.whole_s
    client = outbound.client()
    try:
        response = await _request(client, url, outbound, deadline)
        try:
            unpacker = _check_response(response, max_bytes)
            async with (
                aclosing(body(response)) as packed,
                aclosing(_parts(packed, unpacker, timeouts, deadline, max_bytes)) as parts,
            ):
                yield Remote(header(response, b"content-type").partition(";")[0].strip().lower(), parts)
        finally:
            await response.aclose()
    finally:
        await client.aclose()


async def _request(client: Client, url: str, outbound: Outbound, deadline: float) -> httpcore2.Response:
    try:
        async with asyncio.timeout_at(deadline):
            # Audio hardly shrinks, so no compression is requested; a response that is compressed anyway is
            # decompressed.
            return await client.get(outbound.parse(url), {"Accept-Encoding": "identity"})
    except BadUrl as error:
        raise NotFetched(str(error)) from error
    except RemoteFailed as error:
        raise _not_fetched(str(error)) from error
    except TimeoutError as error:
        raise _too_slow(outbound.timeouts) from error


def _check_response(response: httpcore2.Response, max_bytes: int) -> _Unpacker:
    """The decompressor for a response that holds a recording. Raises NotFetched."""
    if response.status != 200:
        raise _not_fetched(f"it answered {response.status}")
    length = header(response, b"content-length")
    if length.isascii() and length.isdigit() and int(length[:20]) > max_bytes:
        raise _too_large(max_bytes)
    encoding = header(response, b"content-encoding").lower()
    match encoding:
        case "" | "identity":
            return _Unpacker(None)
        case "gzip" | "x-gzip":
            return _Unpacker(16 + zlib.MAX_WBITS)
        case "deflate":
            return _Unpacker(zlib.MAX_WBITS)
    raise _not_fetched("its Content-Encoding is neither gzip nor deflate nor identity")


async def _parts(
    packed_parts: AsyncIterator[bytes], unpacker: _Unpacker, timeouts: Timeouts, deadline: float, max_bytes: int
) -> AsyncGenerator[bytes, None]:
    received = unpacked = 0
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                packed = await anext(packed_parts)
        except StopAsyncIteration:
            break
        except TimeoutError as error:
            raise _too_slow(timeouts) from error
        except TRANSPORT_ERRORS as error:
            raise _broken(error, timeouts) from error
        received += len(packed)
        for part in unpacker.unpack(packed):
            unpacked += len(part)
            if max(received, unpacked) > max_bytes:
                raise _too_large(max_bytes)
            yield part
            await asyncio.sleep(0)  # decompression can run for long without awaiting anything
    if not unpacker.complete:
        raise _not_fetched("the response ended early")


class _Unpacker:
    """Decompresses a Content-Encoding, a slice at a time."""

    def __init__(self, window_bits: int | None) -> None:
        self._window_bits = window_bits
        self._stream = None if window_bits is None else zlib.decompressobj(window_bits)
        self._began = False

    @property
    def complete(self) -> bool:
        """Whether the compressed stream has ended."""
        return self._stream is None or not self._began or self._stream.eof

    def unpack(self, packed: bytes) -> Iterator[bytes]:
        """The decompressed bytes of `packed`, in slices. Raises NotFetched."""
        if self._window_bits is None:
            yield packed
            return
        while packed:
            self._began = True
            if self._stream is None or self._stream.eof:  # several gzip files may be concatenated
                self._stream = zlib.decompressobj(self._window_bits)
            try:
                part = self._stream.decompress(packed, SLICE_BYTES)
            except zlib.error as error:
                raise _not_fetched("its body does not match its Content-Encoding") from error
            packed = self._stream.unconsumed_tail or self._stream.unused_data
            if part:
                yield part


def _broken(error: Exception, timeouts: Timeouts) -> NotFetched:
    try:
        raise_remote_failed(error, timeouts)
    except RemoteFailed as failed:
        return _not_fetched(str(failed))


def _not_fetched(why: str) -> NotFetched:
    return NotFetched(f"The URL could not be fetched: {why}.")


def _too_slow(timeouts: Timeouts) -> NotFetched:
    return _not_fetched(f"it took longer than {timeouts.whole_s:g} s")


def _too_large(max_bytes: int) -> NotFetched:
    return _not_fetched(f"it is larger than {max_bytes} bytes")
