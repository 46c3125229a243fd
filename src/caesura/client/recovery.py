"""State machine of one line over any number of connections: buffers, reconnects, replays, and emits events.

Sans-I/O: no clock, no sockets, no randomness of its own; `now` is monotonic seconds handed in by a shell. After each
call carry out `actions()`, deliver `events()`, arm one timer for `next_deadline()`, and hand `next_frame()` to the
socket whenever it can accept one. The client's shell drives it, and so can a gateway's.

    phase        meaning                                leaves by
    IDLE         not started                            start -> CONNECTING
    CONNECTING   an attempt is being made               opened -> OPEN; failed -> WAITING or CLOSED
    OPEN         there is a connection                  closed, dead -> WAITING or CLOSED; finished -> CLOSED
    WAITING      for the time of the next attempt       deadline -> CONNECTING; finish deadline -> CLOSED
    CLOSED       for good

Laws:
1. Audio is kept until a final covers it. A new connection is sent everything from the last final boundary on, in order.
2. Audio is lost only when the buffer is full of live audio, or the line ends; each loss is a Gap with its exact range,
   emitted once. A source that can wait, because it is a recording or was found to be one, loses nothing.
3. Finalize and CloseStream have a position in the audio, and are sent again behind it until they have taken effect.
4. Nothing is sent after CloseStream; after CLOSED there is no action, no frame and no deadline.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from caesura.client.events import (
    Closed,
    Event,
    Paused,
    Reconnected,
    Reconnecting,
    Resumed,
    Sent,
    Stats,
    Transcript,
)
from caesura.client.finish_deadline import FinishDeadline
from caesura.client.line_actions import Action, Phase
from caesura.client.line_connection import LineConnection
from caesura.client.line_record import LineRecord
from caesura.client.line_settings import LineSettings
from caesura.client.outage import Outage
from caesura.client.reconnect import Verdict, judge, judge_close
from caesura.client.result_mapper import ResultMapper
from caesura.client.send_buffer import FRAME_S, SendBuffer
from caesura.client.source_admission import SourceAdmission
from caesura.errors import (
    BadAnswer,
    CaesuraError,
    ConnectionClosedByServer,
    LineError,
)
from caesura.protocol.client_codec import Answer
from caesura.protocol.client_session import ClientSession, TimerEvent
from caesura.protocol.messages import (
    CloseStream,
    Finalize,
    Metadata,
    Results,
)
from caesura.timeline import Timeline

COUNTED_S = 0.1
"""Audio that a server's resampler may keep back, and that its Metadata then does not count."""


