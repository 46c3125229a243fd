"""Streaming engines: what a job leaves out for a state that knows it, and how one serves as a segment engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from caesura.engines.base import Priority, SegmentJob
from caesura.engines.streaming import FeedJob, SegmentsByStreaming, StateFeed, StateStart, StreamingEngine
from caesura.errors import EngineError
from tests.recognizer_bench import sound
from tests.streaming_engines import ChainEngine, ChainState, ScriptedStreamingEngine, chained

JOB = FeedJob(3, sound(0, 16_000), 2.5, Priority.INTERIM)
SEGMENT = SegmentJob(sound(0, 8_000), 1.0, Priority.RECORDING, language="en")


def test_a_job_leaves_out_what_its_state_was_fed() -> None:
    rest = JOB.after(15_000)
    assert (rest.offset, len(rest.audio), rest.end) == (15_000, 1_000, 16_000)
    np.testing.assert_array_equal(rest.audio, sound(15_000, 16_000))
    assert rest.after(15_500).offset == 15_500
    assert (rest.state, rest.at, rest.priority) == (JOB.state, JOB.at, JOB.priority)


def test_a_job_whose_speakers_are_embedded_keeps_all_of_its_audio() -> None:
    job = replace(JOB, embed_speakers=True)
    assert job.after(15_000) is job


def test_the_engines_of_the_tests_are_streaming_engines() -> None:
    assert isinstance(ChainEngine(), StreamingEngine)
    assert isinstance(ScriptedStreamingEngine(), StreamingEngine)
    assert not isinstance(SegmentsByStreaming(ChainEngine()), StreamingEngine)


def test_whole_segments_are_fed_in_one_call_and_their_states_closed() -> None:
    engine = ChainEngine()
    other = replace(SEGMENT, audio=sound(50, 4_050), at=3.0)
    one, two = SegmentsByStreaming(engine).transcribe([SEGMENT, other])
    assert [word.text for word in one.words] == chained(SEGMENT.audio)
    assert [word.text for word in two.words] == chained(other.audio)
    assert engine.calls == [[8_000, 4_000]]
    assert engine.states[0].begun == StateStart(1.0, "en")
    assert engine.open_states == 0


def test_the_state_of_a_segment_detects_among_the_languages_of_its_job() -> None:
    engine = ChainEngine()
    SegmentsByStreaming(engine).transcribe([replace(SEGMENT, language=None, detectable_languages=("de", "en"))])
    assert engine.states[0].begun == StateStart(1.0, detectable_languages=("de", "en"))


class Failing(ChainEngine):
    """Fails at its third state, or as it is fed."""

    def __init__(self, *, opens: int = 9) -> None:
        super().__init__()
        self.opens = opens

    def open(self, start: StateStart) -> ChainState:
        """Open a few states."""
        if len(self.states) == self.opens:
            raise EngineError("no more states")
        return super().open(start)

    def feed(self, feeds: Sequence[StateFeed[ChainState]]) -> None:
        """Fail."""
        raise EngineError("too odd")


@pytest.mark.parametrize(("opens", "sentence"), [(2, "no more states"), (9, "too odd")])
def test_states_are_closed_when_the_engine_fails_too(opens: int, sentence: str) -> None:
    engine = Failing(opens=opens)
    with pytest.raises(EngineError, match=sentence):
        SegmentsByStreaming(engine).transcribe([SEGMENT] * 3)
    assert len(engine.states) == min(opens, 3)
    assert engine.open_states == 0
