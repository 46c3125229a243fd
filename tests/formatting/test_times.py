from __future__ import annotations

import pytest

from caesura.formatting.amounts import read
from caesura.formatting.spans import Kind, span
from caesura.formatting.times import time
from tests.saying import say


@pytest.mark.parametrize(
    ("sentence", "at", "written", "kind"),
    [
        ("eight thirty seven pm", 0, "8:37 PM", Kind.TIME),
        ("five p m", 0, "5 PM", Kind.TIME),
        ("twelve oh five a.m.", 0, "12:05 AM", Kind.TIME),
        ("10:30 p.m.", 0, "10:30 PM", Kind.TIME),
        ("at three thirty", 1, "3:30", Kind.HOUR),
        ("by 3 30", 1, "3:30", Kind.HOUR),
        ("five o'clock", 0, "5 o'clock", Kind.TIME),
    ],
)
def test_a_clock_time_is_written(sentence: str, at: int, written: str, kind: Kind) -> None:
    found = time(read(say(sentence)), at, None)
    assert found is not None
    assert (" ".join(piece.text for piece in found.pieces), found.kind) == (written, kind)


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
def test_what_is_no_time_is_left(sentence: str) -> None:
    assert time(read(say(sentence)), 1, None) is None


def test_a_time_without_a_word_that_awaits_one_is_left() -> None:
    assert time(read(say("costs three thirty")), 1, None) is None


def test_a_time_goes_on_after_a_time() -> None:
    reading = read(say("from two thirty to three fifteen"))
    assert time(reading, 4, None) is None
    assert time(reading, 4, span(Kind.HOUR, 1, 3, "2:30")) is not None
