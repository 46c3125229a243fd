"""The jobs of one channel that feed states of a streaming engine, at most one of them out, and the newest words. Pure.

Each job holds all audio of the state so far, so one that is replaced, or whose worker dies, leaves nothing behind. An
interim job only goes on with the state; a final and a cut end it. Positions are samples at 16 kHz.
"""

from __future__ import annotations

from caesura.engines.base import SAMPLE_RATE
from caesura.engines.streaming import FeedJob
from caesura.pipeline.segment_jobs import ChannelJobs, JobKind, JobRequest


class FeedJobs(ChannelJobs[FeedJob]):
    """Makes jobs of the audio in `audio`, one state after the other; a state that is open keeps its terms."""

    _state = 0
    """Number of the state; it is opened by its first job."""

    @property
    def requested(self) -> int | None:
        """Up to where the state was fed, or will be by the job that is out; None before its first job."""
        if self._request is not None:
            return self._request.last
        return None if self.latest is None else self.latest.request.last

    def request(self, wanted: JobRequest, *, embed_speakers: bool = False) -> None:
        """Make a job of `wanted`, in place of an interim's that is out; another one that is out must come first."""
        out = self._request
        if out is not None and (out.kind is not JobKind.INTERIM or wanted.kind is JobKind.INTERIM):
            return
        if self.requested is not None and wanted.last < self.requested:
            # A cut whose place was passed in a pause: a state cannot go back.
            self.forget()
        job = FeedJob(
            state=self._state,
            audio=self._audio.between(wanted.first, wanted.last),
            at=wanted.first / SAMPLE_RATE,
            priority=wanted.priority,
            language=self._language,
            detectable_languages=self._detectable_languages,
            terms=self.terms,
            embed_speakers=embed_speakers,
        )
        self._send(wanted, job)

    def forget(self) -> None:
        """The state is done with: the next job begins another."""
        super().forget()
        self._state += 1
