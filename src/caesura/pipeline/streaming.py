"""Recognizer for streaming engines: cuts speech at silence and feeds each segment to a state while it is spoken.

A pure machine: no clock, no thread, no I/O. Its laws:

1. Segments tile the stream, and end where they would with a segment engine: voice activity decides, not the engine.
2. Each segment with speech has a state of its own, from the padding before its speech to its end. Its final is what the
   state returns once it was fed its last audio, which depends on the audio only: not on pieces, interims or workers.
3. At most one job is out at a time, and each holds all audio of its state so far, which is kept until it is final.
4. A segment longer than the engine likes is cut between two of its words; the next state begins at the cut. Speech that
   is stopped is cut likewise, by the words of its state when that is ended, and the rest dropped.
5. Silence and scraps are not fed, except for `TAIL` behind speech, in which the engine catches up.

Positions inside are samples at 16 kHz; everything that leaves is in seconds.
"""

from __future__ import annotations

from caesura.engines.base import SAMPLE_RATE
from caesura.engines.streaming import FeedJob, Job
from caesura.pipeline.feed_jobs import FeedJobs
from caesura.pipeline.live_recognizer import LiveRecognizer
from caesura.pipeline.live_segments import ClosedSegment
from caesura.pipeline.recognizer import RecognitionConfig
from caesura.pipeline.segment_jobs import Decoded, JobKind, JobRequest
from caesura.pipeline.segmenter import PADDING
from caesura.speech.diarizer import Diarizer
from caesura.speech.vad import FRAME
from caesura.words import Word

FEED = 8 * FRAME
"""Audio after which a state is fed, whether interims are wanted or not: a final then has little left to decode."""
TAIL = SAMPLE_RATE
"""Silence behind speech that is fed at most. What an engine has not returned as a word after so much audio is none."""


class StreamingRecognizer(LiveRecognizer[FeedJob]):
    """Recognizes one channel with an engine that keeps a state."""

    _tail = TAIL

    def __init__(self, index: int, config: RecognitionConfig, diarizer: Diarizer | None = None) -> None:
        super().__init__(index, config, diarizer)
        self._jobs: FeedJobs = FeedJobs(
            self._audio,
            language=config.language,
            detectable_languages=config.detectable_languages,
            terms=config.terms,
        )
        self._step = FEED if self._interval is None else min(FEED, self._interval)

    def pause(self) -> None:
        """See `Recognizer`; a state begins without memory, so nothing is kept for the next one."""

    def stretch_interims(self, factor: float) -> None:
        """See `Recognizer`; only those with speakers cost inference beyond what feeding does in any case."""
        if self._diarizer is not None:
            self._stretch = factor

    # ---- what to do next ----

    def _final(self, first: int, last: int, segment: ClosedSegment) -> Decoded | None:
        if not self._is_short(first, segment.speech_end):
            return None
        decoded = self._jobs.final(first, last)
        if decoded is None:
            self._request(JobRequest(JobKind.FINAL, first, last, segment.end))
        return decoded

    def _request_for_open_segment(self, first: int, last: int, speech_end: int) -> None:
        """Feed it."""
        if not self._is_short(first, speech_end):
            return
        fed, until = self._jobs.requested or first, self._segments.endpointer.voiced
        due = self._interim_due(until, self._stretch)
        caught_up = last == speech_end + TAIL or due
        if last - fed >= (1 if caught_up else self._step) or (due and self._diarizer is not None):
            self._request(JobRequest(JobKind.INTERIM, first, last, until))
        elif due and not self._jobs.is_out:
            self._emit_latest(until)

    def _request_last_cut(self, first: int, last: int, speech_end: int) -> None:
        if self._is_short(first, speech_end):
            self._last_cut = JobRequest(JobKind.CUT, first, last, last)
            self._request(self._last_cut)

    def _is_short(self, first: int, speech_end: int) -> bool:
        """Whether one state may take all of it; otherwise a cut is requested."""
        if speech_end - first <= self._longest:
            return True
        self._request(JobRequest(JobKind.CUT, first, first + self._longest, first + self._longest))
        return False

    def _request(self, wanted: JobRequest) -> None:
        # Embedding costs as much for an interim as for a final: only for those that are emitted.
        emitted = wanted.kind is not JobKind.INTERIM or self._interim_due(wanted.until, self._stretch)
        self._jobs.request(wanted, embed_speakers=self._diarizer is not None and emitted)

    # ---- what came of it ----

    def _take(self, decoded: Decoded, job: Job) -> None:
        request = decoded.request
        if request.kind is JobKind.CUT:
            self._cut(decoded)
        elif request.kind is JobKind.INTERIM and self._may_emit(request, job):
            self._emit_latest(request.until)

    def _may_emit(self, request: JobRequest, job: Job) -> bool:
        """Whether the words of an interim's job are emitted now."""
        if self._segments.closed or request.until <= self._segments.open:
            return False
        due = self._interim_due(request.until, self._stretch)
        return due and (self._diarizer is None or job.embed_speakers)

    def _forget(self, words: tuple[Word, ...], end: int) -> None:
        self._jobs.forget()
        self._audio.discard(end - PADDING)

    def _settled_in_speech(self, onset: int) -> int:
        endpointer = self._segments.endpointer
        fed = 0 if self._jobs.latest is None else self._jobs.latest.request.last
        if not endpointer.speaking and fed >= endpointer.speech_end + TAIL:
            return endpointer.voiced
        # Words come late: what was fed last may still hold some.
        return max(onset, fed - TAIL)
