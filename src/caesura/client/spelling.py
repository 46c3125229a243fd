"""Finds parameter names that are probably misspelled, and that a server would silently ignore."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from caesura.protocol.parameters import HONOURED, IGNORED, NOT_HONOURED, RECORDINGS

KNOWN = frozenset({*HONOURED, *RECORDINGS, *NOT_HONOURED, *IGNORED})
NEAR = 0.8
"""Lowest ratio of `difflib` at which a name counts as misspelled: one wrong letter in five."""


def misspelled_names(names: Iterable[str]) -> tuple[str, ...]:
    """A sentence for each unknown name that resembles a known one; others may be newer than this package."""
    return tuple(
        f"{name!r} is no parameter of the wire, and is ignored: did you mean {meant!r}?"
        for name in names
        if name not in KNOWN and (meant := _near(name)) is not None
    )


def _near(name: str) -> str | None:
    plain = name.strip().lower().replace("-", "_")
    return next(iter(get_close_matches(plain, sorted(KNOWN), n=1, cutoff=NEAR)), None)
