"""What to send in, what the server says out: one live connection, driven by `listen`, `demo` and `doctor` alike."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
    InvalidURI,
)

from caesura.errors import CaesuraError
from caesura.protocol.messages import ClientMessage, CloseStream, Finalize, KeepAlive
from caesura.words import Word

DRAIN_S = 60.0
"""How long a server may take for its last words after CloseStream."""

MAX_MESSAGE_BYTES = 16 * 1024 * 1024


class StreamError(CaesuraError):
    """A stream that could not be opened or did not end as it should; `str()` says what to do."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to stream to, as whom, and with which parameters.

    `url` is that of the server (`ws://host:port`, `http` and `https` are understood too) or of its listen
    address, and may carry parameters of its own.
    """

    url: str
    key: str | None = field(default=None, repr=False)
    parameters: tuple[tuple[str, str], ...] = ()

    def address(self) -> str:
        """The full URL. Raises StreamError when `url` is none."""
        parts = urlsplit(self.url if "//" in self.url else f"ws://{self.url}")
        scheme = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}.get(parts.scheme)
        if scheme is None or not parts.hostname:
            raise StreamError(f"--url {self.url!r} is no address of a server; ws://127.0.0.1:8080 is one.")
        path = parts.path.rstrip("/")
        path = path if path.endswith("/listen") else f"{path.removesuffix('/v1')}/v1/listen"
        query = urlencode([*parse_qsl(parts.query), *self.parameters])
        return urlunsplit((scheme, parts.netloc, path, query, ""))


@dataclass(frozen=True, slots=True)
class Transcript:
    """A Results message: what was said in `start`..`start + duration`, seconds of stream audio."""

    raw: str
    start: float
    duration: float
    text: str
    words: tuple[Word, ...]
    final: bool
    from_finalize: bool
    channel: int
    channels: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The Metadata message, the last of a stream. `duration`: seconds of audio received."""

    raw: str
    duration: float


@dataclass(frozen=True, slots=True)
class Notice:
    """Any other message, by its `type`; `text` is its description when it has one."""

    raw: str
    type: str
    text: str


Message = Transcript | Summary | Notice


@dataclass(frozen=True, slots=True)
class Ending:
    """How a stream ended. `early`: before everything was sent that was to be sent."""

    code: int | None
    reason: str
    early: bool


def read_message(raw: str) -> Message:
    """A text frame of the server as a value. Raises StreamError when it is no message of this wire."""
    try:
        said = json.loads(raw)
        match said["type"]:
            case "Results":
                return _transcript(raw, said)
            case "Metadata":
                return Summary(raw, float(said["duration"]))
            case kind:
                return Notice(raw, str(kind), str(said.get("description", "")))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise StreamError(f"The server sent what is no message of this wire: {raw[:200]}") from error


def _transcript(raw: str, said: Mapping[str, Any]) -> Transcript:
    best = said["channel"]["alternatives"][0]
    channel, channels = said["channel_index"]
    return Transcript(
        raw=raw,
        start=float(said["start"]),
        duration=float(said["duration"]),
        text=str(best["transcript"]),
        words=tuple(
            Word(str(word.get("punctuated_word", word["word"])), word["start"], word["end"], word["confidence"])
            for word in best["words"]
        ),
        final=bool(said.get("is_final")),
        from_finalize=bool(said.get("from_finalize")),
        channel=int(channel),
        channels=int(channels),
    )


async def stream(
    target: Target,
    feed: AsyncIterator[bytes | ClientMessage],
    tell: Callable[[Message], None],
    *,
    drain_s: float = DRAIN_S,
) -> Ending:
    """Open a connection, send what `feed` yields, `tell` every message, and return when the server has closed.

    `feed` should end with CloseStream. It is no longer asked once the server has closed. Raises StreamError
    when the connection cannot be opened, the server says what is no message, or is not done `drain_s` seconds
    after the end of `feed`.
    """
    async with await _open(target) as connection:
        try:
            async with asyncio.TaskGroup() as tasks:
                sending = tasks.create_task(_send_all(connection, feed))
                async with asyncio.timeout(None) as limit:
                    sending.add_done_callback(lambda _: _limit(limit, drain_s))
                    await _receive_all(connection, tell)
                early = not sending.done()
                sending.cancel()
        except* TimeoutError:
            raise StreamError(
                f"The server has not closed the stream {drain_s:g} s after its end; its log should say why."
            ) from None
        except* (StreamError, OSError) as errors:
            raise errors.exceptions[0] from None
    return Ending(connection.close_code, connection.close_reason or "", early)


def _limit(limit: asyncio.Timeout, seconds: float) -> None:
    if not limit.expired():
        limit.reschedule(asyncio.get_running_loop().time() + seconds)


async def _open(target: Target) -> ClientConnection:
    """Connect; whatever stands in the way becomes a sentence."""
    address = target.address()
    place = "{0.scheme}://{0.netloc}".format(urlsplit(address))
    headers = {"Authorization": f"Token {target.key}"} if target.key else {}
    try:
        return await connect(
            address, additional_headers=headers, compression=None, max_size=MAX_MESSAGE_BYTES, ping_interval=None
        )
    except InvalidStatus as refused:
        raise StreamError(_refusal(refused)) from refused
    except (InvalidURI, InvalidHandshake) as error:
        raise StreamError(f"{place} does not speak this wire: {error}") from error
    except TimeoutError as error:
        raise StreamError(f"{place} does not answer.") from error
    except OSError as error:
        raise StreamError(
            f"Nothing listens at {place} ({error.strerror or error}). Start a server there with "
            "`caesura serve`, or name another one with --url."
        ) from error


def _refusal(refused: InvalidStatus) -> str:
    """The server's own words for its refusal, from the header or the body, else the bare status."""
    response = refused.response
    words = response.headers.get("dg-error", "")
    if not words:
        try:
            words = str(json.loads(response.body or b"{}").get("err_msg", ""))
        except (ValueError, AttributeError):
            words = ""
    hint = " Name a key with --key or CAESURA_KEY." if response.status_code == 401 else ""
    return f"The server refused ({response.status_code}): {words or response.reason_phrase}{hint}"


async def _send_all(connection: ClientConnection, feed: AsyncIterator[bytes | ClientMessage]) -> None:
    try:
        async for item in feed:
            await connection.send(item if isinstance(item, bytes) else _control(item))
    except ConnectionClosed:
        pass  # the receiving side sees it too, and tells how it ended


def _control(message: ClientMessage) -> str:
    match message:
        case KeepAlive():
            return '{"type":"KeepAlive"}'
        case CloseStream():
            return '{"type":"CloseStream"}'
        case Finalize(channel=None):
            return '{"type":"Finalize"}'
        case Finalize(channel=channel):
            return json.dumps({"type": "Finalize", "channel": channel})


async def _receive_all(connection: ClientConnection, tell: Callable[[Message], None]) -> None:
    try:
        async for raw in connection:
            if isinstance(raw, bytes):
                raise StreamError("The server sent a binary message, which this wire does not know.")
            tell(read_message(raw))
    except ConnectionClosed:
        pass  # how it was closed is on the connection
