"""Finds spoken codes of letters and digits and writes them: `one z five seven a two b` is `1Z57A2B`."""

from __future__ import annotations

from caesura.formatting.context import IDS, identifier
from caesura.formatting.parsed_words import ParsedWords
from caesura.formatting.rendering import Entity, EntityKind, entity

_SHORTEST = 4


def code(parsed: ParsedWords, at: int) -> Entity | None:
    """Code that begins at `at`, with at least a letter and two digits, after words that announce an identifier."""
    if not _part(parsed, at) or (at > 0 and _part(parsed, at - 1) and not parsed.break_before(at)):
        return None
    if identifier(parsed, at) is not IDS:
        return None
    parts: list[tuple[int, int, str]] = []
    while at < parsed.size and (part := _part(parsed, at)):
        if parts and parsed.break_before(at):
            break
        parts.append((at, *part))
        at = part[0]
    # `a` and `I` at the ends are words, not letters.
    if (
        len(parts) > 1
        and parts[0][2] in {"a", "i"}
        and parts[1][2].isdigit()
        and not parsed.tokens[parts[0][0]].capital
    ):
        del parts[0]
    while parts and parts[-1][2] in {"a", "i"}:
        del parts[-1]
    text = "".join(part[2] for part in parts).upper()
    digits = sum(character.isdigit() for character in text)
    if len(text) < _SHORTEST or digits < 2 or digits == len(text):
        return None
    return entity(EntityKind.DIGITS, parts[0][0], parts[-1][1], text)


def _part(parsed: ParsedWords, at: int) -> tuple[int, str] | None:
    """Token after the letter or digits at `at`, and the letter or digits."""
    amount = parsed.amounts.get(at)
    if amount is not None:
        small = amount.digits.isdigit() and not amount.ordinal and not amount.bare
        return (amount.last, amount.digits) if small else None
    text = parsed.text(at)
    return (at + 1, text) if len(text) == 1 and text.isalpha() else None
