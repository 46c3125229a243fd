"""Profane words are masked letter by letter, and no others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.formatting.profanity import mask_profanity
from caesura.words import Word, raw
from tests.formatting.spoken import sentence, words


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("Fuck you, you fucking asshole!", "**** you, you ******* *******!"),
        ("This shit's bullshit.", "This ****'s ********."),
        ("SHITTY, bull-shit", "******, bull-****"),
        ("“Motherfuckers” fuckin' whores", "“*************” ******' ******"),
        ("don't be a dick.", "don't be a ****."),
        ("abso-fucking-lutely", "abso-*******-lutely"),
    ],
)
def test_profane_words_are_asterisks(said: str, written: str) -> None:
    assert sentence(mask_profanity(words(said))) == written


@pytest.mark.parametrize(
    "said",
    [
        "The bass class from Scunthorpe and Sussex assessed cocktails, peacocks and hancocks",
        "Dick Cheney read Moby Dick",
        "damn hell, my balls of wool",
        "a shiitake mushroom in Penistone, Matsushita and mishit",
        "the titmouse's title, cockpit and pussycat",
        "anal cancer, vagina, breast, sex education and a lesbian",
        "[CREDIT_CARD_1] 555",
        "",
    ],
)
def test_words_with_profane_letters_in_them_stay(said: str) -> None:
    assert sentence(mask_profanity(words(said))) == said


def test_only_the_text_changes() -> None:
    assert mask_profanity([Word("Shit,", 1.0, 1.5, 0.5, 2)]) == (Word("****,", 1.0, 1.5, 0.5, 2),)


def test_a_masked_word_is_still_a_word() -> None:
    (word,) = mask_profanity(words("shit."))
    assert raw(word.text) == "****"


@given(st.lists(st.text(max_size=12), max_size=8))
def test_lengths_stay_and_masking_again_changes_nothing(texts: list[str]) -> None:
    said = words(" ".join(texts))
    once = mask_profanity(said)
    assert [len(word.text) for word in once] == [len(word.text) for word in said]
    assert mask_profanity(once) == once
