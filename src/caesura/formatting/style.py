"""Formatting options of a stream: one frozen value, replaced when Configure changes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Style:
    """Formatting that a client requested; the defaults leave words as the engine prints them."""

    filler_words: bool = False
    """Keep hesitations."""
    smart_format: bool = False
    """Write numbers, dates, times, amounts, phone numbers, e-mail addresses and URLs in their usual form."""
    numerals: bool = False
    """Write number words as digits."""
    dictation: bool = False
    """Write spoken punctuation as signs."""
    profanity_filter: bool = False
    redact: tuple[str, ...] = ()
    """Kinds of secrets: pci, ssn, numbers, aggressive_numbers."""
    replace: tuple[tuple[str, str], ...] = ()
    """Pairs of words to find and words to write instead; "" deletes."""
    search: tuple[str, ...] = ()
    no_delay: bool = False
    """Send finals without waiting for the end of a number."""

    def changed(self, features: Mapping[str, bool]) -> Style:
        """A copy with the fields of `features` turned on or off."""
        fields: dict[str, Any] = dict(features)
        return replace(self, **fields)
