"""Timeline of a line: records which captured audio was sent, and converts between stream, source and wall time.

*Stream* time counts the samples sent on one connection and stands still in a pause; a new connection begins a new
*epoch* at 0. *Source* time counts the samples that were captured, pauses included, and never stops. *Wall* time is UTC.
The record that connects them is a list of half-open spans in samples for each epoch; dropped audio is recorded too,
permanently.

Laws: spans of an epoch ascend on both clocks and never overlap; positions of sent audio convert there and back without
loss of a sample; a word belongs to the span that its start lies in and ends there at the latest. Times on the wire are
rounded to milliseconds, so a start just before the border of two spans, or an end just after it, counts as on the
border.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """`samples` samples sent without a gap; `stream` and `source` are the positions of the first one on both clocks."""

    stream: int
    source: int
    samples: int
    epoch: int = 0
    """Number of the connection, counted from 0."""

    @property
    def stream_end(self) -> int:
        """First sample after the span, on the stream clock."""
        return self.stream + self.samples

    @property
    def source_end(self) -> int:
        """First sample after the span, on the source clock."""
        return self.source + self.samples


@dataclass(frozen=True, slots=True)
class Lost:
    """`samples` captured samples from `source` on that were lost."""

    source: int
    samples: int

    @property
    def end(self) -> int:
        """First source sample after the lost ones."""
        return self.source + self.samples


@dataclass(frozen=True, slots=True, order=True)
class Anchor:
    """Records that sample `source` was captured at `wall`, in seconds since 1970 in UTC."""

    source: int
    wall: float


class Timeline:
    """The timeline of one line: record what was `sent` on which connection, and convert recognized times.

    Its memory depends on the number of gaps only, not on the length of the audio: one span for each gap.
    """

    def __init__(self, sample_rate: int) -> None:
        """`sample_rate` in Hz, the same on all clocks. Raises ValueError when it is not positive."""
        if sample_rate <= 0:
            raise ValueError(f"sample_rate must be positive, not {sample_rate}")
        self.sample_rate = sample_rate
        self._rounding = round(sample_rate / 2000)
        """Number of samples by which rounding to milliseconds on the wire may have moved a point."""
        self._epochs: list[list[Span]] = [[]]
        self._lost: list[Lost] = []
        self._anchors: list[Anchor] = []

    # ---- recording ----

    def begin_epoch(self) -> int:
        """Begin the epoch of a new connection: its stream clock is at 0, and captured audio may be sent again.

        Returns the number of the epoch. A timeline begins in epoch 0. An epoch in which nothing is sent counts too.
        """
        self._epochs.append([])
        return self.epoch

    def sent(self, samples: int, source: int) -> None:
        """Append `samples` samples to the stream, the first of them captured as sample `source`.

        Raises ValueError if `samples` is negative, or `source` is before the end of what this epoch has sent.
        """
        spans = self._epochs[-1]
        last = spans[-1] if spans else Span(0, 0, 0)
        if samples < 0:
            raise ValueError(f"samples must not be negative, but is {samples}")
        if source < last.source_end:
            raise ValueError(f"source must not go back: {source} lies before {last.source_end}")
        if samples == 0:
            return
        if spans and source == last.source_end:
            spans[-1] = Span(last.stream, last.source, last.samples + samples, self.epoch)
        else:
            spans.append(Span(last.stream_end, source, samples, self.epoch))

    def lost(self, samples: int, source: int) -> None:
        """Record that `samples` captured samples from `source` on were dropped.

        The order does not matter, because audio that was sent may turn out to be lost later than audio that was not.
        Raises ValueError when `samples` is negative or some of them were lost before.
        """
        if samples < 0:
            raise ValueError(f"samples must not be negative, but is {samples}")
        if samples == 0:
            return
        index = bisect_right(self._lost, source, key=lambda lost: lost.source)
        before, after = self._lost[:index], self._lost[index:]
        if (before and before[-1].end > source) or (after and after[0].source < source + samples):
            raise ValueError(f"{samples} samples from {source} on are lost already")
        end = source + samples
        if before and before[-1].end == source:
            source = before.pop().source
        if after and after[0].source == end:
            end = after.pop(0).end
        self._lost = [*before, Lost(source, end - source), *after]

    def anchor(self, source: int, wall: float) -> None:
        """Record that sample `source` was captured at `wall`, seconds since 1970 in UTC."""
        insort(self._anchors, Anchor(source, wall))

    # ---- contents ----

    @property
    def epoch(self) -> int:
        """Number of the newest connection."""
        return len(self._epochs) - 1

    @property
    def spans(self) -> tuple[Span, ...]:
        """Everything sent so far, by epoch, without empty spans; spans of one epoch never touch on the source clock."""
        return tuple(span for spans in self._epochs for span in spans)

    @property
    def losses(self) -> tuple[Lost, ...]:
        """Everything that was dropped, in order, with adjacent losses merged."""
        return tuple(self._lost)

    @property
    def stream_samples(self) -> int:
        """Number of samples sent on the newest connection: its stream clock."""
        spans = self._epochs[-1]
        return spans[-1].stream_end if spans else 0

    # ---- mapping ----

    def to_source(self, stream_seconds: float, epoch: int | None = None) -> float:
        """Source seconds of a point on the stream clock of `epoch` (None: the newest), to the nearest sample.

        A point on the border of two spans belongs to the later one; a point at or past the end of what was
        sent is the end of the last span. Raises ValueError before the start, and while nothing was sent.
        """
        sample = self._sample(stream_seconds)
        return self._to_source(sample, self._span_of(sample, epoch)) / self.sample_rate

    def to_stream(self, source_seconds: float, epoch: int | None = None) -> float | None:
        """Stream seconds of a point on the source clock, to the nearest sample; None when `epoch` did not send it."""
        sample = self._sample(source_seconds)
        spans = self._epochs[-1 if epoch is None else epoch]
        index = bisect_right(spans, sample, key=lambda span: span.source) - 1
        if index < 0 or sample >= spans[index].source_end:
            return None
        span = spans[index]
        return (span.stream + sample - span.source) / self.sample_rate

    def place(self, start: float, end: float, epoch: int | None = None) -> tuple[float, float]:
        """Source seconds of a word that was recognized at `start`..`end` on the stream clock of `epoch`.

        The word belongs to the span that its start lies in, and ends with that span at the latest: a word next
        to a gap does not extend across it. A start within the wire's rounding before a border counts as on the border
        if more of the word lies after it. Raises ValueError as `to_source` does, and if `end` is before `start`.
        """
        first, last = self.place_samples(start, end, epoch)
        return first / self.sample_rate, last / self.sample_rate

    def place_samples(self, start: float, end: float, epoch: int | None = None) -> tuple[int, int]:
        """Source samples at which a word starts and ends, converted like the seconds in `place`."""
        if end < start:
            raise ValueError(f"a word cannot end at {end} and start at {start}")
        first, last = self._sample(start), self._sample(end)
        span = self._span_of(first, epoch)
        later = self._span_of(first + self._rounding, epoch)
        if last - later.stream > later.stream - first > 0:
            first, span = later.stream, later
        return self._to_source(first, span), self._to_source(last, span)

    def heard_from(self, stream_seconds: float, epoch: int | None = None) -> int:
        """First source sample of the audio that begins at `stream_seconds`.

        Like `to_source`, but a point within the wire's rounding before a border counts as on the border. Raises as it
        does.
        """
        sample = self._sample(stream_seconds)
        span = self._span_of(sample + self._rounding, epoch)
        return self._to_source(max(sample, span.stream), span)

    def heard_until(self, stream_seconds: float, epoch: int | None = None) -> int:
        """First source sample after the audio that ends at `stream_seconds`.

        Unlike in `to_source`, a point on the border of two spans, or within the wire's rounding after it, is the end of
        the earlier one: the audio after a pause is not covered yet. Raises ValueError as `to_source` does.
        """
        sample = self._sample(stream_seconds)
        return self._to_source(sample, self._span_of(min(max(sample - 1 - self._rounding, 0), sample), epoch))

    def to_wall(self, source_seconds: float) -> float | None:
        """Wall time of a source time, in seconds since 1970 in UTC; None while there is no anchor.

        It is computed from the last anchor at or before that time, or from the first one.
        """
        if not self._anchors:
            return None
        sample = self._sample(source_seconds)
        index = bisect_right(self._anchors, sample, key=lambda anchor: anchor.source) - 1
        anchor = self._anchors[max(index, 0)]
        return anchor.wall + source_seconds - anchor.source / self.sample_rate

    def _sample(self, seconds: float) -> int:
        return round(seconds * self.sample_rate)

    def _span_of(self, sample: int, epoch: int | None) -> Span:
        spans = self._epochs[-1 if epoch is None else epoch]
        if not spans:
            raise ValueError("nothing was sent yet")
        if sample < 0:
            raise ValueError(f"stream time starts at 0, {sample / self.sample_rate} lies before it")
        return spans[bisect_right(spans, sample, key=lambda span: span.stream) - 1]

    def _to_source(self, sample: int, span: Span) -> int:
        return span.source + min(sample - span.stream, span.samples)
