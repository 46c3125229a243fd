"""Card numbers are found by their check digit, or by their length if a digit was misrecognised."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.formatting.cards import card_in, luhn
from caesura.formatting.digit_runs import digit_runs
from tests.formatting.spoken import words


def found(sentence: str) -> str | None:
    (run,) = digit_runs(words(sentence))
    card = card_in(run.groups)
    return None if card is None else " ".join(group.digits for group in run.groups[slice(*card)])


@pytest.mark.parametrize("number", ["4111111111111111", "378282246310005", "5555555555554444", "30569309025904"])
def test_test_numbers_of_the_networks_pass_the_check(number: str) -> None:
    assert luhn(number)
    assert not luhn(number[:-1] + str((int(number[-1]) + 1) % 10))


def test_an_empty_text_has_no_valid_check_digit() -> None:
    assert not luhn("")


@given(st.text("0123456789", min_size=12, max_size=18))
def test_exactly_one_check_digit_fits(digits: str) -> None:
    assert sum(luhn(digits + last) for last in "0123456789") == 1


@pytest.mark.parametrize(
    ("sentence", "card"),
    [
        ("4111 1111 1111 1111", "4111 1111 1111 1111"),
        ("4111111111111111", "4111111111111111"),
        ("4111 1111 1111 1111 123", "4111 1111 1111 1111"),
        ("4111 1111 1111 1111 1227 123", "4111 1111 1111 1111"),
        ("555 123 4567 4111 1111 1111 1111", "4111 1111 1111 1111"),
        ("4111 1111 1111 1112", "4111 1111 1111 1112"),
        ("4111 1111 1111 1113 0928 555", "4111 1111 1111 1113"),
        ("4111 1111 1111 111", "4111 1111 1111 111"),
        ("4111 1111 1111", "4111 1111 1111"),
        ("555 123 4567", None),
        ("411111111111", None),
        ("12345678901234567890123", "12345678901234567890123"),
    ],
)
def test_the_number_is_separated_from_digits_spoken_with_it(sentence: str, card: str | None) -> None:
    assert found(sentence) == card
