"""One channel's samples and voice probabilities in, events with stream times out; a transcriber does the hearing.

A pure machine: no clock, no thread, no I/O. Its laws:

1. Segments tile the stream: each begins where the last final ended, and finals come in that order.
2. At most one job is out at a time, so a slow engine is asked for the newest audio and never for a backlog of interims.
3. A final is decoded early, as soon as silence is heard, and its answer held until the endpoint is certain.
4. A segment longer than the engine likes is cut between two words of its own hypothesis; the rest is carried on.
5. Silence and scraps never reach the engine.

Positions inside are samples at 16 kHz; everything that leaves is in seconds.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from caesura.engines.base import SAMPLE_RATE, Hypothesis, Priority, Samples, SegmentJob, Term
from caesura.events import Heard, SpeechBegan, UtteranceEnded
from caesura.pipeline.cut import cut_between_words
from caesura.pipeline.memory import Memory
from caesura.pipeline.speakers import Speakers
from caesura.speech.endpointer import Endpointer
from caesura.speech.vad import FRAME
from caesura.speech.voice import Voice
from caesura.words import Word

ChannelEvent = SpeechBegan | Heard | UtteranceEnded

PAD = int(0.2 * SAMPLE_RATE)
"""Audio around speech that goes to the engine with it."""
SCRAP = int(0.16 * SAMPLE_RATE)
"""Less voiced audio than this in a segment is not speech: engines make up words from it."""
QUIET = 5 * SAMPLE_RATE
"""A segment without speech is closed when it is this long, so that finals cover silence too."""
KEEP = SAMPLE_RATE // 2
"""What stays open when a quiet segment is closed: the beginning of speech that is not confirmed yet."""
WORDLESS = SAMPLE_RATE
"""So much voice without a word is noise, and does not put off the end of an utterance any longer."""
CHUNK_PAUSE = SAMPLE_RATE
"""Without endpointing, a pause this long still closes a segment, without calling it an endpoint."""


class Transcriber(Protocol):
    """Where a channel's jobs go."""

    def submit(self, job: SegmentJob, answer: Callable[[Hypothesis], None]) -> None:
        """Have `job` done; `answer` is called later, never from inside this call."""

    def cancel(self) -> None:
        """Forget the job that is out; its answer does not come."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """How a channel listens; lengths in seconds of audio."""

    endpointing_s: float | None
    """Silence that ends an utterance; None: nothing does."""
    interim_interval_s: float | None
    """Audio between interims; None: no interims."""
    utterance_gap_s: float | None
    """Audio without words that ends an utterance; None: not told."""
    max_segment_s: float
    language: str | None = None
    """A primary subtag of the engine's; None: it is to find out by itself."""
    terms: tuple[Term, ...] = ()
    """Words to prefer, until others are."""
    diarize: bool = False
    """Tell who speaks each word."""


class _Kind(enum.Enum):
    INTERIM = enum.auto()
    FINAL = enum.auto()
    CUT = enum.auto()


@dataclass(frozen=True, slots=True)
class _Out:
    """A job that is out: what for, which samples, and up to where its answer speaks for the stream."""

    kind: _Kind
    first: int
    last: int
    upto: int


@dataclass(slots=True)
class _Closing:
    """A segment whose end is decided and whose words are not told yet. `onset` None: nothing was said in it."""

    end: int
    onset: int | None
    speech_end: int
    endpoint: bool
    flushed: bool


