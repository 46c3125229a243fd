"""Recognizer for segment engines: cuts speech at silence and has each segment, and its interims, transcribed by jobs.

A pure machine: no clock, no thread, no I/O. Its laws:

1. Segments tile the stream: each begins where the last final ended, and finals come in that order.
2. At most one job is out at a time, so a slow engine gets the newest audio and never a backlog of interims.
3. A final is decoded early, as soon as silence begins, and its result held until the endpoint is certain.
4. A segment longer than the engine likes is cut between two words of its own hypothesis; the rest is carried on. Speech
   that is stopped is cut likewise, and the rest dropped.
5. Silence and scraps never reach the engine.

Positions inside are samples at 16 kHz; everything that leaves is in seconds.
"""

from __future__ import annotations

from caesura.engines.base import SAMPLE_RATE, SegmentJob
from caesura.engines.streaming import Job
from caesura.pipeline.live_recognizer import LiveRecognizer
from caesura.pipeline.live_segments import ClosedSegment
from caesura.pipeline.recognizer import RecognitionConfig
from caesura.pipeline.segment_jobs import Decoded, JobKind, JobRequest, SegmentJobs
from caesura.pipeline.segmenter import PADDING
from caesura.pipeline.word_context import AgreedWords, WordContext, context_of
from caesura.speech.diarizer import Diarizer
from caesura.words import Word

WORDLESS = SAMPLE_RATE
"""So much voice without a word is noise, and no longer puts off the end of an utterance."""
WINDOW = 5 * SAMPLE_RATE
"""Audio of an interim whose engine knows a prefix: what lies further back is not heard again before the final."""


class SegmentedRecognizer(LiveRecognizer[SegmentJob]):
    """Recognizes one channel with an engine that transcribes whole segments."""

    _tail = PADDING

    def __init__(self, index: int, config: RecognitionConfig, diarizer: Diarizer | None = None) -> None:
        super().__init__(index, config, diarizer)
        self._context = WordContext(round(config.context_s * SAMPLE_RATE))
        self._agreed = AgreedWords()
        self._windowed = config.context_s > 0
        self._jobs: SegmentJobs = SegmentJobs(
            self._audio,
            language=config.language,
            detectable_languages=config.detectable_languages,
            terms=config.terms,
            embed_speakers=diarizer is not None,
        )

    def pause(self) -> None:
        """See `Recognizer`."""
        self._context.clear()
        self._discard_audio()

    # ---- what to do next ----

    def _final(self, first: int, last: int, segment: ClosedSegment) -> Decoded | None:
        if last - first > self._longest + PADDING:
            self._request_cut(first)
            return None
        return self._final_or_request(first, last, segment.end)

    def _request_for_open_segment(self, first: int, last: int, speech_end: int) -> None:
        """Cut it, decode it early, or have an interim of it."""
        endpointer = self._segments.endpointer
        if last - first > self._longest:
            self._request_cut(first)
        elif endpointer.silence >= min(PADDING, self._segments.window):
            decoded = self._final_or_request(first, last, endpointer.voiced)
            if decoded is not None and self._interim_due(endpointer.voiced):
                self._emit_interim(endpointer.voiced, self._new_words(decoded))
        elif self._interim_due(endpointer.voiced, self._stretch):
            self._request_interim(first, last, endpointer.voiced)

    def _request_last_cut(self, first: int, last: int, speech_end: int) -> None:
        if last - first > self._longest:
            self._request_cut(first)
            return
        self._last_cut = JobRequest(JobKind.CUT, first, last, last)
        self._jobs.request(self._last_cut)

    def _request_cut(self, first: int) -> None:
        last = first + self._longest
        self._jobs.request(JobRequest(JobKind.CUT, first, last, last))

    def _final_or_request(self, first: int, last: int, until: int) -> Decoded | None:
        decoded = self._jobs.final(first, last)
        if decoded is None:
            self._jobs.request(JobRequest(JobKind.FINAL, first, last, until, self._context.before(first, last)))
        return decoded

    def _request_interim(self, first: int, last: int, until: int) -> None:
        """An interim of a long segment hears only its end: a window that begins among the words agreed on."""
        known = self._agreed.words
        if not self._windowed or last - first <= WINDOW or not known:
            self._jobs.request(JobRequest(JobKind.INTERIM, first, last, until))
            return
        context = context_of(known, round(known[-1].end * SAMPLE_RATE), last, WINDOW)
        self._jobs.request(JobRequest(JobKind.INTERIM, first, last, until, context, known))

    # ---- what came of it ----

    def _take(self, decoded: Decoded, job: Job) -> None:
        request = decoded.request
        if request.kind is JobKind.CUT:
            self._cut(decoded)
            self._jobs.forget()
        elif not self._segments.closed and request.until > self._segments.open:
            self._agreed.add(decoded.words, request.until / SAMPLE_RATE)
            if request.kind is JobKind.INTERIM:
                self._emit_latest(request.until)

    def _finish_segment(self, segment: ClosedSegment, words: tuple[Word, ...], covered_until: int) -> None:
        super()._finish_segment(segment, words, covered_until)
        # Also when an interim has reached into the silence that was kept open behind it.
        self._interim_at = segment.end

    def _forget(self, words: tuple[Word, ...], end: int) -> None:
        self._agreed.clear()
        self._context.add(words, end)
        self._discard_audio()

    def _discard_audio(self) -> None:
        unneeded, needed_from = self._output.covered - PADDING, self._context.needed_from
        self._audio.discard(unneeded if needed_from is None else min(unneeded, needed_from))

    def _settled_in_speech(self, onset: int) -> int:
        endpointer = self._segments.endpointer
        if self._jobs.latest is None:
            return onset
        request = self._jobs.latest.request
        if not endpointer.speaking and request.last >= endpointer.speech_end:
            return endpointer.voiced
        # Half a word is often recognized as none: only voice that goes on without words is no speech.
        return request.until if request.until - onset >= WORDLESS else onset
