"""Settings of a line's machine. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from caesura.client.pcm import PcmFormat
from caesura.client.reconnect import Backoff
from caesura.protocol.client_session import ClientTimers


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How a line behaves."""

    pcm: PcmFormat | None
    """None: a container that is sent as it is; samples cannot be counted."""
    packets: bool = False
    """Each chunk of audio is a packet, such as one of Opus, and a message of its own."""
    live: bool = True
    """The source cannot wait: audio beyond the buffer's size is dropped, and what is replayed is paced."""
    keep_s: float = 60.0
    """How much audio is kept until a final covers it."""
    replay_speed: float = 1.25
    """Seconds of audio sent each second while a live line catches up after a reconnect."""
    open_within_s: float | None = None
    """How long the first connection is tried; 0: once; None: 10 s, unless the very first attempt is refused."""
    watch: ClientTimers = field(default_factory=ClientTimers)
    backoff: Backoff = field(default_factory=Backoff)
    keep_transcript: bool = True
    """Keep every final for `finish`; without it memory does not grow however long a line lives."""
