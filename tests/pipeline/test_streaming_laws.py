"""Laws of a streaming recognizer for any speech, any split into pieces, any timing and any deaths of the workers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from caesura.speech.vad import FRAME
from tests.example_count import examples
from tests.pipeline.recognizer_laws import Plan, Player, Step, Talk, plans, talks, windows
from tests.streaming_bench import StreamingBench

LONGEST_S = 4.0


@examples(60)
@given(talks(), windows(), plans(*Step), st.integers(FRAME, 60_000), st.booleans())
def test_finals_tile_the_stream_and_no_state_is_left(
    talk: Talk, window: float | None, plan: Plan, piece: int, full: bool
) -> None:
    """And no law is broken on the way."""
    extra = 1.0 if full else None
    bench = StreamingBench(endpointing_s=window, interim_s=extra, gap_s=extra, longest_s=LONGEST_S)
    Player(bench, talk).play(plan, piece)
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
