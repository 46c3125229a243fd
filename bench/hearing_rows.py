"""Results of the accuracy bench by recording, set and real-time stream, and their sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from report import percentile
from scoring import Interval, WordErrors, difference_interval, error_interval

PATHS = ("live", "whole", "alone")


@dataclass(frozen=True, slots=True)
class ClipRow:
    """Results of one recording; the mappings have a value for each path."""

    name: str
    utterance: str
    reference: str
    seconds: float
    texts: Mapping[str, str]
    errors: Mapping[str, WordErrors]
    start_errors: Mapping[str, list[float]]


@dataclass(frozen=True, slots=True)
class SetRow:
    """Results of a set; recordings without speech do not count towards its error rates."""

    name: str
    clips: tuple[ClipRow, ...]
    cpu: Mapping[str, float]
    """CPU seconds per second of audio, by path."""

    @property
    def seconds(self) -> float:
        """Total length of the recordings."""
        return sum(clip.seconds for clip in self.clips)

    @property
    def spoken(self) -> tuple[ClipRow, ...]:
        """Recordings with words in their references."""
        return tuple(clip for clip in self.clips if clip.errors["live"].words)

    @property
    def silent(self) -> tuple[ClipRow, ...]:
        """Recordings without speech."""
        return tuple(clip for clip in self.clips if not clip.reference)

    def errors(self, path: str) -> WordErrors:
        """Errors of a path in all recordings with speech."""
        return sum((clip.errors[path] for clip in self.spoken), WordErrors())

    def interval(self, path: str) -> Interval | None:
        """Confidence interval of the error rate of a path."""
        return error_interval(self._by_utterance(path))

    def difference(self, path: str, other: str) -> tuple[float, Interval | None]:
        """Difference of the error rates of two paths in percentage points, with its confidence interval."""
        interval = difference_interval(self._by_utterance(path), self._by_utterance(other))
        return self.errors(path).percent - self.errors(other).percent, interval

    def _by_utterance(self, path: str) -> list[WordErrors]:
        # Recordings of one utterance are no independent samples: resampled apart, they would narrow the interval.
        sums: dict[str, WordErrors] = {}
        for clip in self.spoken:
            sums[clip.utterance] = sums.get(clip.utterance, WordErrors()) + clip.errors[path]
        return list(sums.values())

    def start_error_s(self, path: str, share: float) -> float:
        """A percentile of the word start errors, in seconds; nan without reference times."""
        return percentile([error for clip in self.spoken for error in clip.start_errors[path]], share)

    @property
    def single_words(self) -> tuple[ClipRow, ...]:
        """Recordings of one word."""
        return tuple(clip for clip in self.spoken if clip.errors["live"].words == 1)


def correct(clips: Sequence[ClipRow], path: str) -> tuple[ClipRow, ...]:
    """The recordings that a path transcribes without an error."""
    return tuple(clip for clip in clips if not clip.errors[path].total)


@dataclass(frozen=True, slots=True)
class RealtimeRow:
    """Measurements of one real-time stream: latencies in seconds, CPU in seconds per second of audio."""

    name: str
    seconds: float
    cursor: tuple[float, ...]
    final: tuple[float, ...]
    tail: tuple[float, ...]
    front_cpu: float
    workers_cpu: float


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one engine."""

    engine: str
    sets: tuple[SetRow, ...]
    realtime: tuple[RealtimeRow, ...]

    @property
    def everything(self) -> SetRow:
        """All recordings of all sets."""
        seconds = sum(row.seconds for row in self.sets)
        cpu = {path: sum(row.cpu[path] * row.seconds for row in self.sets) / seconds for path in PATHS}
        return SetRow("all", tuple(clip for row in self.sets for clip in row.clips), cpu)

    def total(self, path: str) -> WordErrors:
        """Errors of a path in all sets."""
        return self.everything.errors(path)

    def as_json(self) -> dict[str, Any]:
        """All results with their texts, so that errors can be examined, and the sums by set."""
        sums = [
            {"set": row.name, **{path: asdict(row.errors(path)) for path in PATHS}}
            for row in (*self.sets, self.everything)
            if row.spoken
        ]
        return {"sums": sums, **asdict(self)}
