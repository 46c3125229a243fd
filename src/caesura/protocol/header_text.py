"""Parts of error sentences: lists of choices, and clients' values made fit for an HTTP header."""

from __future__ import annotations

from collections.abc import Sequence

_SHOWN = 100


def join_choices(choices: Sequence[str]) -> str:
    """`a, b or c`; a single choice as it is."""
    return " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1])))


def printable(value: str) -> str:
    """A value as it can be quoted in a header: printable ASCII, at most 100 characters and `...`."""
    printable = "".join(char for char in value[:_SHOWN] if char.isprintable())
    ascii_only = printable.encode("ascii", "backslashreplace").decode("ascii")
    whole = len(value) <= _SHOWN and len(ascii_only) <= _SHOWN
    return ascii_only if whole else ascii_only[:_SHOWN] + "..."
