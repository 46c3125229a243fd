"""Scoring of diarization against cases counted by hand."""

from __future__ import annotations

import itertools

import pytest
from diarization import (
    Bin,
    DiarizationErrors,
    FoundWord,
    Turn,
    best_assignment,
    by_text,
    by_turns,
    calibration_error,
    cp_word_errors,
    diarization_errors,
    reliability,
    right_speakers,
    turns_of_words,
)
from hypothesis import given
from hypothesis import strategies as st
from scoring import WordErrors

GAINS = st.dictionaries(st.tuples(st.integers(0, 3), st.integers(0, 4)), st.integers(0, 9).map(float), max_size=12)


def said(text: str, speaker: int, start: float = 0.0, end: float = 0.2) -> FoundWord:
    return FoundWord(text, start, end, speaker)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([Turn("7", 0, 10), Turn("3", 10, 20)], DiarizationErrors(20, 0, 0, 0)),
        ([], DiarizationErrors(20, 20, 0, 0)),
        ([Turn("0", 0, 20)], DiarizationErrors(20, 0, 0, 10)),
        ([Turn("0", 0, 12), Turn("1", 12, 20)], DiarizationErrors(20, 0, 0, 2)),
        ([Turn("0", 0, 10), Turn("1", 10, 25)], DiarizationErrors(20, 0, 5, 0)),
        # The second half of A is a third speaker's: no two numbers stand for one person.
        ([Turn("0", 0, 6), Turn("2", 6, 10), Turn("1", 10, 20)], DiarizationErrors(20, 0, 0, 4)),
        ([Turn("0", 0, 10), Turn("1", 5, 20)], DiarizationErrors(20, 0, 5, 0)),
    ],
)
def test_missed_false_and_confused_seconds_are_counted(found: list[Turn], expected: DiarizationErrors) -> None:
    assert diarization_errors([Turn("A", 0, 10), Turn("B", 10, 20)], found) == expected


def test_in_an_overlap_each_person_counts_and_the_second_one_is_missed() -> None:
    reference = [Turn("A", 0, 10), Turn("B", 6, 12)]
    found = [Turn("0", 0, 10), Turn("1", 10, 12)]
    assert diarization_errors(reference, found) == DiarizationErrors(16, 4, 0, 0)
    assert diarization_errors(reference, found, overlap=False) == DiarizationErrors(8, 0, 0, 0)


def test_a_collar_leaves_out_what_is_near_an_edge_of_the_reference() -> None:
    reference = [Turn("A", 1, 4), Turn("B", 6, 9)]
    found = [Turn("0", 0.5, 4.5), Turn("1", 6, 8.5)]
    assert diarization_errors(reference, found) == DiarizationErrors(6, 0.5, 1, 0)
    # 0.25 s on both sides of 1, 4, 6 and 9: speech of 2.5 + 2.5 s, false alarms of 0.25 + 0.25 s.
    assert diarization_errors(reference, found, collar_s=0.25) == DiarizationErrors(5, 0.25, 0.5, 0)


def test_turns_of_one_person_that_touch_have_no_edge_between_them() -> None:
    whole, parts = [Turn("A", 0, 4)], [Turn("A", 0, 2), Turn("A", 2, 3), Turn("A", 2.5, 4)]
    for collar_s in (0.0, 0.25):
        assert diarization_errors(parts, whole, collar_s=collar_s) == DiarizationErrors(4 - 2 * collar_s, 0, 0, 0)


def test_errors_add_up_and_are_shares_of_the_speech() -> None:
    total = DiarizationErrors(10, 1, 2, 3) + DiarizationErrors(10, 0, 0, 2)
    assert total == DiarizationErrors(20, 1, 2, 5)
    assert total.percent == 40
    assert total.share(total.confused_s) == 25


@given(GAINS)
def test_no_other_assignment_gains_more(gains: dict[tuple[int, int], float]) -> None:
    matched = best_assignment(gains)
    assert len(set(matched.values())) == len(matched)
    gain = sum(gains[pair] for pair in matched.items())
    numbers = [0, 1, 2, 3, 4, None, None, None]
    assert gain == max(
        sum(gains.get((person, number), 0.0) for person, number in enumerate(chosen) if number is not None)
        for chosen in set(itertools.permutations(numbers, 4))
    )


def test_words_of_a_speaker_with_short_pauses_are_one_turn() -> None:
    words = [said("a", 0, 0, 1), said("b", 1, 1, 1.2), said("c", 0, 1.4, 2), said("d", 0, 2.6, 3)]
    assert sorted(turns_of_words(words), key=lambda turn: turn.start) == [
        Turn("0", 0, 2),
        Turn("1", 1, 1.2),
        Turn("0", 2.6, 3),
    ]


def test_words_of_each_speaker_are_compared_in_the_best_matching() -> None:
    reference = {"Ann": "good morning", "Bob": "how are you"}
    assert cp_word_errors(reference, {0: "how are you", 4: "Good morning!"}) == WordErrors(5)
    # "how" is one of Ann's: an insertion with her, a deletion with him.
    assert cp_word_errors(reference, {0: "good morning how", 1: "are you"}) == WordErrors(5, 1, 0, 1)
    assert cp_word_errors(reference, {0: "how are you"}) == WordErrors(5, 2, 0, 0)
    assert cp_word_errors(reference, {0: "how are you", 1: "good morning", 2: "well now"}) == WordErrors(5, 0, 0, 2)


def test_a_word_is_judged_where_exactly_one_person_speaks() -> None:
    turns = [Turn("A", 0, 2), Turn("B", 1, 3)]
    words = [said("a", 0, 0.4, 0.6), said("b", 0, 1.4, 1.6), said("c", 1, 2.4, 2.6), said("d", 1, 5, 6)]
    assert [(person, word.text) for person, word in by_turns(words, turns)] == [("A", "a"), ("B", "c")]


def test_correct_words_have_the_speaker_of_the_text_they_are_aligned_with() -> None:
    spoken = [("Ann", "Where is it?"), ("Bob", "Here it is.")]
    words = [said("Where", 0), said("was", 0), said("it", 0), said("here,", 0), said("it", 1), said("is", 1)]
    judged = by_text(words, spoken)
    assert [(person, word.text) for person, word in judged] == [
        ("Ann", "Where"),
        ("Ann", "it"),
        ("Bob", "here,"),
        ("Bob", "it"),
        ("Bob", "is"),
    ]
    assert right_speakers(judged) == [True, True, False, True, True]


def test_confidence_is_compared_with_the_share_that_is_right() -> None:
    judged = [(0.5, True), (0.5625, False), (0.9375, True), (1.0, True)]
    assert reliability(judged) == [Bin(0.5, 0.6, 2, 0.53125, 0.5), Bin(0.9, 1.0, 2, 0.96875, 1.0)]
    assert calibration_error(judged) == 0.03125
