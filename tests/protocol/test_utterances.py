"""Words split at pauses and at changes of speaker."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from caesura.protocol.utterances import spans, utterances
from caesura.words import Word


def word(text: str, start: float, end: float, speaker: int | None = None) -> Word:
    return Word(text, start, end, 0.9, speaker)


def texts(found: object) -> list[list[str]]:
    return [[each.text for each in span] for span in found]  # type: ignore[attr-defined]


def test_a_longer_pause_than_the_gap_parts() -> None:
    words = [word("one", 0.0, 0.5), word("two", 1.3, 1.5), word("three", 2.3000001, 2.5), word("four", 3.4, 3.5)]
    assert texts(spans(words, 0.8)) == [["one", "two", "three"], ["four"]]


def test_another_speaker_parts() -> None:
    words = [word("one", 0.0, 0.5, 0), word("two", 0.5, 0.6, 1), word("three", 0.6, 0.7, 1), word("four", 1, 2, 0)]
    found = utterances([words], 0.8)
    assert [(each.speaker, each.start, each.end) for each in found] == [(0, 0.0, 0.5), (1, 0.5, 0.7), (0, 1, 2)]


def test_channels_are_ordered_by_start() -> None:
    first = [word("a", 1.0, 1.2), word("c", 5.0, 5.1)]
    second = [word("b", 1.0, 2.0), word("d", 3.0, 3.5)]
    found = utterances([first, second], 0.8)
    assert [(each.channel, each.words[0].text) for each in found] == [(0, "a"), (1, "b"), (1, "d"), (0, "c")]


def test_nothing_spoken_is_no_utterance() -> None:
    assert utterances([[], []], 0.8) == ()


steps = st.lists(st.tuples(st.floats(0, 3), st.floats(0, 1), st.integers(0, 2)), max_size=30)


@given(steps, st.floats(0, 2))
def test_no_word_is_lost_and_no_span_holds_a_pause(given_steps: list[tuple[float, float, int]], gap: float) -> None:
    at, words = 0.0, []
    for pause, length, speaker in given_steps:
        words.append(word("w", at + pause, at + pause + length, speaker))
        at += pause + length
    found = list(spans(words, gap))
    assert [each for span in found for each in span] == words
    for span in found:
        assert len({each.speaker for each in span}) == 1
        for before, after in pairwise(span):
            assert after.start - before.end <= gap + 1e-6
