"""Splitting of flags and variables that hold several API keys."""

from __future__ import annotations

import re
from collections.abc import Iterable


def split_keys(given: Iterable[str]) -> tuple[str, ...]:
    """API keys in their order, without duplicates, from texts that separate them by blanks or commas."""
    return tuple(dict.fromkeys(key for text in given for key in re.split(r"[\s,]+", text) if key))
