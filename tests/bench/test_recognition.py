from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from load import RATE, Pcm, run
from recognition import PIECE, alone, live

from caesura.engines.base import Hypothesis, SegmentJob
from caesura.testing import FakeServer, Voice
from caesura.words import Word


class OneWordEngine:
    """Recognizes one word half a second into each job, and keeps the jobs."""

    def __init__(self) -> None:
        self.jobs: list[SegmentJob] = []

    def transcribe(self, jobs: Sequence[SegmentJob]) -> list[Hypothesis]:
        self.jobs += jobs
        return [Hypothesis((Word("yes", 0.5, 0.8, 1.0),)) for _ in jobs]


def noise(seconds: float) -> Pcm:
    return np.random.default_rng(1).integers(-9000, 9000, round(seconds * RATE)).astype(np.int16)


def test_the_engine_alone_is_given_all_audio_in_pieces_that_it_can_take() -> None:
    engine, pcm = OneWordEngine(), noise(30)
    alone(engine, pcm, None)
    heard = np.concatenate([job.audio for job in engine.jobs])
    assert np.array_equal(np.round(heard * 32768), pcm)
    assert max(job.audio.size for job in engine.jobs) <= PIECE


def test_the_engine_alone_is_cut_where_it_is_quietest() -> None:
    engine, pcm = OneWordEngine(), noise(12)
    pcm[6 * RATE : 6 * RATE + 3200] = 0
    alone(engine, pcm, None)
    assert 6 * RATE <= engine.jobs[0].audio.size <= 6 * RATE + 3200


def test_words_of_the_engine_alone_are_placed_in_the_recording() -> None:
    engine = OneWordEngine()
    recognized = alone(engine, noise(12), "en")
    first = engine.jobs[0].audio.size / RATE
    assert recognized.text == "yes yes"
    assert [start for _, start in recognized.word_starts] == [0.5, first + 0.5]
    assert {job.language for job in engine.jobs} == {"en"}


def test_a_short_recording_is_one_piece() -> None:
    engine = OneWordEngine()
    assert alone(engine, noise(2), None).text == "yes"
    assert [job.audio.size for job in engine.jobs] == [2 * RATE]


def test_a_live_stream_has_the_words_of_all_finals_with_their_starts() -> None:
    voice = Voice(["one", "two", "three"])
    audio = voice.say("one", "two") + voice.silence(1.0) + voice.say("three") + voice.silence(1.0)
    with FakeServer(voice) as server:
        recognized = run(live(server.url, np.frombuffer(audio, "<i2").astype(np.int16), {"endpointing": "300"}))
    assert recognized.text == "one two three"
    assert [start for _, start in recognized.word_starts] == pytest.approx([0.0, 0.4, 1.8], abs=0.01)
