"""Which stretch of captured audio was sent when in; stream times to source times and back out.

Stream time counts the samples sent on one connection and stands still in a pause; source time counts the
samples that were captured and never stops. The ledger between the two is a list of half-open spans in samples.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """`samples` samples sent without a gap: `stream` and `source` are the first one's place on either clock."""

    stream: int
    source: int
    samples: int

    @property
    def stream_end(self) -> int:
        """First sample after the span, on the stream clock."""
        return self.stream + self.samples

    @property
    def source_end(self) -> int:
        """First sample after the span, on the source clock."""
        return self.source + self.samples


class Timeline:
    """The ledger of one connection: tell it what was `sent`, ask it where that was heard.

    It keeps one span for each gap, however much audio is sent between two gaps.
    """

    def __init__(self, sample_rate: int) -> None:
        """`sample_rate` in Hz holds for both clocks. Raises ValueError when it is not positive."""
        if sample_rate <= 0:
            raise ValueError(f"sample_rate must be positive, not {sample_rate}")
        self.sample_rate = sample_rate
        self._spans: list[Span] = []

    @property
    def spans(self) -> tuple[Span, ...]:
        """Everything sent so far, in order, without empty spans; no two of them touch on the source clock."""
        return tuple(self._spans)

    @property
    def stream_samples(self) -> int:
        """How many samples were sent: the stream clock."""
        return self._spans[-1].stream_end if self._spans else 0

    def sent(self, samples: int, source: int) -> None:
        """Append `samples` samples to the stream, the first of them captured as sample `source`.

        Raises ValueError when `samples` is negative or `source` goes back behind what was sent before.
        """
        last = self._spans[-1] if self._spans else Span(0, 0, 0)
        if samples < 0:
            raise ValueError(f"samples must not be negative, but is {samples}")
        if source < last.source_end:
            raise ValueError(f"source must not go back: {source} lies before {last.source_end}")
        if samples == 0:
            return
        if self._spans and source == last.source_end:
            self._spans[-1] = Span(last.stream, last.source, last.samples + samples)
        else:
            self._spans.append(Span(last.stream_end, source, samples))

    def to_source(self, stream_seconds: float) -> float:
        """Source seconds of a point on the stream clock, to the nearest sample.

        A point on the border of two spans belongs to the later one; a point at or past the end of what was
        sent is the end of the last span. Raises ValueError before the start, and while nothing was sent.
        """
        sample = self._sample(stream_seconds)
        return self._to_source(sample, self._span_of(sample))

    def to_stream(self, source_seconds: float) -> float | None:
        """Stream seconds of a point on the source clock, to the nearest sample; None when it was not sent."""
        sample = round(source_seconds * self.sample_rate)
        index = bisect_right(self._spans, sample, key=lambda span: span.source) - 1
        if index < 0 or sample >= self._spans[index].source_end:
            return None
        span = self._spans[index]
        return (span.stream + sample - span.source) / self.sample_rate

    def place(self, start: float, end: float) -> tuple[float, float]:
        """Source seconds of a word that was heard at `start`..`end` on the stream clock.

        The word belongs to the span that its start lies in, and ends with that span at the latest: a word next
        to a gap does not stretch across it. Raises ValueError as `to_source`, and when `end` is before `start`.
        """
        if end < start:
            raise ValueError(f"a word cannot end at {end} and start at {start}")
        first = self._sample(start)
        span = self._span_of(first)
        return self._to_source(first, span), self._to_source(self._sample(end), span)

    def _sample(self, stream_seconds: float) -> int:
        return round(stream_seconds * self.sample_rate)

    def _span_of(self, sample: int) -> Span:
        if not self._spans:
            raise ValueError("nothing was sent yet")
        if sample < 0:
            raise ValueError(f"stream time starts at 0, {sample / self.sample_rate} lies before it")
        return self._spans[bisect_right(self._spans, sample, key=lambda span: span.stream) - 1]

    def _to_source(self, sample: int, span: Span) -> float:
        return (span.source + min(sample - span.stream, span.samples)) / self.sample_rate
