"""Laws of a streaming recognizer for any speech, any split into pieces, any timing and any deaths of the workers."""

from __future__ import annotations

import enum

from hypothesis import given
from hypothesis import strategies as st

from caesura.engines.base import Hypothesis
from caesura.engines.scripted import ScriptedEngine
from caesura.events import SpeechBegan, TranscriptSegment, UtteranceEnded
from caesura.pipeline.live_segments import KEPT_SILENCE, MAX_SILENCE
from caesura.pipeline.segmenter import PADDING
from caesura.pipeline.streaming import TAIL
from caesura.speech.vad import FRAME
from caesura.words import Word
from tests.example_count import examples
from tests.pipeline.test_segmented_laws import Talk, talks, windows
from tests.recognizer_bench import Bench
from tests.streaming_bench import StreamingBench
from tests.streaming_engines import ScriptedStreamingEngine

LONGEST_S = 4.0


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

    def __init__(self, bench: StreamingBench, talk: Talk) -> None:
        self.bench = bench
        self.voice = talk.voice
        self.left = len(self.voice) * FRAME
        self.flushes = 0
        self.checked = 0
        self.covered_until_s = 0.0

    def play(self, plan: Plan, piece: int) -> StreamingBench:
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
        return self.bench

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
                <= bench.longest_s + (2 * MAX_SILENCE + 2 * KEPT_SILENCE + PADDING + TAIL + 4 * FRAME) / 16_000
            )

    def check_event(self, event: TranscriptSegment | SpeechBegan | UtteranceEnded) -> None:
        fed_s = self.bench.position / 16_000
        match event:
            case TranscriptSegment():
                assert event.start == self.covered_until_s, "not where the last final ended"
                assert event.start <= event.end <= fed_s
                assert event.final or not (event.endpoint or event.flushed)
                times = [event.start, *[time for word in event.words for time in (word.start, word.end)], event.end]
                assert times == sorted(times), "words outside of their segment, or out of order"
                if event.final:
                    self.covered_until_s = event.end
            case SpeechBegan():
                assert 0.0 <= event.at <= fed_s
            case UtteranceEnded():
                assert self.bench.gap_s is not None
                assert event.last_word_end is None or event.last_word_end <= fed_s - 1.0


def spoken(talk: Talk) -> ScriptedStreamingEngine:
    return ScriptedStreamingEngine(ScriptedEngine(talk.track, 1_000.0))


@examples(60)
@given(talks(), windows(), plans(*Step), st.integers(FRAME, 60_000), st.booleans())
def test_finals_tile_the_stream_and_no_state_is_left(
    talk: Talk, window: float | None, plan: Plan, piece: int, full: bool
) -> None:
    """And no law is broken on the way."""
    extra = 1.0 if full else None
    bench = StreamingBench(endpointing_s=window, interim_s=extra, gap_s=extra, longest_s=LONGEST_S)
    player = Player(bench, talk)
    player.play(plan, piece)
    assert bench.recognizer.drained
    assert player.covered_until_s == bench.position / 16_000
    assert sum(final.flushed for final in bench.finals) == player.flushes
    assert full or not bench.interims
    assert bench.workers.end() == 0


@examples(60)
@given(talks(), windows(), plans(Step.ANSWER, Step.IN_VAIN, Step.STALE, Step.DIE), st.integers(FRAME, 60_000))
def test_neither_pieces_nor_load_nor_deaths_nor_interims_change_a_final(
    talk: Talk, window: float | None, plan: Plan, piece: int
) -> None:
    """The words are checksums of all audio of their state: one sample lost or fed twice would show."""
    plain = StreamingBench(endpointing_s=window, longest_s=LONGEST_S, prompt=True)
    Player(plain, talk).play([], FRAME)
    other = StreamingBench(endpointing_s=window, interim_s=0.4, longest_s=LONGEST_S)
    Player(other, talk).play(plan, piece)
    assert other.finals == plain.finals
    assert other.began == plain.began


@examples(40)
@given(talks(), windows(), plans(Step.FLUSH), st.integers(FRAME, 60_000))
def test_segments_end_where_they_would_with_a_segment_engine(
    talk: Talk, window: float | None, plan: Plan, piece: int
) -> None:
    """Endpoints, flushed finals, announcements of speech, and the words, as far as neither is cut for its length."""
    segment = Bench(*talk.track, endpointing_s=window, longest_s=200.0, prompt=True)
    streaming = StreamingBench(lambda: spoken(talk), endpointing_s=window, longest_s=200.0, prompt=True)
    Player(streaming, talk).play(plan, piece)
    left = len(talk.voice) * FRAME
    for step in [*plan, *[piece] * (left // piece + 1)]:
        if step is Step.FLUSH:
            segment.flush()
        elif isinstance(step, int):
            count = min(step, left)
            left -= count
            segment.samples(count, talk.voice[segment.position // FRAME : (segment.position + count) // FRAME])
    segment.end()
    assert [(each.start, each.end, each.endpoint, each.flushed) for each in streaming.finals] == [
        (each.start, each.end, each.endpoint, each.flushed) for each in segment.finals
    ]
    assert streaming.began == segment.began
