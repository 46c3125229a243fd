"""Files that `-m` selects nothing from are left out, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mark_selection import SLOW_FOLDERS, TESTS, certain_marks, may_select, possible_marks

FAST = "not slow and not conformance"
SLOW = "(slow or conformance) and not serial and not registry"


def file(folder: Path, text: str) -> Path:
    path = folder / "test_it.py"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "certain", "possible"),
    [
        ("def test(): ...\n", set(), set()),
        ("@pytest.mark.slow\ndef test(): ...\n", set(), {"slow"}),
        ("pytestmark = pytest.mark.slow\n", {"slow"}, {"slow"}),
        ("pytestmark = pytest.mark.slow  # not pytest.mark.serial\n", {"slow"}, {"slow", "serial"}),
        ("pytestmark = [pytest.mark.slow, pytest.mark.serial]\n", {"slow", "serial"}, {"slow", "serial"}),
        ("pytestmark = [\n    pytest.mark.conformance,\n]\nx = [pytest.mark.slow]\n", {"conformance"}, None),
        ("pytestmark = pytest.mark.timeout(3)\n", set(), set()),
        ("pytest.param(1, marks=pytest.mark.slow)\n", set(), {"slow"}),
        ("    pytestmark = pytest.mark.slow\n", set(), {"slow"}),
    ],
)
def test_marks_are_read_from_the_text(text: str, certain: set[str], possible: set[str] | None, tmp_path: Path) -> None:
    path = file(tmp_path, text)
    assert certain_marks(path) == certain
    assert possible_marks(path) == (possible if possible is not None else {"conformance", "slow"})


def test_folders_and_conftests_mark_the_tests_below_them() -> None:
    (folder,) = SLOW_FOLDERS
    assert certain_marks(folder / "test_keys.py") == {"slow"}
    assert possible_marks(TESTS / "ledger" / "test_keys.py") == {"slow"}
    assert not certain_marks(TESTS / "ledger" / "test_keys.py")


@pytest.mark.parametrize(
    ("expression", "certain", "possible", "answer"),
    [
        (FAST, set(), set(), True),
        (FAST, {"slow"}, {"slow"}, False),
        (FAST, set(), {"slow"}, True),
        (FAST, {"conformance"}, {"conformance", "slow"}, False),
        (SLOW, set(), set(), False),
        (SLOW, set(), {"slow", "serial"}, True),
        (SLOW, {"slow", "serial"}, {"slow", "serial"}, False),
        ("serial and not registry", {"slow"}, {"slow"}, False),
        ("serial and not registry", {"slow"}, {"slow", "serial"}, True),
        ("not registry", {"slow"}, {"slow"}, True),
        ("", {"slow"}, {"slow"}, True),
        ("hypothesis and not conformance", {"conformance"}, {"conformance"}, True),
    ],
)
def test_a_file_is_left_out_only_when_none_of_its_tests_can_be_selected(
    expression: str, certain: set[str], possible: set[str], answer: bool
) -> None:
    assert may_select(expression, frozenset(certain), frozenset(possible)) is answer
