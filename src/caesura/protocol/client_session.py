"""State machine of the client's side of one live connection: KeepAlives, pings, and alarms when the server is gone.

No clock, no I/O: every entry takes `now`, seconds of any monotonic clock. Arm one timer for `next_deadline()`, call
`handle_deadline` when it fires and do what it returns. Each send is reported twice: `begin_send` when it is
handed to the socket, `end_send` when the socket has taken it.

    deadline    runs                                             from                          until
    KeepAlive   until CloseStream, while nothing is being sent   last audio or KeepAlive       +4 s
    stalled     while something is being sent                    it was handed over            +5 s
    ping        while audio, Finalize, CloseStream unanswered    first of them since an answer +2 s, once
    half open   the same                                         the same                      +5 s
    mute        while speech is not covered by Results, and      its sending, or any Results,  +10 s
                audio flows or CloseStream was sent              or the end of a pause

Laws:
1. The KeepAlive clock runs from the moment of opening, whatever the caller does, and there is no other one.
2. Silence raises no alarm: a server that sends nothing about silence is well as long as it answers pings. Neither does
   a pause: Finalize need not be answered when there was little audio since the last final.
3. KeepAlive is never expected to be answered.
4. An answer is anything the server sends, a pong included; Results alone prove that speech is transcribed.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass
from math import inf

from caesura.protocol.client_codec import Answer, read_server_message
from caesura.protocol.messages import Results

_JOINED_S = 0.25
"""Speech sent within so much stream time is watched as one stretch."""
_ROUNDING_S = 0.005
"""The wire has milliseconds, and as float32 no more than a few of them after hours."""
_FLOWING_S = 4.0
"""Audio flows as long as no more time than this lies between two pieces of it."""


@dataclass(frozen=True, slots=True)
class ClientTimers:
    """Lengths of the timers of a client's connection, in seconds; see the table at the head of this file."""

    keepalive_s: float = 4.0
    ping_s: float = 2.0
    stall_s: float = 5.0
    mute_s: float = 10.0


class TimerEvent(enum.Enum):
    """What is due at a deadline: something to send, or an alarm."""

    KEEPALIVE = "keepalive"
    """Send one, as text."""
    PING = "ping"
    """Send a WebSocket ping, to check that the server is there."""
    STALLED = "the connection takes nothing any more"
    HALF_OPEN = "the connection is dead although it is open: nothing answers the audio sent"
    MUTE = "the server is there, but transcribes nothing of the speech sent"

    @property
    def is_alarm(self) -> bool:
        """Whether the connection is of no use any more; the value says why."""
        return self in (TimerEvent.STALLED, TimerEvent.HALF_OPEN, TimerEvent.MUTE)


class ClientSession:
    """One connection, from its opening to its end."""

    def __init__(self, timers: ClientTimers, *, now: float) -> None:
        self._timers = timers
        self._upstream_at = now
        """When audio or KeepAlive was last sent."""
        self._sending_since: float | None = None
        self._unanswered_since: float | None = None
        self._pinged = False
        self._audio_at = now
        self._mute_since = now
        """Since when a server that transcribes the speech sent would have sent Results."""
        self._speech: deque[tuple[float, float]] = deque()
        """Stretches of speech that no Results has covered: where each ends on the stream, when it was sent."""
        self._closing = False
        self._keepalive_due = False
        self.opened_at = now
        self.stream_seconds = 0.0
        """Audio sent on this connection."""
        self.keepalives = 0

    # ---- sent ----

    @property
    def keepalive_due(self) -> bool:
        """A KeepAlive is due: neither it nor audio has been sent since the deadline."""
        return self._keepalive_due

    def begin_send(self, *, now: float) -> None:
        """Something is handed to the socket."""
        self._sending_since = now

    def end_send(self, *, now: float) -> None:
        """The socket has taken it."""
        self._sending_since = None

    def send_audio(self, seconds: float, *, speech: bool, now: float) -> None:
        """Audio of `seconds` is sent, 0 when unknown; `speech`: it may contain speech."""
        self._resume_mute_timer(now)
        self._upstream_at = self._audio_at = now
        self._keepalive_due = False
        self.stream_seconds += seconds
        self._expect_answer(now)
        if not speech:
            return
        if self._speech and self.stream_seconds - self._speech[-1][0] < _JOINED_S:
            self._speech[-1] = (self.stream_seconds, self._speech[-1][1])
        else:
            self._speech.append((self.stream_seconds, now))

    def send_keepalive(self, *, now: float) -> None:
        """A KeepAlive is sent."""
        self._upstream_at = now
        self._keepalive_due = False
        self.keepalives += 1

    def send_finalize(self, *, now: float) -> None:
        """Finalize is sent: it may bring no Results, but a server that is there answers the ping that follows."""
        self._expect_answer(now)

    def send_close_stream(self, *, now: float) -> None:
        """CloseStream is sent: no KeepAlive follows."""
        self._closing = True
        self._keepalive_due = False
        self._resume_mute_timer(now)
        self._expect_answer(now)

    # ---- received ----

    def receive_text(self, text: str, *, now: float) -> Answer:
        """Parse a text message that came. Raises BadAnswer when it is no message of this wire."""
        answer = read_server_message(text)
        self._answered()
        if isinstance(answer, Results):
            self._mute_since = now
            end = answer.start + answer.duration + _ROUNDING_S
            while self._speech and self._speech[0][0] <= end:
                self._speech.popleft()
        return answer

    def receive_pong(self) -> None:
        """The peer answered a ping."""
        self._answered()

    def _resume_mute_timer(self, now: float) -> None:
        """After a pause the server has the whole time again, because the timer did not run."""
        if now - self._audio_at >= _FLOWING_S:
            self._mute_since = now

    def _expect_answer(self, now: float) -> None:
        if self._unanswered_since is None:
            self._unanswered_since = now

    def _answered(self) -> None:
        self._unanswered_since = None
        self._pinged = False

    # ---- time ----

    def next_deadline(self) -> float:
        """When `handle_deadline` is to be called, on the `now` clock; infinite when no timer runs."""
        return min(self._deadlines().values())

    def handle_deadline(self, *, now: float) -> tuple[TimerEvent, ...]:
        """What is due, alarms first, each once; nothing when it is too early."""
        due = [event for event, at in self._deadlines().items() if at <= now]
        self._pinged = self._pinged or TimerEvent.PING in due
        self._keepalive_due = self._keepalive_due or TimerEvent.KEEPALIVE in due
        return tuple(sorted(due, key=lambda event: not event.is_alarm))

    def _deadlines(self) -> dict[TimerEvent, float]:
        timers, sending, unanswered = self._timers, self._sending_since, self._unanswered_since
        no_keepalive = self._closing or self._keepalive_due or sending is not None
        return {
            TimerEvent.KEEPALIVE: inf if no_keepalive else self._upstream_at + timers.keepalive_s,
            TimerEvent.STALLED: inf if sending is None else sending + timers.stall_s,
            TimerEvent.PING: inf if unanswered is None or self._pinged else unanswered + timers.ping_s,
            TimerEvent.HALF_OPEN: inf if unanswered is None else unanswered + timers.stall_s,
            TimerEvent.MUTE: self._mute_at(),
        }

    def _mute_at(self) -> float:
        if not self._speech:
            return inf
        at = max(self._speech[0][1], self._mute_since) + self._timers.mute_s
        return at if self._closing or at < self._audio_at + _FLOWING_S else inf
