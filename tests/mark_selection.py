"""Which test files an expression of `-m` cannot select anything from, told from their text: they need not be imported.

A file says the marks of its tests itself, or a conftest.py above it does, as `mark.NAME`. Its `pytestmark` is on all.
"""

from __future__ import annotations

import re
from collections.abc import Set
from functools import cache
from itertools import combinations
from pathlib import Path

GROUPS = frozenset({"slow", "conformance", "serial", "registry"})
"""The marks by which the Makefile selects tests."""

TESTS = Path(__file__).parent
SLOW_FOLDERS = (TESTS / "server" / "rest",)
"""Their tests call every route over a ledger and a socket; all are slow, as they are too many for `make check`."""

MARK = re.compile(r"\bmark\.(\w+)")
OF_ALL = re.compile(r"^pytestmark = (\[[^\]]*\]|[^\n#]*)", re.MULTILINE)


@cache
def is_in_slow_folder(path: Path) -> bool:
    """Whether all tests of a file are slow for where it lies."""
    return any(folder in path.parents for folder in SLOW_FOLDERS)


@cache
def possible_marks(path: Path) -> frozenset[str]:
    """The groups that any test of a file may be in."""
    above = [folder / "conftest.py" for folder in path.parents if folder.is_relative_to(TESTS)]
    texts = [file.read_text() for file in (path, *above) if file.is_file()]
    return frozenset(GROUPS.intersection(*[MARK.findall(" ".join(texts))])) | certain_marks(path)


@cache
def certain_marks(path: Path) -> frozenset[str]:
    """The groups that every test of a file is in."""
    found = OF_ALL.search(path.read_text())
    marks = set(MARK.findall(found[1])) if found else set()
    return frozenset(GROUPS & (marks | ({"slow"} if is_in_slow_folder(path) else set())))


@cache
def may_select(expression: str, certain: Set[str], possible: Set[str]) -> bool:
    """Whether an expression of `-m` can hold for a test that has the marks `certain` and others of `possible`."""
    names = set(re.findall(r"[^\s()]+", expression)) - {"not", "and", "or"}
    if not names or not names <= GROUPS:
        return True
    free = sorted(possible - certain)
    chosen = [certain | set(more) for count in range(len(free) + 1) for more in combinations(free, count)]
    return any(eval(expression, {}, {name: name in marks for name in GROUPS}) for marks in chosen)
