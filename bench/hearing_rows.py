"""Results of the hearing bench: a row for each recording, set and real-time stream, and what they add up to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from report import percentile
from scoring import Interval, WordErrors, difference_interval, error_interval

PATHS = ("live", "whole", "alone")


@dataclass(frozen=True, slots=True)
class ClipRow:
    """One recording; the mappings have a value for each path."""

    name: str
    reference: str
    seconds: float
    texts: Mapping[str, str]
    errors: Mapping[str, WordErrors]
    start_errors: Mapping[str, list[float]]


@dataclass(frozen=True, slots=True)
class SetRow:
    """All recordings of a set; an error rate exists where somebody speaks."""

    name: str
    clips: tuple[ClipRow, ...]

    @property
    def spoken(self) -> tuple[ClipRow, ...]:
        """Recordings with words in their references."""
        return tuple(clip for clip in self.clips if clip.errors["live"].words)

    @property
    def silent(self) -> tuple[ClipRow, ...]:
        """Recordings in which nobody speaks."""
        return tuple(clip for clip in self.clips if not clip.reference)

    def errors(self, path: str) -> WordErrors:
        """All errors on a path, without those of recordings in which nobody speaks."""
        return sum((clip.errors[path] for clip in self.spoken), WordErrors())

    def interval(self, path: str) -> Interval | None:
        """Confidence interval of the error rate on a path."""
        return error_interval([clip.errors[path] for clip in self.spoken])

    def difference(self, path: str, other: str) -> tuple[float, Interval | None]:
        """Percentage points between two paths, with their confidence interval."""
        ours, theirs = ([clip.errors[each] for clip in self.spoken] for each in (path, other))
        return self.errors(path).percent - self.errors(other).percent, difference_interval(ours, theirs)

    def start_error_s(self, path: str, share: float) -> float:
        """A percentile of the errors of word starts, in seconds; nan without references."""
        return percentile([error for clip in self.spoken for error in clip.start_errors[path]], share)

    @property
    def single_words(self) -> tuple[ClipRow, ...]:
        """Recordings of one word."""
        return tuple(clip for clip in self.spoken if clip.errors["live"].words == 1)


def right(clips: Sequence[ClipRow], path: str) -> tuple[ClipRow, ...]:
    """The recordings without an error on a path."""
    return tuple(clip for clip in clips if not clip.errors[path].total)


@dataclass(frozen=True, slots=True)
class RealtimeRow:
    """One stream in real time: latencies in seconds, CPU in seconds for each second."""

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
        return SetRow("all", tuple(clip for row in self.sets for clip in row.clips))

    def total(self, path: str) -> WordErrors:
        """The errors of all sets on a path."""
        return self.everything.errors(path)

    def as_json(self) -> dict[str, Any]:
        """Everything, with the texts, so that errors can be read, and the sums by set."""
        sums = [
            {"set": row.name, **{path: asdict(row.errors(path)) for path in PATHS}}
            for row in (*self.sets, self.everything)
            if row.spoken
        ]
        return {"sums": sums, **asdict(self)}
