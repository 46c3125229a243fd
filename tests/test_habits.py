"""Habits of the tests that a reader would have to check by hand."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
FILES = sorted(path for path in TESTS.rglob("*.py") if "node_modules" not in path.parts)

ALLOWED = {
    "_HOMES": "the package's table of names that are imported on first use",
    "_exit": "os._exit, which Python documents",
    "_current_frames": "sys._current_frames, which Python documents",
    "_websocket": "the vendor's SDK offers no other way to the close code",
}


def private_reads(source: str) -> Iterator[str]:
    """Attributes with one leading underscore of anything but `self` and `cls`, as `LINE: NAME`."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Attribute) or not node.attr.startswith("_") or node.attr.startswith("__"):
            continue
        owner = node.value
        if not (isinstance(owner, ast.Name) and owner.id in {"self", "cls"}) and node.attr not in ALLOWED:
            yield f"{node.lineno}: {node.attr}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TESTS)))
def test_no_test_reads_a_private_attribute(path: Path) -> None:
    """A test sees what users and neighbouring modules see."""
    assert list(private_reads(path.read_text())) == []


def test_private_reads_are_found_and_others_are_not() -> None:
    source = "self._a\ncls._b\nx._c\nf()._d\nself._e._f\nx.__class__\nos._exit(0)\nsuper()._g\n"
    assert list(private_reads(source)) == ["3: _c", "4: _d", "5: _f", "8: _g"]