class Channel:
    """Listens to one channel. `hear`, `flush` and `end` say what came; `tell` receives what was heard, in order."""

    def __init__(
        self, index: int, hearing: Hearing, transcriber: Transcriber, tell: Callable[[ChannelEvent], None]
    ) -> None:
        self._index = index
        self._transcriber = transcriber
        self._tell = tell
        self._window = _samples(hearing.endpointing_s) if hearing.endpointing_s is not None else CHUNK_PAUSE
        self._endpoints = hearing.endpointing_s is not None
        self._interval = _samples(hearing.interim_interval_s) if hearing.interim_interval_s is not None else None
        self._gap = _samples(hearing.utterance_gap_s) if hearing.utterance_gap_s is not None else None
        self._longest = _samples(hearing.max_segment_s)
        self._language = hearing.language
        self._terms = hearing.terms
        self._speakers = Speakers() if hearing.diarize else None
        self._memory = Memory()
        self._endpointer = Endpointer()
        self._closings: deque[_Closing] = deque()
        self._start = 0
        """Where the first segment begins whose final is not told."""
        self._open = 0
        """Where the segment begins that still grows."""
        self._floor = 0
        """No job reaches further back: what lies before was spoken for by a final."""
        self._decoded = 0
        """Up to where the last final's job reached; padding may let the next one hear a little of it again."""
        self._unended: int | None = None
        """Where speech ended that is told already, but whose endpoint is still to come."""
        self._interim_at = 0
        self._stretch = 1.0
        self._out: _Out | None = None
        self._latest: tuple[_Out, Hypothesis] | None = None
        self._unsure = False
        """The newest interim said nothing, and the one before it, which said something, stands."""
        self._last_word_end: int | None = None
        self._utterance_closed = False
        self._gap_told = 0
        """Up to where the gap after an utterance has been told; only a later word opens another."""

    # ---- what came ----

    def hear(self, samples: Samples, voice: Iterable[float]) -> None:
        """Take the next samples, shape (n,), and the probabilities of the VAD frames that they completed."""
        self._memory.append(samples)
        for probability in voice:
            began = self._endpointer.hear(float(probability))
            if began is not None:
                self._tell(SpeechBegan(self._index, max(began, self._open) / SAMPLE_RATE))
            self._close_where_silent()
        self._go_on()

    def flush(self) -> None:
        """Make everything heard so far final, and say so even when there is nothing."""
        self._close(self._memory.end, endpoint=True, flushed=True)
        self._go_on()

    def prefer(self, terms: tuple[Term, ...]) -> None:
        """From now on prefer these words, and no longer the former ones; jobs that are out keep theirs."""
        self._terms = terms

    def stretch_interims(self, factor: float) -> None:
        """From now on ask the engine for an interim that much less often; infinity: not at all.

        Interims that cost nothing, of silence and of a final that is held, come as often as before.
        """
        self._stretch = factor

    def end(self) -> None:
        """The audio is over: make the rest final."""
        if self._memory.end > self._open:
            self._close(self._memory.end, endpoint=self._endpoints, flushed=False)
        self._go_on()

    @property
    def drained(self) -> bool:
        """Whether everything that was closed has been told."""
        return not self._closings

    @property
    def vouched_s(self) -> float:
        """Up to where, in seconds of the stream, no word came but those that were told."""
        return self._vouched / SAMPLE_RATE

    @property
    def pending_s(self) -> float:
        """Seconds of audio that no final covers yet."""
        return (self._memory.end - self._start) / SAMPLE_RATE

    @property
    def job_out(self) -> bool:
        """Whether a job of this channel waits or is being done."""
        return self._out is not None

    @property
    def pending_segments(self) -> int:
        """Segments whose end is decided and whose words are not told yet."""
        return len(self._closings)

    # ---- where segments end ----

    def _close_where_silent(self) -> None:
        ear = self._endpointer
        if ear.possible_onset is not None:
            return
        if ear.onset is not None:
            if ear.silence >= self._window:
                self._close(ear.voiced, endpoint=self._endpoints, flushed=False)
            elif ear.silence >= QUIET:
                self._unended = ear.speech_end
                self._close(ear.voiced, endpoint=False, flushed=False)
        elif self._unended is not None and ear.voiced - self._unended >= self._window:
            self._close(ear.voiced, endpoint=True, flushed=False)
        elif ear.voiced - self._open >= QUIET + KEEP:
            self._close(ear.voiced - KEEP, endpoint=self._endpoints and self._unended is None, flushed=False)

    def _close(self, end: int, *, endpoint: bool, flushed: bool) -> None:
        ear = self._endpointer
        onset = ear.onset if ear.onset is not None else ear.possible_onset
        if ear.voiced_frames * FRAME < SCRAP:
            onset = None
        speech_end = ear.speech_end if ear.onset is not None and not ear.speaking else end
        self._closings.append(_Closing(end, onset, speech_end, endpoint, flushed))
        self._open = end
        self._interim_at = end
        if endpoint:
            self._unended = None
        ear.segment()

    # ---- what to do next ----

    def _go_on(self) -> None:
        while self._closings:
            self._tell_utterance_end()
            head = self._closings[0]
            if head.onset is None or head.speech_end - max(head.onset, self._floor) < SCRAP:
                self._final(head, (), self._floor)
                continue
            first, last = self._span(head.onset, head.speech_end, head.end)
            if last - first > self._longest + PAD:
                self._want(_Out(_Kind.CUT, first, first + self._longest, first + self._longest))
                return
            words = self._heard_already(first, last)
            if words is None:
                self._want(_Out(_Kind.FINAL, first, last, head.end))
                return
            self._decoded = last
            self._final(head, words, head.speech_end)
        self._listen_on()
        self._tell_utterance_end()

    def _listen_on(self) -> None:
        """With every closed segment told: cut, decode early, or tell an interim of the one that grows."""
        ear = self._endpointer
        onset = None if ear.onset is None else max(ear.onset, self._floor)
        if onset is None or min(ear.voiced_frames * FRAME, ear.speech_end - onset) < SCRAP:
            self._quiet_interim()
            return
        first, last = self._span(onset, ear.voiced if ear.speaking else ear.speech_end, ear.voiced)
        if last - first > self._longest:
            self._want(_Out(_Kind.CUT, first, first + self._longest, first + self._longest))
        elif ear.silence >= min(PAD, self._window):
            if self._heard_already(first, last) is None:
                self._want(_Out(_Kind.FINAL, first, last, ear.voiced))
            elif self._interim_due:
                self._interim(ear.voiced)
        elif self._interim_due_after(self._stretch):
            self._want(_Out(_Kind.INTERIM, first, last, ear.voiced))

    def _quiet_interim(self) -> None:
        if self._interim_due:
            upto = self._endpointer.voiced
            self._interim_at = upto
            self._tell(Heard(self._index, self._open / SAMPLE_RATE, upto / SAMPLE_RATE, (), final=False))

    @property
    def _interim_due(self) -> bool:
        return self._interim_due_after(1.0)

    def _interim_due_after(self, stretch: float) -> bool:
        return self._interval is not None and self._endpointer.voiced - self._interim_at >= self._interval * stretch

    def _span(self, onset: int, speech_end: int, end: int) -> tuple[int, int]:
        """The samples to decode: speech with its padding, but nothing that was spoken for before."""
        return max(onset - PAD, self._floor), min(speech_end + PAD, end)

    # ---- the one job that is out ----

    def _want(self, wanted: _Out) -> None:
        """Have `wanted` done unless that, or something that must come first, is out already."""
        out = self._out
        if out is not None:
            same = out.kind is wanted.kind and (out.first, out.last) == (wanted.first, wanted.last)
            if same or (out.kind is _Kind.CUT and wanted.first == out.first) or wanted.kind is _Kind.INTERIM:
                return
            self._transcriber.cancel()
        self._out = wanted
        draft = None
        if self._latest is not None and self._latest[0].first == wanted.first and self._latest[0].last <= wanted.last:
            draft = self._latest[1]
        job = SegmentJob(
            audio=self._memory.between(wanted.first, wanted.last),
            at=wanted.first / SAMPLE_RATE,
            priority=Priority.INTERIM if wanted.kind is _Kind.INTERIM else Priority.FINAL,
            draft=draft,
            breaks_off=wanted.kind is not _Kind.INTERIM and wanted.last == wanted.upto,
            language=self._language,
            terms=self._terms,
            voices=self._speakers is not None,
        )
        self._transcriber.submit(job, lambda hypothesis: self._answered(wanted, hypothesis))

    def _answered(self, out: _Out, hypothesis: Hypothesis) -> None:
        if out is not self._out:
            return
        self._out = None
        if self._speakers is not None:
            hypothesis = replace(hypothesis, words=self._speakers.label(hypothesis.words, hypothesis.voices))
        if self._language is None:
            hypothesis = replace(hypothesis, words=_in_language(hypothesis.words, hypothesis.language))
        self._unsure = self._is_lapse(out, hypothesis)
        if not self._unsure:
            self._latest = (out, hypothesis)
        # Also when they are not told yet: the gap after an utterance begins at its last word, not at the last told.
        self._note_words(self._on_stream(out.first, hypothesis.words))
        if out.kind is _Kind.CUT:
            self._cut(out, hypothesis)
        elif out.kind is _Kind.INTERIM and not self._closings and out.upto > self._open:
            self._interim(out.upto)
        self._go_on()

    def _is_lapse(self, out: _Out, hypothesis: Hypothesis) -> bool:
        """Whether words that were heard are gone in a longer piece of the same speech.

        An engine throws away text that it does not believe itself, and half a word at the end is enough for that.
        Nobody stopped talking: only the second time in a row it is taken for what it says.
        """
        if out.kind is not _Kind.INTERIM or hypothesis.words or self._unsure or self._latest is None:
            return False
        before, heard = self._latest
        return before.first == out.first and bool(heard.words)

    def _heard_already(self, first: int, last: int) -> tuple[Word, ...] | None:
        if self._latest is None:
            return None
        out, hypothesis = self._latest
        if out.kind is not _Kind.FINAL or (out.first, out.last) != (first, last):
            return None
        return self._on_stream(out.first, hypothesis.words)

    # ---- what is told ----

    def _interim(self, upto: int) -> None:
        if self._latest is None:
            return
        out, hypothesis = self._latest
        self._interim_at = upto
        words = _within(self._on_stream(out.first, hypothesis.words), self._open, upto)
        self._note_words(words)
        self._tell(Heard(self._index, self._open / SAMPLE_RATE, upto / SAMPLE_RATE, words, final=False))

    def _final(self, closing: _Closing, words: tuple[Word, ...], said_until: int) -> None:
        self._closings.popleft()
        if words and self._latest is not None:
            self._learn(self._latest[1].words, self._latest[1].voices)
        self._tell_final(closing.end, words, endpoint=closing.endpoint, flushed=closing.flushed)
        self._floor = min(closing.end, max(said_until, closing.end - PAD, self._floor))

    def _cut(self, out: _Out, hypothesis: Hypothesis) -> None:
        """Close the first part of a long segment between two words and carry the rest on."""
        words = self._on_stream(out.first, hypothesis.words)
        kept, at_s = cut_between_words(words, out.first / SAMPLE_RATE, out.last / SAMPLE_RATE)
        at = max(out.first + 1, min(out.last, _samples(at_s)))
        head = self._closings[0] if self._closings else None
        if head is not None and head.onset is not None:
            head.onset = max(head.onset, at)
        else:
            self._endpointer.carry(at)
            self._open = at
            self._interim_at = max(self._interim_at, at)
        until = (at - out.first) / SAMPLE_RATE
        self._learn(
            [word for word in hypothesis.words if word.end <= until],
            [voice for voice in hypothesis.voices if voice.end <= until],
        )
        self._latest = None
        self._tell_final(at, kept, endpoint=False, flushed=False)
        self._floor = self._decoded = at

    def _learn(self, words: Sequence[Word], voices: Sequence[Voice]) -> None:
        if self._speakers is not None:
            self._speakers.learn(words, voices)

    def _tell_final(self, end: int, words: tuple[Word, ...], *, endpoint: bool, flushed: bool) -> None:
        words = _within(words, self._start, end)
        self._note_words(words)
        if endpoint and self._last_word_end is not None:
            self._utterance_closed = True
        self._tell(
            Heard(
                self._index,
                self._start / SAMPLE_RATE,
                end / SAMPLE_RATE,
                words,
                final=True,
                endpoint=endpoint,
                flushed=flushed,
            )
        )
        self._start = end
        self._memory.forget(end - PAD)

    def _on_stream(self, first: int, words: tuple[Word, ...]) -> tuple[Word, ...]:
        shifted = (word.shifted(first / SAMPLE_RATE) for word in words)
        return tuple(word for word in shifted if _samples(word.end) > self._decoded)

    # ---- the gap between utterances ----

    def _note_words(self, words: tuple[Word, ...]) -> None:
        if words and _samples(words[-1].end) > self._gap_told:
            self._last_word_end = _samples(words[-1].end)
            self._utterance_closed = False

    def _tell_utterance_end(self) -> None:
        """Judge the gap on the stream clock, as far as the newest hypothesis or silence vouches that no word came."""
        if self._gap is None or self._last_word_end is None:
            return
        vouched = self._vouched
        if vouched - self._last_word_end < self._gap:
            return
        last = None if self._utterance_closed else self._last_word_end / SAMPLE_RATE
        self._last_word_end = None
        self._gap_told = vouched
        self._tell(UtteranceEnded(self._index, last))

    @property
    def _vouched(self) -> int:
        if self._closings:
            head = self._closings[0]
            return head.end if head.onset is None else head.onset
        ear = self._endpointer
        if ear.onset is None:
            return ear.possible_onset if ear.possible_onset is not None else ear.voiced
        if self._latest is None:
            return ear.onset
        heard = self._latest[0]
        if not ear.speaking and heard.last >= ear.speech_end:
            return ear.voiced
        # Half a word is often heard as none: only voice that goes on without words is no speech.
        return heard.upto if heard.upto - ear.onset >= WORDLESS else ear.onset


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


def _in_language(words: tuple[Word, ...], language: str | None) -> tuple[Word, ...]:
    return tuple(replace(word, language=language) for word in words)


def _within(words: tuple[Word, ...], start: int, end: int) -> tuple[Word, ...]:
    """The words with their times clipped to the segment that tells them."""
    low, high = start / SAMPLE_RATE, end / SAMPLE_RATE
    return tuple(
        replace(word, start=min(max(word.start, low), high), end=min(max(word.end, low), high)) for word in words
    )
