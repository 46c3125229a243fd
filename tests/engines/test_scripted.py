"""The scripted engine: exactly the words that lie inside a job, timed from its first sample."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.engines.base import Hypothesis, Priority, SegmentJob
from caesura.engines.scripted import INFO, PERIOD_S, SCRIPT, ScriptedEngine, load
from caesura.errors import UsageError
from caesura.words import Word

TWO = (Word("One", 0.0, 0.3, 0.9), Word("two.", 0.4, 0.7, 0.95))


def transcribe(engine: ScriptedEngine, at: float, samples: int, *, final: bool = True) -> tuple[Word, ...]:
    """The engine's words for this many samples from stream second `at` on."""
    (told,) = engine.transcribe(
        [SegmentJob(np.zeros(samples, np.float32), at, Priority.FINAL if final else Priority.INTERIM)]
    )
    assert told.tokens == ()
    return told.words


def test_a_job_holds_the_words_that_lie_wholly_inside() -> None:
    """A second holds both words; one sample less than the second word's end holds one."""
    engine = ScriptedEngine(TWO, 2.0)
    assert transcribe(engine, 0.0, 16_000) == TWO
    assert transcribe(engine, 0.0, 11_200) == TWO
    assert transcribe(engine, 0.0, 11_199) == TWO[:1]
    assert transcribe(engine, 0.0, 0) == ()


def test_times_count_from_the_first_sample_of_the_job() -> None:
    """A job that begins at the second word has it at 0."""
    assert transcribe(ScriptedEngine(TWO, 2.0), 0.4, 8_000) == (Word("two.", 0.0, 0.3, 0.95),)


def test_a_word_that_has_only_begun_is_not_returned() -> None:
    """One sample after its start the word is cut, and so left out."""
    assert transcribe(ScriptedEngine(TWO, 2.0), 0.4 + 1 / 16_000, 8_000) == ()


def test_a_hypothesis_is_in_the_language_of_most_of_its_words() -> None:
    """Without languages in the script it has none."""
    spoken = [
        replace(word, language=language, language_confidence=0.5)
        for word, language in zip(SCRIPT[:4], ("de", "fr", "fr", "de"), strict=True)
    ]
    engine = ScriptedEngine(spoken, 2.0)
    found = engine.transcribe([SegmentJob(np.zeros(each, np.float32), 0.4, Priority.FINAL) for each in (16_000, 0)])
    assert [each.language for each in found] == ["fr", None]
    assert [each.language_confidence for each in found] == [0.5, None]
    assert [(word.language, word.language_confidence) for word in found[0].words] == [(None, None)] * 2
    assert load().transcribe([SegmentJob(np.zeros(16_000, np.float32), 0.0, Priority.FINAL)])[0].language is None


def test_the_script_repeats() -> None:
    """In the third round the words come again, and a job may hold the end of one round and the head of the next."""
    engine = ScriptedEngine(TWO, 1.0)
    assert transcribe(engine, 2.0, 16_000) == TWO
    assert [(word.text, word.start) for word in transcribe(engine, 2.4, 16_000)] == [("two.", 0.0), ("One", 0.6)]


def test_the_shipped_script_starts_a_word_every_04_seconds() -> None:
    """Times, confidences and punctuation are as documented, over two rounds."""
    words = transcribe(load(), 0.0, round(2 * PERIOD_S * 16_000))
    assert len(words) == 2 * len(SCRIPT)
    for at, word in enumerate(words):
        assert word.start == pytest.approx(0.4 * at)
        assert word.end == pytest.approx(0.4 * at + 0.3)
        assert 0.9 <= word.confidence <= 0.99
    assert words[0].text == "The"
    assert any(word.text.endswith(".") for word in words)


@given(st.lists(st.integers(1, 160_000), min_size=1, max_size=12), st.integers(0, 10**9))
def test_tiles_of_the_stream_never_give_a_word_twice(sizes: list[int], begin: int) -> None:
    """Back to back jobs yield a subset of the whole, in order, each once and at the same place."""
    engine = load()
    whole = {round(word.start + begin / 16_000, 4) for word in transcribe(engine, begin / 16_000, sum(sizes))}
    told, at = [], begin
    for size in sizes:
        told += [round(word.start + at / 16_000, 4) for word in transcribe(engine, at / 16_000, size)]
        at += size
    assert told == sorted(set(told))
    assert set(told) <= whole


def test_a_draft_and_finality_change_nothing() -> None:
    """The answer depends on place and length alone, and comes for each job in order."""
    audio = np.zeros(16_000, np.float32)
    jobs = [
        SegmentJob(audio, 0.0, Priority.INTERIM),
        SegmentJob(audio, 0.0, Priority.FINAL, Hypothesis(TWO, (1, 2))),
        SegmentJob(audio, 5.0, Priority.FINAL),
    ]
    first, second, third = load().transcribe(jobs)
    assert first == second
    assert third != first


def test_its_info_allows_short_endpointing() -> None:
    """So that tests of timing need no long silences."""
    assert (INFO.name, INFO.languages, INFO.min_endpointing_s, INFO.max_segment_s) == ("scripted", ("en",), 0.01, 10.0)


@pytest.mark.parametrize("period", [0.0, -1.0, float("inf"), float("nan")])
def test_a_period_must_be_a_positive_length(period: float) -> None:
    """The sentence names the argument and the value."""
    with pytest.raises(UsageError, match=f"period_s: {period}"):
        ScriptedEngine((), period)


@pytest.mark.parametrize(
    "script",
    [TWO[::-1], (Word("late", 0.8, 1.2, 0.9),), (Word("early", -0.1, 0.2, 0.9),), (Word("back", 0.3, 0.2, 0.9),)],
)
def test_a_script_must_lie_in_its_period_in_order(script: tuple[Word, ...]) -> None:
    """A word outside could be given twice or never."""
    with pytest.raises(UsageError, match="script: Word"):
        ScriptedEngine(script, 1.0)
