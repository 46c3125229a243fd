"""Numbers from flags and variables."""

from __future__ import annotations

import pytest
import typer

from caesura.cli.numbers import seconds, seconds_above_zero, whole


@pytest.mark.parametrize(
    ("parse", "text", "number"),
    [
        (whole(0, 10), "0", 0),
        (whole(0, 10), "10", 10),
        (whole(1), "123456789", 123456789),
        (seconds(0.3, 60), "0.3", 0.3),
        (seconds(0.3, 60), "60", 60.0),
        (seconds(0), "0", 0.0),
        (seconds_above_zero, "0.001", 0.001),
    ],
)
def test_a_number_within_its_bounds_is_taken(parse: object, text: str, number: float) -> None:
    assert callable(parse)
    assert parse(text) == number


@pytest.mark.parametrize(
    ("parse", "text", "sentence"),
    [
        (whole(0, 10), "11", "11 is not a whole number from 0 to 10."),
        (whole(0, 10), "1.5", "1.5 is not a whole number from 0 to 10."),
        (whole(1), "0", "0 is not a whole number from 1."),
        (seconds(0.3, 60), "0.29", "0.29 is not a number of seconds from 0.3 to 60."),
        (seconds(0.3, 60), "1 s", "1 s is not a number of seconds from 0.3 to 60."),
        (seconds(0), "inf", "inf is not a number of seconds from 0."),
        (seconds(0), "nan", "nan is not a number of seconds from 0."),
        (seconds_above_zero, "0", "0 is not a number of seconds above 0."),
        (seconds_above_zero, "inf", "inf is not a number of seconds above 0."),
    ],
)
def test_any_other_text_is_refused_with_what_would_be_right(parse: object, text: str, sentence: str) -> None:
    assert callable(parse)
    with pytest.raises(typer.BadParameter) as refused:
        parse(text)
    assert str(refused.value) == sentence
