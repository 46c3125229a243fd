"""Recognizer for streaming engines: cuts speech at silence and feeds each segment to a state while it is spoken.

A pure machine: no clock, no thread, no I/O. Its laws:

1. Segments tile the stream, and end where they would with a segment engine: voice activity decides, not the engine.
2. Each segment with speech has a state of its own, from the padding before its speech to its end. Its final is what the
   state returns once it was fed its last audio, which depends on the audio only: not on pieces, interims or workers.
3. At most one job is out at a time, and each holds all audio of its state so far, which is kept until it is final.
4. A segment longer than the engine likes is cut between two of its words; the next state begins at the cut.
5. Silence and scraps are not fed, except for `TAIL` behind speech, in which the engine catches up.

Positions inside are samples at 16 kHz; everything that leaves is in seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from caesura.engines.base import SAMPLE_RATE, Hypothesis, Samples, Term
from caesura.engines.streaming import FeedJob, Job
from caesura.pipeline.audio_buffer import AudioBuffer
from caesura.pipeline.feed_jobs import FeedJobs
from caesura.pipeline.live_segments import ClosedSegment, LiveSegments
from caesura.pipeline.recognizer import RecognitionConfig, RecognizerEvent
from caesura.pipeline.segment_jobs import Decoded, JobKind, JobRequest
from caesura.pipeline.segmenter import MIN_SPEECH, PADDING, cut_between_words
from caesura.pipeline.transcript_output import TranscriptOutput
from caesura.speech.diarizer import Diarizer
from caesura.speech.embedding import SpeakerEmbedding
from caesura.speech.vad import FRAME
from caesura.words import Word

FEED = 8 * FRAME
"""Audio after which a state is fed, whether interims are wanted or not: a final then has little left to decode."""
TAIL = SAMPLE_RATE
"""Silence behind speech that is fed at most. What an engine has not returned as a word after so much audio is none."""


class StreamingRecognizer:
    """Recognizes one channel with an engine that keeps a state; implements `Recognizer`."""

    def __init__(self, index: int, config: RecognitionConfig, diarizer: Diarizer | None = None) -> None:
        self._language = config.language
        self._interval = None if config.interim_interval_s is None else _samples(config.interim_interval_s)
        self._longest = _samples(config.max_segment_s)
        self._diarizer = diarizer
        self._audio = AudioBuffer()
        self._jobs = FeedJobs(
            self._audio,
            language=config.language,
            detectable_languages=config.detectable_languages,
            terms=config.terms,
        )
        self._segments = LiveSegments(None if config.endpointing_s is None else _samples(config.endpointing_s))
        gap_s = config.utterance_gap_s
        self._output = TranscriptOutput(index, None if gap_s is None else _samples(gap_s))
        self._floor = 0
        """No state begins before this: a final has covered what lies before."""
        self._decoded = 0
        """Where the last state ended; because of padding the next one may be fed a little of it again."""
        self._interim_at = 0
        self._stretch = 1.0

    # ---- input ----

    def feed(self, samples: Samples, voice: Iterable[float]) -> None:
        """See `Recognizer`."""
        self._audio.append(samples)
        for probability in voice:
            began = self._segments.feed(float(probability))
            if began is not None:
                self._output.emit_onset(began)
        self._advance()

    def flush(self) -> None:
        """See `Recognizer`."""
        self._segments.flush(self._audio.end)
        self._advance()

    def bias(self, terms: tuple[Term, ...]) -> None:
        """See `Recognizer`; a state that is open keeps its own too."""
        self._jobs.terms = terms

    def pause(self) -> None:
        """See `Recognizer`; a state begins without memory, so nothing is kept for the next one."""

    def stretch_interims(self, factor: float) -> None:
        """See `Recognizer`; only those with speakers cost inference beyond what feeding does in any case."""
        self._stretch = factor

    def end(self) -> None:
        """See `Recognizer`."""
        self._segments.finish(self._audio.end)
        self._advance()

    def receive(self, job: Job, hypothesis: Hypothesis) -> None:
        """See `Recognizer`; where there is a diarizer, the words already have the speakers that it gave them."""
        if self._language is None:
            hypothesis = hypothesis.in_its_language()
        request = self._jobs.receive(job, hypothesis)
        if request is None:
            return
        decoded = Decoded(request, hypothesis)
        # Also when they are not emitted yet: the gap after an utterance begins at its last word, emitted or not.
        self._output.note_words(self._new_words(decoded))
        if request.kind is JobKind.CUT:
            self._cut(decoded)
        elif request.kind is JobKind.INTERIM and self._may_emit(request, job):
            self._emit_interim(request.until)
        self._advance()

    # ---- output ----

    def events(self) -> list[RecognizerEvent]:
        """See `Recognizer`."""
        return self._output.take()

    def next_job(self) -> FeedJob | None:
        """See `Recognizer`."""
        return self._jobs.next_job()

    @property
    def drained(self) -> bool:
        """See `Recognizer`."""
        return not self._segments.closed

    @property
    def settled_until_s(self) -> float:
        """See `Recognizer`."""
        return self._settled / SAMPLE_RATE

    @property
    def pending_s(self) -> float:
        """See `Recognizer`."""
        return (self._audio.end - self._output.covered) / SAMPLE_RATE

    @property
    def job_out(self) -> bool:
        """See `Recognizer`."""
        return self._jobs.is_out

    @property
    def pending_segments(self) -> int:
        """See `Recognizer`."""
        return len(self._segments.closed)

    # ---- what to do next ----

    def _advance(self) -> None:
        closed = self._segments.closed
        while closed:
            self._output.emit_utterance_end(self._settled)
            head = closed[0]
            if head.onset is None or head.speech_end - max(head.onset, self._floor) < MIN_SPEECH:
                self._finish_segment(head, (), self._floor)
                continue
            first, last = self._span(head.onset, head.speech_end, head.end)
            if not self._is_short(first, head.speech_end):
                return
            decoded = self._jobs.final(first, last)
            if decoded is None:
                self._request(JobRequest(JobKind.FINAL, first, last, head.end))
                return
            words = self._new_words(decoded)
            self._learn(decoded.hypothesis.words, decoded.hypothesis.speaker_embeddings)
            self._decoded = last
            self._finish_segment(head, words, head.speech_end)
        self._feed_open_segment()
        self._output.emit_utterance_end(self._settled)

    def _feed_open_segment(self) -> None:
        """Once every closed segment is final: feed the one that grows."""
        endpointer = self._segments.endpointer
        onset = None if endpointer.onset is None else max(endpointer.onset, self._floor)
        if onset is None or min(endpointer.voiced_frames * FRAME, endpointer.speech_end - onset) < MIN_SPEECH:
            self._emit_silent_interim()
            return
        speech_end = endpointer.voiced if endpointer.speaking else endpointer.speech_end
        first, last = self._span(onset, speech_end, endpointer.voiced)
        if not self._is_short(first, speech_end):
            return
        fed, until = self._jobs.requested or first, endpointer.voiced
        caught_up = last == speech_end + TAIL or self._interim_due(until)
        if last - fed >= (1 if caught_up else self._step) or (self._interim_due(until) and self._diarizer is not None):
            self._request(JobRequest(JobKind.INTERIM, first, last, until))
        elif self._interim_due(until) and not self._jobs.is_out:
            self._emit_interim(until)

    @property
    def _step(self) -> int:
        return FEED if self._interval is None else min(FEED, self._interval)

    def _is_short(self, first: int, speech_end: int) -> bool:
        """Whether one state may take all of it; otherwise a cut is requested."""
        if speech_end - first <= self._longest:
            return True
        self._request(JobRequest(JobKind.CUT, first, first + self._longest, first + self._longest))
        return False

    def _request(self, wanted: JobRequest) -> None:
        # Embedding costs as much for an interim as for a final: only for those that are emitted.
        emitted = wanted.kind is not JobKind.INTERIM or self._interim_due(wanted.until)
        self._jobs.request(wanted, embed_speakers=self._diarizer is not None and emitted)

    def _span(self, onset: int, speech_end: int, end: int) -> tuple[int, int]:
        """The samples of a state: speech with padding and tail, but nothing that a final has covered."""
        return max(onset - PADDING, self._floor), min(speech_end + TAIL, end)

    # ---- what is emitted ----

    def _interim_due(self, until: int) -> bool:
        stretch = 1.0 if self._diarizer is None else self._stretch
        return self._interval is not None and until - self._interim_at >= self._interval * stretch

    def _may_emit(self, request: JobRequest, job: Job) -> bool:
        """Whether the words of an interim's job are emitted now."""
        if self._segments.closed or request.until <= self._segments.open or not self._interim_due(request.until):
            return False
        return self._diarizer is None or job.embed_speakers

    def _emit_silent_interim(self) -> None:
        until = self._segments.endpointer.voiced
        if self._interval is not None and until - self._interim_at >= self._interval:
            self._interim_at = until
            self._output.emit_interim(self._segments.open, until, ())

    def _emit_interim(self, until: int) -> None:
        latest = self._jobs.latest
        if latest is not None:
            self._interim_at = until
            self._output.emit_interim(self._segments.open, until, self._new_words(latest))

    def _finish_segment(self, segment: ClosedSegment, words: tuple[Word, ...], covered_until: int) -> None:
        self._segments.closed.popleft()
        self._emit_final(segment.end, words, endpoint=segment.endpoint, flushed=segment.flushed)
        self._floor = min(segment.end, max(covered_until, segment.end - PADDING, self._floor))

    def _cut(self, decoded: Decoded) -> None:
        """Close the first part of a long segment between two words; the next state begins there."""
        request, hypothesis = decoded.request, decoded.hypothesis
        words = self._new_words(decoded)
        kept, at_s = cut_between_words(words, request.first / SAMPLE_RATE, request.last / SAMPLE_RATE)
        at = max(request.first + 1, min(request.last, _samples(at_s)))
        self._segments.cut(at)
        until = (at - request.first) / SAMPLE_RATE
        self._learn(
            [word for word in hypothesis.words if word.end <= until],
            [embedding for embedding in hypothesis.speaker_embeddings if embedding.end <= until],
        )
        self._emit_final(at, kept, endpoint=False, flushed=False)
        self._floor = self._decoded = at

    def _emit_final(self, end: int, words: tuple[Word, ...], *, endpoint: bool, flushed: bool) -> None:
        self._jobs.forget()
        self._output.emit_final(end, words, endpoint=endpoint, flushed=flushed)
        self._interim_at = max(self._interim_at, end)
        self._audio.discard(end - PADDING)

    def _learn(self, words: Sequence[Word], embeddings: Sequence[SpeakerEmbedding]) -> None:
        if self._diarizer is not None:
            self._diarizer.learn(words, embeddings)

    def _new_words(self, decoded: Decoded) -> tuple[Word, ...]:
        """Its words with stream times, without those that a final has emitted already."""
        return tuple(word for word in decoded.words if _samples(word.end) > self._decoded)

    @property
    def _settled(self) -> int:
        if self._segments.closed:
            head = self._segments.closed[0]
            return head.end if head.onset is None else head.onset
        endpointer = self._segments.endpointer
        if endpointer.onset is None:
            return endpointer.possible_onset if endpointer.possible_onset is not None else endpointer.voiced
        fed = 0 if self._jobs.latest is None else self._jobs.latest.request.last
        if not endpointer.speaking and fed >= endpointer.speech_end + TAIL:
            return endpointer.voiced
        # Words come late: what was fed last may still hold some.
        return max(endpointer.onset, fed - TAIL)


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)
