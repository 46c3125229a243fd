"""Tokens in, what the words around a number say it is out: tables of English words, nearest first."""

from __future__ import annotations

from caesura.formatting.parsed_words import Reading
from caesura.formatting.spoken_tokens import word_set

IDS = word_set(
    "account accounts reference ref order tracking confirmation invoice policy member membership id code routing card "
    "visa mastercard amex case ticket serial license licence vin pin passcode password prescription claim booking "
    "reservation zip zipcode postcode cvv cvc code's part model employee student patient record isbn sku "
    "identification"
)
"""What follows is an identifier: digits without a value."""
SOCIAL = frozenset({"social", "ssn"})
PHONES = word_set(
    "phone telephone call cell cellphone mobile fax dial text landline callback whatsapp reach contact line hotline tel"
)
_PLAIN = frozenset({"number", "numbers", "digits"})
PLACES = word_set(
    "suite apartment apt room unit building gate flight exit route highway interstate extension ext box channel bus "
    "train floor platform"
)
"""A number directly after one of these is a name."""
STREETS = word_set(
    "street st avenue ave road rd lane ln drive dr boulevard blvd court ct place way square terrace parkway highway "
    "broadway circle"
)
REACH = 10
"""So many tokens back a word still says what a number is."""


def identifier(reading: Reading, at: int) -> frozenset[str] | None:
    """Which of IDS, SOCIAL and PHONES the words before the token there name, the nearest first; None: nothing."""
    plain = False
    for word in reading.before(at, REACH):
        for named in (IDS, SOCIAL, PHONES):
            if word in named:
                return named
        plain = plain or word in _PLAIN
    return _PLAIN if plain else None


def street(reading: Reading, at: int) -> bool:
    """Whether a street's name follows from there."""
    for k in range(at, min(at + 4, reading.size)):
        if reading.stopped(k) and k > at:
            return False
        if reading.text(k) in STREETS and (k > at or reading.text(k) == "broadway"):
            return True
    return False
