"""Classifies a number by the English words around it: identifier, telephone number, street, or place."""

from __future__ import annotations

from caesura.formatting.parsed_words import ParsedWords
from caesura.formatting.spoken_tokens import word_set

IDS = word_set(
    "account accounts reference ref order tracking confirmation invoice policy member membership id code routing card "
    "visa mastercard amex case ticket serial license licence vin pin passcode password prescription claim booking "
    "reservation zip zipcode postcode cvv cvc code's part model employee student patient record isbn sku "
    "identification"
)
"""Words that announce an identifier, which is digits without a numeric value."""
SOCIAL = frozenset({"social", "ssn"})
PHONES = word_set(
    "phone telephone call cell cellphone mobile fax dial text landline callback whatsapp reach contact line hotline tel"
)
_PLAIN = frozenset({"number", "numbers", "digits"})
PLACES = word_set(
    "suite apartment apt room unit building gate flight exit route highway interstate extension ext box channel bus "
    "train floor platform"
)
"""Words directly before a number that serves as a name."""
STREETS = word_set(
    "street st avenue ave road rd lane ln drive dr boulevard blvd court ct place way square terrace parkway highway "
    "broadway circle"
)
REACH = 10
"""Largest distance, in tokens, from a number to a word that classifies it."""


def identifier(parsed: ParsedWords, at: int) -> frozenset[str] | None:
    """Which of IDS, SOCIAL and PHONES has the nearest word before the token at `at`; None if there is none."""
    plain = False
    for word in parsed.preceding(at, REACH):
        for named in (IDS, SOCIAL, PHONES):
            if word in named:
                return named
        plain = plain or word in _PLAIN
    return _PLAIN if plain else None


def street(parsed: ParsedWords, at: int) -> bool:
    """Whether the name of a street begins at `at`."""
    for k in range(at, min(at + 4, parsed.size)):
        if parsed.break_before(k) and k > at:
            return False
        if parsed.text(k) in STREETS and (k > at or parsed.text(k) == "broadway"):
            return True
    return False
