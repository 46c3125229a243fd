"""Habits of the tests that a reader would have to check by hand."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.source_tree import expect_none

TESTS = Path(__file__).parent
FILES = sorted(path for path in TESTS.rglob("*.py") if "node_modules" not in path.parts)
SUSPECT = re.compile(r"\.[\s\\]*_(?!_)")
"""What the text of a file with a private attribute contains; to parse all files would take five seconds."""

ALLOWED = {
    "_HOMES": "the package's table of names that are imported on first use",
    "_exit": "os._exit, which Python documents",
    "_current_frames": "sys._current_frames, which Python documents",
    "_websocket": "the vendor's SDK offers no other way to the close code",
}


def private_reads(source: str) -> Iterator[str]:
    """Attributes with one leading underscore of anything but `self` and `cls`, as `LINE: NAME`."""
    if SUSPECT.search(source) is None:
        return
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Attribute) or not node.attr.startswith("_") or node.attr.startswith("__"):
            continue
        owner = node.value
        if not (isinstance(owner, ast.Name) and owner.id in {"self", "cls"}) and node.attr not in ALLOWED:
            yield f"{node.lineno}: {node.attr}"


def test_no_test_reads_a_private_attribute() -> None:
    """A test sees what users and neighbouring modules see."""
    assert len(FILES) > 300
    expect_none(f"{path.relative_to(TESTS)}:{read}" for path in FILES for read in private_reads(path.read_text()))


def test_a_private_read_is_found_however_it_is_laid_out() -> None:
    for source in ("x._", "x . _a", "x.\\\n_a", "(x\n  ._a)", "(x.\n  _a)"):
        assert len(list(private_reads(source))) == 1, source


def test_private_reads_are_found_and_others_are_not() -> None:
    source = "self._a\ncls._b\nx._c\nf()._d\nself._e._f\nx.__class__\nos._exit(0)\nsuper()._g\n"
    assert list(private_reads(source)) == ["3: _c", "4: _d", "5: _f", "8: _g"]
