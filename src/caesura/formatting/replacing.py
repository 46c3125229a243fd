"""Find and replace: substitutes words that the client chose by others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from caesura.words import Word, raw


@dataclass(frozen=True, slots=True)
class _Rule:
    find: tuple[str, ...]
    """Words to find, without punctuation; those with capitals match only in that case."""
    exact: bool
    write: tuple[str, ...]


def apply_replacements(words: Sequence[Word], pairs: Sequence[tuple[str, str]]) -> tuple[Word, ...]:
    """Replace the first of each pair by the second (developers.deepgram.com/docs/find-and-replace).

    Only whole words match, whatever the punctuation around them. Lower-case text matches any case; text with a capital
    matches only that case. If several match, the one with the most words is used, then one with capitals, then the one
    that was given first. Replacements are not searched again.

    The new words share the time of the found ones evenly, and have the lowest of their confidences, the case that was
    given, and the punctuation around the found words. `""` deletes: then punctuation that ended a sentence or a clause
    moves to the word before.

    Args:
        words: Words of one message.
        pairs: Words to find, and words to write instead. A text without any spoken word matches nothing.
    """
    rules = _rules(pairs)
    written: list[Word] = []
    at = 0
    while at < len(words):
        rule = next((rule for rule in rules if _fits(rule, words, at)), None)
        if rule is None:
            written.append(words[at])
            at += 1
            continue
        found = words[at : at + len(rule.find)]
        if rule.write:
            written += _written(found, rule.write)
        elif written:
            written[-1] = _ended(written[-1], _closing(found[-1].text))
        at += len(rule.find)
    return tuple(written)


def _rules(pairs: Sequence[tuple[str, str]]) -> list[_Rule]:
    """The rules in the order in which they are tried."""
    rules = [
        _Rule(find, any(word != word.lower() for word in find), tuple(write.split()))
        for text, write in pairs
        if (find := tuple(spoken for word in text.split() if (spoken := _bare(word))))
    ]
    return sorted(rules, key=lambda rule: (-len(rule.find), not rule.exact))


def _fits(rule: _Rule, words: Sequence[Word], at: int) -> bool:
    if at + len(rule.find) > len(words):
        return False
    return all(
        (_bare(word.text) if rule.exact else raw(word.text)) == wanted
        for word, wanted in zip(words[at : at + len(rule.find)], rule.find, strict=True)
    )


def _bare(text: str) -> str:
    """A word without punctuation, in its original case."""
    spoken = raw(text)
    at = text.lower().find(spoken.lower())
    return text[at : at + len(spoken)] if spoken and at >= 0 and len(text.lower()) == len(text) else spoken


def _written(found: Sequence[Word], write: Sequence[str]) -> list[Word]:
    start, end = found[0].start, found[-1].end
    share = (end - start) / len(write)
    confidence = min(word.confidence for word in found)
    placed = [
        replace(
            found[0], text=text, start=start + share * place, end=start + share * (place + 1), confidence=confidence
        )
        for place, text in enumerate(write)
    ]
    placed[0] = replace(placed[0], text=_opening(found[0].text) + placed[0].text)
    placed[-1] = replace(_closed(placed[-1], _closing(found[-1].text)), end=end)
    return placed


def _opening(text: str) -> str:
    bare = _bare(text)
    return text[: text.find(bare)] if bare else ""


def _closing(text: str) -> str:
    bare = _bare(text)
    return text[text.find(bare) + len(bare) :] if bare else ""


def _closed(word: Word, closing: str) -> Word:
    """New word with the punctuation of the words that it replaces, unless it brings its own."""
    doubled = word.text.endswith(closing) or (_ends(word.text) and _ends(closing))
    return word if doubled else replace(word, text=word.text + closing)


def _ended(word: Word, closing: str) -> Word:
    """Word before a deletion, with the punctuation of the deleted words; the stronger of two stays."""
    if _ends(word.text) or not _ends(closing):
        return word if word.text[-1:] in _PAUSES else replace(word, text=word.text + closing)
    return replace(word, text=word.text.rstrip(",;:") + closing)


def _ends(text: str) -> bool:
    return text[-1:] in _ENDS


_ENDS = (".", "?", "!", "…")
_PAUSES = (*_ENDS, ",", ";", ":")
