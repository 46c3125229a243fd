from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scoring import (
    FEWEST_RECORDINGS,
    WordErrors,
    difference_interval,
    error_interval,
    normalize,
    start_errors,
    word_errors,
)

TEXTS = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Zs"]), max_size=80)
SCORES = st.lists(
    st.builds(WordErrors, st.integers(1, 50), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
    min_size=FEWEST_RECORDINGS,
    max_size=20,
)


@pytest.mark.parametrize(
    ("written", "other"),
    [
        ("Let's go, it's late!", "let us go it is late"),
        ("I won't, I can't.", "i will not i can not"),
        ("The colour of the theatre", "the color of the theater"),
        ("Um, yes, uh, Mr. Smith", "yes mister smith"),
        ("press one two three", "Press 1, 2, 3."),
        ("one hundred twenty-three", "123"),
        ("zero", "0"),
        ("at nine o'clock", "At 9 o\u2019clock"),
        ("O.K. then", "okay then"),
    ],
)
def test_spellings_of_the_same_words_are_equal(written: str, other: str) -> None:
    assert normalize(written) == normalize(other)


def test_numbers_count_digit_by_digit() -> None:
    assert normalize("In 1984, twenty five") == ["in", "1", "9", "8", "4", "2", "5"]


def test_other_languages_lose_only_case_and_punctuation() -> None:
    assert normalize("Die Größe, um 268!", "de") == ["die", "größe", "um", "2", "6", "8"]


def test_languages_without_blanks_are_compared_by_character() -> None:
    assert normalize("完成后。将", "zh") == ["完", "成", "后", "将"]


@pytest.mark.parametrize(
    ("reference", "transcript", "errors"),
    [
        ("the cat sat", "the cat sat", WordErrors(3)),
        ("the cat sat", "the sat", WordErrors(3, deletions=1)),
        ("the cat sat", "the hat sat", WordErrors(3, substitutions=1)),
        ("the cat sat", "the cat sat down", WordErrors(3, insertions=1)),
        ("a b c d e", "x b d e f", WordErrors(5, deletions=1, substitutions=1, insertions=1)),
        ("the cat sat", "", WordErrors(3, deletions=3)),
        ("", "thank you", WordErrors(insertions=2)),
        ("Um.", "", WordErrors()),
    ],
)
def test_errors_are_counted_by_kind(reference: str, transcript: str, errors: WordErrors) -> None:
    assert word_errors(reference, transcript) == errors


@given(TEXTS)
def test_a_text_has_no_errors_against_itself(text: str) -> None:
    assert word_errors(text, text).total == 0


@given(TEXTS, TEXTS)
def test_hits_and_errors_add_up_to_both_lengths(reference: str, transcript: str) -> None:
    errors = word_errors(reference, transcript)
    assert errors.words == len(normalize(reference))
    assert errors.words - errors.deletions + errors.insertions == len(normalize(transcript))


def test_the_error_rate_of_several_recordings_is_weighted_by_words() -> None:
    assert (WordErrors(1, deletions=1) + WordErrors(3)).percent == 25.0


# ---- intervals ----


@given(SCORES, st.integers(0, 5))
def test_an_interval_contains_the_estimate(scores: list[WordErrors], seed: int) -> None:
    interval = error_interval(scores, seed=seed)
    assert interval is not None
    assert interval.low <= sum(scores, WordErrors()).percent <= interval.high


@given(SCORES)
def test_an_interval_repeats_with_its_seed(scores: list[WordErrors]) -> None:
    assert error_interval(scores, seed=3) == error_interval(scores, seed=3)


def test_an_interval_narrows_with_more_recordings() -> None:
    few = [WordErrors(10, deletions=at % 2) for at in range(6)]
    narrow, wide = error_interval(few * 20), error_interval(few)
    assert narrow is not None
    assert wide is not None
    assert narrow.high - narrow.low < (wide.high - wide.low) / 2


def test_too_few_recordings_have_no_interval() -> None:
    assert error_interval([WordErrors(100, deletions=3)] * (FEWEST_RECORDINGS - 1)) is None


def test_the_same_errors_on_both_paths_leave_no_difference() -> None:
    """Recordings are resampled in pairs, so that hard ones do not widen the interval."""
    scores = [WordErrors(10, substitutions=at) for at in range(10)]
    interval = difference_interval(scores, scores)
    assert interval is not None
    assert (interval.low, interval.high) == (0.0, 0.0)


# ---- word starts ----


def test_starts_of_words_in_common_are_compared() -> None:
    reference = [("the", 0.0), ("cat", 0.5), ("sat", 1.0)]
    transcript = [("The", 0.1), ("hat", 0.6), ("sat.", 0.8)]
    assert start_errors(reference, transcript) == pytest.approx([0.1, 0.2])


def test_without_times_there_are_no_start_errors() -> None:
    assert start_errors([], [("the", 0.1)]) == []
