"""Laws that any live recognizer keeps, and how a talk is played to it: any speech, pieces, and timing of the engine."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from hypothesis import strategies as st

from caesura.engines.base import Hypothesis
from caesura.events import SpeechBegan, TranscriptSegment, UtteranceEnded
from caesura.pipeline.live_segments import KEPT_SILENCE, MAX_SILENCE
from caesura.pipeline.segmenter import PADDING
from caesura.speech.vad import FRAME
from caesura.words import Word
from tests.recognizer_bench import SILENCE, VOICE, Bench
from tests.streaming_bench import StreamingBench

FAINT = 0.4
"""Voice while speech goes on, silence otherwise."""


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


class Step(enum.Enum):
    FLUSH = enum.auto()
    ANSWER = enum.auto()
    IN_VAIN = enum.auto()
    """A worker does the job, and its result is dropped."""
    STALE = enum.auto()
    """Deliver results of jobs that were replaced."""
    DIE = enum.auto()
    """A worker ends, and its states with it."""


Plan = list[int | Step]


def plans(*steps: Step) -> st.SearchStrategy[Plan]:
    """Pieces of so many samples, with other steps between them."""
    pieces = st.one_of(
        st.integers(1, 5),
        st.integers(1, 2_000),
        st.sampled_from([FRAME, FRAME - 1, FRAME + 1, 16_000, 640_000]),
    )
    return st.lists(st.one_of(pieces, pieces, st.sampled_from(steps)), max_size=40)


class Player:
    """Plays a talk by a plan into a bench, and looks at every step whether the laws still hold."""

    def __init__(self, bench: Bench | StreamingBench, talk: Talk) -> None:
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
        while self.bench.out is not None:
            self.bench.answer()
            self.check()
        assert self.bench.recognizer.drained
        assert self.covered_until_s == self.bench.position / 16_000
        assert sum(final.flushed for final in self.bench.finals) == self.flushes

    def do(self, step: int | Step) -> None:
        bench = self.bench
        match step:
            case Step.FLUSH:
                self.flushes += 1
                bench.flush()
            case Step.ANSWER:
                if bench.out is not None:
                    bench.answer()
            case Step.IN_VAIN:
                bench.answer_in_vain()
            case Step.STALE:
                self.deliver_stale()
            case Step.DIE:
                assert isinstance(bench, StreamingBench), "only states die with their worker"
                bench.workers.die()
            case int(count):
                count = min(count, self.left)
                self.left -= count
                frames = (bench.position + count) // FRAME
                bench.samples(count, self.voice[bench.position // FRAME : frames])
        self.check()

    def deliver_stale(self) -> None:
        for job in self.bench.jobs:
            if job is not self.bench.out:
                self.bench.recognizer.receive(job, Hypothesis((Word("wrong", 0.0, 0.1, 0.0),)))
        assert self.bench.recognizer.events() == []

    def check(self) -> None:
        bench = self.bench
        for event in bench.events[self.checked :]:
            self.check_event(event)
        self.checked = len(bench.events)
        assert round(bench.recognizer.pending_s * 16_000) == bench.position - round(self.covered_until_s * 16_000)
        assert bench.recognizer.job_out is (bench.out is not None)
        if bench.out is None:
            assert bench.recognizer.drained
            # A stream that waits for room must be sure that a result will make it.
            assert (
                bench.recognizer.pending_s
                <= bench.longest_s + bench.tail_s + (2 * MAX_SILENCE + 2 * KEPT_SILENCE + PADDING + 4 * FRAME) / 16_000
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
