"""Formatting options of a stream: one frozen value, replaced when Configure changes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Style:
    """Formatting that a stream asked for; the defaults leave words as the engine prints them."""

    filler_words: bool = False
    """Keep hesitations."""
    smart_format: bool = False
    """Numbers, dates, times, amounts, phone numbers, e-mail and URLs as one writes them."""
    numerals: bool = False
    """Digits for number words."""
    dictation: bool = False
    """Write spoken punctuation as signs."""
    profanity_filter: bool = False
    redact: tuple[str, ...] = ()
    """Kinds of secrets: pci, ssn, numbers, aggressive_numbers."""
    replace: tuple[tuple[str, str], ...] = ()
    """Pairs of words to find and words to write instead; "" deletes."""
    search: tuple[str, ...] = ()
    no_delay: bool = False
    """Finals do not wait for the end of a number."""

    def changed(self, features: Mapping[str, bool]) -> Style:
        """Copy with the fields of `features` turned on or off."""
        fields: dict[str, Any] = dict(features)
        return replace(self, **fields)