class Recovery:
    """State machine of a line; see the head of this file."""

    def __init__(self, settings: LineSettings, *, random: Callable[[], float], wall_offset_s: float = 0.0) -> None:
        """`random` returns 0..1. `wall_offset_s` added to `now` is seconds since 1970 in UTC."""
        pcm = settings.pcm
        self._settings = settings
        self._wall_offset_s = wall_offset_s
        self._timeline = Timeline(pcm.sample_rate) if pcm else None
        self._mapper = ResultMapper(self._timeline)
        self._buffer = SendBuffer(
            pcm,
            self._timeline,
            live=settings.live,
            keep_s=settings.keep_s,
            packets=settings.packets,
        )
        self._source = SourceAdmission(settings, self._buffer)
        self._phase = Phase.IDLE
        self._connection: LineConnection | None = None
        self._replay_speed = settings.replay_speed
        self._outage = Outage(settings.backoff, settings.open_within_s, random)
        self._finish = FinishDeadline()
        self._actions: list[Action] = []
        self._record = LineRecord(keep_transcript=settings.keep_transcript)

    # ---- the caller ----

    def start(self, *, now: float) -> None:
        """Start the first attempt to connect."""
        self._outage.begin(now=now)
        self._connect()

    def send(self, data: bytes, *, now: float, at: float | None = None, queue: bool = False) -> Sent:
        """Accept captured audio. Never waits: audio that cannot be sent now is kept.

        If the buffer is full, a live source loses its oldest audio, which the result says. A source that can wait loses
        nothing: if there is any room, all of `data` is accepted and moves into the buffer in parts; with `queue` even
        if there is none, because the sender waits for `accepts_more` each time.

        `at`: source seconds at which it was captured, for callers with a capture clock of their own; by default it
        continues the audio before. Raises UsageError, and accepts nothing, when there is no room for a source that can
        wait, when `at` goes back, or when the audio is not what was declared.
        """
        if self._is_ending:
            return self._source.reject(data)
        wall = now + self._wall_offset_s
        connected = self._connection is not None
        sent = self._source.send(data, wall, at=at, queue=queue, paused=self.paused, connected=connected, now=now)
        self._emit_gaps()
        return sent

    def accepts_more(self, *, now: float) -> bool:
        """Should the source continue? Always, if it cannot wait; a recording stays only a little ahead."""
        return self._is_ending or self._source.accepts_more(paused=self.paused, now=now)

    def hold_source(self) -> None:
        """The caller holds the source until `accepts_more`."""
        self._source.hold()

    def can_wait(self, *, now: float) -> bool:
        """Is the audio a recording: declared as one, or further ahead of the clock than live audio can be?"""
        return self._source.can_wait(now=now)

    def declare_recording(self) -> None:
        """The source is a recording, even if it is played in real time: in a pause it waits."""
        self._source.declare_recording()

    def pause(self, *, now: float) -> None:
        """Pause: finalize the words so far, then hold the connection with KeepAlive."""
        if self.paused or self._is_ending:
            return
        self._record.begin_pause(now=now)
        self._buffer.pause()
        self.finalize()
        self._record.emit(Paused(self._buffer.captured_at))

    def resume(self, *, now: float) -> None:
        """Resume. The source clock has run through the pause, exact to the sample if audio was sent meanwhile."""
        if not self.paused:
            return
        seconds = self._record.end_pause(now=now)
        self._buffer.resume(seconds, now + self._wall_offset_s)
        self._record.emit(Resumed(self._buffer.captured_at, seconds))

    def finalize(self, channel: int | None = None) -> None:
        """Finalize everything sent so far."""
        if not self._is_ending:
            self._buffer.mark(Finalize(channel))

    def finish(self, timeout_s: float | None, *, now: float) -> None:
        """Drain: Finalize, CloseStream, wait for Metadata, at most `timeout_s`. Only the first call counts.

        None: the length of the audio that no final covers, because a server may process no faster than real time, and
        some more; each final that comes meanwhile extends that.
        """
        if self._is_ending:
            return
        if self._phase is Phase.IDLE:
            self._close(None, "", None, now)
            return
        self._finish.begin(timeout_s, uncovered_s=self.unheard_s, is_recording=self.can_wait(now=now), now=now)
        self._record.end_pause(now=now)
        self._buffer.unpause()
        self._buffer.mark(Finalize())
        self._buffer.mark(CloseStream())
        # No live audio will follow: send what waits fast enough for half of the time that is left.
        self._replay_speed = max(self._replay_speed, 2 * self._buffer.waiting_s / max(self._finish.length_s, FRAME_S))

    def abandon(self, *, now: float, error: CaesuraError | None = None) -> None:
        """Close at once; audio without a final is lost and reported as Gap."""
        if self._phase is not Phase.CLOSED:
            self._actions.append(Action.ABORT)
            self._close(None, "", error, now)

    # ---- the connection ----

    def opened(self, request_id: str, *, now: float) -> None:
        """The attempt succeeded; `request_id` is the header `dg-request-id`, or ""."""
        if self._phase is not Phase.CONNECTING:
            return
        self._phase = Phase.OPEN
        self._connection = LineConnection(ClientSession(self._settings.watch, now=now), self._buffer)
        epoch = self._record.add_connection(request_id)
        if epoch > 0:
            self._reopened(self._connection, epoch, request_id, now)

    def failed(self, error: CaesuraError, *, now: float) -> None:
        """The attempt failed."""
        if self._phase is Phase.CONNECTING:
            self._retry_or_close(judge(error), str(error), error, now)

    def closed(self, code: int, reason: str, *, now: float) -> None:
        """The connection is closed; `code` is 1006 without a close frame."""
        if self._connection is None:
            return
        if self._buffer.has_ended and not self._buffer.unheard:
            self._finished(code, reason, now)
            return
        verdict = judge_close(code)
        error = ConnectionClosedByServer(code, reason, self._record.request_id)
        if verdict in (Verdict.RETRY, Verdict.WAIT):
            self._connection_lost(f"closed with {code} {reason}".rstrip(), error, now, verdict)
            return
        was_requested = verdict is Verdict.STOP and self._buffer.has_ended
        self._close(code, reason, None if was_requested else error, now)

    def receive_text(self, text: str, *, now: float) -> None:
        """The server sent a text message."""
        if self._connection is None:
            return
        try:
            message = self._connection.session.receive_text(text, now=now)
        except BadAnswer as error:
            # Its content is not known, so everything behind the last final has to be sent again.
            self._actions.append(Action.ABORT)
            self._connection_lost(str(error), error, now)
            return
        self._handle_message(self._connection, message, text, now)
        self._emit_gaps()

    def receive_pong(self, *, now: float) -> None:
        """A ping was answered."""
        if self._connection is not None:
            self._connection.session.receive_pong()

    # ---- frames ----

    def next_frame(self, *, now: float) -> bytes | str | None:
        """The frame to write now, None for none; call `frame_sent` when the socket has accepted it."""
        if self._connection is None:
            return None
        return self._connection.next_frame(replay_speed=self._replay_speed, now=now)

    def frame_sent(self, *, now: float) -> None:
        """The socket has accepted the frame."""
        if self._connection is not None:
            self._connection.frame_sent(now=now)

    # ---- time ----

    def next_deadline(self) -> float | None:
        """Time at which to call `handle_deadline`; None: never."""
        if self._phase is Phase.CLOSED:
            return None
        at = min(self._finish.at, self._outage.attempt_at)
        if self._connection is not None:
            at = min(at, self._connection.next_deadline())
        return None if at == inf else at

    def handle_deadline(self, *, now: float) -> None:
        """Handle everything that is due at `now`; does nothing when it is too early."""
        if self._phase is Phase.CLOSED:
            return
        if now >= self._finish.at:
            self._finish_timed_out(now)
        elif now >= self._outage.attempt_at:
            self._outage.clear()
            self._connect()
        elif self._connection is not None:
            self._run_watch(self._connection.session, now)

    # ---- out ----

    def actions(self) -> list[Action]:
        """Actions to carry out now, in order; each is returned once."""
        actions, self._actions = self._actions, []
        return actions

    def events(self) -> list[Event]:
        """Events for the user, in order; each is returned once."""
        return self._record.events()

    @property
    def phase(self) -> Phase:
        """Current phase."""
        return self._phase

    @property
    def paused(self) -> bool:
        """Is it paused?"""
        return self._record.paused

    @property
    def is_overflowing(self) -> bool:
        """Is live audio being lost because the buffer is full? True until half of it is free again."""
        return self._buffer.is_overflowing

    @property
    def timeline(self) -> Timeline | None:
        """Which audio was sent when; None where samples cannot be counted."""
        return self._timeline

    @property
    def waiting_s(self) -> float:
        """Seconds of audio that wait to be sent."""
        return self._buffer.waiting_s

    @property
    def unheard_s(self) -> float:
        """Seconds of audio that finals do not cover."""
        return self._buffer.unheard_s

    @property
    def room_s(self) -> float:
        """Seconds of audio that can be accepted without dropping any."""
        return self._buffer.room_s

    def stats(self, *, now: float) -> Stats:
        """Counters of the line so far."""
        session = None if self._connection is None else self._connection.session
        return self._record.stats(self._buffer, session, now=now)

    def transcript(self, *, now: float) -> Transcript:
        """Everything transcribed so far."""
        return self._record.transcript(self.stats(now=now))

    # ---- inside: messages of the server ----

    def _handle_message(self, connection: LineConnection, message: Answer, raw: str, now: float) -> None:
        match message:
            case Results():
                self._handle_results(connection, message, raw, now)
            case Metadata(duration=seconds):
                self._record.add_metadata(raw, seconds)
                is_all = not self._buffer.unheard or _counts_all_audio(connection.session, seconds)
                if self._buffer.has_ended and is_all:
                    self._actions.append(Action.CLOSE)
                    self._finished(1000, "", now)
            case _:
                event = self._mapper.event(message, raw)
                if event is not None:
                    self._record.emit(event)

    def _handle_results(self, connection: LineConnection, results: Results, raw: str, now: float) -> None:
        before = self._mapper.confirmed
        event = self._mapper.results(results, raw)
        if results.is_final:
            self._buffer.confirm(self._mapper.confirmed)
            makes_progress = self._mapper.confirmed > before
            connection.made_progress |= makes_progress or self._timeline is None
            if makes_progress:
                self._finish.extend(uncovered_s=self.unheard_s, now=now)
        if event is not None:
            self._record.emit(event)

    def _emit_gaps(self) -> None:
        for gap in self._buffer.gaps():
            self._record.emit(gap)

    # ---- inside: outages ----

    @property
    def _is_ending(self) -> bool:
        return self._phase is Phase.CLOSED or self._finish.is_set

    def _connect(self) -> None:
        self._phase = Phase.CONNECTING
        self._actions.append(Action.CONNECT)

    def _reopened(self, connection: LineConnection, epoch: int, request_id: str, now: float) -> None:
        if self._timeline is not None:
            self._timeline.begin_epoch()
        self._mapper.begin_epoch(epoch)
        waiting = self._buffer.waiting
        if self._settings.live and self._timeline is not None and waiting > 0:
            connection.catch_up(now=now)
        self._record.emit(Reconnected(epoch, request_id, now - self._outage.began_at, self._buffer.seconds(waiting)))

    def _run_watch(self, session: ClientSession, now: float) -> None:
        for want in session.handle_deadline(now=now):
            if want.is_alarm:
                self._actions.append(Action.ABORT)
                self._connection_lost(want.value, LineError(f"The connection was given up: {want.value}."), now)
                return
            if want is TimerEvent.PING:
                self._actions.append(Action.PING)

    def _connection_lost(self, why: str, error: CaesuraError, now: float, verdict: Verdict = Verdict.RETRY) -> None:
        """The connection was lost; everything behind the last final boundary is to be sent again."""
        assert self._connection is not None
        if self._connection.was_good(now=now):
            self._outage.begin(now=now)
        self._drop_connection(now)
        self._buffer.rewind(self._mapper.confirmed)
        self._emit_gaps()
        self._retry_or_close(verdict, why, error, now)

    def _drop_connection(self, now: float) -> None:
        if self._connection is not None:
            self._record.end_connection(self._connection.session, now=now)
        self._connection = None

    def _retry_or_close(self, verdict: Verdict, why: str, error: CaesuraError, now: float) -> None:
        """Schedule the next attempt, unless it is pointless or the outage has lasted too long."""
        is_first = self._record.connections == 0
        delay = self._outage.schedule(error, verdict, is_first=is_first, now=now)
        if delay is None:
            is_final = is_first or verdict is Verdict.PERMANENT
            self._close(None, "", error if is_final else self._outage.failure(error, now=now), now)
            return
        self._phase = Phase.WAITING
        self._record.emit(Reconnecting(self._outage.attempts, delay, why, error))

    # ---- inside: the end ----

    def _finish_timed_out(self, now: float) -> None:
        self._actions.append(Action.ABORT)
        last = "" if self._connection is not None or self._outage.last_error is None else f" {self._outage.last_error}"
        sentence = f"The server was not done {self._finish.length_s:g} s after the end of the audio.{last}"
        self._close(None, "", LineError(sentence), now)

    def _finished(self, code: int, reason: str, now: float) -> None:
        """The server has sent everything."""
        self._record.is_complete = True
        self._buffer.end(complete=True)
        self._close(code, reason, None, now)

    def _close(self, code: int | None, reason: str, error: CaesuraError | None, now: float) -> None:
        self._record.end_pause(now=now)
        self._drop_connection(now)
        self._buffer.end(complete=False)
        self._emit_gaps()
        self._phase = Phase.CLOSED
        self._finish.clear()
        self._outage.clear()
        self._record.error = error
        self._record.emit(self.stats(now=now))
        self._record.emit(Closed(code, reason, error, self._record.metadata))


def _counts_all_audio(session: ClientSession, seconds: float) -> bool:
    """Whether Metadata of `seconds` counts all audio of the connection; that of a server that is stopped may not."""
    return seconds >= session.stream_seconds - COUNTED_S
