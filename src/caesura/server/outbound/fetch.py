"""The URL of a recording in, its bytes out, as they come; never more of them than asked for."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import httpcore2

from caesura.errors import BadUrl, NotFetched, RemoteFailed
from caesura.server.outbound.http import TRANSPORT_ERRORS, Client, Outbound, Timeouts, body, header, raise_failed

MOST_BYTES = 2 * 1024**3
"""As much as may be uploaded."""
SLICE_BYTES = 64 * 1024
"""So much is unpacked at once: a few packed bytes can stand for a thousand times as many."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A recording that is being fetched."""

    media_type: str
    """As its server names it, in lower case and without parameters; "" when it does not."""
    parts: AsyncIterator[bytes]
    """Its bytes, unpacked, to be read once. Raises NotFetched."""


@asynccontextmanager
async def fetching(url: str, *, outbound: Outbound, most_bytes: int = MOST_BYTES) -> AsyncIterator[Remote]:
    """Ask for `url` and hand over its bytes while the block lasts.

    Credentials in the URL are sent as basic authentication, to its own origin only. Redirects are followed, each
    as guarded as the first.

    Raises:
        NotFetched: It may not be reached, does not answer, answers something else than 200, takes too long, breaks
            off or is larger than `most_bytes`; said on the way in, or while `parts` are read.
    """
    timeouts = outbound.timeouts
    deadline = asyncio.get_running_loop().time() + timeouts.whole_s
    client = outbound.client()
    try:
        response = await _asked(client, url, outbound, deadline)
        try:
            unpacker = _accepted(response, most_bytes)
            async with (
                aclosing(body(response)) as packed,
                aclosing(_parts(packed, unpacker, timeouts, deadline, most_bytes)) as parts,
            ):
                yield Remote(header(response, b"content-type").partition(";")[0].strip().lower(), parts)
        finally:
            await response.aclose()
    finally:
        await client.aclose()


async def _asked(client: Client, url: str, outbound: Outbound, deadline: float) -> httpcore2.Response:
    try:
        async with asyncio.timeout_at(deadline):
            # Packed sound is hardly smaller, so we ask for none; servers that pack it all the same are understood.
            return await client.get(outbound.read(url), {"Accept-Encoding": "identity"})
    except BadUrl as error:
        raise NotFetched(str(error)) from error
    except RemoteFailed as error:
        raise _not_fetched(str(error)) from error
    except TimeoutError as error:
        raise _too_slow(outbound.timeouts) from error


def _accepted(response: httpcore2.Response, most_bytes: int) -> _Unpacker:
    """How to read an answer that is worth reading."""
    if response.status != 200:
        raise _not_fetched(f"it answered {response.status}")
    length = header(response, b"content-length")
    if length.isascii() and length.isdigit() and int(length[:20]) > most_bytes:
        raise _too_large(most_bytes)
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
    packed_parts: AsyncIterator[bytes], unpacker: _Unpacker, timeouts: Timeouts, deadline: float, most_bytes: int
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
            if max(received, unpacked) > most_bytes:
                raise _too_large(most_bytes)
            yield part
            await asyncio.sleep(0)  # unpacking goes on for long without a wait of its own
    if not unpacker.complete:
        raise _not_fetched("it broke off before its end")


class _Unpacker:
    """Undoes a Content-Encoding, a slice at a time."""

    def __init__(self, window_bits: int | None) -> None:
        self._window_bits = window_bits
        self._stream = None if window_bits is None else zlib.decompressobj(window_bits)
        self._began = False

    @property
    def complete(self) -> bool:
        """Whether the bytes so far may be all."""
        return self._stream is None or not self._began or self._stream.eof

    def unpack(self, packed: bytes) -> Iterator[bytes]:
        """What `packed` stands for, in slices. Raises NotFetched."""
        if self._window_bits is None:
            yield packed
            return
        while packed:
            self._began = True
            if self._stream is None or self._stream.eof:  # gzip files may be put one behind the other
                self._stream = zlib.decompressobj(self._window_bits)
            try:
                part = self._stream.decompress(packed, SLICE_BYTES)
            except zlib.error as error:
                raise _not_fetched("it is not packed as its Content-Encoding says") from error
            packed = self._stream.unconsumed_tail or self._stream.unused_data
            if part:
                yield part


def _broken(error: Exception, timeouts: Timeouts) -> NotFetched:
    try:
        raise_failed(error, timeouts)
    except RemoteFailed as failed:
        return _not_fetched(str(failed))


def _not_fetched(why: str) -> NotFetched:
    return NotFetched(f"The URL could not be fetched: {why}.")


def _too_slow(timeouts: Timeouts) -> NotFetched:
    return _not_fetched(f"it took longer than {timeouts.whole_s:g} s")


def _too_large(most_bytes: int) -> NotFetched:
    return _not_fetched(f"it is larger than {most_bytes} bytes")
