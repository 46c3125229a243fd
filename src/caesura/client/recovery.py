"""One line over any number of connections: audio, messages, failures, and when, in; frames, actions and events out.

Sans-I/O: no clock, no sockets, no randomness of its own; `now` is monotonic seconds handed in by a shell. After each
call carry out `actions()`, deliver `events()`, arm one timer for `next_deadline()`, and hand `next_frame()` to the
socket whenever it can take one. The client's shell drives it, and so can a gateway's.

    phase        meaning                                goes on with
    IDLE         not started                            start -> CONNECTING
    CONNECTING   an attempt is being made               opened -> OPEN; failed -> WAITING or CLOSED
    OPEN         there is a connection                  closed, dead -> WAITING or CLOSED; finished -> CLOSED
    WAITING      for the moment of the next attempt     deadline -> CONNECTING; finish deadline -> CLOSED
    CLOSED       for good

Laws:
1. Audio is kept until a final covers it. A new connection hears everything from the last final boundary on, in order.
2. Audio is lost only when the tape is full of what was captured live, or the line ends; each loss is a Gap with its
   exact range, told once. A source that can wait, because it is a recording or was found to be one, loses nothing.
3. Finalize and CloseStream have a place in the audio, and are sent again behind it until they have taken effect.
4. Nothing is sent after CloseStream; after CLOSED there is no action, no frame and no deadline.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf
from typing import assert_never

from caesura.client.backlog import MOST_WAITING
from caesura.client.events import (
    Accepted,
    Closed,
    Dropped,
    Event,
    Final,
    Gap,
    Notice,
    Paused,
    Reconnected,
    Reconnecting,
    Resumed,
    Sent,
    Stats,
    Transcript,
)
from caesura.client.framing import Pcm
from caesura.client.lead import Lead
from caesura.client.placing import Placer
from caesura.client.reconnect import Backoff, Verdict, judge, judge_close
from caesura.client.supply import FRAME_S, Supply
from caesura.errors import BadAnswer, CaesuraError, GaveUp, HungUp, LineError, Refused, Unreachable, UsageError
from caesura.protocol.client_codec import Answer, Unrecognised, write_client_message
from caesura.protocol.client_session import ClientSession, ClientTimers, TimerEvent
from caesura.protocol.messages import (
    CloseStream,
    Error,
    Finalize,
    KeepAlive,
    Metadata,
    Results,
    SpeechStartedMessage,
    UtteranceEndMessage,
)
from caesura.timeline import Timeline

STEADY_S = 10.0
"""A connection that lasted so long was a good one: the next outage begins with short waits again."""
LONGEST_FINISH_S = 24 * 3600.0
"""Who wants to wait for ever waits so long."""
OPEN_WITHIN_S = 10.0
FINISH_S = 10.0
"""How long `finish` waits besides the length of what no final covers, unless told how long."""
RECORDING_FINISH_S = 60.0
"""The same wait for a recording, of which more is on its way."""
PULL_S = 2.0
"""A recording is read so far ahead of what the server has taken."""
CONTAINER_BYTES_PER_S = 192_000
"""A container that comes faster than this (16 bit, stereo, 48 kHz) is a recording; its seconds cannot be counted."""
COUNTED_S = 0.1
"""A server may count so much less audio than it was sent, for what a resampler keeps back."""
REQUEST_IDS = 32
"""Of so many connections the ids are remembered."""


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How a line behaves."""

    pcm: Pcm | None
    """None: a container that is sent as it is; samples cannot be counted."""
    packets: bool = False
    """Each piece of audio is a packet, such as one of Opus, and a message of its own."""
    live: bool = True
    """The source cannot wait: audio that finds no room is dropped, and what is replayed is paced."""
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


class Phase(enum.Enum):
    """Where a line stands; see the table at the head of this file."""

    IDLE = "idle"
    CONNECTING = "connecting"
    OPEN = "open"
    WAITING = "waiting"
    CLOSED = "closed"


