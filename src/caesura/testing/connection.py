"""What a fake server was asked and sent, to be looked at from a test's thread while it happens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from websockets.datastructures import Headers

from caesura.protocol.closing import Close
from caesura.protocol.options import ListenOptions


@dataclass(frozen=True, slots=True)
class Request:
    """A client's wish to connect, granted or refused."""

    request_id: str
    """What the answer's `dg-request-id` said."""
    path: str
    """As sent, without the query."""
    query: Mapping[str, tuple[str, ...]]
    """Every parameter's values, decoded, in their order."""
    headers: Headers = field(repr=False)
    """Names in any case; `get_all` where one was sent twice."""
    at: float
    """When it came, on the clock of `time.monotonic`."""

    @property
    def authorization(self) -> str | None:
        """The header of that name."""
        return self.headers.get("authorization")


@dataclass(frozen=True, slots=True)
class Text:
    """A text message of the client."""

    type: str
    """Its `type`; empty when it has none."""
    body: str
    """As sent."""
    at: float
    """When it came, on the clock of `time.monotonic`."""


@dataclass(slots=True)
class Connection:
    """An open or closed connection. A fake server goes on filling it in; read it from any thread."""

    request: Request
    options: ListenOptions
    """What the query asked for."""
    opened_at: float
    """When it was granted, on the clock of `time.monotonic`."""
    texts: list[Text] = field(default_factory=list)
    """The client's text messages up to the end of the session."""
    closed: Close | None = None
    """How it ended, None: not yet. The first close frame of either side; 1006 when the socket was cut without one."""
    chunks: list[bytes] = field(default_factory=list, repr=False)
    """The client's binary messages up to the end of the session, in the parts in which they were heard."""

    @property
    def request_id(self) -> str:
        """The id of its request, which its messages carry too."""
        return self.request.request_id

    @property
    def types(self) -> list[str]:
        """The types of its text messages."""
        return [text.type for text in self.texts]

    @property
    def audio(self) -> bytes:
        """All the client's binary messages in one."""
        return b"".join(self.chunks)

    @property
    def seconds(self) -> float:
        """How much audio that is."""
        return sum(map(len, self.chunks)) / self.bytes_per_second

    @property
    def bytes_per_second(self) -> int:
        """Of the audio that the query declares."""
        assert self.options.sample_rate is not None, "linear16 is refused without one"
        return 2 * self.options.channels * self.options.sample_rate
