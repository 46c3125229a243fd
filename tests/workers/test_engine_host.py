"""The engine host: failures become sentences without spoken words, and embeddings are computed on request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from caesura.engines.base import Hypothesis, Priority, SegmentJob
from caesura.engines.streaming import FeedJob
from caesura.errors import EngineError, InternalError
from caesura.speech.embedder import SpeakerEmbedder
from caesura.speech.embedding import SpeakerEmbedding
from caesura.words import Word
from caesura.workers.engine_host import EngineHost
from tests.recognizer_bench import sound
from tests.streaming_engines import ChainEngine, chained

JOB = SegmentJob(np.zeros(16_000, np.float32), 0.0, Priority.FINAL)
WORDS = (Word("one", 0.2, 0.4, 0.9), Word("two", 0.5, 0.8, 0.9))


class Answers:
    """An engine that returns given hypotheses."""

    def __init__(self, *hypotheses: Hypothesis, error: Exception | None = None) -> None:
        self._hypotheses = list(hypotheses)
        self._error = error

    def transcribe(self, jobs: Sequence[SegmentJob]) -> list[Hypothesis]:
        """The hypotheses, or the error."""
        if self._error is not None:
            raise self._error
        return self._hypotheses


class Embedder(SpeakerEmbedder):
    """Notes which span of speech was embedded."""

    loaded = 0

    def __init__(self) -> None:
        Embedder.loaded += 1

    def embed(self, audio: object, spans: Sequence[tuple[float, float]]) -> tuple[SpeakerEmbedding, ...]:
        """One embedding a span."""
        return tuple(SpeakerEmbedding(start, end, np.zeros(512, np.float32)) for start, end in spans)


def test_speech_of_jobs_that_ask_for_it_is_embedded_from_first_to_last_word() -> None:
    """The embedder is loaded once, by the first such job with words."""
    Embedder.loaded = 0
    host = EngineHost(Answers(Hypothesis(WORDS), Hypothesis(WORDS), Hypothesis()), load_embedder=Embedder)
    plain, asked, silent = host.transcribe([JOB, replace(JOB, embed_speakers=True), replace(JOB, embed_speakers=True)])
    assert (plain.speaker_embeddings, silent.speaker_embeddings) == ((), ())
    assert [(voice.start, voice.end) for voice in asked.speaker_embeddings] == [(0.2, 0.8)]
    assert Embedder.loaded == 1


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("the password is swordfish"), r"^the engine raised ValueError in test_engine_host\.py, line \d+$"),
        (EngineError("too odd"), "^too odd$"),
        (InternalError("a fault of ours"), "^a fault of ours$"),
    ],
)
def test_whatever_an_engine_raises_is_an_engine_error_without_the_transcript(error: Exception, sentence: str) -> None:
    """Our own sentences pass; a library's may quote the speaker."""
    with pytest.raises(EngineError, match=sentence):
        EngineHost(Answers(error=error)).transcribe([JOB])


def test_too_few_hypotheses_are_a_failure() -> None:
    """No hypothesis is not an empty hypothesis."""
    with pytest.raises(EngineError, match="the engine returned 1 hypotheses for 2 jobs"):
        EngineHost(Answers(Hypothesis())).transcribe([JOB, JOB])


def test_a_streaming_engine_is_fed_state_by_state_and_transcribes_segments_too() -> None:
    engine = ChainEngine()
    host = EngineHost(engine)
    host.feed([FeedJob(1, sound(0, 9_000), 0.0, Priority.INTERIM)])
    (fed,) = host.feed([FeedJob(1, sound(9_000, 16_000), 0.0, Priority.FINAL, 9_000)])
    (whole,) = host.transcribe([replace(JOB, audio=sound(0, 16_000))])
    assert fed == whole
    assert [word.text for word in whole.words] == chained(sound(0, 16_000))
    assert engine.open_states == 0


def test_states_are_closed_by_their_numbers() -> None:
    engine = ChainEngine()
    host = EngineHost(engine)
    host.feed([FeedJob(state, sound(0, 10), 0.0, Priority.INTERIM) for state in (1, 2)])
    host.close_states([1, 7])
    assert [state.closed for state in engine.states] == [True, False]


def test_speech_of_a_state_is_embedded_from_all_of_its_audio() -> None:
    host = EngineHost(ChainEngine(), load_embedder=Embedder)
    job = FeedJob(1, sound(0, 16_000), 0.0, Priority.FINAL, embed_speakers=True)
    host.feed([replace(job, audio=job.audio[:8_000], priority=Priority.INTERIM, embed_speakers=False)])
    (found,) = host.feed([job])
    assert [(voice.start, voice.end) for voice in found.speaker_embeddings] == [(0.0, 1.0)]


def test_an_engine_without_states_cannot_be_fed() -> None:
    host = EngineHost(Answers())
    host.close_states([1])
    with pytest.raises(EngineError, match="keeps no states"):
        host.feed([FeedJob(1, sound(0, 10), 0.0, Priority.FINAL)])


def test_a_job_for_a_state_that_is_not_here_is_an_engine_error() -> None:
    with pytest.raises(EngineError, match="samples 5 to 10 of a state that is not here"):
        EngineHost(ChainEngine()).feed([FeedJob(1, sound(5, 10), 0.0, Priority.FINAL, offset=5)])
