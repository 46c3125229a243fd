"""The language that most was spoken in, and how certain it is."""

from __future__ import annotations

import pytest

from caesura.words import DetectedLanguage, LanguageTally


def tally(*votes: tuple[str | None, float | None, int]) -> LanguageTally:
    made = LanguageTally()
    for vote in votes:
        made.add(*vote)
    return made


def test_the_confidence_is_the_mean_over_the_speech_in_that_language_weighted_as_it_was_counted() -> None:
    found = tally(("de", 0.9, 3000), ("en", 0.2, 3500), ("de", 0.5, 1000)).dominant()
    assert found is not None
    assert (found.language, found.confidence) == ("de", pytest.approx(0.8))


def test_speech_without_a_confidence_counts_for_the_language_and_not_for_the_mean() -> None:
    assert tally(("de", None, 5), ("en", 0.9, 4), ("de", 0.4, 1)).dominant() == DetectedLanguage("de", 0.4)
    assert tally(("de", None, 1)).dominant() == DetectedLanguage("de", None)


def test_a_confidence_of_nothing_is_a_confidence() -> None:
    assert tally(("de", 0.0, 1)).dominant() == DetectedLanguage("de", 0.0)


def test_of_two_equal_languages_it_is_the_first() -> None:
    assert tally(("fr", 0.5, 1), ("en", 1.0, 1)).dominant() == DetectedLanguage("fr", 0.5)


def test_there_is_no_language_without_speech_in_one() -> None:
    assert tally().dominant() is None
    assert tally((None, 0.9, 7)).dominant() is None


def test_a_copy_counts_for_itself() -> None:
    made = tally(("fr", 0.5, 1))
    copy = made.copy()
    copy.add("en", 0.9, 2)
    assert copy.dominant() == DetectedLanguage("en", 0.9)
    assert made.dominant() == DetectedLanguage("fr", 0.5)
