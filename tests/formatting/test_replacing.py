"""Words to replace are found whole, and what replaces them takes over their times and punctuation."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.formatting.replacing import apply_replacements
from caesura.words import Word
from tests.formatting.spoken import sentence, words


def written(said: str, *pairs: tuple[str, str]) -> str:
    return sentence(apply_replacements(words(said), pairs))


@pytest.mark.parametrize(
    ("said", "pair", "becomes"),
    [
        ("Hello, Monika.", ("monika", "Monica"), "Hello, Monica."),
        ("MONIKA monikas", ("monika", "Monica"), "Monica monikas"),
        ("our KPIs, please", ("kpis", "Key Performance Indicators"), "our Key Performance Indicators, please"),
        ("New york, new York!", ("new york", "NYC"), "NYC, NYC!"),
        ("a “monika jon” here", ("monika jon", "Monica John"), "a “Monica John” here"),
        ("at acme.", ("acme", "Acme Inc."), "at Acme Inc."),
        ("at acme, now", ("acme", "Acme Inc."), "at Acme Inc., now"),
        ("monika jon monika", ("monika  jon", "x"), "x monika"),
        ("hello", ("...", "x"), "hello"),
        ("hello", ("", "x"), "hello"),
    ],
)
def test_words_are_found_in_any_case_and_replaced_as_requested(said: str, pair: tuple[str, str], becomes: str) -> None:
    assert written(said, pair) == becomes


def test_text_with_a_capital_matches_only_that_case_and_takes_precedence() -> None:
    assert written("ZenDesk zendesk", ("ZenDesk", "Zendesk")) == "Zendesk zendesk"
    pairs = (("it", "the monster"), ("It", "The monster"))
    assert written("It ate it. IT", *pairs) == "The monster ate the monster. the monster"


def test_longer_matches_win_and_then_the_order_of_the_pairs() -> None:
    assert written("new york city", ("new", "old"), ("new york", "NY"), ("york city", "Y")) == "NY city"
    assert written("new", ("new", "old"), ("new", "newer")) == "old"


def test_replacements_are_not_searched_again() -> None:
    assert written("a b", ("a", "b"), ("b", "a")) == "b a"
    assert written("a", ("a", "a a")) == "a a"


@pytest.mark.parametrize(
    ("said", "becomes"),
    [
        ("so, um, yes", "so, yes"),
        ("I think so um.", "I think so."),
        ("I think so, um.", "I think so."),
        ("Is it? Um, yes", "Is it? yes"),
        ("really? um.", "really?"),
        ("um. um", ""),
        ("one um, two", "one, two"),
    ],
)
def test_nothing_deletes_and_the_end_of_a_sentence_stays(said: str, becomes: str) -> None:
    assert written(said, ("um", "")) == becomes


def test_times_are_shared_evenly_and_the_least_confidence_counts() -> None:
    spoken = (Word("Key", 1.0, 1.5, 0.9, 1), Word("perf", 1.5, 2.5, 0.5, 1), Word("done.", 2.5, 3.0, 0.9, 1))
    assert apply_replacements(spoken, [("key perf", "a b c")]) == (
        Word("a", 1.0, 1.5, 0.5, 1),
        Word("b", 1.5, 2.0, 0.5, 1),
        Word("c", 2.0, 2.5, 0.5, 1),
        spoken[2],
    )


_WORD = st.sampled_from(("a", "B", "c,", "d.", "“e”"))


@given(st.lists(_WORD, max_size=12), st.lists(st.tuples(_WORD, st.sampled_from(("", "x", "x y z"))), max_size=4))
def test_words_stay_in_their_order_and_within_their_time(said: list[str], pairs: list[tuple[str, str]]) -> None:
    spoken = words(" ".join(said))
    after = apply_replacements(spoken, pairs)
    assert all(one.end <= other.start + 1e-9 for one, other in itertools.pairwise(after))
    assert all(word.start <= word.end for word in after)
    assert not after or (after[0].start >= 0 and after[-1].end <= spoken[-1].end)
    assert apply_replacements(spoken, ()) == spoken
