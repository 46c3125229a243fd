"""Records of a client's requests and messages to the fake server, readable from a test's thread meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from websockets.datastructures import Headers

from caesura.protocol.closing import Close
from caesura.protocol.options import ListenOptions


@dataclass(frozen=True, slots=True)
class UpgradeRequest:
    """A client's request to upgrade, accepted or refused."""

    request_id: str
    """The response's `dg-request-id`."""
    path: str
    """As sent, without the query."""
    query: Mapping[str, tuple[str, ...]]
    """Values of every query parameter, decoded, in their order."""
    headers: Headers = field(repr=False)
    """Headers, with case-insensitive lookup; `get_all` returns repeated ones."""
    at: float
    """When it opened, on the clock of `time.monotonic`."""

    @property
    def authorization(self) -> str | None:
        """The Authorization header; None when there is none."""
        return self.headers.get("authorization")


@dataclass(frozen=True, slots=True)
class ReceivedText:
    """A text message of the client."""

    type: str
    """Its `type`; empty if it has none."""
    body: str
    """As sent."""
    at: float
    """When it opened, on the clock of `time.monotonic`."""


@dataclass(slots=True)
class Connection:
    """An open or closed connection. The fake server updates it; it may be read from any thread."""

    request: UpgradeRequest
    options: ListenOptions
    """Options parsed from the query."""
    opened_at: float
    """When it was accepted, on the clock of `time.monotonic`."""
    texts: list[ReceivedText] = field(default_factory=list)
    """The client's text messages up to the end of the session."""
    closed: Close | None = None
    """How it ended: the first close frame of either side, or 1006 if the socket was closed without one.

    None while open.
    """
    chunks: list[bytes] = field(default_factory=list, repr=False)
    """The client's binary messages up to the end of the session, in the pieces in which they were processed."""

    @property
    def request_id(self) -> str:
        """Id of its request, which is also in its messages."""
        return self.request.request_id

    @property
    def types(self) -> list[str]:
        """Types of the client's text messages."""
        return [text.type for text in self.texts]

    @property
    def audio(self) -> bytes:
        """All binary messages of the client, joined."""
        return b"".join(self.chunks)

    @property
    def seconds(self) -> float:
        """Seconds of audio received."""
        return sum(map(len, self.chunks)) / self.bytes_per_second

    @property
    def bytes_per_second(self) -> int:
        """Bytes per second of the audio that the query declares."""
        assert self.options.sample_rate is not None, "linear16 is refused without one"
        return 2 * self.options.channels * self.options.sample_rate
