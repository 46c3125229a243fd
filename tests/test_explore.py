"""Exploration with property tests: how a failure is read from pytest's summary, and how it is repeated."""

from __future__ import annotations

import sys

import pytest

from tests import explore

SUMMARY = [
    "....F\n",
    "FAILED tests/test_timeline.py::test_laws[a b] - AssertionError: assert 1 == 2\n",
    "FAILED tests/test_timeline.py::test_order\n",
    "2 failed, 4 passed in 1.00s\n",
]


def test_failed_tests_are_read_from_the_summary() -> None:
    assert explore.failed_tests(SUMMARY) == [
        "tests/test_timeline.py::test_laws[a b]",
        "tests/test_timeline.py::test_order",
    ]


def test_a_failure_can_be_repeated_by_the_command_that_is_printed() -> None:
    assert """make explore SEED=7 ARGS=''"'"'tests/a.py::test_b[x y]'"'"''""" in explore.how_to_repeat(
        7, ["tests/a.py::test_b[x y]"]
    )


def test_a_failing_round_ends_with_its_seed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = "import sys; print('FAILED tests/a.py::test_b - assert 0'); sys.exit(1)"
    monkeypatch.setattr(explore, "PYTEST", (sys.executable, "-c", script))
    assert explore.main([]) == 1
    printed = capsys.readouterr().out
    seed = printed.split("--- seed ")[1].split()[0]
    assert f"make explore SEED={seed} ARGS=tests/a.py::test_b" in printed


def test_a_seed_means_one_round(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(explore, "PYTEST", (sys.executable, "-c", "import sys; print(sys.argv[1:])"))
    assert explore.main(["--seed", "7", "tests/a.py"]) == 0
    assert "['--hypothesis-seed=7', 'tests/a.py']" in capsys.readouterr().out


def test_rounds_go_on_until_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = []

    def run(command: list[str]) -> tuple[int, list[str]]:
        rounds.append(command[-1])
        return 0, []

    monkeypatch.setattr(explore, "run_round", run)
    monkeypatch.setattr("tests.explore.time.monotonic", iter([0.0, 1.0, 59.0, 61.0]).__next__)
    assert explore.main(["--minutes", "1"]) == 0
    assert len(set(rounds)) == 3, "each with a seed of its own"
