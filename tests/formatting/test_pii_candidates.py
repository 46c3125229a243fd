"""Social security numbers and plain numbers are found, and digits that continue beyond a message."""

from __future__ import annotations

import pytest

from caesura.formatting.pii_candidates import (
    PiiMessage,
    continued_number,
    incomplete_card,
    incomplete_number,
    incomplete_ssn,
    plain_numbers,
    social_security_numbers,
)
from tests.formatting.spoken import words


def parts(said: str, candidates: object) -> set[tuple[str, str]]:
    spoken = words(said)
    return {
        (" ".join(word.text for word in spoken[candidate.first : candidate.last]), candidate.label)
        for candidate in candidates  # type: ignore[attr-defined]
    }


@pytest.mark.parametrize(
    ("said", "hidden"),
    [
        ("it is 123-45-6789", {"123-45-6789"}),
        ("it is 123 45 6789", {"123 45 6789"}),
        ("123456789", {"123456789"}),
        ("1 2 3 4 5 6 7 8 9", {"1 2 3 4 5 6 7 8 9"}),
        ("555 123 45 6789", {"123 45 6789"}),
        ("ref:123-45-6789", {"ref:123-45-6789"}),
        ("last four of my social are 6789", {"6789"}),
        ("social is 123 um let me see 45 and that is 6789", {"123", "45", "6789"}),
        ("6789 is my social", {"6789"}),
        ("555 123 4567", set()),
        ("my social security pays $1200", set()),
        ("social media in 2015", set()),
    ],
)
def test_social_security_numbers(said: str, hidden: set[str]) -> None:
    assert parts(said, social_security_numbers(PiiMessage(words(said)))) == {(text, "SSN") for text in hidden}


def test_an_announced_number_ends_when_it_is_complete() -> None:
    said = "my social is 123-45-6789 and I am from 90210"
    assert parts(said, social_security_numbers(PiiMessage(words(said)))) == {("123-45-6789", "SSN")}


@pytest.mark.parametrize(
    ("said", "least", "hidden"),
    [
        ("25 and 125", 3, {("125", "REDACTED")}),
        ("25 or 1 is one", 1, {("25", "REDACTED"), ("1", "REDACTED"), ("one", "REDACTED")}),
        ("this one or one of them and no one", 1, set()),
        ("call 555-123-4567", 3, {("555-123-4567", "PHONE_NUMBER")}),
        ("call +442079460958", 3, {("+442079460958", "PHONE_NUMBER")}),
        ("call 1 800 555 1234", 3, {("1 800 555 1234", "PHONE_NUMBER")}),
        ("call 555-1234", 3, {("555-1234", "PHONE_NUMBER")}),
        ("5551234", 3, {("5551234", "REDACTED")}),
        ("on January 5", 3, {("January 5", "DATE")}),
    ],
)
def test_numbers(said: str, least: int, hidden: set[tuple[str, str]]) -> None:
    assert parts(said, plain_numbers(PiiMessage(words(said)), least)) == hidden


@pytest.mark.parametrize(
    ("said", "begun"),
    [
        ("I have 3 and 4111 11", {"3 and 4111 11"}),
        ("4111 okay", {"4111"}),
        ("4111 for", {"4111 for"}),
        ("I have 3 dogs", set()),
    ],
)
def test_digits_at_the_end_may_go_on(said: str, begun: set[str]) -> None:
    assert parts(said, incomplete_number(PiiMessage(words(said)))) == {(text, "REDACTED") for text in begun}


@pytest.mark.parametrize(
    ("said", "begun"),
    [
        ("it is 4111", {"4111"}),
        ("it is 4111 1111.", {"4111 1111."}),
        ("it is four one one one", {"four one one one"}),
        ("it is 4 1 1", set()),
        ("in 2024.", set()),
        ("at 10:30.", set()),
        ("for $1500", set()),
        ("call 555-123-4567", set()),
        ("4111 it is", set()),
    ],
)
def test_groups_at_the_end_may_begin_a_card_number(said: str, begun: set[str]) -> None:
    assert parts(said, incomplete_card(PiiMessage(words(said)))) == {(text, "REDACTED") for text in begun}


@pytest.mark.parametrize(("said", "begun"), [("it is 123 45", {"123 45"}), ("it is 123", set()), ("45", set())])
def test_groups_at_the_end_may_begin_a_social_security_number(said: str, begun: set[str]) -> None:
    assert parts(said, incomplete_ssn(PiiMessage(words(said)))) == {(text, "REDACTED") for text in begun}


def test_digits_continue_over_a_boundary() -> None:
    message = PiiMessage(words("it is 4111 111 1 he said"))
    assert [(candidate.first, candidate.last) for candidate in continued_number(message, 4, 7)] == [(2, 5)]
    assert not list(continued_number(message, 2, 7))
    assert not list(continued_number(message, 5, 7))
    assert not list(continued_number(message, 4, 9))
