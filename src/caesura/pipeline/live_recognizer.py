"""What live recognizers have in common: they cut speech at silence, and emit a final for each segment in order.

A pure machine: no clock, no thread, no I/O. What the engine is given, and when, is decided by the two recognizers that
build on it: `SegmentedRecognizer` and `StreamingRecognizer`. Positions inside are samples at 16 kHz; everything that
leaves is in seconds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Generic

from caesura.engines.base import SAMPLE_RATE, Hypothesis, Samples, Term
from caesura.engines.streaming import Job
from caesura.pipeline.audio_buffer import AudioBuffer
from caesura.pipeline.live_segments import ClosedSegment, LiveSegments
from caesura.pipeline.recognizer import RecognitionConfig, RecognizerEvent
from caesura.pipeline.segment_jobs import ChannelJobs, Decoded, J, JobRequest
from caesura.pipeline.segmenter import MIN_SPEECH, PADDING, cut_between_words, last_cut
from caesura.pipeline.transcript_output import TranscriptOutput
from caesura.speech.diarizer import Diarizer
from caesura.speech.embedding import SpeakerEmbedding
from caesura.speech.vad import FRAME
from caesura.words import Word


class LiveRecognizer(ABC, Generic[J]):
    """Recognizes one channel, segment by segment; implements `Recognizer`."""

    _jobs: ChannelJobs[J]
    _tail: int
    """Silence behind speech that is decoded with it, at most."""

    def __init__(self, index: int, config: RecognitionConfig, diarizer: Diarizer | None = None) -> None:
        self._language = config.language
        self._interval = _optional_samples(config.interim_interval_s)
        self._longest = _samples(config.max_segment_s)
        self._diarizer = diarizer
        self._audio = AudioBuffer()
        self._segments = LiveSegments(_optional_samples(config.endpointing_s))
        self._output = TranscriptOutput(index, _optional_samples(config.utterance_gap_s))
        self._floor = 0
        """No job reaches further back: a final has covered what lies before."""
        self._decoded = 0
        """Where the last final's audio ended; because of padding, the next may contain a little of it again."""
        self._interim_at = 0
        self._stretch = 1.0
        self._last_cut: JobRequest | None = None
        """What finds where speech that was stopped is cut, once requested."""

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

    def stretch_interims(self, factor: float) -> None:
        """See `Recognizer`."""
        self._stretch = factor

    def end(self) -> None:
        """See `Recognizer`."""
        self._segments.finish(self._audio.end)
        self._advance()

    def stop(self) -> None:
        """See `Recognizer`."""
        self._segments.stop(self._audio.end)
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
        self._take(decoded, job)
        self._advance()

    # ---- output ----

    def events(self) -> list[RecognizerEvent]:
        """See `Recognizer`."""
        return self._output.take()

    def next_job(self) -> J | None:
        """See `Recognizer`."""
        return self._jobs.next_job()

    @property
    def drained(self) -> bool:
        """See `Recognizer`."""
        return not self._segments.closed and not self._segments.speech_left

    @property
    def at_pause(self) -> bool:
        """See `Recognizer`."""
        return self._segments.at_pause

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

    # ---- what depends on the engine ----

    @abstractmethod
    def pause(self) -> None:
        """See `Recognizer`."""

    @abstractmethod
    def _final(self, first: int, last: int, segment: ClosedSegment) -> Decoded | None:
        """The final words of a closed segment, whose samples these are; None: a job is requested that comes first."""

    @abstractmethod
    def _request_for_open_segment(self, first: int, last: int, speech_end: int) -> None:
        """Request a job for the segment that grows, whose samples these are so far, or emit an interim of it."""

    @abstractmethod
    def _request_last_cut(self, first: int, last: int, speech_end: int) -> None:
        """Request `_last_cut` of the speech that was stopped, whose samples these are, or a cut that comes first."""

    @abstractmethod
    def _take(self, decoded: Decoded, job: Job) -> None:
        """Use the result of `job`, if it is not the final of a closed segment."""

    @abstractmethod
    def _forget(self, words: tuple[Word, ...], end: int) -> None:
        """A final up to `end` was emitted with `words`."""

    @abstractmethod
    def _settled_in_speech(self, onset: int) -> int:
        """End of the settled audio while every closed segment is final and speech is open that began at `onset`."""

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
            decoded = self._final(first, last, head)
            if decoded is None:
                return
            words = self._new_words(decoded)
            if words:
                self._learn(decoded.hypothesis.words, decoded.hypothesis.speaker_embeddings)
            self._decoded = last
            self._finish_segment(head, words, head.speech_end)
        if self._segments.speech_left or not self._segments.stopped:
            self._advance_open_segment()
        self._output.emit_utterance_end(self._settled)

    def _advance_open_segment(self) -> None:
        endpointer = self._segments.endpointer
        onset = None if endpointer.onset is None else max(endpointer.onset, self._floor)
        if onset is None or min(endpointer.voiced_frames * FRAME, endpointer.speech_end - onset) < MIN_SPEECH:
            if onset is not None and self._segments.speech_left:
                self._stop_at(max(onset - PADDING, self._floor), ())
            elif self._interim_due(endpointer.voiced):
                self._emit_interim(endpointer.voiced, ())
            return
        speech_end = endpointer.voiced if endpointer.speaking else endpointer.speech_end
        first, last = self._span(onset, speech_end, endpointer.voiced)
        if self._segments.speech_left:
            self._request_last_cut(first, last, speech_end)
        else:
            self._request_for_open_segment(first, last, speech_end)

    def _span(self, onset: int, speech_end: int, end: int) -> tuple[int, int]:
        """The samples to decode: speech, padded, but nothing that a final has covered."""
        return max(onset - PADDING, self._floor), min(speech_end + self._tail, end)

    @property
    def _settled(self) -> int:
        if self._segments.closed:
            head = self._segments.closed[0]
            return head.end if head.onset is None else head.onset
        endpointer = self._segments.endpointer
        if endpointer.onset is not None:
            return self._settled_in_speech(endpointer.onset)
        return endpointer.possible_onset if endpointer.possible_onset is not None else endpointer.voiced

    # ---- what is emitted ----

    def _interim_due(self, until: int, stretch: float = 1.0) -> bool:
        return self._interval is not None and until - self._interim_at >= self._interval * stretch

    def _emit_interim(self, until: int, words: tuple[Word, ...]) -> None:
        self._interim_at = until
        self._output.emit_interim(self._segments.open, until, words)

    def _emit_latest(self, until: int) -> None:
        if self._jobs.latest is not None:
            self._emit_interim(until, self._new_words(self._jobs.latest))

    def _finish_segment(self, segment: ClosedSegment, words: tuple[Word, ...], covered_until: int) -> None:
        self._segments.closed.popleft()
        self._emit_final(segment.end, words, endpoint=segment.endpoint, flushed=segment.flushed)
        self._floor = min(segment.end, max(covered_until, segment.end - PADDING, self._floor))

    def _cut(self, decoded: Decoded) -> None:
        """Close the first part of speech between two words; the rest is carried on, or dropped after a stop."""
        request = decoded.request
        words, is_last = self._new_words(decoded), request == self._last_cut
        find = last_cut if is_last else cut_between_words
        kept, at_s = find(words, request.first / SAMPLE_RATE, request.last / SAMPLE_RATE)
        at = min(request.last, _samples(at_s))
        self._learn_until(decoded, at)
        if is_last:
            self._stop_at(at, kept)
        else:
            self._carry_on(max(request.first + 1, at), kept)

    def _learn_until(self, decoded: Decoded, at: int) -> None:
        until, hypothesis = (at - decoded.request.audio_first) / SAMPLE_RATE, decoded.hypothesis
        self._learn(
            [word for word in hypothesis.words if word.end <= until],
            [embedding for embedding in hypothesis.speaker_embeddings if embedding.end <= until],
        )

    def _carry_on(self, at: int, kept: tuple[Word, ...]) -> None:
        self._segments.cut(at)
        self._emit_final(at, kept, endpoint=False, flushed=False)
        self._floor = self._decoded = at

    def _stop_at(self, at: int, kept: tuple[Word, ...]) -> None:
        """The last final: nothing behind `at` is made final."""
        self._segments.speech_left = False
        if at > self._output.covered:
            self._emit_final(at, kept, endpoint=False, flushed=False)

    def _emit_final(self, end: int, words: tuple[Word, ...], *, endpoint: bool, flushed: bool) -> None:
        self._output.emit_final(end, words, endpoint=endpoint, flushed=flushed)
        self._interim_at = max(self._interim_at, end)
        self._forget(words, end)

    def _learn(self, words: Sequence[Word], embeddings: Sequence[SpeakerEmbedding]) -> None:
        if self._diarizer is not None:
            self._diarizer.learn(words, embeddings)

    def _new_words(self, decoded: Decoded) -> tuple[Word, ...]:
        """Its words with stream times, without those that a final has emitted already."""
        return tuple(word for word in decoded.words if _samples(word.end) > self._decoded)


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


def _optional_samples(seconds: float | None) -> int | None:
    return None if seconds is None else _samples(seconds)
