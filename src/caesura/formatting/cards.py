"""Finds the payment card number in a run of digit groups, by length and check digit."""

from __future__ import annotations

from collections.abc import Sequence

from caesura.formatting.digit_runs import DigitGroup

SHORTEST = 13
LONGEST = 19
"""Digits of a card number (ISO/IEC 7812-1 allows fewer, but no network issues them)."""
_LENGTHS = (16, 15, 19, 18, 17, 14, 13)
"""Lengths of card numbers, the commonest first: if several fit, the first of them is chosen."""


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (Luhn; ISO/IEC 7812-1, annex B)."""
    doubled = (int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(digits)))
    return bool(digits) and sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def card_in(groups: Sequence[DigitGroup]) -> tuple[int, int] | None:
    """Find the groups (first, last exclusive) of the card number; None where there are too few digits for one.

    Digits that pass the check are preferred, but others are not released: a single misrecognised digit fails the check,
    and the rest is still a secret. So if nothing passes, the result is all groups, or, if they are longer than a card
    number, the first stretch with the length of one. Three groups of four are a number whose end was lost.
    """
    length = sum(len(group.digits) for group in groups)
    if length < SHORTEST:
        return (0, len(groups)) if _in_fours(groups) else None
    spans = _spans(groups)
    for first, last in spans:
        if (first == 0 or length > LONGEST) and luhn("".join(group.digits for group in groups[first:last])):
            return first, last
    return spans[0] if spans and length > LONGEST else (0, len(groups))


def _spans(groups: Sequence[DigitGroup]) -> list[tuple[int, int]]:
    """All stretches of groups with as many digits as a card number, the likeliest first."""
    ends: list[dict[int, int]] = []
    for first in range(len(groups)):
        length = 0
        reached: dict[int, int] = {}
        for last in range(first, len(groups)):
            length += len(groups[last].digits)
            if length > LONGEST:
                break
            reached[length] = last + 1
        ends.append(reached)
    return [(first, reached[length]) for length in _LENGTHS for first, reached in enumerate(ends) if length in reached]


def _in_fours(groups: Sequence[DigitGroup]) -> bool:
    fours = [len(group.digits) == 4 for group in groups]
    return any(all(fours[at : at + 3]) for at in range(len(fours) - 2))
