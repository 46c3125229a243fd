"""State machine of the server's side of one live connection.

No clock, no I/O: every entry takes `now`, seconds of any monotonic clock, the time at which the thing happened.
After each call drain `actions()`, carry them out in order, then arm one timer for `next_deadline()`.

    state     binary     empty binary  KeepAlive  Finalize    Configure    CloseStream  deadline
    OPEN      FeedAudio  -> FLUSHING   -          FlushAudio  Reconfigure  -> FLUSHING  -> FLUSHING or CLOSED (NET-0000)
    FLUSHING  ignored    ignored       ignored    ignored     ignored      ignored      -> CLOSED (NET-0000)
    CLOSED    ignored    ignored       ignored    ignored     ignored      ignored      none

The deadline of OPEN is the idle window (NET-0001), or the first-response window where that is set and ends earlier;
that of FLUSHING is the drain cap, which the shell prolongs while the engine works. Where finals may wait for the end
of a number, OPEN has one more on its way, 3 s after audio: ReleaseHeldFinals. A Configure is answered at once.

Laws:
1. Every binary or text message restarts the idle window, good or bad; WebSocket pings and our own output do not.
2. Nothing answers a KeepAlive.
3. FLUSHING ends the audio once, with EndAudio, or with StopAudio where the server stops while audio comes; the rest of
   the transcript goes out, then one Metadata, then one CloseSocket.
4. After CloseSocket there is no action and no deadline.
5. `speech_final` never comes without `is_final`.
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass
from typing import assert_never

from caesura.errors import BadMessage
from caesura.events import (
    AudioFound,
    AudioRefused,
    Drained,
    EngineFailed,
    SpeechBegan,
    StreamEvent,
    TranscriptSegment,
    UtteranceEnded,
)
from caesura.protocol import closing
from caesura.protocol.actions import (
    Action,
    CloseSocket,
    Covered,
    EndAudio,
    FeedAudio,
    FlushAudio,
    Reconfigure,
    ReleaseHeldFinals,
    Send,
    StopAudio,
    Warn,
)
from caesura.protocol.closing import Close
from caesura.protocol.codec import PREFIX, read_client_message, schema_error, write_server_message
from caesura.protocol.configure import configure_failure
from caesura.protocol.messages import (
    CloseStream,
    Configure,
    ConfigureFailure,
    ConfigureSuccess,
    Error,
    Finalize,
    KeepAlive,
    Metadata,
    ModelInfo,
    Results,
    ServerMessage,
    SpeechStartedMessage,
    UtteranceEndMessage,
)
from caesura.protocol.options import ListenOptions
from caesura.protocol.results import DominantLanguage, results_message
from caesura.protocol.session_timers import Expired, SessionTimers
from caesura.protocol.session_timers import Timers as Timers

CONTROL_SUSPECT_BYTES = 64
"""A binary message shorter than this is checked, for a warning only, for a control message sent as the wrong type."""
PAUSE_S = 1.0
"""Shorter times without audio are jitter, not pauses."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Facts about a connection that are known when it opens."""

    request_id: str
    created: str
    """RFC 3339, UTC, milliseconds, `Z`."""
    model: ModelInfo
    biases: bool = False
    """Whether the model supports keyterms."""
    diarizer: ModelInfo | None = None
    """The speaker embedding model; None without diarization."""


@dataclass(slots=True)
class Tally:
    """Counters of a session; seconds are of the `now` clock."""

    bytes_in: int = 0
    keepalive_count: int = 0
    binary_control_suspects: int = 0
    paused_seconds: float = 0.0
    channels: int = 0
    paused: bool = False
    """A KeepAlive came since the last audio."""
    close_code: int | None = None
    close_reason: str = ""
    closed_by_client: bool = False
    """The close code is the client's, or stands for how the connection broke; otherwise it was sent by the server."""


class State(enum.Enum):
    """State of a session; see the table at the head of this file."""

    OPEN = "open"
    FLUSHING = "flushing"
    CLOSED = "closed"


