"""Configuration of a line: checks what a caller passes to `connect` and builds the machine's settings from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from caesura.client.address import Parameters, Value, listen_address, own_parameters
from caesura.client.faults import Faults
from caesura.client.line_settings import LineSettings
from caesura.client.pcm import SAMPLE_BYTES, PcmFormat
from caesura.client.reconnect import Backoff
from caesura.client.send_buffer import LEAST_RECORDING_KEEP_S
from caesura.client.spelling import misspelled_names
from caesura.client.transport import Opener, websocket_opener
from caesura.errors import UsageError
from caesura.protocol.client_session import ClientTimers

LIVE_KEEP_S = 60.0
RECORDING_KEEP_S = 600.0
"""A recording is sent far ahead of its finals, so more of it is kept."""
MUTE_S = 10.0
MUTE_WITHOUT_INTERIMS_S = 30.0
"""Without interims a healthy server may send nothing during a long sentence."""
MAX_KEEP_S = 24 * 3600.0
RECORDING_STALL_S = 30.0
"""A server reads a recording as fast as it can process it, and answers a ping only behind all that."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """Buffer size and timeouts of a line, in seconds; the defaults are for a live voice."""

    keep_s: float | None = None
    """Audio kept until a final covers it (60; a recording 600, and 30 at least)."""
    open_within_s: float | None = None
    """How long the first connection is tried (10, but a refusal of the first attempt is raised at once); 0: once."""
    retry_for_s: float = 600.0
    """How long reconnecting is tried in one outage."""
    retry_s: float = 0.5
    """Longest random delay of the first attempt to reconnect; each further attempt may wait twice as long."""
    keepalive_s: float = 4.0
    """A KeepAlive is sent after so long without audio."""
    stall_s: float | None = None
    """A connection that accepts or answers nothing for so long while audio is sent is dead (5; a recording 30)."""
    mute_s: float | None = None
    """A server that sends no Results for so long while speech is sent is broken (10 with interims, else 30)."""
    replay_speed: float = 1.25
    """Seconds of audio sent each second while a live line catches up after a reconnect."""
    keep_transcript: bool = True
    """False for a line that runs for days: `finish` then returns no finals."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Additional headers of the upgrade request."""
    opener: Opener | None = None
    """Opens the connections in place of the WebSocket client, for transports of your own."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """An API key, a temporary token, or neither."""

    key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)

    def headers(self) -> dict[str, str]:
        """Header that carries them. Raises UsageError when both are given, or one cannot be a header."""
        if self.key and self.token:
            raise UsageError("Give a key or a token, not both.")
        secret = self.key or self.token
        if not secret:
            return {}
        if not (secret.isascii() and secret.isprintable() and " " not in secret):
            raise UsageError("The key or token holds characters that none has; was something else copied with it?")
        return {"Authorization": f"Token {self.key}" if self.key else f"Bearer {self.token}"}


@dataclass(frozen=True, slots=True)
class DeclaredAudio:
    """Declared format of the audio that is sent; `encoding` None: a container, which declares itself."""

    encoding: str | None
    sample_rate: int
    channels: int

    def parameters(self) -> dict[str, Value]:
        """Query parameters that declare it."""
        if self.encoding is None:
            return {}
        return {"encoding": self.encoding, "sample_rate": self.sample_rate, "channels": self.channels}

    def check_source(self, found: Mapping[str, Value]) -> None:
        """Raises UsageError, which says what to connect with, when a source's audio is another."""
        if dict(found) != self.parameters():
            wanted = ", ".join(f"{name}={value!r}" for name, value in found.items()) or "encoding=None"
            raise UsageError(f"The line was declared as {self.parameters()}, but the source is not: connect({wanted}).")

    @property
    def packets(self) -> bool:
        """Is each chunk of audio a message of its own, as bare Opus needs it?"""
        return self.encoding is not None and self.encoding not in SAMPLE_BYTES

    def pcm(self) -> PcmFormat | None:
        """Format of the samples; None when they cannot be counted. Raises UsageError for impossible values."""
        _check("sample_rate", self.sample_rate, 1, 768_000)
        _check("channels", self.channels, 1, 64)
        width = SAMPLE_BYTES.get(self.encoding or "")
        if self.encoding is None or width is None:
            return None
        return PcmFormat(self.encoding, self.sample_rate, width * self.channels)


@dataclass(frozen=True, slots=True)
class LineConfig:
    """Checked configuration of a line."""

    settings: LineSettings
    opener: Opener
    declared: DeclaredAudio
    warnings: tuple[str, ...] = ()
    """Sentences about parameters that may be misspelled."""


def configure_line(
    url: str,
    credentials: Credentials,
    declared: DeclaredAudio,
    *,
    live: bool,
    tuning: Tuning,
    faults: Faults | None,
    parameters: Parameters,
) -> LineConfig:
    """Check and build a line's configuration. Raises UsageError that names what is wrong."""
    for name in ("keepalive_s", "stall_s", "mute_s", "replay_speed"):
        value = getattr(tuning, name)
        if value is not None:
            _check(name, value, 0.01, float("inf"))
    if tuning.keep_s is not None:
        _check("keep_s", tuning.keep_s, 0.01 if live else LEAST_RECORDING_KEEP_S, MAX_KEEP_S)
    _check("retry_for_s", tuning.retry_for_s, 0, float("inf"))
    if tuning.open_within_s is not None:
        _check("open_within_s", tuning.open_within_s, 0, float("inf"))
    requested = {**own_parameters(url), **parameters}
    interims = str(requested.get("interim_results", "")).lower() == "true"
    settings = LineSettings(
        pcm=declared.pcm(),
        packets=declared.packets,
        live=live,
        keep_s=tuning.keep_s or (LIVE_KEEP_S if live else RECORDING_KEEP_S),
        replay_speed=tuning.replay_speed,
        open_within_s=tuning.open_within_s,
        watch=_watch(tuning, live=live, interims=interims),
        backoff=Backoff(base_s=tuning.retry_s, budget_s=tuning.retry_for_s),
        keep_transcript=tuning.keep_transcript,
    )
    opener = tuning.opener or websocket_opener(
        listen_address(url, {**declared.parameters(), **parameters}),
        {**credentials.headers(), **tuning.headers},
        stall_s=settings.watch.stall_s,
    )
    opener = faults.around(opener) if faults is not None else opener
    return LineConfig(settings, opener, declared, misspelled_names(requested))


def _watch(tuning: Tuning, *, live: bool, interims: bool) -> ClientTimers:
    mute_s = tuning.mute_s or (MUTE_S if live and interims else MUTE_WITHOUT_INTERIMS_S)
    watch = replace(ClientTimers(), keepalive_s=tuning.keepalive_s, mute_s=mute_s)
    stall_s = tuning.stall_s or (watch.stall_s if live else RECORDING_STALL_S)
    return replace(watch, stall_s=stall_s, ping_s=min(watch.ping_s, stall_s * 0.4) if live else stall_s * 0.4)


def _check(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise UsageError(f"{name} must be a number from {least:g} to {most:g}, not {value!r}.")
