"""The jobs of one channel that feed states of a streaming engine, at most one of them out, and the newest words. Pure.

Each job holds all audio of the state so far, so one that is replaced, or whose worker dies, leaves nothing behind. An
interim job only goes on with the state; a final and a cut end it. Positions are samples at 16 kHz.
"""

from __future__ import annotations

from caesura.engines.base import SAMPLE_RATE, Hypothesis, Priority, Term
from caesura.engines.streaming import FeedJob, Job
from caesura.pipeline.audio_buffer import AudioBuffer
from caesura.pipeline.segment_jobs import Decoded, JobKind, JobRequest


class FeedJobs:
    """Makes jobs of the audio in `audio`, one state after the other, and takes their results."""

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
        self._state = 0
        """Number of the state; it is opened by its first job."""
        self._request: JobRequest | None = None
        """What the job that is out is for."""
        self._job: FeedJob | None = None
        self._untaken: FeedJob | None = None
        """The job that is out, until `next_job` has returned it."""
        self.terms = terms
        """Preferred terms of states that are still to be opened."""
        self.latest: Decoded | None = None
        """The newest words of the state, until `forget`."""

    @property
    def is_out(self) -> bool:
        """Whether a job waits for its result."""
        return self._job is not None

    @property
    def requested(self) -> int | None:
        """Up to where the state was fed, or will be by the job that is out; None before its first job."""
        if self._request is not None:
            return self._request.last
        return None if self.latest is None else self.latest.request.last

    def next_job(self) -> FeedJob | None:
        """The job to run now, in place of the one that is out; None when there is no new one."""
        job, self._untaken = self._untaken, None
        return job

    def request(self, wanted: JobRequest, *, embed_speakers: bool = False) -> None:
        """Make a job of `wanted`, in place of an interim's that is out; another one that is out must come first."""
        out = self._request
        if out is not None and (out.kind is not JobKind.INTERIM or wanted.kind is JobKind.INTERIM):
            return
        if self.requested is not None and wanted.last < self.requested:
            # A cut whose place was passed in a pause: a state cannot go back.
            self.forget()
        self._request = wanted
        self._job = self._untaken = FeedJob(
            state=self._state,
            audio=self._audio.between(wanted.first, wanted.last),
            at=wanted.first / SAMPLE_RATE,
            priority=Priority.INTERIM if wanted.kind is JobKind.INTERIM else Priority.FINAL,
            language=self._language,
            detectable_languages=self._detectable_languages,
            terms=self.terms,
            embed_speakers=embed_speakers,
        )

    def receive(self, job: Job, hypothesis: Hypothesis) -> JobRequest | None:
        """Take the result of `job`. Returns what it was for; None when another job has replaced it."""
        request = self._request
        if job is not self._job or request is None:
            return None
        self._request = self._job = None
        self.latest = Decoded(request, hypothesis)
        return request

    def final(self, first: int, last: int) -> Decoded | None:
        """The newest words if they are the final ones of exactly these samples."""
        latest = self.latest
        if latest is None or latest.request.kind is not JobKind.FINAL:
            return None
        return latest if (latest.request.first, latest.request.last) == (first, last) else None

    def forget(self) -> None:
        """The state is done with: the next job begins another."""
        self.latest = None
        self._state += 1
