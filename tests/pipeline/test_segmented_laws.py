"""Laws of a recognizer for any speech, any split into pieces, and any timing of the engine."""

from __future__ import annotations

import enum
import tracemalloc
from dataclasses import dataclass
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from caesura.engines.base import Hypothesis
from caesura.events import SpeechBegan, TranscriptSegment, UtteranceEnded
from caesura.pipeline.live_segments import KEPT_SILENCE, MAX_SILENCE
from caesura.pipeline.segmenter import MIN_CARRIED_S, MIN_SPEECH, PADDING
from caesura.speech.vad import FRAME
from caesura.words import Word
from tests.example_count import examples
from tests.recognizer_bench import SILENCE, VOICE, Bench

FAINT = 0.4
"""Voice while speech goes on, silence otherwise."""
LONGEST_S = 4.0
SURE = MIN_SPEECH + 3 * FRAME
"""So much voice of one run in a segment is transcribed wherever frames and flushes fall."""


class Step(enum.Enum):
    FLUSH = enum.auto()
    ANSWER = enum.auto()
    STALE = enum.auto()
    """Deliver an answer that was cancelled."""


@dataclass(frozen=True)
class Talk:
    """What is spoken: runs of frames with their probability, and the words in them, in samples."""

    runs: tuple[tuple[int, float], ...]
    words: tuple[tuple[int, int], ...]

    @property
    def voice(self) -> list[float]:
        return [probability for frames, probability in self.runs for _ in range(frames)]

    def voiced(self, least: float) -> list[tuple[int, int]]:
        """The runs that are at least so likely to be speech, in samples."""
        at, found = 0, []
        for frames, probability in self.runs:
            if probability >= least:
                found.append((at, at + frames * FRAME))
            at += frames * FRAME
        return found

    @property
    def track(self) -> tuple[Word, ...]:
        return tuple(Word(str(n), start / 16_000, end / 16_000, 0.5) for n, (start, end) in enumerate(self.words))


@st.composite
def talks(draw: st.DrawFn) -> Talk:
    """Runs around all the lengths that matter, and words laid one after another into the voiced ones."""
    lengths = st.one_of(st.integers(1, 12), st.integers(8, 60), st.sampled_from([125, 126, 132, 180, 300]))
    runs = draw(st.lists(st.tuples(lengths, st.sampled_from([VOICE, VOICE, SILENCE, SILENCE, FAINT])), max_size=14))
    words: list[tuple[int, int]] = []
    at = 0
    for frames, probability in runs:
        end = at + frames * FRAME
        while probability == VOICE and frames >= 3:
            start = at + draw(st.integers(0, 6_000))
            stop = start + draw(st.integers(900, 9_000))
            if stop > end:
                break
            words.append((start, stop))
            at = stop
        at = end
    return Talk(tuple(runs), tuple(words))


def windows() -> st.SearchStrategy[float | None]:
    return st.sampled_from([0.01, 0.1, 0.2, 0.32, 1.0, 7.0, None])


Plan = list[int | Step]


def plans() -> st.SearchStrategy[Plan]:
    """Pieces of so many samples, with flushes and answers between them."""
    pieces = st.one_of(
        st.integers(1, 5),
        st.integers(1, 2_000),
        st.sampled_from([FRAME, FRAME - 1, FRAME + 1, 16_000, 640_000]),
    )
    return st.lists(st.one_of(pieces, pieces, st.sampled_from(Step)), max_size=40)


