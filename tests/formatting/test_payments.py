"""Card numbers, expiration dates and security codes are found by their form, and by the words around them."""

from __future__ import annotations

import pytest

from caesura.formatting.redaction import find_pii, redact
from tests.formatting.spoken import sentence, words


def written(said: str) -> str:
    spoken = words(said)
    return sentence(redact(spoken, find_pii(spoken, ["pci"])))


@pytest.mark.parametrize(
    ("said", "hidden"),
    [
        ("It's 4111 1111 1111 1111.", "It's [CREDIT_CARD_1]."),
        ("4111111111111111 it is", "[CREDIT_CARD_1] it is"),
        ("4,111,111,111,111,111", "[CREDIT_CARD_1]"),
        ("4111 1111 1111 1112", "[CREDIT_CARD_1]"),
        ("My card is 4111 1111", "My card is [CREDIT_CARD_1]"),
        ("A card ending in 4242, please", "A card ending in [CREDIT_CARD_1], please"),
        ("4242 is my card", "[CREDIT_CARD_1] is my card"),
        ("4111 she said 1111 I think 1111 and finally 1111", " she said I think and finally "),
        (
            "4444 9999 3333 2222 with an expiration date of 1 23 and the CVV code is 111.",
            "[CREDIT_CARD_1] with an expiration date of [CREDIT_CARD_EXPIRATION_1] and the CVV code is [CVV_1].",
        ),
        ("4111 1111 1111 1111 12/27 123", "[CREDIT_CARD_1] [CREDIT_CARD_EXPIRATION_1] [CVV_1]"),
        ("4111 1111 1111 1111, December 2027, 123.", "[CREDIT_CARD_1], [CREDIT_CARD_EXPIRATION_1], [CVV_1]."),
        (
            "4111 1111 1111 1111 and that is 12/27 with 123",
            "[CREDIT_CARD_1] and that is [CREDIT_CARD_EXPIRATION_1] with [CVV_1]",
        ),
        ("It expires in December of 2027", "It expires in [CREDIT_CARD_EXPIRATION_1]"),
        ("Expires December.", "Expires [CREDIT_CARD_EXPIRATION_1]."),
        ("12/27 is the expiration", "[CREDIT_CARD_EXPIRATION_1] is the expiration"),
        ("The security code: 12 3", "The security code: [CVV_1]"),
        ("1234 is the CVV", "[CVV_1] is the CVV"),
    ],
)
def test_data_of_a_card_are_hidden(said: str, hidden: str) -> None:
    if "_1]" in hidden:
        assert written(said) == hidden
    else:
        assert not any(char.isdigit() for char in written(said).replace("_1]", "").replace("_2]", ""))


@pytest.mark.parametrize(
    "said",
    [
        "Call 555-123-4567",
        "I paid $2500 by card",
        "I paid 2500 dollars by card",
        "In 2019 there were 1500 of them and 20 more",
        "The code is 123",
        "My social security number is 123-45-6789",
        "It expires soon",
        "Meet me on January 5",
    ],
)
def test_other_digits_stay(said: str) -> None:
    assert written(said) == said
