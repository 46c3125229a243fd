"""The jobs of one channel, of which at most one is out, and the newest hypothesis that they brought. Pure.

A job that is out is replaced by a different one, unless it must come first: a cut, when another job begins in the same
place, and any job, when an interim is wanted. Positions are samples at 16 kHz.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from caesura.engines.base import SAMPLE_RATE, Hypothesis, Priority, SegmentJob, Term
from caesura.engines.streaming import Job
from caesura.pipeline.audio_buffer import AudioBuffer
from caesura.pipeline.word_context import JobContext
from caesura.words import Word

J = TypeVar("J", bound=Job)


class JobKind(enum.Enum):
    """Purpose of a job."""

    INTERIM = enum.auto()
    FINAL = enum.auto()
    CUT = enum.auto()
    """To find where a long segment is cut."""


@dataclass(frozen=True, slots=True)
class JobRequest:
    """Purpose of a job: its samples, and the end of the audio whose words its result contains.

    `context`: audio and words before those samples, or before the part of them whose words are not `known` yet.
    """

    kind: JobKind
    first: int
    last: int
    until: int
    context: JobContext | None = None
    known: tuple[Word, ...] = ()

    @property
    def priority(self) -> Priority:
        """Everything but an interim is needed for a final."""
        return Priority.INTERIM if self.kind is JobKind.INTERIM else Priority.FINAL

    @property
    def audio_first(self) -> int:
        """The first sample of the job's audio."""
        return self.first if self.context is None else self.context.first

    @property
    def unknown_first(self) -> int:
        """The first sample whose words are not known."""
        return round(self.known[-1].end * SAMPLE_RATE) if self.known else self.first


@dataclass(frozen=True, slots=True)
class Decoded:
    """A hypothesis, with times from the first sample of the job's audio."""

    request: JobRequest
    hypothesis: Hypothesis

    @property
    def words(self) -> tuple[Word, ...]:
        """All words of the samples requested, known ones included, with stream times."""
        at = self.request.audio_first / SAMPLE_RATE
        return (*self.request.known, *(word.shifted(at) for word in self.hypothesis.words))


class ChannelJobs(Generic[J]):
    """The job of one channel that is out, and the newest hypothesis. What replaces it, its `request` decides."""

    def __init__(
        self,
        audio: AudioBuffer,
        *,
        language: str | None,
        detectable_languages: tuple[str, ...] = (),
        terms: tuple[Term, ...],
    ) -> None:
        self._audio = audio
        self._language = language
        self._detectable_languages = detectable_languages
        self._request: JobRequest | None = None
        """What the job that is out is for."""
        self._job: J | None = None
        self._untaken: J | None = None
        """The job that is out, until `next_job` has returned it."""
        self.terms = terms
        """Preferred terms of the jobs, or of the states, that are still to come."""
        self.latest: Decoded | None = None
        """The newest hypothesis that counts, until `forget`."""

    @property
    def is_out(self) -> bool:
        """Whether a job waits for its result."""
        return self._job is not None

    def next_job(self) -> J | None:
        """The job to run now, in place of the one that is out; None when there is no new one."""
        job, self._untaken = self._untaken, None
        return job

    def receive(self, job: Job, hypothesis: Hypothesis) -> JobRequest | None:
        """Take the result of `job`. Returns what it was for; None when another job has replaced it."""
        request = self._request
        if job is not self._job or request is None:
            return None
        self._request = self._job = None
        if self._counts(request, hypothesis):
            self.latest = Decoded(request, hypothesis)
        return request

    def final(self, first: int, last: int) -> Decoded | None:
        """The newest hypothesis if it is that of a final of exactly these samples."""
        latest = self.latest
        if latest is None or latest.request.kind is not JobKind.FINAL:
            return None
        return latest if (latest.request.first, latest.request.last) == (first, last) else None

    def forget(self) -> None:
        """The newest hypothesis is used up."""
        self.latest = None

    def _send(self, request: JobRequest, job: J) -> None:
        self._request = request
        self._job = self._untaken = job

    def _counts(self, request: JobRequest, hypothesis: Hypothesis) -> bool:
        """Whether a hypothesis takes the place of the newest one."""
        return True


class SegmentJobs(ChannelJobs[SegmentJob]):
    """Makes jobs of the audio in `audio`; the newest hypothesis is the draft of a job that begins in the same place."""

    def __init__(
        self,
        audio: AudioBuffer,
        *,
        language: str | None,
        detectable_languages: tuple[str, ...] = (),
        terms: tuple[Term, ...],
        embed_speakers: bool,
    ) -> None:
        super().__init__(audio, language=language, detectable_languages=detectable_languages, terms=terms)
        self._embed_speakers = embed_speakers
        self._lapsed = False
        """The newest interim had no words, and the one before it, which had some, stands."""

    def request(self, wanted: JobRequest) -> None:
        """Make a job of `wanted` unless that one, or one that must come first, is out already."""
        out = self._request
        if out is not None:
            same = out.kind is wanted.kind and (out.first, out.last) == (wanted.first, wanted.last)
            if same or (out.kind is JobKind.CUT and wanted.first == out.first) or wanted.kind is JobKind.INTERIM:
                return
        job = SegmentJob(
            audio=self._audio.between(wanted.audio_first, wanted.last),
            at=wanted.audio_first / SAMPLE_RATE,
            priority=wanted.priority,
            draft=self._draft(wanted),
            prefix="" if wanted.context is None else wanted.context.prefix,
            prefix_s=max(0, wanted.unknown_first - wanted.audio_first) / SAMPLE_RATE,
            language=self._language,
            detectable_languages=self._detectable_languages,
            terms=self.terms,
            embed_speakers=self._embed_speakers,
        )
        self._send(wanted, job)

    def _draft(self, wanted: JobRequest) -> Hypothesis | None:
        latest = self.latest
        if latest is None or latest.request.first != wanted.first or latest.request.last > wanted.last:
            return None
        # Words that have become known since are in the prefix; a final has none of the known ones there.
        known = len(latest.request.known) + len(latest.hypothesis.words) - len(wanted.known)
        return replace(latest.hypothesis, words=latest.words[-known:] if known > 0 else ())

    def _counts(self, request: JobRequest, hypothesis: Hypothesis) -> bool:
        self._lapsed = self._is_lapse(request, hypothesis)
        return not self._lapsed

    def _is_lapse(self, request: JobRequest, hypothesis: Hypothesis) -> bool:
        """Whether words that were recognized are missing in a longer piece of the same speech.

        An engine drops text in which it has too little confidence, and half a word at the end is enough for that.
        Speech has not ended: only the second empty hypothesis in a row counts.
        """
        if request.kind is not JobKind.INTERIM or hypothesis.words or self._lapsed or self.latest is None:
            return False
        return self.latest.request.first == request.first and bool(self.latest.hypothesis.words)
