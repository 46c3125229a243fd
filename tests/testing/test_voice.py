"""Synthetic speech: words are found again, exact to the sample."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.errors import UsageError
from caesura.testing import Voice
from caesura.words import Word

WORDS = ["zero", "one", "two"]
VOICE = Voice(WORDS)
RATE = 8_000


def samples(words: tuple[Word, ...], rate: int = RATE) -> list[tuple[str, int, int]]:
    return [(word.text, round(word.start * rate), round(word.end * rate)) for word in words]


def test_a_word_is_a_run_of_one_value_and_silence_is_zero() -> None:
    assert VOICE.say("one", sample_rate=10, word_s=0.3, gap_s=0.1) == (1001).to_bytes(2, "little") * 3 + bytes(2)
    assert VOICE.silence(0.2, sample_rate=10) == bytes(4)


def test_the_same_word_twice_is_two_words() -> None:
    heard = samples(VOICE.hear(VOICE.say("two", "two", sample_rate=RATE), sample_rate=RATE))
    assert heard == [("two", 0, 2400), ("two", 3200, 5600)]


def test_two_words_without_a_gap_are_two_words() -> None:
    heard = samples(VOICE.hear(VOICE.say("one", "two", sample_rate=RATE, gap_s=0.0), sample_rate=RATE))
    assert heard == [("one", 0, 2400), ("two", 2400, 4800)]


@given(
    said=st.lists(st.tuples(st.sampled_from(WORDS), st.integers(1, 700), st.integers(1, 300)), max_size=6),
    begin=st.integers(0, 4000),
)
def test_words_are_found_to_the_sample_wherever_the_stream_begins(said: list[tuple[str, int, int]], begin: int) -> None:
    audio = b"".join(VOICE.say(word, sample_rate=1, word_s=length, gap_s=gap) for word, length, gap in said)
    expected = []
    at = -begin
    for word, length, gap in said:
        if at + length > 0:
            expected.append((word, max(at, 0), at + length))
        at += length + gap
    assert samples(VOICE.hear(audio[2 * begin :], sample_rate=1), 1) == expected


@given(st.binary(max_size=400))
def test_runs_are_all_the_samples_of_any_bytes(audio: bytes) -> None:
    runs = list(VOICE.runs(audio))
    assert sum(length for _, length in runs) == len(audio) // 2
    assert all(length > 0 for _, length in runs)


def test_other_samples_are_silence() -> None:
    noise = b"".join(value.to_bytes(2, "little", signed=True) for value in (999, 1003, -1, 1, 32_767))
    assert VOICE.hear(noise) == ()


def test_only_words_of_the_vocabulary_are_spoken() -> None:
    with pytest.raises(UsageError, match="'three' is not in this voice's vocabulary: zero, one, two"):
        VOICE.say("three")


def test_a_vocabulary_has_each_word_once() -> None:
    with pytest.raises(UsageError, match="2 given, 1 of them different"):
        Voice(["one", "one"])


def test_a_vocabulary_is_as_large_as_there_are_values() -> None:
    words = [str(index) for index in range(31_768)]
    with pytest.raises(UsageError, match="31768 given"):
        Voice(words)
    voice = Voice(words[:-1])
    assert voice.words == tuple(words[:-1])
    assert [word.text for word in voice.hear(voice.say("31766"))] == ["31766"]
