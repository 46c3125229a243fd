"""Tokens in, codes of letters and digits out: `one z five seven a two b` after `tracking number` is `1Z57A2B`."""

from __future__ import annotations

from caesura.formatting.context import IDS, identifier
from caesura.formatting.parsed_words import Reading
from caesura.formatting.spans import Kind, Span, span

_SHORTEST = 4


def code(reading: Reading, at: int) -> Span | None:
    """The code that begins there: a letter and two digits at least, where the words before lead one to expect it."""
    if not _part(reading, at) or (at > 0 and _part(reading, at - 1) and not reading.stopped(at)):
        return None
    if identifier(reading, at) is not IDS:
        return None
    parts: list[tuple[int, int, str]] = []
    while at < reading.size and (part := _part(reading, at)):
        if parts and reading.stopped(at):
            break
        parts.append((at, *part))
        at = part[0]
    # `a` and `I` at the edges are words.
    if (
        len(parts) > 1
        and parts[0][2] in {"a", "i"}
        and parts[1][2].isdigit()
        and not reading.tokens[parts[0][0]].capital
    ):
        del parts[0]
    while parts and parts[-1][2] in {"a", "i"}:
        del parts[-1]
    text = "".join(part[2] for part in parts).upper()
    digits = sum(character.isdigit() for character in text)
    if len(text) < _SHORTEST or digits < 2 or digits == len(text):
        return None
    return span(Kind.DIGITS, parts[0][0], parts[-1][1], text)


def _part(reading: Reading, at: int) -> tuple[int, str] | None:
    """Where the letter or the digits there end, and what they are."""
    amount = reading.amounts.get(at)
    if amount is not None:
        small = amount.digits.isdigit() and not amount.ordinal and not amount.bare
        return (amount.last, amount.digits) if small else None
    text = reading.text(at)
    return (at + 1, text) if len(text) == 1 and text.isalpha() else None
