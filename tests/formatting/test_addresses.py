"""Spoken e-mail and web addresses and their written form."""

from __future__ import annotations

import pytest

from caesura.formatting.addresses import addresses, incomplete_address_at
from caesura.formatting.amounts import parse_amounts
from tests.spoken_words import words_of


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("mail john at acme dot com", "john@acme.com"),
        ("mail sarah dot lee at gmail dot com", "sarah.lee@gmail.com"),
        ("mail j d forty two at acme dot co dot uk", "jd42@acme.co.uk"),
        ("mail john at acme.com", "john@acme.com"),
        ("mail a underscore b at acme dot org", "a_b@acme.org"),
        ("hello at mybiz dot net", "hello@mybiz.net"),
        ("i met bob at gmail dot com", "bob@gmail.com"),
        ("it is john smith at acme dot com", "johnsmith@acme.com"),
        ("see acme dot com", "acme.com"),
        ("see help dot acme dot io slash a b slash forward", "help.acme.io/ab/forward"),
        ("see w w w dot acme dot com", "www.acme.com"),
        ("see https colon slash slash acme dot com", "https://acme.com"),
        ("see acme dash corp dot com", "acme-corp.com"),
        ("log in at acme dot com", "acme.com"),
        ("she is a developer at acme dot com", "acme.com"),
    ],
)
def test_an_address_is_written(sentence: str, expected: str) -> None:
    assert [found.written_words[0].text for found in addresses(parse_amounts(words_of(sentence)))] == [expected]


@pytest.mark.parametrize(
    "sentence",
    [
        "the dot com bubble",
        "connect the dot",
        "at acme.com",
        "john, at acme, dot com",
        "acme dot nowhere",
        "dot dot dot",
    ],
)
def test_words_that_are_not_an_address_stay(sentence: str) -> None:
    assert addresses(parse_amounts(words_of(sentence))) == []


def test_two_addresses_are_found_in_order() -> None:
    found = addresses(parse_amounts(words_of("mail john at acme dot com or see acme dot org")))
    assert [one.written_words[0].text for one in found] == ["john@acme.com", "acme.org"]


@pytest.mark.parametrize(
    ("sentence", "at"),
    [
        ("mail john at", 1),
        ("mail john at acme", 1),
        ("mail john at acme dot", 1),
        ("mail me at john dot lee at acme dot", 3),
        ("see w w w dot acme dot", 1),
        ("mail john at acme dot com", 6),
        ("look at", 2),
        ("look at me", 3),
    ],
)
def test_an_address_may_still_be_going_on(sentence: str, at: int) -> None:
    assert incomplete_address_at(parse_amounts(words_of(sentence))) == at
