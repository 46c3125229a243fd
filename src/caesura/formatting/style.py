"""How words are to be written: one frozen value for a stream, changed by Configure in its middle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Style:
    """What a stream asked for; the defaults leave words as the engine prints them."""

    filler_words: bool = False
    """Keep hesitations."""
    smart_format: bool = False
    """Numbers, dates, times, amounts, phone numbers, e-mail and URLs as one writes them."""
    numerals: bool = False
    """Digits for number words."""
    dictation: bool = False
    """Spoken punctuation is punctuation."""
    profanity_filter: bool = False
    redact: tuple[str, ...] = ()
    """Of pci, ssn, numbers and aggressive_numbers."""
    replace: tuple[tuple[str, str], ...] = ()
    """What to find, and what to write instead; "" deletes."""
    search: tuple[str, ...] = ()
    no_delay: bool = False
    """Finals do not wait for the end of a number."""

    def changed(self, features: Mapping[str, bool]) -> Style:
        """The same, but for the fields that `features` turns on or off."""
        fields: dict[str, Any] = dict(features)
        return replace(self, **fields)
