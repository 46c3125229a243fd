"""Spoken clock times."""

from __future__ import annotations

import pytest

from caesura.formatting.amounts import parse_amounts
from caesura.formatting.rendering import EntityKind, entity
from caesura.formatting.times import time
from tests.spoken_words import words_of


@pytest.mark.parametrize(
    ("sentence", "at", "written", "kind"),
    [
        ("eight thirty seven pm", 0, "8:37 PM", EntityKind.TIME),
        ("five p m", 0, "5 PM", EntityKind.TIME),
        ("twelve oh five a.m.", 0, "12:05 AM", EntityKind.TIME),
        ("10:30 p.m.", 0, "10:30 PM", EntityKind.TIME),
        ("at three thirty", 1, "3:30", EntityKind.HOUR),
        ("by 3 30", 1, "3:30", EntityKind.HOUR),
        ("five o'clock", 0, "5 o'clock", EntityKind.TIME),
    ],
)
def test_a_clock_time_is_written(sentence: str, at: int, written: str, kind: EntityKind) -> None:
    found = time(parse_amounts(words_of(sentence)), at, None)
    assert found is not None
    assert (" ".join(piece.text for piece in found.written_words), found.kind) == (written, kind)


@pytest.mark.parametrize(
    "sentence",
    [
        "at three",
        "at thirteen thirty",
        "at three sixty five",
        "at five fifteen Main Street",
        "at five fifteen dollars",
        "at five fifteen twenty",
        "at fifth fifteen",
        "at 10:30",
        "at five, fifteen",
    ],
)
def test_words_that_are_not_a_time_stay(sentence: str) -> None:
    assert time(parse_amounts(words_of(sentence)), 1, None) is None


def test_a_time_without_a_word_that_awaits_one_is_left() -> None:
    assert time(parse_amounts(words_of("costs three thirty")), 1, None) is None


def test_a_time_may_follow_a_time() -> None:
    parsed = parse_amounts(words_of("from two thirty to three fifteen"))
    assert time(parsed, 4, None) is None
    assert time(parsed, 4, entity(EntityKind.HOUR, 1, 3, "2:30")) is not None
