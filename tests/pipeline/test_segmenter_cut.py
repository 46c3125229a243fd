"""Cuts of long segments: the place between two words, by example."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.pipeline.segmenter import CONTEXT_S, EARLIEST_CUT, MIN_CARRIED_S, cut_between_words
from caesura.words import Word
from tests.recognizer_bench import word


def row(*ends: tuple[float, float], text: str = "la") -> tuple[Word, ...]:
    return tuple(word(text, start, end) for start, end in ends)


def test_the_widest_gap_wins_and_its_middle_is_the_place() -> None:
    words = row((4.0, 4.5), (4.6, 5.0), (5.4, 6.0), (6.1, 6.5))
    kept, at = cut_between_words(words, 0.0, 10.0)
    assert kept == words[:2]
    assert at == pytest.approx(5.2)


@pytest.mark.parametrize(("mark", "pieces"), [(".", 1), ("?", 1), ("!", 1), (",", 1), (";", 1), (":", 1), ("", 2)])
def test_the_end_of_a_sentence_or_clause_is_worth_a_wider_gap(mark: str, pieces: int) -> None:
    words = (word(f"one{mark}", 4.0, 4.5), word("two", 4.55, 5.0), word("three", 5.2, 5.5))
    assert len(cut_between_words(words, 0.0, 10.0)[0]) == pieces


def test_a_full_stop_is_worth_more_than_a_comma() -> None:
    words = (word("one,", 4.0, 4.5), word("two.", 4.6, 5.0), word("three", 5.1, 5.5))
    assert cut_between_words(words, 0.0, 10.0)[0] == words[:2]


def test_neither_the_beginning_nor_the_newest_second_is_cut_when_another_place_is_there() -> None:
    words = row((0.5, 1.0), (3.0, 5.0), (5.01, 9.05), (9.5, 9.9))
    kept, at = cut_between_words(words, 0.0, 10.0)
    assert kept == words[:2]
    assert at == pytest.approx(5.005)


def test_the_allowed_places_count_from_the_start_of_the_segment() -> None:
    words = row((100.5, 101.0), (103.0, 105.0), (105.01, 109.05), (109.5, 109.9))
    assert cut_between_words(words, 100.0, 110.0)[0] == words[:2]


def test_words_at_the_beginning_only_are_cut_there() -> None:
    words = row((0.2, 0.5), (0.8, 1.2))
    kept, at = cut_between_words(words, 0.0, 10.0)
    assert kept == words[:1]
    assert at == pytest.approx(0.65)


def test_what_is_carried_on_is_never_a_scrap() -> None:
    """Speech may have ended just after the last word; the rest must be long enough for an engine."""
    words = row((8.5, 9.0), (9.1, 9.84), (9.86, 10.0))
    assert cut_between_words(words, 0.0, 10.0)[0] == words[:1]


def test_two_words_at_the_very_end_are_closed_with_the_segment() -> None:
    words = row((9.62, 9.84), (9.86, 10.0))
    assert cut_between_words(words, 0.0, 10.0) == (words, 10.0)


@pytest.mark.parametrize("words", [(), row((4.0, 5.0))])
def test_without_two_words_the_whole_segment_is_closed(words: tuple[Word, ...]) -> None:
    assert cut_between_words(words, 2.0, 12.0) == (words, 12.0)


def test_words_that_touch_are_cut_where_they_touch() -> None:
    words = row((4.0, 5.0), (5.0, 6.0))
    assert cut_between_words(words, 0.0, 10.0) == (words[:1], 5.0)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(10, 900), st.sampled_from("a,.")), max_size=30))
def test_no_word_is_ever_cut_and_the_kept_ones_are_the_first(lengths: list[tuple[int, int, str]]) -> None:
    at, words = 20.0, []
    for gap, length, text in lengths:
        start = at + gap / 1000
        at = start + length / 1000
        words.append(word(text, start, at))
    end = at + 0.5
    kept, place = cut_between_words(tuple(words), 20.0, end)
    rest = words[len(kept) :]
    assert tuple(words[: len(kept)]) == kept
    assert all(each.end <= place for each in kept)
    assert all(each.start >= place for each in rest)
    assert 20.0 < place <= end
    if rest:
        assert kept
        assert place <= end - MIN_CARRIED_S
    middles = [(a.end + b.start) / 2 for a, b in pairwise(words)]
    if any(20.0 + EARLIEST_CUT * (end - 20.0) <= middle <= end - CONTEXT_S for middle in middles):
        assert 20.0 + EARLIEST_CUT * (end - 20.0) <= place <= end - CONTEXT_S
