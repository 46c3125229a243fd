"""Flags and variables that hold API keys in; single keys out."""

from __future__ import annotations

import re
from collections.abc import Iterable


def split_keys(given: Iterable[str]) -> tuple[str, ...]:
    """API keys in their order, each once; blanks and commas stand between keys."""
    return tuple(dict.fromkeys(key for text in given for key in re.split(r"[\s,]+", text) if key))
