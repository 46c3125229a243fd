"""Queries are found although they were misrecognised, with the similarity as confidence."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.events import Hit, Search
from caesura.formatting.redaction import find_pii, redact
from caesura.formatting.searching import FLOOR, MOST_HITS, search_words
from caesura.words import Word
from tests.formatting.spoken import words


def hits(said: str, query: str) -> tuple[Hit, ...]:
    (search,) = search_words(words(said), [query])
    assert search.query == query
    return search.hits


def test_a_hit_has_its_times_and_its_text() -> None:
    assert hits("This is Social Epistemology, right?", "social epistemology") == (
        Hit(1.0, 1.0, 2.0, "social epistemology"),
    )


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("Deepgram", "deep gram"),
        ("epistemology", "epi stem ology"),
        ("kubernetes", "cooper netties"),
        ("acetaminophen", "a seat of menu fen"),
        ("pneumonia", "new monia"),
        ("Catherine", "Kathryn"),
        ("thank you for calling", "thanks for calling"),
        ("café olé", "cafe ole"),
        ("Straße", "strasse"),
        ("order 66", "order 66"),
        ("привет мир", "Привет, мир!"),
    ],
)
def test_misrecognised_words_are_found(query: str, said: str) -> None:
    found = hits(f"and then we said {said} to all of them", query)
    assert found[0].confidence > 0.4
    assert found[0].start < (4 + len(said.split())) * 0.5
    assert found[0].end > 2.0


def test_the_nearer_the_surer() -> None:
    found = hits("hailey, failed and hailee", "hailee")
    assert [hit.snippet for hit in found] == ["hailee", "hailey", "failed"]
    assert found[0].confidence == 1.0
    assert found[1].confidence > 0.5 > found[2].confidence


def test_other_words_are_no_hit() -> None:
    assert hits("we had a very nice lunch with all of our friends", "epistemology") == ()


def test_a_few_sounds_are_not_enough_for_a_hit() -> None:
    assert hits("a cap of copy", "kpi") == ()


def test_there_is_a_search_for_each_query_in_its_order() -> None:
    assert search_words(words("good day"), ["night", "day", "night"]) == (
        Search("night", ()),
        Search("day", (Hit(1.0, 0.5, 1.0, "day"),)),
        Search("night", ()),
    )
    assert search_words((), ["day"]) == (Search("day", ()),)
    assert search_words(words("good day"), []) == ()
    assert hits("good day - day", " - ") == ()


def test_there_are_only_so_many_hits() -> None:
    assert len(hits("banana " * (MOST_HITS + 5), "banana")) == MOST_HITS


def test_no_secret_and_no_masked_word_is_found() -> None:
    spoken = words("my card is 4111 1111 1111 1111 thanks")
    hidden = redact(spoken, find_pii(spoken, ["pci"]))
    assert search_words(hidden, ["4111111111111111", "1111", "credit card 1"]) == (
        Search("4111111111111111", ()),
        Search("1111", ()),
        Search("credit card 1", ()),
    )
    assert hits("**** that", "fuck") == ()


@given(
    st.lists(st.sampled_from(("knight", "night,", "Deep", "gram.", "deepgram", "a", "…", "****")), max_size=20),
    st.lists(st.text(max_size=12), max_size=4),
)
def test_hits_do_not_overlap_and_are_sorted_by_confidence(said: list[str], queries: list[str]) -> None:
    spoken: tuple[Word, ...] = words(" ".join(said))
    for search in search_words(spoken, [*queries, "deepgram", "night"]):
        assert all(FLOOR <= hit.confidence <= 1 and hit.start < hit.end for hit in search.hits)
        assert all(one.confidence >= other.confidence for one, other in itertools.pairwise(search.hits))
        placed = sorted(search.hits, key=lambda hit: hit.start)
        assert all(one.end <= other.start for one, other in itertools.pairwise(placed))