class Action(enum.Enum):
    """What the shell must do."""

    CONNECT = "connect"
    """Try to open a connection, then call `opened` or `failed`."""
    PING = "ping"
    """Send a WebSocket ping; call `receive_pong` when it is answered."""
    ABORT = "abort"
    """Cut the connection, or the attempt, without a word; it is not reported back."""
    CLOSE = "close"
    """Close the connection in order; it is not reported back."""


class Recovery:
    """The machine behind a line; see the head of this file."""

    def __init__(self, settings: LineSettings, *, random: Callable[[], float], wall_offset_s: float = 0.0) -> None:
        """`random` returns 0..1. `wall_offset_s` added to `now` is seconds since 1970 in UTC."""
        pcm = settings.pcm
        self._settings = settings
        self._random = random
        self._wall_offset_s = wall_offset_s
        self._timeline = Timeline(pcm.sample_rate) if pcm else None
        self._placer = Placer(self._timeline)
        self._supply = Supply(
            pcm,
            self._timeline,
            live=settings.live,
            keep_s=settings.keep_s,
            packets=settings.packets,
        )
        self._lead = Lead()
        self._bytes_per_s = pcm.frame_bytes * pcm.sample_rate if pcm else CONTAINER_BYTES_PER_S
        self._recorded = not settings.live
        self._phase = Phase.IDLE
        self._session: ClientSession | None = None
        self._sending = False
        self._paused_at: float | None = None
        self._catching_up = False
        self._pace_at = 0.0
        self._replay_speed = settings.replay_speed
        self._got_on = False
        """Has this connection heard anything for good? One that only says something and dies is not a good one."""
        self._attempt = 0
        self._attempt_at = inf
        self._outage_at = 0.0
        self._last_error: CaesuraError | None = None
        self._finish_at = inf
        self._finishing_at = 0.0
        """When `finish` was called."""
        self._finish_grace_s: float | None = None
        """Without a time limit of the caller's: how long the server may take besides the length of the audio."""
        self._actions: list[Action] = []
        self._events: list[Event] = []
        self._finals: list[Final] = []
        self._gaps: list[Gap] = []
        self._request_ids: deque[str] = deque(maxlen=REQUEST_IDS)
        self._connections = 0
        self._connected_s = 0.0
        self._paused_s = 0.0
        self._keepalives = 0
        self._provider_s: float | None = None
        self._error: CaesuraError | None = None
        self._complete = False

    # ---- the caller ----

    def start(self, *, now: float) -> None:
        """Begin: the first attempt to connect."""
        self._outage_at = now
        self._connect()

    def send(self, data: bytes, *, now: float, at: float | None = None, queue: bool = False) -> Sent:
        """Take captured audio. Never waits: what cannot be sent now is kept.

        Without room a live source loses its oldest audio, which is said. One that can wait loses nothing: if there is
        some room left, all of `data` is taken, and goes into it bit by bit; `queue`: even if there is none, because
        those who send wait for `takes_more` each time.

        `at`: source seconds at which it was captured, for callers with a capture clock of their own; else it
        follows on what came before. Raises UsageError, and takes nothing, when there is no room for a source that can
        wait, when `at` goes back, or when the audio is not what was declared.
        """
        seconds = len(data) / self._bytes_per_s
        takes = not (self._is_ending or self._skips)
        waits = takes and self._can_wait(seconds, now)
        if waits and not self._has_space(queue):
            raise UsageError(self._no_room())
        data = self._supply.align(data)
        if not data:
            return Accepted()
        if self._is_ending:
            return Dropped(self._supply.refuse(data), "the line is closed")
        if self._skips:
            return Dropped(self._supply.skip(data), "paused")
        wall = now + self._wall_offset_s
        sent = self._supply.capture(data, wall, at=at, connected=self._session is not None, waits=waits)
        self._lead.take(seconds, now=now)
        self._tell_gaps()
        return sent

    def takes_more(self, *, now: float) -> bool:
        """Should the source go on? Always, if it cannot wait; a recording keeps a little ahead of the server only."""
        if self._is_ending or self._skips or not self.can_wait(now=now):
            return True
        if self._recorded and self.paused:
            return False
        if not self._settings.live and self.waiting_s >= PULL_S:
            return False
        return self._supply.free_s > min(PULL_S, self._settings.keep_s / 2)

    def hold(self) -> None:
        """The source was told to wait until `takes_more`."""
        self._lead.hold()

    def can_wait(self, *, now: float) -> bool:
        """Is the audio a recording: declared as one, or further ahead of the clock than live audio can be?"""
        return self._can_wait(0.0, now)

    def stand_still(self) -> None:
        """The source is a recording, also if it is played at the speed of speech: in a pause it stands still."""
        self._recorded = True
        self._supply.stand_still()

    def pause(self, *, now: float) -> None:
        """No audio for a while: what was said so far is made final, then KeepAlive holds the line."""
        if self._paused_at is not None or self._is_ending:
            return
        self._paused_at = now
        self._supply.pause()
        self.finalize()
        self._events.append(Paused(self._supply.captured_at))

    def resume(self, *, now: float) -> None:
        """Audio goes on. The source clock has run through the pause; what came meanwhile is counted by the sample."""
        if self._paused_at is None:
            return
        seconds = self._end_pause(now)
        self._supply.resume(seconds, now + self._wall_offset_s)
        self._events.append(Resumed(self._supply.captured_at, seconds))

    def finalize(self, channel: int | None = None) -> None:
        """Have everything sent so far made final."""
        if not self._is_ending:
            self._supply.mark(Finalize(channel))

    def finish(self, timeout_s: float | None, *, now: float) -> None:
        """Drain: Finalize, CloseStream, wait for Metadata, at most `timeout_s`. Only the first call counts.

        None: as long as what no final covers needs on a server that reads no faster than it was spoken, and some more;
        each final that comes meanwhile gives the rest its time anew.
        """
        if self._is_ending:
            return
        if self._phase is Phase.IDLE:
            self._close(None, "", None, now)
            return
        if timeout_s is None:
            self._finish_grace_s = RECORDING_FINISH_S if self.can_wait(now=now) else FINISH_S
            timeout_s = self._finish_grace_s + self.unheard_s
        self._end_pause(now)
        self._supply.unpause()
        self._supply.mark(Finalize())
        self._supply.mark(CloseStream())
        timeout_s = min(timeout_s, LONGEST_FINISH_S)
        self._finishing_at, self._finish_at = now, now + timeout_s
        # Nothing live comes behind it any more: what waits may go as fast as half the time that is left needs.
        self._replay_speed = max(self._replay_speed, 2 * self._supply.waiting_s / max(timeout_s, FRAME_S))

    def abandon(self, *, now: float, error: CaesuraError | None = None) -> None:
        """End at once; what was not heard is lost, and said to be."""
        if self._phase is not Phase.CLOSED:
            self._actions.append(Action.ABORT)
            self._close(None, "", error, now)

    # ---- the connection ----

    def opened(self, request_id: str, *, now: float) -> None:
        """The attempt succeeded; `request_id` is the header `dg-request-id`, or ""."""
        if self._phase is not Phase.CONNECTING:
            return
        self._phase = Phase.OPEN
        self._session = ClientSession(self._settings.watch, now=now)
        self._got_on = False
        if request_id:
            self._request_ids.append(request_id)
        epoch, self._connections = self._connections, self._connections + 1
        if epoch > 0:
            self._reopened(epoch, request_id, now)

    def failed(self, error: CaesuraError, *, now: float) -> None:
        """The attempt did not succeed."""
        if self._phase is Phase.CONNECTING:
            self._again(judge(error), str(error), error, now)

    def closed(self, code: int, reason: str, *, now: float) -> None:
        """The connection is closed; `code` is 1006 when it went without a close frame."""
        if self._session is None:
            return
        if self._supply.has_ended and not self._supply.unheard:
            self._finished(code, reason, now)
            return
        verdict = judge_close(code)
        error = HungUp(code, reason, self._request_id)
        if verdict in (Verdict.RETRY, Verdict.WAIT):
            self._lost(f"closed with {code} {reason}".rstrip(), error, now, verdict)
            return
        asked_for = verdict is Verdict.STOP and self._supply.has_ended
        self._close(code, reason, None if asked_for else error, now)

    def receive_text(self, text: str, *, now: float) -> None:
        """A text message came."""
        if self._session is None:
            return
        try:
            answer = self._session.receive_text(text, now=now)
        except BadAnswer as error:
            # What it said is not known, so everything behind the last final has to be heard again.
            self._actions.append(Action.ABORT)
            self._lost(str(error), error, now)
            return
        self._answered(answer, text, now)
        self._tell_gaps()

    def receive_pong(self, *, now: float) -> None:
        """A ping was answered."""
        if self._session is not None:
            self._session.receive_pong()

    # ---- frames ----

    def next_frame(self, *, now: float) -> bytes | str | None:
        """What goes to the socket now; call `frame_taken` when the socket has it. None: nothing, for now."""
        session = self._session
        if session is None or self._sending:
            return None
        frame = self._supply.next_header() or self._control_frame(session, now) or self._audio_frame(session, now)
        if frame is not None:
            self._sending = True
            session.begin_send(now=now)
        return frame

    def frame_taken(self, *, now: float) -> None:
        """The socket has taken the frame."""
        self._sending = False
        if self._session is not None:
            self._session.end_send(now=now)

    # ---- time ----

    def next_deadline(self) -> float | None:
        """When `handle_deadline` wants to be called, on the `now` clock; None: not at all."""
        if self._phase is Phase.CLOSED:
            return None
        at = min(self._finish_at, self._attempt_at)
        if self._session is not None:
            at = min(at, self._session.next_deadline())
            if self._catching_up and not self._sending:
                at = min(at, self._pace_at)
        return None if at == inf else at

    def handle_deadline(self, *, now: float) -> None:
        """Time has passed; does nothing when it is too early."""
        if self._phase is Phase.CLOSED:
            return
        if now >= self._finish_at:
            self._too_late(now)
        elif now >= self._attempt_at:
            self._attempt_at = inf
            self._connect()
        elif self._session is not None:
            self._watch(self._session, now)

    # ---- out ----

    def actions(self) -> list[Action]:
        """What is to be done now, in order; each is given once."""
        actions, self._actions = self._actions, []
        return actions

    def events(self) -> list[Event]:
        """What the user should hear of, in order; each is given once."""
        events, self._events = self._events, []
        return events

    @property
    def phase(self) -> Phase:
        """Where the line stands."""
        return self._phase

    @property
    def paused(self) -> bool:
        """Is it in a pause?"""
        return self._paused_at is not None

    @property
    def short_of_room(self) -> bool:
        """Is live audio being lost because nothing of it can be sent? Until half of the room is free again."""
        return self._supply.short_of_room

    @property
    def timeline(self) -> Timeline | None:
        """The ledger of what was sent when; None where samples cannot be counted."""
        return self._timeline

    @property
    def waiting_s(self) -> float:
        """Seconds of audio that wait to be sent."""
        return self._supply.waiting_s

    @property
    def unheard_s(self) -> float:
        """Seconds of audio that finals do not cover."""
        return self._supply.unheard_s

    @property
    def room_s(self) -> float:
        """Seconds of audio that can be taken without dropping any."""
        return self._supply.room_s

    def stats(self, *, now: float) -> Stats:
        """What the line has done so far."""
        counts, seconds, session = self._supply.counts, self._supply.seconds, self._session
        return Stats(
            connected_s=self._connected_s + (now - session.opened_at if session else 0.0),
            paused_s=self._paused_s + (now - self._paused_at if self._paused_at is not None else 0.0),
            captured_s=seconds(counts.captured),
            audio_sent_s=seconds(counts.sent),
            replayed_s=seconds(counts.replayed),
            skipped_s=seconds(counts.skipped),
            lost_s=seconds(counts.lost),
            keepalives=self._keepalives + (session.keepalives if session else 0),
            connections=self._connections,
            reconnects=max(self._connections - 1, 0),
            provider_s=self._provider_s,
            request_ids=tuple(self._request_ids),
        )

    def transcript(self, *, now: float) -> Transcript:
        """Everything heard so far."""
        complete = self._complete and not self._gaps
        return Transcript(tuple(self._finals), tuple(self._gaps), self.stats(now=now), complete, self._error)

    # ---- inside: room ----

    @property
    def _skips(self) -> bool:
        """Does audio that comes now fall into a pause that the source does not stand still in?"""
        return self._paused_at is not None and not self._recorded

    def _can_wait(self, seconds: float, now: float) -> bool:
        if self._recorded or self._supply.sends_waiting or seconds > self._settings.keep_s:
            return True
        return self._lead.outruns_clock(seconds, now=now)

    def _has_space(self, queue: bool) -> bool:
        """Is there room for a part of what a source that can wait sends, or may it wait behind what others sent?"""
        if self._supply.sends_waiting:
            return queue and self._supply.sends_waiting < MOST_WAITING
        return queue or self._supply.free_s > 0

    def _no_room(self) -> str:
        if self.paused:
            return "The line is paused, and a recording waits until it is resumed: await line.send(...)."
        return (
            f"There is no room: {self._settings.keep_s:g} s of audio wait already. This audio can wait, since it comes "
            "faster than it was spoken: await line.send(...), or use line.transcribe(...)."
        )

    # ---- inside: frames ----

    def _control_frame(self, session: ClientSession, now: float) -> str | None:
        message = self._supply.next_mark()
        if message is not None:
            tell = session.send_close_stream if isinstance(message, CloseStream) else session.send_finalize
            tell(now=now)
            return write_client_message(message)
        if session.keepalive_due:
            session.send_keepalive(now=now)
            return write_client_message(KeepAlive())
        return None

    def _audio_frame(self, session: ClientSession, now: float) -> bytes | None:
        if self._catching_up and now < self._pace_at:
            return None
        piece = self._supply.next_piece()
        if piece is None:
            self._catching_up = False
            return None
        session.send_audio(piece.seconds, speech=piece.speech, now=now)
        if self._catching_up:
            self._pace_at = max(self._pace_at, now - FRAME_S) + piece.seconds / self._replay_speed
        return piece.data

    # ---- inside: what the server says ----

    def _answered(self, answer: Answer, raw: str, now: float) -> None:
        match answer:
            case Results():
                self._heard(answer, raw, now)
            case SpeechStartedMessage():
                self._tell(self._placer.speech_started(answer))
            case UtteranceEndMessage():
                self._tell(self._placer.utterance_end(answer))
            case Metadata(duration=seconds):
                self._provider_s = (self._provider_s or 0.0) + seconds
                if self._supply.has_ended and (self._all_heard(seconds) or not self._supply.unheard):
                    self._actions.append(Action.CLOSE)
                    self._finished(1000, "", now)
            case Error(description=text):
                self._tell(Notice("Error", text, raw))
            case Unrecognised(kind):
                self._tell(Notice(kind, "", raw))
            case _:
                assert_never(answer)

    def _all_heard(self, seconds: float) -> bool:
        """Does the server count all audio of this connection? One that is being stopped may end before it has it."""
        assert self._session is not None
        return seconds >= self._session.stream_seconds - COUNTED_S

    def _heard(self, results: Results, raw: str, now: float) -> None:
        before = self._placer.confirmed
        event = self._placer.results(results, raw)
        if results.is_final:
            self._supply.confirm(self._placer.confirmed)
            self._got_on = self._got_on or self._timeline is None or self._placer.confirmed > before
            if self._finish_grace_s is not None and self._finish_at < inf and self._placer.confirmed > before:
                self._finish_at = max(self._finish_at, now + self._finish_grace_s + self.unheard_s)
        if isinstance(event, Final) and self._settings.keep_transcript:
            self._finals.append(replace(event, raw=""))
        self._tell(event)

    def _tell(self, event: Event | None) -> None:
        if event is not None:
            self._events.append(event)

    def _tell_gaps(self) -> None:
        for gap in self._supply.gaps():
            self._events.append(gap)
            joined = self._gaps[-1].joined(gap) if self._gaps else None
            if joined is None:
                self._gaps.append(gap)
            else:
                self._gaps[-1] = joined

    # ---- inside: outages ----

    @property
    def _is_ending(self) -> bool:
        return self._phase is Phase.CLOSED or self._finish_at < inf

    @property
    def _request_id(self) -> str:
        return self._request_ids[-1] if self._request_ids else ""

    def _connect(self) -> None:
        self._phase = Phase.CONNECTING
        self._actions.append(Action.CONNECT)

    def _reopened(self, epoch: int, request_id: str, now: float) -> None:
        if self._timeline is not None:
            self._timeline.begin_epoch()
        self._placer.begin_epoch(epoch)
        waiting = self._supply.waiting
        self._catching_up = self._settings.live and self._timeline is not None and waiting > 0
        self._pace_at = now
        self._events.append(Reconnected(epoch, request_id, now - self._outage_at, self._supply.seconds(waiting)))

    def _watch(self, session: ClientSession, now: float) -> None:
        for want in session.handle_deadline(now=now):
            if want.is_alarm:
                self._actions.append(Action.ABORT)
                self._lost(want.value, LineError(f"The connection was given up: {want.value}."), now)
                return
            if want is TimerEvent.PING:
                self._actions.append(Action.PING)

    def _lost(self, why: str, error: CaesuraError, now: float, verdict: Verdict = Verdict.RETRY) -> None:
        """The connection is gone; everything behind the last final boundary has to be sent again."""
        session = self._session
        assert session is not None
        if self._got_on or now - session.opened_at >= STEADY_S:
            self._attempt = 0
            self._outage_at = now
        self._drop_session(now)
        self._supply.rewind(self._placer.confirmed)
        self._tell_gaps()
        self._again(verdict, why, error, now)

    def _drop_session(self, now: float) -> None:
        if self._session is not None:
            self._connected_s += now - self._session.opened_at
            self._keepalives += self._session.keepalives
        self._session = None
        self._sending = False
        self._catching_up = False

    def _again(self, verdict: Verdict, why: str, error: CaesuraError, now: float) -> None:
        """Try again after a while, unless that is pointless or has taken too long."""
        self._last_error = error
        first = self._connections == 0
        within_s = self._settings.open_within_s
        budget = self._settings.backoff.budget_s if not first else OPEN_WITHIN_S if within_s is None else within_s
        retry_after = error.retry_after_s if isinstance(error, Refused) else None
        refused = first and within_s is None and self._attempt == 0
        refused = refused and isinstance(error, Unreachable) and not error.retryable
        delay = self._settings.backoff.delay_s(self._attempt, verdict, self._random, retry_after_s=retry_after)
        if refused or verdict in (Verdict.PERMANENT, Verdict.STOP) or now + delay >= self._outage_at + budget:
            pointless = first or verdict is Verdict.PERMANENT
            self._close(None, "", error if pointless else self._gave_up(error, now), now)
            return
        self._phase = Phase.WAITING
        self._attempt += 1
        self._attempt_at = now + delay
        self._events.append(Reconnecting(self._attempt, delay, why, error))

    def _gave_up(self, error: CaesuraError, now: float) -> GaveUp:
        gave_up = GaveUp(f"No connection for {now - self._outage_at:.0f} s. {error}")
        gave_up.__cause__ = error
        return gave_up

    # ---- inside: the end ----

    def _end_pause(self, now: float) -> float:
        seconds = 0.0 if self._paused_at is None else now - self._paused_at
        self._paused_at = None
        self._paused_s += seconds
        return seconds

    def _too_late(self, now: float) -> None:
        self._actions.append(Action.ABORT)
        last = "" if self._session is not None or self._last_error is None else f" {self._last_error}"
        waited_s = self._finish_at - self._finishing_at
        sentence = f"The server was not done {waited_s:g} s after the end of the audio.{last}"
        self._close(None, "", LineError(sentence), now)

    def _finished(self, code: int, reason: str, now: float) -> None:
        """The server has said everything."""
        self._complete = True
        self._supply.end(heard=True)
        self._close(code, reason, None, now)

    def _close(self, code: int | None, reason: str, error: CaesuraError | None, now: float) -> None:
        self._end_pause(now)
        self._drop_session(now)
        self._supply.end(heard=False)
        self._tell_gaps()
        self._phase = Phase.CLOSED
        self._finish_at = self._attempt_at = inf
        self._error = error
        self._events += (self.stats(now=now), Closed(code, reason, error))