class Session:
    """One live connection, from the accepted upgrade to its close."""

    def __init__(self, options: ListenOptions, identity: Identity, timers: Timers, *, now: float) -> None:
        self._options = options
        self._identity = identity
        self._timers = SessionTimers(timers, now=now)
        self._extra = dict(options.extra)
        self._spoken = DominantLanguage()
        self._digest = hashlib.sha256()
        self._actions: list[Action] = []
        self._state = State.OPEN
        self._channels = options.channels if options.multichannel and options.encoding is not None else 1
        self._channels_known = not options.multichannel or options.encoding is not None
        self._close = closing.FINISHED
        self._last_audio_at = now
        self._may_hold = bool(options.redact) or (options.smart_format and not options.no_delay)
        """Finals may wait for the end of a number."""
        self.tally = Tally()

    # ---- from the wire ----

    def receive_audio(self, data: bytes, *, now: float) -> None:
        """A binary message came: it is audio, whatever it looks like; an empty one ends the stream."""
        if self._state is not State.OPEN:
            return
        self._timers.restart_idle(now=now)
        if not data:
            self._flush(closing.FINISHED, now)
            return
        self._end_pause(now)
        self.tally.bytes_in += len(data)
        self._digest.update(data)
        if len(data) < CONTROL_SUSPECT_BYTES and data.lstrip()[:1] == b"{":
            self._suspect(data)
        if self._may_hold:
            self._timers.expect_release(now=now)
        self._actions.append(FeedAudio(data))

    def receive_text(self, text: str, *, now: float) -> None:
        """A text message came: a control message, or an Error goes back and the stream stays open."""
        if self._state is not State.OPEN:
            return
        self._timers.restart_idle(now=now)
        try:
            message = read_client_message(text)
        except BadMessage as error:
            self._send(schema_error(text, error))
            return
        match message:
            case KeepAlive():
                self.tally.keepalive_count += 1
                self.tally.paused = True
            case Finalize(channel):
                self._finalize(channel, text)
            case CloseStream():
                self._flush(closing.FINISHED, now)
            case Configure():
                self._configure(message)
            case _:
                assert_never(message)

    def receive_disconnect(
        self, code: int, *, now: float, reason: str = "the client closed", drain: bool = False
    ) -> None:
        """The client disconnected, or was cut off: nothing more can be sent to it.

        Args:
            code: Its close code, or the one that stands for how the connection broke.
            now: The time of it.
            reason: For the usage record.
            drain: Transcribe what was received to its end all the same, because a callback gets the transcript.
        """
        if self._state is State.CLOSED or (drain and self._state is State.FLUSHING):
            return
        self.tally.closed_by_client = True
        if drain:
            self._flush(Close(code, reason), now)
            return
        self._end_pause(now)
        self._closed(code, reason if self._state is State.OPEN else f"{reason} before its last words")

    def cut(self, close: Close, *, now: float) -> None:
        """End the session at once; the shell sends `close`, even where another close was decided and not sent yet."""
        self.tally.closed_by_client = False
        self._end_pause(now)
        self._closed(close.code, close.reason)

    def stop(self, *, now: float) -> None:
        """The server is being stopped: send the transcript so far, then close with RESTART."""
        if self._state is State.OPEN:
            self._flush(closing.RESTART, now, EndAudio() if self.is_held(now=now) else StopAudio())

    def prolong_drain(self, *, now: float) -> None:
        """The engine still works on the last words: the drain cap begins anew."""
        if self._state is State.FLUSHING:
            self._timers.begin_drain(now=now)

    # ---- back-pressure ----

    def hold_idle(self) -> None:
        """The server stopped reading: the idle window does not run."""
        self._timers.hold_idle()

    def resume_idle(self, *, now: float) -> None:
        """The server reads again: the idle window begins anew."""
        self._timers.resume_idle(now=now)

    # ---- from the pipeline ----

    def engine_event(self, event: StreamEvent, *, now: float) -> None:
        """The pipeline emitted an event."""
        if self._state is State.CLOSED:
            return
        match event:
            case AudioFound(channels):
                self._channels = channels
                self._channels_known = True
                self.tally.channels = channels
            case SpeechBegan(channel, at):
                if self._options.vad_events:
                    self._send(SpeechStartedMessage(channel, self._channels, at))
            case TranscriptSegment():
                self._transcript(event)
            case UtteranceEnded(channel, last_word_end):
                if self._options.utterance_end_ms is not None:
                    self._send(
                        UtteranceEndMessage(channel, self._channels, -1.0 if last_word_end is None else last_word_end)
                    )
            case Drained(seconds):
                self._finish(self._close, seconds, now)
            case AudioRefused(reason, seconds):
                self._actions.append(Warn(f"audio refused: {reason}"))
                self._finish(closing.DATA_0000, seconds, now)
            case EngineFailed(reason, seconds):
                self._actions.append(Warn(f"engine failed: {reason}"))
                self._finish(closing.NET_0000, seconds, now)
            case _:
                assert_never(event)

    def _transcript(self, segment: TranscriptSegment) -> None:
        if not segment.final and not self._options.interim_results:
            return
        self._send(
            results_message(
                segment,
                punctuate=self._options.punctuate,
                keep_punctuation=self._options.dictation,
                channels=self._channels,
                request_id=self._identity.request_id,
                model=self._identity.model,
                extra=self._extra,
                diarizer=self._identity.diarizer,
                detected=self._spoken.add(segment) if self._options.detect_language else None,
            )
        )

    # ---- time ----

    def next_deadline(self) -> float | None:
        """When `handle_deadline` is to be called, on the `now` clock; None: not at all."""
        return None if self._state is State.CLOSED else self._timers.next_deadline()

    def handle_deadline(self, *, now: float) -> None:
        """Handle the deadlines that have passed, if any. Read what already lies in the socket before calling this."""
        if self._state is State.CLOSED:
            return
        while (expired := self._timers.take_expired(now=now)) is Expired.RELEASE:
            self._actions.append(ReleaseHeldFinals())
        match expired:
            case None:
                return
            case Expired.IDLE:
                self._flush(closing.NET_0001, now)
            case Expired.FIRST_RESPONSE | Expired.DRAIN:
                self._end_pause(now)
                self._close_socket(closing.NET_0000)
            case _:
                assert_never(expired)

    # ---- out ----

    def actions(self) -> list[Action]:
        """The actions to carry out now, in order; each is returned once."""
        actions, self._actions = self._actions, []
        return actions

    def is_held(self, *, now: float) -> bool:
        """Whether only KeepAlive holds it open: since the last one, or for longer, there has been no audio."""
        return self.tally.paused and now - self._last_audio_at >= PAUSE_S

    @property
    def state(self) -> State:
        """The state of the session."""
        return self._state

    # ---- inside ----

    def _finalize(self, channel: int | None, text: str) -> None:
        if channel is not None and self._channels_known and channel >= self._channels:
            sentence = f"channel {channel} does not exist, expected 0..{self._channels - 1}"
            self._send(schema_error(text, BadMessage(PREFIX + sentence)))
            return
        self._actions.append(FlushAudio(channel))

    def _configure(self, message: Configure) -> None:
        """Apply all of it or nothing, and send one reply."""
        failure = configure_failure(message, self._identity.model.name, biases=self._identity.biases)
        if failure is not None:
            self._send(ConfigureFailure(self._identity.request_id, *failure))
            return
        self._may_hold |= message.features.get("smart_format", False) and not self._options.no_delay
        self._actions.append(Reconfigure(message.features, message.keyterms))
        self._send(ConfigureSuccess(self._identity.request_id, message.keyterms))

    def _suspect(self, data: bytes) -> None:
        try:
            message = read_client_message(data.decode())
        except (UnicodeDecodeError, BadMessage):
            return
        self.tally.binary_control_suspects += 1
        if self.tally.binary_control_suspects > 1:
            return
        name = type(message).__name__
        self._actions.append(
            Warn(
                f"a binary message reads {name}: binary is always audio, so it was transcribed and counted as "
                f"{len(data)} bytes of it; send {name} as a text message"
            )
        )

    def _end_pause(self, now: float) -> None:
        """Count a pause: time without audio in which a KeepAlive came."""
        if self.tally.paused and now - self._last_audio_at >= PAUSE_S:
            self.tally.paused_seconds += now - self._last_audio_at
        self.tally.paused = False
        self._last_audio_at = now

    def _flush(self, close: Close, now: float, end: EndAudio | StopAudio = EndAudio()) -> None:  # noqa: B008  # frozen
        self._end_pause(now)
        self._state = State.FLUSHING
        self._close = close
        self._timers.begin_drain(now=now)
        self._actions.append(end)

    def _finish(self, close: Close, seconds: float, now: float) -> None:
        self._end_pause(now)
        self._send(
            Metadata(
                request_id=self._identity.request_id,
                sha256=self._digest.hexdigest(),
                created=self._identity.created,
                duration=seconds,
                channels=self._channels,
                model=self._identity.model if seconds > 0 else None,
                extra=self._extra,
                tags=self._options.tags,
            )
        )
        self._close_socket(close)

    def _close_socket(self, close: Close) -> None:
        self._actions.append(CloseSocket(close.code, close.reason))
        self._closed(close.code, close.reason)

    def _closed(self, code: int, reason: str) -> None:
        self._state = State.CLOSED
        self.tally.close_code = code
        self.tally.close_reason = reason

    def _send(self, message: ServerMessage) -> None:
        self._timers.end_first_response()
        self._actions.append(_send(message))


def _send(message: ServerMessage) -> Send:
    text = write_server_message(message)
    match message:
        case Results():
            covered = Covered(message.channel, message.start + message.duration)
            return Send(text, sheddable=not message.is_final, covers=covered)
        case Error() | ConfigureSuccess() | ConfigureFailure():
            return Send(text, reply=True)
        case Metadata() | SpeechStartedMessage() | UtteranceEndMessage():
            return Send(text)
        case _:
            assert_never(message)
