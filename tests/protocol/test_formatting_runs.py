"""Runs of words, and their formatting and searches joined again."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from caesura.events import Hit, Search
from caesura.protocol.formatting_runs import LONG_RUN, MAX_PAUSE_S, MAX_RUN, format_runs, runs
from caesura.words import Word


@dataclass(frozen=True)
class UpperCaseRun:
    """Words in capitals; each that has an A was searched for."""

    words: tuple[Word, ...]
    searches: tuple[Search, ...]


def upper_case(words: tuple[Word, ...]) -> UpperCaseRun:
    hits = tuple(Hit(word.confidence, word.start, word.end, word.text) for word in words if "a" in word.text)
    formatted = tuple(Word(word.text.upper(), word.start, word.end, word.confidence) for word in words)
    return UpperCaseRun(formatted, (Search("a", hits), Search("zebra", ())))


def word(text: str, at: float, confidence: float = 0.9) -> Word:
    return Word(text, at, at + 0.3, confidence)


def test_nothing_is_read_across_a_pause() -> None:
    words = [word("one", 0.0), word("two", 0.3 + MAX_PAUSE_S), word("three", 0.61 + 2 * MAX_PAUSE_S)]
    assert [len(run) for run in runs(words)] == [2, 1]


def test_a_long_run_ends_with_a_sentence() -> None:
    words = [word("so." if number % 30 == 0 else "so", number * 0.4) for number in range(1, LONG_RUN + 60)]
    first, second = runs(words)
    assert len(first) == 120
    assert first[-1].text == "so."
    assert len(first + second) == len(words)


def test_hits_are_listed_for_each_search_the_most_confident_first() -> None:
    words = [word("la", 0.0, 0.5), word("do", 5.0), word("da", 10.0, 0.8)]
    formatted, searches = format_runs(words, upper_case)
    assert [each.text for each in formatted] == ["LA", "DO", "DA"]
    assert [search.query for search in searches] == ["a", "zebra"]
    assert [hit.start for hit in searches[0].hits] == [10.0, 0.0]


def test_searches_are_listed_without_any_words() -> None:
    assert format_runs([], upper_case) == ((), (Search("a", ()), Search("zebra", ())))


@given(st.lists(st.tuples(st.sampled_from(["a", "b."]), st.floats(0, 2)), max_size=3 * LONG_RUN))
def test_no_word_is_lost(steps: list[tuple[str, float]]) -> None:
    at, words = 0.0, []
    for text, pause in steps:
        words.append(word(text, at + pause))
        at += pause + 0.3
    found = list(runs(words))
    assert [each for run in found for each in run] == words
    assert all(0 < len(run) <= MAX_RUN for run in found)