class RecordingConfig:
    """Plays a talk by a plan into a line, and looks at every step whether the laws still hold."""

    def __init__(self, bench: Bench, talk: Talk) -> None:
        self.bench = bench
        self.voice = talk.voice
        self.left = len(self.voice) * FRAME
        self.flushes = 0
        self.checked = 0
        self.covered_until_s = 0.0

    def play(self, plan: Plan, piece: int) -> None:
        for step in plan:
            self.do(step)
        while self.left:
            self.do(piece)
            self.do(Step.ANSWER)
        self.bench.end()
        self.check()
        while self.bench.engine.out is not None:
            self.bench.engine.answer()
            self.check()

    def do(self, step: int | Step) -> None:
        bench = self.bench
        match step:
            case Step.FLUSH:
                self.flushes += 1
                bench.flush()
            case Step.ANSWER:
                if bench.engine.out is not None:
                    bench.engine.answer()
            case Step.STALE:
                self.deliver_stale()
            case count:
                count = min(count, self.left)
                self.left -= count
                frames = (bench.position + count) // FRAME
                bench.samples(count, self.voice[bench.position // FRAME : frames])
        self.check()

    def deliver_stale(self) -> None:
        events = len(self.bench.events)
        for job in self.bench.engine.cancelled:
            self.bench.engine.receive(job, Hypothesis((Word("wrong", 0.0, 0.1, 0.0),)))
        assert len(self.bench.events) == events, "the result of a cancelled job was emitted"

    def check(self) -> None:
        bench = self.bench
        for event in bench.events[self.checked :]:
            self.check_event(event)
        self.checked = len(bench.events)
        assert round(bench.recognizer.pending_s * 16_000) == bench.position - round(self.covered_until_s * 16_000)
        if bench.engine.out is None:
            assert bench.recognizer.drained
            # A stream that waits for room must be sure that a result will make it.
            assert (
                bench.recognizer.pending_s
                <= bench.longest_s + (2 * MAX_SILENCE + 2 * KEPT_SILENCE + PADDING + 4 * FRAME) / 16_000
            )

    def check_event(self, event: TranscriptSegment | SpeechBegan | UtteranceEnded) -> None:
        fed_s = self.bench.position / 16_000
        match event:
            case TranscriptSegment():
                assert event.start == self.covered_until_s, "not where the last final ended"
                assert event.start <= event.end <= fed_s
                assert event.final or not (event.endpoint or event.flushed)
                assert event.endpoint or not event.flushed
                times = [event.start, *[time for word in event.words for time in (word.start, word.end)], event.end]
                assert times == sorted(times), "words outside of their segment, or out of order"
                if event.final:
                    self.covered_until_s = event.end
            case SpeechBegan():
                assert 0.0 <= event.at <= fed_s
            case UtteranceEnded():
                assert self.bench.gap_s is not None
                assert event.last_word_end is None or event.last_word_end <= fed_s - 1.0


def explained(talk: Talk, bench: Bench, start: int, end: int) -> bool:
    """Whether a word may be missing: a final's edge lies in it, or its segment has too little voice around it."""
    edges = [round(final.end * 16_000) for final in bench.finals]
    if any(start < edge < end for edge in edges):
        return True
    low = max([0, *[edge for edge in edges if edge <= start]])
    high = min(edge for edge in edges if edge >= end)
    first, last = next(run for run in talk.voiced(VOICE) if run[0] <= start and end <= run[1])
    return min(last, high) - max(first, low) < SURE


def check_words(talk: Talk, bench: Bench) -> None:
    events = [int(word.text) for final in bench.finals for word in final.words]
    assert events == sorted(set(events)), "a word was emitted twice, or out of order"
    missing = set(range(len(talk.words))) - set(events)
    unexplained = [talk.words[n] for n in missing if not explained(talk, bench, *talk.words[n])]
    assert unexplained == []


def check_cuts(talk: Talk, bench: Bench) -> None:
    """A cut lies in a word only where the engine had no two words to cut between."""
    for final in bench.finals:
        edge = round(final.end * 16_000)
        if final.endpoint or not any(start < edge < end for start, end in talk.words):
            continue
        jobs = [
            job for job in bench.engine.jobs if job.final and abs(job.at + len(job.audio) / 16_000 - final.end) < 1e-6
        ]
        assert jobs, "cut inside a word, and not where a job ended"
        inside = [word for word in talk.track if jobs[-1].at <= word.start and word.end <= final.end]
        places = [(a.end + b.start) / 2 for a, b in pairwise(inside)]
        assert not any(place <= final.end - MIN_CARRIED_S for place in places)


def check_jobs(talk: Talk, bench: Bench) -> None:
    for first, last, _ in bench.engine.requests:
        voice = sum(max(0, min(last, end) - max(first, start)) for start, end in talk.voiced(FAINT))
        # A flush may fall into a frame that is not judged yet, and counts for speech while somebody speaks.
        assert voice > min(MIN_SPEECH, last - first) - FRAME, "silence or a scrap went to the engine"
        assert last - first <= LONGEST_S * 16_000 + PADDING


@examples(150)
@given(talks(), plans(), st.integers(FRAME, 40_000), windows(), st.booleans())
@example(Talk(((1_250, VOICE),), tuple((n * 4_000, n * 4_000 + 3_900) for n in range(159))), [], 640_000, 0.32, True)
def test_whatever_is_spoken_and_whenever_it_is_answered(
    talk: Talk, plan: Plan, piece: int, window: float | None, full: bool
) -> None:
    """Finals tile the stream, each word is emitted once or its loss is explained, and no law is broken on the way."""
    extra = 1.0 if full else None
    bench = Bench(*talk.track, endpointing_s=window, interim_s=extra, gap_s=extra, longest_s=LONGEST_S)
    listening = RecordingConfig(bench, talk)
    listening.play(plan, piece)
    assert bench.recognizer.drained
    assert listening.covered_until_s == bench.position / 16_000
    assert sum(final.flushed for final in bench.finals) == listening.flushes
    assert full or not bench.interims
    check_words(talk, bench)
    check_cuts(talk, bench)
    check_jobs(talk, bench)


@examples(60)
@given(talks(), windows(), st.integers(FRAME, 60_000))
def test_pieces_make_no_difference_to_what_is_emitted(talk: Talk, window: float | None, piece: int) -> None:
    """With an engine that answers at once, finals do not depend on how the audio was cut."""
    small = Bench(*talk.track, endpointing_s=window, longest_s=200.0, prompt=True)
    large = Bench(*talk.track, endpointing_s=window, longest_s=200.0, prompt=True)
    RecordingConfig(small, talk).play([], FRAME)
    RecordingConfig(large, talk).play([], piece)
    assert large.finals == small.finals
    assert large.began == small.began


@examples(40)
@given(talks(), st.lists(st.integers(1, 60_000), max_size=10))
def test_interims_change_nothing_about_finals(talk: Talk, pieces: list[int]) -> None:
    with_, without = (
        Bench(*talk.track, interim_s=interval, longest_s=LONGEST_S, prompt=True) for interval in (0.3, None)
    )
    for bench in (with_, without):
        RecordingConfig(bench, talk).play(list(pieces), 8_000)
    assert with_.finals == without.finals


@examples(30)
@given(talks(), plans(), st.integers(FRAME, 40_000))
def test_once_finals_cover_everything_little_audio_is_kept(talk: Talk, plan: Plan, piece: int) -> None:
    """The buffer is cut down when it is worth the copy: at the latest when 10 s of it are covered."""
    tracemalloc.start()
    try:
        bench = Bench(*talk.track, endpointing_s=0.32, longest_s=LONGEST_S)
        RecordingConfig(bench, talk).play(plan, piece)
        bench.engine.jobs.clear()
        bench.engine.cancelled.clear()
        assert tracemalloc.get_traced_memory()[0] <= 2 * 160_000 * 4 + 1_000_000
    finally:
        tracemalloc.stop()
