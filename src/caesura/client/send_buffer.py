"""Send buffer of a line: captured audio and control messages in order, until they were sent and heard. Pure.

Keeps the capture clock (which runs through pauses), the tape, and the cursor: the next sample to be sent. A new
connection sets the cursor back to the last final boundary. Audio that can wait and finds no room on the tape waits in a
backlog. Where samples cannot be counted (a container that is sent as it is) a byte stands for a sample, nothing is
sent twice, and gaps have no range.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from caesura.client.backlog import Backlog
from caesura.client.container_header import HeaderKeeper
from caesura.client.events import Accepted, Buffered, Dropped, Gap, Sent
from caesura.client.pcm import Aligner, Loudness, PcmFormat
from caesura.client.replay_buffer import CHUNK_BYTES, Range, ReplayBuffer, merged
from caesura.errors import UsageError
from caesura.protocol.messages import CloseStream, Finalize
from caesura.timeline import Timeline

FRAME_S = 0.25
"""Longest piece of audio in one message of a live line; what waits longer than this is a backlog."""
LATE_S = 2.0
"""Audio that comes so much later than its samples say was not captured without a break: the wall clock is read anew."""
STEADY_S = 0.5
"""Who sends through a whole pause stops counting at most so much short of its end: a piece or two."""
LEAST_RECORDING_KEEP_S = 30.0
"""A final comes within so much audio. With less room than that, audio that was sent must not keep more from coming."""
_UNKNOWN = Range(0, 0)
"""A loss of which nobody knows the range."""
UNCOUNTED_BYTES_PER_S = 32_000
"""What is kept of a container is bounded as if its audio had so many bytes a second."""


@dataclass(slots=True)
class ControlMark:
    """A control message with its place in the audio."""

    at: int
    message: Finalize | CloseStream
    sent: bool = False


@dataclass(frozen=True, slots=True)
class OutgoingAudio:
    """The next audio to send. `speech`: somebody may be speaking in it; `seconds` is 0 when it cannot be said."""

    data: bytes
    samples: int
    seconds: float
    speech: bool


@dataclass(slots=True)
class SampleCounts:
    """Samples, as far as they can be counted."""

    captured: int = 0
    skipped: int = 0
    sent: int = 0
    replayed: int = 0
    lost: int = 0


class SendBuffer:
    """The audio of one line; `timeline` is None exactly when `pcm` is."""

    def __init__(
        self,
        pcm: PcmFormat | None,
        timeline: Timeline | None,
        *,
        live: bool,
        keep_s: float,
        packets: bool = False,
    ) -> None:
        """`packets`: what is captured at once is sent at once, since the other side needs to know where each ends."""
        self._timeline = timeline
        self._clock_stops_in_pauses = not live
        self._keep_s = keep_s
        self._rate = pcm.sample_rate if pcm else UNCOUNTED_BYTES_PER_S
        self._frame_bytes = pcm.frame_bytes if pcm else 1
        self._longest = max(round(FRAME_S * self._rate), 1) if pcm and live else CHUNK_BYTES // self._frame_bytes
        self._aligner = Aligner(pcm) if pcm else None
        self._loudness = Loudness(pcm.encoding) if pcm else None
        self._header = HeaderKeeper()
        self._header_due = True
        self._limit = max(round(keep_s * self._rate), 1)
        self._replay = ReplayBuffer(self._frame_bytes, self._limit, gather=not packets)
        self._packets = packets
        self._backlog = Backlog(self._frame_bytes, whole=packets)
        self._paused = False
        self._controls: deque[ControlMark] = deque()
        self._evicted: deque[Range] = deque()
        """Sent, covered by no final, and no longer kept: lost should this connection break."""
        self._captured = 0
        """Source sample of the next sample to be captured."""
        self._captured_until = 0
        """First source sample behind all that was captured; a pause moves only the one above."""
        self._cursor = 0
        """Source sample of the next sample to be sent."""
        self._sent_until = 0
        """First source sample that was never sent."""
        self._sent_here = False
        """Was audio sent on this connection?"""
        self._skipped = 0
        """Samples that came during this pause."""
        self._clock_lag = 0.0
        """Of a sample, by which the capture clock lags behind the pauses so far."""
        self._gaps: list[Gap] = []
        self.is_overflowing = False
        """Was audio lost for want of room? Until half of the room is free again."""
        self.counts = SampleCounts()

    # ---- what is captured ----

    def align(self, data: bytes) -> bytes:
        """Whole samples; what is left over waits for the next call. Raises UsageError when it is no raw audio."""
        return self._aligner.align(data) if self._aligner else data

    def capture(self, data: bytes, wall: float, *, at: float | None, connected: bool, waits: bool = False) -> Sent:
        """Keep whole samples, the last of them captured at `wall`, UTC seconds.

        `at`: source seconds of the first one; None: it follows on what came before. `connected`: there is a connection
        that takes audio. `waits`: what finds no room waits for it, in place of pushing out the oldest audio. Raises
        UsageError when `at` goes back.
        """
        samples = len(data) // self._frame_bytes
        self._move_to(at)
        source = self._captured
        self._captured = self._captured_until = source + samples
        self.counts.captured += samples
        if waits:
            self._backlog.append(data, source, wall)
            self._refill()
        elif lost := self._keep(data, source, wall):
            return Dropped(self._ms(lost), f"no room: {self._keep_s:g} s of audio wait already")
        waiting = self.waiting
        if connected and waiting - samples <= FRAME_S * self._rate:
            return Accepted()
        return Buffered(self._ms(waiting))

    def skip(self, data: bytes) -> float:
        """Audio came during a pause: it is not sent, but the capture clock counts it. Returns how many ms it is."""
        samples = len(data) // self._frame_bytes
        self._skipped += samples
        self.counts.skipped += samples
        return self._ms(samples)

    def reject(self, data: bytes) -> float:
        """Audio came when nothing is taken any more. Returns how many ms it is."""
        return self._ms(len(data) // self._frame_bytes)

    def stop_clock_in_pauses(self) -> None:
        """The source is a recording: nothing of it passes during a pause, so its clock does not run through one."""
        self._clock_stops_in_pauses = True

    def pause(self) -> None:
        """What comes from now on is skipped; what waits in the backlog stays there."""
        self._skipped, self._paused = 0, True

    def resume(self, seconds: float, wall: float) -> None:
        """Audio goes on after a pause of `seconds`, at `wall`.

        Where the caller went on capturing, the samples that were skipped are its length, to the sample: the clock would
        be off by a part of a piece each time. A recording waits through a pause, so its source clock stands still.
        """
        exact = seconds * self._rate * (not self._clock_stops_in_pauses) + self._clock_lag
        elapsed = round(exact)
        steady = elapsed - self._skipped <= STEADY_S * self._rate and self._skipped > 0
        self._captured += self._skipped if steady else elapsed
        self._clock_lag = 0.0 if steady else exact - elapsed
        if self._timeline is not None:
            self._timeline.anchor(self._captured, wall)
        self.unpause()

    def unpause(self) -> None:
        """A pause is over, and no time passed in it that matters: nothing more will be captured."""
        self._paused = False
        self._refill()

    def mark(self, message: Finalize | CloseStream) -> None:
        """A control message, behind everything captured so far; the same one twice in one place is one.

        In a pause that is before what waits in the backlog, which is not sent before the end of the pause.
        """
        start = self._backlog.start
        mark = ControlMark(self._captured if start is None or not self._paused else start, message)
        if mark not in self._controls:
            self._controls.append(mark)

    # ---- what is to be sent ----

    def next_header(self) -> bytes | None:
        """The container's header, when a new connection has to hear it first."""
        if not self._header_due:
            return None
        self._header_due = False
        return self._header.again(self._cursor) or None

    def next_control(self) -> Finalize | CloseStream | None:
        """The control message that is due now, all audio before it having been sent; several of a kind are one."""
        if not self._controls:
            return None
        waiting, start = self._replay.waiting(self._cursor), self._backlog.start
        due = [
            mark
            for mark in self._controls
            if not mark.sent and waiting <= self._replay.waiting(mark.at) and (start is None or mark.at <= start)
        ]
        for mark in due:
            mark.sent = mark.message == due[0].message
        return due[0].message if due else None

    def next_piece(self) -> OutgoingAudio | None:
        """The next audio, at most up to the next control message."""
        source, data = self._replay.read(self._cursor, self._longest)
        mark = next((mark for mark in self._controls if not mark.sent), None)
        if mark is not None:
            data = data[: max(mark.at - source, 0) * self._frame_bytes]
        if not data:
            return None
        samples = len(data) // self._frame_bytes
        self._count_sent(source, samples)
        speech = self._loudness.is_speech(data) if self._loudness else False
        return OutgoingAudio(data, samples, self.seconds(samples), speech)

    @property
    def waiting(self) -> int:
        """Samples that wait to be sent."""
        return self._replay.waiting(self._cursor) + self._backlog.samples

    @property
    def waiting_s(self) -> float:
        """Seconds of audio that wait to be sent; of a container, a guess."""
        return self.waiting / self._rate

    @property
    def room_s(self) -> float:
        """Seconds of audio that can be taken without dropping any."""
        return max(self._keep_s - self.unheard_s, 0.0)

    @property
    def free_s(self) -> float:
        """Seconds of audio of a source that can wait that can be taken now."""
        return max(self._free - self._backlog.samples, 0) / self._rate

    @property
    def unheard_s(self) -> float:
        """Seconds of audio that finals do not cover; of a container, what was not sent."""
        return (self._replay.samples + self._backlog.samples) / self._rate

    @property
    def sends_waiting(self) -> int:
        """How many times `capture` left audio in the backlog that is there still."""
        return len(self._backlog)

    # ---- what was heard ----

    def confirm(self, until: int) -> None:
        """Finals cover everything before source sample `until`."""
        self._replay.forget(min(until, self._cursor))
        while self._evicted and self._evicted[0].end <= until:
            self._evicted.popleft()
        if self._evicted and self._evicted[0].start < until:
            self._evicted[0] = Range(until, self._evicted[0].end)
        self._controls = deque(mark for mark in self._controls if not (mark.sent and self._is_settled(mark, until)))
        self.is_overflowing = self.is_overflowing and 2 * self._replay.samples > self._limit
        self._refill()

    def rewind(self, confirmed: int) -> None:
        """The connection is gone: what finals do not cover goes out again, control messages included."""
        self._record_lost(self._evicted, "the connection broke before a final came, and this was no longer kept")
        self._evicted.clear()
        if self._timeline is None:
            if self._sent_here and self._cursor > len(self._header.again(self._cursor)):
                self._record_lost(
                    [Range(0, 0)], "the connection broke, and a container cannot be sent again by the sample"
                )
        else:
            first = (*self._replay.ranges[:1], *self._backlog.ranges[:1])
            self._cursor = max(min(self._cursor, confirmed), first[0].start) if first else self._captured_until
        self._header_due, self._sent_here = True, False
        self._controls = deque(mark for mark in self._controls if not self._is_settled(mark, confirmed))
        for mark in self._controls:
            mark.sent = False

    @property
    def has_ended(self) -> bool:
        """Was CloseStream sent on this connection?"""
        return any(isinstance(mark.message, CloseStream) and mark.sent for mark in self._controls)

    @property
    def unheard(self) -> bool:
        """Is there audio that finals do not cover? A fraction of a millisecond is none: the wire has no more."""
        return self._replay.samples + self._backlog.samples > self._rate // 1000

    def end(self, *, heard: bool) -> None:
        """Nothing more is sent. `heard`: the server has said everything; else what finals do not cover is lost."""
        if not heard and self._timeline is not None:
            unheard = [*self._evicted, *self._replay.ranges, *self._backlog.ranges]
            self._record_lost(unheard, "the line ended before a final came")
        elif not heard and self.unheard_s:
            self._record_lost([_UNKNOWN], "the line ended before everything was sent")
        self._backlog.clear()
        self._replay.forget(self._captured)
        self._evicted.clear()
        self._controls.clear()

    def gaps(self) -> list[Gap]:
        """What was lost since the last call."""
        gaps, self._gaps = self._gaps, []
        return gaps

    # ---- units ----

    def seconds(self, samples: int) -> float:
        """0 when samples cannot be counted."""
        return samples / self._rate if self._timeline is not None else 0.0

    @property
    def captured_at(self) -> float | None:
        """Source seconds of the next sample to be captured."""
        return self._captured / self._rate if self._timeline is not None else None

    # ---- inside ----

    def _ms(self, samples: int) -> float:
        return 1000.0 * samples / self._rate

    def _move_to(self, at: float | None) -> None:
        if at is None or self._timeline is None:
            return
        sample = round(at * self._rate)
        if sample < self._captured_until:
            raise UsageError(
                f"at={at:g} goes back: the audio before it ends at {self._captured_until / self._rate:g} s."
            )
        self._captured = sample

    def _keep(self, data: bytes | memoryview, source: int, wall: float) -> int:
        """Put audio on the tape; returns how many samples are lost for want of room."""
        if self._timeline is None:
            self._header.watch(bytes(data))
        else:
            self._read_wall_clock(self._timeline, source, len(data) // self._frame_bytes, wall)
        lost = self._account_evicted(self._replay.append(source, data))
        self.is_overflowing = self.is_overflowing or lost > 0
        return lost

    @property
    def _free(self) -> int:
        """Samples that can be put on the tape; what they push out was sent, and is lost if the connection breaks."""
        waits_for_finals = self._keep_s >= LEAST_RECORDING_KEEP_S or self._timeline is None
        return self._limit - (self._replay.samples if waits_for_finals else self._replay.waiting(self._cursor))

    def _refill(self) -> None:
        """Move what waits in the backlog to the tape, as far as there is room."""
        while not self._paused:
            # A packet that is longer than all there is would wait for ever.
            alone = self._packets and not self._replay.samples
            entry = self._backlog.take(self._backlog.samples if alone else self._free)
            if entry is None:
                return
            self._keep(entry.data, entry.source, entry.wall)

    def _read_wall_clock(self, timeline: Timeline, source: int, samples: int, wall: float) -> None:
        """The first sample was captured its own length before now; so is one that comes much too late."""
        captured_at = wall - samples / self._rate
        known = timeline.to_wall(source / self._rate)
        if known is None or (not self._clock_stops_in_pauses and captured_at - known > LATE_S):
            timeline.anchor(source, captured_at)

    def _account_evicted(self, ranges: Iterable[Range]) -> int:
        """What is no longer kept is lost unless it was sent; returns how much is.

        Sent means on a connection that still stands: without one the cursor is at the beginning of the tape.
        """
        lost: list[Range] = []
        for each in ranges:
            sent, unsent = _split(each, self._cursor)
            if sent is not None:
                self._note_evicted(sent)
            if unsent is not None:
                lost.append(unsent)
            self._cursor = max(self._cursor, each.end)
        self._record_lost(lost, f"no room: {self._keep_s:g} s of audio were waiting")
        return sum(each.samples for each in lost)

    def _note_evicted(self, sent: Range) -> None:
        if self._evicted and self._evicted[-1].end == sent.start:
            sent = Range(self._evicted.pop().start, sent.end)
        self._evicted.append(sent)

    def _record_lost(self, ranges: Iterable[Range], why: str) -> None:
        for each in merged(list(ranges)):
            if self._timeline is None:
                self._gaps.append(Gap(None, None, why))
            else:
                self._timeline.lost(each.samples, each.start)
                self.counts.lost += each.samples
                self._gaps.append(Gap(each.start / self._rate, each.end / self._rate, why))

    def _count_sent(self, source: int, samples: int) -> None:
        self.counts.sent += samples
        self.counts.replayed += max(min(self._sent_until, source + samples) - source, 0)
        self._cursor, self._sent_here = source + samples, True
        self._sent_until = max(self._sent_until, self._cursor)
        if self._timeline is not None:
            self._timeline.sent(samples, source)
        else:
            self._replay.forget(self._cursor)
        self._refill()

    def _is_settled(self, mark: ControlMark, confirmed: int) -> bool:
        """Need it not be sent again?"""
        if isinstance(mark.message, CloseStream):
            return False
        if self._timeline is None:
            return mark.sent
        # The wire has milliseconds, so a final may end a fraction of one before the sample it covers.
        return mark.at <= confirmed + self._rate // 1000


def _split(each: Range, at: int) -> tuple[Range | None, Range | None]:
    """The parts of a range before and behind `at`."""
    before = Range(each.start, min(each.end, at))
    behind = Range(max(each.start, at), each.end)
    return (before if before.samples > 0 else None), (behind if behind.samples > 0 else None)
