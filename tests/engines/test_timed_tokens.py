"""Tokens joined to words: blanks, punctuation, special tokens, times and confidences."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.engines.timed_tokens import LONGEST_TOKEN_S, TimedToken, spread_words, timed_words
from caesura.words import Word


def tokens(*texts: str, step: float = 0.1, probability: float = 0.9) -> list[TimedToken]:
    return [TimedToken(text, number * step, probability) for number, text in enumerate(texts)]


def texts(*parts: str) -> list[str]:
    return [word.text for word in timed_words(tokens(*parts), 10.0)]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((), []),
        ((" two", " words"), ["two", "words"]),
        (("with", "out", " a", " blank"), ["without", "a", "blank"]),
        ((" hel", "lo", ",", " world", "."), ["hello,", "world."]),
        ((" hello", " ,", " world", " ."), ["hello,", "world."]),
        ((" that", " cost", " $", "5", "."), ["that", "cost", "$5."]),
        ((" it", "'", "s"), ["it's"]),
        (("j", "a", " ", "n", "e"), ["ja", "ne"]),
        ((" ", " ", " a", " "), ["a"]),
        ((".", " ,", " word"), ["word"]),
        (("<unk>", " a", "<|en|>", "b", "</s>"), ["ab"]),
        ((" a<b",), ["a<b"]),
    ],
)
def test_a_blank_begins_a_word_and_punctuation_joins_the_one_before(parts: tuple[str, ...], words: list[str]) -> None:
    assert texts(*parts) == words


def test_a_word_ends_where_the_next_one_begins() -> None:
    assert [(word.start, word.end) for word in timed_words(tokens(" a", " b", "c", " d"), 10.0)] == [
        (0.0, pytest.approx(0.1)),
        (pytest.approx(0.1), pytest.approx(0.3)),
        (pytest.approx(0.3), pytest.approx(0.3 + LONGEST_TOKEN_S)),
    ]


def test_a_word_before_a_pause_ends_soon_after_its_last_token() -> None:
    first, second = timed_words([TimedToken(" a", 1.0, 1.0), TimedToken(" b", 9.9, 1.0)], 10.0)
    assert first == Word("a", 1.0, 1.0 + LONGEST_TOKEN_S, 1.0)
    assert (second.start, second.end) == (9.9, 10.0)


def test_the_confidence_is_the_geometric_mean_of_the_tokens() -> None:
    (word,) = timed_words([TimedToken(" a", 0.0, 0.9), TimedToken("b", 0.1, 0.4)], 1.0)
    assert word.confidence == pytest.approx(0.6)


@given(
    st.lists(
        st.builds(TimedToken, st.text(" a.<>", max_size=4), st.floats(0.0, 12.0), st.floats(0.0, 1.5)), max_size=12
    ).map(lambda found: sorted(found, key=lambda token: token.start))
)
def test_words_are_in_order_inside_the_audio_and_hold_every_letter(found: list[TimedToken]) -> None:
    words = timed_words(found, 10.0)
    assert all(0.0 <= word.start <= word.end <= 10.0 and 0.0 <= word.confidence <= 1.0 for word in words)
    assert all(before.end <= after.start for before, after in pairwise(words))
    kept = "".join(token.text for token in found if not (token.text.startswith("<") and token.text.endswith(">")))
    assert "".join(word.text for word in words).count("a") == kept.count("a")


def test_a_text_without_times_is_spread_over_the_audio() -> None:
    words = spread_words("a text of words", 4.8, 0.7)
    assert [word.text for word in words] == ["a", "text", "of", "words"]
    assert [word.start for word in words] == pytest.approx([0.0, 0.4, 2.0, 2.8])
    assert [word.end for word in words] == pytest.approx([0.4, 2.0, 2.8, 4.8])
    assert {word.confidence for word in words} == {0.7}
    assert spread_words(" ", 4.8, 0.7) == ()
