"""What recognizers for segment engines and for streaming engines have in common, whatever is spoken."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from caesura.engines.scripted import ScriptedEngine
from caesura.speech.vad import FRAME
from tests.example_count import examples
from tests.pipeline.recognizer_laws import Plan, Player, Step, Talk, plans, talks, windows
from tests.recognizer_bench import Bench
from tests.streaming_bench import StreamingBench
from tests.streaming_engines import ScriptedStreamingEngine


@examples(40)
@given(talks(), windows(), plans(Step.FLUSH), st.integers(FRAME, 60_000))
def test_segments_end_where_they_would_with_a_segment_engine(
    talk: Talk, window: float | None, plan: Plan, piece: int
) -> None:
    """Endpoints, flushed finals, announcements of speech, and the words, as far as neither is cut for its length."""
    script = ScriptedStreamingEngine(ScriptedEngine(talk.track, 1_000.0))
    segment = Bench(*talk.track, endpointing_s=window, longest_s=200.0, prompt=True)
    streaming = StreamingBench(lambda: script, endpointing_s=window, longest_s=200.0, prompt=True)
    for bench in (segment, streaming):
        Player(bench, talk).play(plan, piece)
    assert [(each.start, each.end, each.endpoint, each.flushed) for each in streaming.finals] == [
        (each.start, each.end, each.endpoint, each.flushed) for each in segment.finals
    ]
    assert streaming.began == segment.began
