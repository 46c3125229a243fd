"""Digit runs: digits are recognised however they are written or spoken, and are joined if they were spoken together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.formatting.digit_runs import MOST_JOINERS, digit_runs
from caesura.formatting.spoken_tokens import digits_of
from tests.formatting.spoken import words


def counted(sentence: str) -> list[str]:
    return [run.digits for run in digit_runs(words(sentence))]


def dictated(sentence: str) -> list[str]:
    return [run.digits for run in digit_runs(words(sentence), loosely=True)]


@pytest.mark.parametrize(
    ("sentence", "digits"),
    [
        ("4111 1111", ["41111111"]),
        ("123-45-6789.", ["123456789"]),
        ("$25, 12/27 and", ["251227"]),
        ("call me", []),
        ("", []),
        ("A4 paper", ["4"]),
        ("one two three", ["123"]),
        ("forty one eleven", ["4111"]),
        ("forty-one", ["41"]),
        ("twenty zero", ["200"]),
        ("one-two-three", ["123"]),
        ("five hundred and five", ["5005"]),
        ("a hundred", ["100"]),
        ("double seven triple nine double oh", ["7799900"]),
        ("double trouble", []),
        ("four oh oh two", ["4002"]),
        ("oh four", ["04"]),
        ("Oh, four", ["4"]),
        ("four. Oh no", ["4"]),
        ("oh my", []),
        ("oh-oh", []),
        ("No-one", []),
        ("4 uh 1 dash 1", ["411"]),
        ("4 and 1", ["4", "1"]),
        ("4 people 1", ["4", "1"]),
        ("4 - 1", ["41"]),
        ("five- triple- four", ["5444"]),
        ("double one-two", ["112"]),
        ("twenty-first", []),
        ("five uh, oh", ["50"]),
        ("[SSN_1] 4", ["4"]),
    ],
)
def test_digits_in_a_row_are_one_run(sentence: str, digits: list[str]) -> None:
    assert counted(sentence) == digits


@pytest.mark.parametrize("written", ["٤١١١", "\uff14\uff11\uff11\uff11", "४१११", "④①①①", "⁴¹¹¹"])
def test_digits_of_every_script_count(written: str) -> None:
    assert digits_of(written) == "4111"
    assert counted(written) == ["4111"]


@pytest.mark.parametrize(
    ("sentence", "digits"),
    [
        ("4111, okay, 1111 and then 1111", ["411111111111"]),
        ("4 1 for 2", ["4142"]),
        ("four ate four", ["484"]),
        ("10:30 for $25", ["1030", "25"]),
        ("4111 is his 1111", ["4111", "1111"]),
        ("4111 to go", ["4111"]),
    ],
)
def test_loosely_other_words_may_stand_between_digits(sentence: str, digits: list[str]) -> None:
    assert dictated(sentence) == digits


def test_only_so_many_words_may_stand_between_two_groups() -> None:
    assert dictated("4 " + "okay " * MOST_JOINERS + "1") == ["41"]
    assert dictated("4 " + "okay " * (MOST_JOINERS + 1) + "1") == ["4", "1"]


def test_a_run_has_the_words_of_each_group() -> None:
    (run,) = digit_runs(words("it is double four uh forty one now"))
    assert [(group.first, group.last, group.digits) for group in run.groups] == [(2, 4, "44"), (5, 7, "41")]
    assert (run.first, run.last) == (2, 7)


@given(st.lists(st.text(max_size=6), max_size=12))
def test_every_written_digit_is_in_a_run(texts: list[str]) -> None:
    said = words(" ".join(texts))
    found = digit_runs(said)
    covered = {at for run in found for group in run.groups for at in range(group.first, group.last)}
    for at, word in enumerate(said):
        assert at in covered or not digits_of(word.text)
    assert [run.first for run in found] == sorted(run.first for run in found)
