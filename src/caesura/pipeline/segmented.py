"""Recognizer for segment engines: cuts speech at silence and has each segment, and its interims, transcribed by jobs.

A pure machine: no clock, no thread, no I/O. Its laws:

1. Segments tile the stream: each begins where the last final ended, and finals come in that order.
2. At most one job is out at a time, so a slow engine gets the newest audio and never a backlog of interims.
3. A final is decoded early, as soon as silence begins, and its result held until the endpoint is certain.
4. A segment longer than the engine likes is cut between two words of its own hypothesis; the rest is carried on.
5. Silence and scraps never reach the engine.

Positions inside are samples at 16 kHz; everything that leaves is in seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from caesura.engines.base import SAMPLE_RATE, Hypothesis, Samples, SegmentJob, Term
from caesura.engines.streaming import Job
from caesura.pipeline.audio_buffer import AudioBuffer
from caesura.pipeline.live_segments import ClosedSegment, LiveSegments
from caesura.pipeline.recognizer import RecognitionConfig, RecognizerEvent
from caesura.pipeline.segment_jobs import Decoded, JobKind, JobRequest, SegmentJobs
from caesura.pipeline.segmenter import MIN_SPEECH, PADDING, cut_between_words
from caesura.pipeline.transcript_output import TranscriptOutput
from caesura.pipeline.word_context import AgreedWords, WordContext, context_of
from caesura.speech.diarizer import Diarizer
from caesura.speech.embedding import SpeakerEmbedding
from caesura.speech.vad import FRAME
from caesura.words import Word

WORDLESS = SAMPLE_RATE
"""So much voice without a word is noise, and no longer puts off the end of an utterance."""
WINDOW = 5 * SAMPLE_RATE
"""Audio of an interim whose engine knows a prefix: what lies further back is not heard again before the final."""


class SegmentedRecognizer:
    """Recognizes one channel with an engine that transcribes whole segments; implements `Recognizer`."""

    def __init__(self, index: int, config: RecognitionConfig, diarizer: Diarizer | None = None) -> None:
        self._interval = _optional_samples(config.interim_interval_s)
        self._longest = _samples(config.max_segment_s)
        self._language = config.language
        self._diarizer = diarizer
        self._audio = AudioBuffer()
        self._context = WordContext(_samples(config.context_s))
        self._agreed = AgreedWords()
        self._windowed = config.context_s > 0
        self._jobs = SegmentJobs(
            self._audio,
            language=config.language,
            detectable_languages=config.detectable_languages,
            terms=config.terms,
            embed_speakers=diarizer is not None,
        )
        self._segments = LiveSegments(_optional_samples(config.endpointing_s))
        self._output = TranscriptOutput(index, _optional_samples(config.utterance_gap_s))
        self._floor = 0
        """No job reaches further back: a final has covered what lies before."""
        self._decoded = 0
        """Where the last final's job ended; because of padding the next job may contain a little of it again."""
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
        """See `Recognizer`."""
        self._jobs.terms = terms

    def pause(self) -> None:
        """See `Recognizer`."""
        self._context.clear()
        self._discard_audio()

    def stretch_interims(self, factor: float) -> None:
        """See `Recognizer`."""
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
        elif not self._segments.closed and request.until > self._segments.open:
            self._agreed.add(decoded.words, request.until / SAMPLE_RATE)
            if request.kind is JobKind.INTERIM:
                self._emit_interim(request.until)
        self._advance()

    # ---- output ----

    def events(self) -> list[RecognizerEvent]:
        """See `Recognizer`."""
        return self._output.take()

    def next_job(self) -> SegmentJob | None:
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
            if last - first > self._longest + PADDING:
                self._request_cut(first)
                return
            words = self._decoded_words(first, last)
            if words is None:
                self._request_final(first, last, head.end)
                return
            self._decoded = last
            self._finish_segment(head, words, head.speech_end)
        self._request_for_open_segment()
        self._output.emit_utterance_end(self._settled)

    def _request_for_open_segment(self) -> None:
        """Once every closed segment is final: cut the one that grows, decode it early, or have an interim of it."""
        endpointer = self._segments.endpointer
        onset = None if endpointer.onset is None else max(endpointer.onset, self._floor)
        if onset is None or min(endpointer.voiced_frames * FRAME, endpointer.speech_end - onset) < MIN_SPEECH:
            self._emit_silent_interim()
            return
        speech_end = endpointer.voiced if endpointer.speaking else endpointer.speech_end
        first, last = self._span(onset, speech_end, endpointer.voiced)
        if last - first > self._longest:
            self._request_cut(first)
        elif endpointer.silence >= min(PADDING, self._segments.window):
            if self._decoded_words(first, last) is None:
                self._request_final(first, last, endpointer.voiced)
            elif self._interim_due_after(1.0):
                self._emit_interim(endpointer.voiced)
        elif self._interim_due_after(self._stretch):
            self._request_interim(first, last, endpointer.voiced)

    def _request_cut(self, first: int) -> None:
        last = first + self._longest
        self._jobs.request(JobRequest(JobKind.CUT, first, last, last))

    def _request_final(self, first: int, last: int, until: int) -> None:
        self._jobs.request(JobRequest(JobKind.FINAL, first, last, until, self._context.before(first, last)))

    def _request_interim(self, first: int, last: int, until: int) -> None:
        """An interim of a long segment hears only its end: a window that begins among the words agreed on."""
        known = self._agreed.words
        if not self._windowed or last - first <= WINDOW or not known:
            self._jobs.request(JobRequest(JobKind.INTERIM, first, last, until))
            return
        context = context_of(known, _samples(known[-1].end), last, WINDOW)
        self._jobs.request(JobRequest(JobKind.INTERIM, first, last, until, context, known))

    def _interim_due_after(self, stretch: float) -> bool:
        until = self._segments.endpointer.voiced
        return self._interval is not None and until - self._interim_at >= self._interval * stretch

    def _span(self, onset: int, speech_end: int, end: int) -> tuple[int, int]:
        """The samples to decode: speech with its padding, but nothing that a final has covered."""
        return max(onset - PADDING, self._floor), min(speech_end + PADDING, end)

    def _decoded_words(self, first: int, last: int) -> tuple[Word, ...] | None:
        decoded = self._jobs.final(first, last)
        return None if decoded is None else self._new_words(decoded)

    # ---- what is emitted ----

    def _emit_silent_interim(self) -> None:
        if self._interim_due_after(1.0):
            self._interim_at = until = self._segments.endpointer.voiced
            self._output.emit_interim(self._segments.open, until, ())

    def _emit_interim(self, until: int) -> None:
        latest = self._jobs.latest
        if latest is not None:
            self._interim_at = until
            self._output.emit_interim(self._segments.open, until, self._new_words(latest))

    def _finish_segment(self, segment: ClosedSegment, words: tuple[Word, ...], covered_until: int) -> None:
        self._segments.closed.popleft()
        latest = self._jobs.latest
        if words and latest is not None:
            self._learn(latest.hypothesis.words, latest.hypothesis.speaker_embeddings)
        self._emit_final(segment.end, words, endpoint=segment.endpoint, flushed=segment.flushed)
        self._interim_at = segment.end
        self._floor = min(segment.end, max(covered_until, segment.end - PADDING, self._floor))

    def _cut(self, decoded: Decoded) -> None:
        """Close the first part of a long segment between two words and carry the rest on."""
        request, hypothesis = decoded.request, decoded.hypothesis
        words = self._new_words(decoded)
        kept, at_s = cut_between_words(words, request.first / SAMPLE_RATE, request.last / SAMPLE_RATE)
        at = max(request.first + 1, min(request.last, _samples(at_s)))
        self._segments.cut(at)
        until = (at - request.audio_first) / SAMPLE_RATE
        self._learn(
            [word for word in hypothesis.words if word.end <= until],
            [embedding for embedding in hypothesis.speaker_embeddings if embedding.end <= until],
        )
        self._jobs.forget()
        self._emit_final(at, kept, endpoint=False, flushed=False)
        self._interim_at = max(self._interim_at, at)
        self._floor = self._decoded = at

    def _learn(self, words: Sequence[Word], embeddings: Sequence[SpeakerEmbedding]) -> None:
        if self._diarizer is not None:
            self._diarizer.learn(words, embeddings)

    def _emit_final(self, end: int, words: tuple[Word, ...], *, endpoint: bool, flushed: bool) -> None:
        self._output.emit_final(end, words, endpoint=endpoint, flushed=flushed)
        self._agreed.clear()
        self._context.add(words, end)
        self._discard_audio()

    def _discard_audio(self) -> None:
        unneeded, needed_from = self._output.covered - PADDING, self._context.needed_from
        self._audio.discard(unneeded if needed_from is None else min(unneeded, needed_from))

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
        if self._jobs.latest is None:
            return endpointer.onset
        request = self._jobs.latest.request
        if not endpointer.speaking and request.last >= endpointer.speech_end:
            return endpointer.voiced
        # Half a word is often recognized as none: only voice that goes on without words is no speech.
        return request.until if request.until - endpointer.onset >= WORDLESS else endpointer.onset


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


def _optional_samples(seconds: float | None) -> int | None:
    return None if seconds is None else _samples(seconds)
