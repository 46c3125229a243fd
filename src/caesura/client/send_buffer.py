"""Send buffer of a line: captured audio and control messages, kept until they were sent and finals cover them. Pure.

Keeps the capture clock (which runs through pauses), the replay buffer, and the cursor: the next sample to be sent. A
new connection sets the cursor back to the last final boundary. Audio that can wait and does not fit into the replay
buffer waits in a backlog. Where samples cannot be counted (a container that is sent as it is) a byte stands for a
sample, nothing is sent twice, and gaps have no range.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from caesura.client.backlog import Backlog
from caesura.client.container_header import HeaderKeeper
from caesura.client.controls import Control, ControlQueue
from caesura.client.events import Accepted, Buffered, Dropped, Gap, Sent
from caesura.client.pcm import Aligner, Loudness, PcmFormat
from caesura.client.replay_buffer import CHUNK_BYTES, Range, ReplayBuffer, merged
from caesura.errors import UsageError
from caesura.timeline import Timeline

FRAME_S = 0.25
"""Longest audio in one message of a live line; if more waits, the line is behind."""
LATE_S = 2.0
"""Delay after which audio was not captured without a break: the wall clock is read anew."""
STEADY_S = 0.5
"""A caller that sends through a whole pause is at most so far short of its end: a chunk or two."""
LEAST_RECORDING_KEEP_S = 30.0
"""A final comes within so much audio; a smaller buffer must not wait for finals before it accepts more."""
_UNKNOWN = Range(0, 0)
"""A loss whose range is not known."""
UNCOUNTED_BYTES_PER_S = 32_000
"""Assumed byte rate of a container, which bounds how much of it is kept."""


@dataclass(frozen=True, slots=True)
class OutgoingAudio:
    """Audio for one message. `speech`: it may hold speech; `seconds` is 0 where samples cannot be counted."""

    data: bytes
    samples: int
    seconds: float
    speech: bool


@dataclass(slots=True)
class SampleCounts:
    """Numbers of samples, as far as they can be counted."""

    captured: int = 0
    skipped: int = 0
    sent: int = 0
    replayed: int = 0
    lost: int = 0


class SendBuffer:
    """Audio of one line; `timeline` is None exactly when `pcm` is."""

    def __init__(
        self,
        pcm: PcmFormat | None,
        timeline: Timeline | None,
        *,
        live: bool,
        keep_s: float,
        packets: bool = False,
    ) -> None:
        """`packets`: each chunk is a packet and is sent as one message."""
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
        # The wire has milliseconds, so a final may end a fraction of one before the sample it covers.
        self._controls = ControlQueue(rounding=self._rate // 1000 if pcm else None)
        self._evicted: deque[Range] = deque()
        """Sent, not covered by a final, and no longer kept: lost if this connection breaks."""
        self._captured = 0
        """Source position of the next sample to be captured; pauses advance it."""
        self._captured_until = 0
        """Source position behind the last captured sample; pauses do not advance it."""
        self._cursor = 0
        """Source position of the next sample to be sent."""
        self._sent_until = 0
        """Source position behind the last sample that was ever sent."""
        self._sent_here = False
        """Was audio sent on this connection?"""
        self._skipped = 0
        """Samples skipped in this pause."""
        self._clock_lag = 0.0
        """Fraction of a sample by which rounding left the capture clock behind the pauses so far."""
        self._gaps: list[Gap] = []
        self.is_overflowing = False
        """Was audio lost because the buffer is full? True until half of it is free again."""
        self.counts = SampleCounts()

    # ---- what is captured ----

    def align(self, data: bytes) -> bytes:
        """Whole samples; an incomplete one waits for the next call. Raises UsageError when it is a container."""
        return self._aligner.align(data) if self._aligner else data

    def capture(self, data: bytes, wall: float, *, at: float | None, connected: bool, waits: bool = False) -> Sent:
        """Keep whole samples, the last of them captured at `wall`, UTC seconds.

        `at`: source seconds of the first one; None: it continues the audio before. `connected`: there is a connection.
        `waits`: audio that does not fit waits in the backlog, in place of evicting the oldest audio. Raises UsageError
        when `at` goes back.
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
        """Audio sent during a pause: only the capture clock counts it. Returns its length in ms."""
        samples = len(data) // self._frame_bytes
        self._skipped += samples
        self.counts.skipped += samples
        return self._ms(samples)

    def reject(self, data: bytes) -> float:
        """Audio sent after the end is ignored. Returns its length in ms."""
        return self._ms(len(data) // self._frame_bytes)

    def stop_clock_in_pauses(self) -> None:
        """The source is a recording, whose source clock does not advance in pauses."""
        self._clock_stops_in_pauses = True

    def pause(self) -> None:
        """Begin to skip audio; what waits in the backlog stays there."""
        self._skipped, self._paused = 0, True

    def resume(self, seconds: float, wall: float) -> None:
        """Audio resumes after a pause of `seconds`, at `wall`.

        If the caller went on capturing, the skipped samples are the length of the pause, exact to the sample; measured
        by the clock it would be off by part of a chunk each time. A recording waits, so its source clock stands still.
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
        """End a pause without advancing the capture clock, because nothing more will be captured."""
        self._paused = False
        self._refill()

    def mark(self, message: Control) -> None:
        """Add a control message behind everything captured so far.

        In a pause its position is before the backlog, which is not sent before the end of the pause.
        """
        start = self._backlog.start
        self._controls.add(message, self._captured if start is None or not self._paused else start)

    # ---- what is to be sent ----

    def next_header(self) -> bytes | None:
        """The container's header, when a new connection must be sent it first."""
        if not self._header_due:
            return None
        self._header_due = False
        return self._header.again(self._cursor) or None

    def next_control(self) -> Control | None:
        """The control message that is due now, all audio before it having been sent; several of a kind are one."""
        waiting, start = self._replay.waiting(self._cursor), self._backlog.start

        def is_sent_up_to(at: int) -> bool:
            return waiting <= self._replay.waiting(at) and (start is None or at <= start)

        return self._controls.take_due(is_sent_up_to)

    def next_audio(self) -> OutgoingAudio | None:
        """The next audio, up to the next control message at most."""
        source, data = self._replay.read(self._cursor, self._longest)
        control_at = self._controls.next_at
        if control_at is not None:
            data = data[: max(control_at - source, 0) * self._frame_bytes]
        if not data:
            return None
        samples = len(data) // self._frame_bytes
        self._count_sent(source, samples)
        speech = self._loudness.is_speech(data) if self._loudness else False
        return OutgoingAudio(data, samples, self.seconds(samples), speech)

    @property
    def waiting(self) -> int:
        """Number of samples that wait to be sent."""
        return self._replay.waiting(self._cursor) + self._backlog.samples

    @property
    def waiting_s(self) -> float:
        """Seconds of audio that wait to be sent; an estimate for a container."""
        return self.waiting / self._rate

    @property
    def room_s(self) -> float:
        """Seconds of audio that can be accepted without dropping any."""
        return max(self._keep_s - self.unheard_s, 0.0)

    @property
    def free_s(self) -> float:
        """Seconds of a recording's audio that fit into the replay buffer now."""
        return max(self._free - self._backlog.samples, 0) / self._rate

    @property
    def unheard_s(self) -> float:
        """Seconds of audio that finals do not cover; of a container, audio that was not sent."""
        return (self._replay.samples + self._backlog.samples) / self._rate

    @property
    def sends_waiting(self) -> int:
        """Number of sends whose audio waits in the backlog."""
        return len(self._backlog)

    # ---- finals and outages ----

    def confirm(self, until: int) -> None:
        """Finals cover everything before source sample `until`."""
        self._replay.forget(min(until, self._cursor))
        while self._evicted and self._evicted[0].end <= until:
            self._evicted.popleft()
        if self._evicted and self._evicted[0].start < until:
            self._evicted[0] = Range(until, self._evicted[0].end)
        self._controls.confirm(until)
        self.is_overflowing = self.is_overflowing and 2 * self._replay.samples > self._limit
        self._refill()

    def rewind(self, confirmed: int) -> None:
        """The connection was lost: everything that finals do not cover is to be sent again, controls included."""
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
        self._controls.rewind(confirmed)

    @property
    def has_ended(self) -> bool:
        """Was CloseStream sent on this connection?"""
        return self._controls.has_closed

    @property
    def unheard(self) -> bool:
        """Is there audio that finals do not cover? Less than a millisecond does not count: the wire rounds."""
        return self._replay.samples + self._backlog.samples > self._rate // 1000

    def end(self, *, complete: bool) -> None:
        """Nothing more is sent. `complete`: the server has sent everything; else audio without a final is lost."""
        if not complete and self._timeline is not None:
            unheard = [*self._evicted, *self._replay.ranges, *self._backlog.ranges]
            self._record_lost(unheard, "the line ended before a final came")
        elif not complete and self.unheard_s:
            self._record_lost([_UNKNOWN], "the line ended before everything was sent")
        self._backlog.clear()
        self._replay.forget(self._captured)
        self._evicted.clear()
        self._controls.clear()

    def gaps(self) -> list[Gap]:
        """Losses since the last call."""
        gaps, self._gaps = self._gaps, []
        return gaps

    # ---- units ----

    def seconds(self, samples: int) -> float:
        """Length of so many samples; 0 when they cannot be counted."""
        return samples / self._rate if self._timeline is not None else 0.0

    @property
    def captured_at(self) -> float | None:
        """Source seconds of the next sample to be captured; None when samples cannot be counted."""
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
        """Append audio to the replay buffer; returns how many samples are lost for it."""
        if self._timeline is None:
            self._header.watch(bytes(data))
        else:
            self._read_wall_clock(self._timeline, source, len(data) // self._frame_bytes, wall)
        lost = self._account_evicted(self._replay.append(source, data))
        self.is_overflowing = self.is_overflowing or lost > 0
        return lost

    @property
    def _free(self) -> int:
        """Samples that fit into the replay buffer; in a small one they evict audio that was sent already."""
        waits_for_finals = self._keep_s >= LEAST_RECORDING_KEEP_S or self._timeline is None
        return self._limit - (self._replay.samples if waits_for_finals else self._replay.waiting(self._cursor))

    def _refill(self) -> None:
        """Move audio from the backlog to the replay buffer, as far as it fits."""
        while not self._paused:
            # A packet that is longer than the whole buffer would otherwise wait for ever.
            alone = self._packets and not self._replay.samples
            entry = self._backlog.take(self._backlog.samples if alone else self._free)
            if entry is None:
                return
            self._keep(entry.data, entry.source, entry.wall)

    def _read_wall_clock(self, timeline: Timeline, source: int, samples: int, wall: float) -> None:
        """Anchor the wall clock at the first sample, and at samples that come too late to be contiguous."""
        captured_at = wall - samples / self._rate
        known = timeline.to_wall(source / self._rate)
        if known is None or (not self._clock_stops_in_pauses and captured_at - known > LATE_S):
            timeline.anchor(source, captured_at)

    def _account_evicted(self, ranges: Iterable[Range]) -> int:
        """Evicted audio is lost unless it was sent on this connection; returns how many samples are lost.

        Without a connection the cursor is at the start of the replay buffer, so nothing of it counts as sent.
        """
        lost: list[Range] = []
        for each in ranges:
            sent, unsent = each.split(self._cursor)
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
