"""Runs the property tests round after round, each with a random seed, until one fails; prints how to repeat that.

`make explore` runs it. With a seed it runs one round: the same examples as in the round that printed the seed.
"""

from __future__ import annotations

import argparse
import random
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence

PYTEST = (
    *(sys.executable, "-m", "pytest", "-q", "-rf", "-m", "hypothesis and not conformance and not registry"),
    # A round tries so many examples that no time limit for a single test fits.
    *("--hypothesis-profile=explore", "--timeout=0", "-n", "auto", "--dist", "worksteal"),
)
NO_TESTS = 5
"""Exit status of pytest that ran no test."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run rounds until a test fails (exit status 1), the time is up, or Ctrl-C (0)."""
    parser = argparse.ArgumentParser(prog="make explore", description=__doc__)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no round after that; no limit")
    parser.add_argument("--seed", type=int, help="run one round with this seed")
    options, rest = parser.parse_known_args(argv)
    until = time.monotonic() + options.minutes * 60
    try:
        while True:
            seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
            print(f"--- seed {seed} ---", flush=True)
            status, failed = run_round([*PYTEST, f"--hypothesis-seed={seed}", *rest])
            if failed:
                print(how_to_repeat(seed, failed))
            if status or options.seed is not None or time.monotonic() >= until:
                return status
    except KeyboardInterrupt:
        return 0


def run_round(command: Sequence[str]) -> tuple[int, list[str]]:
    """Run pytest and show what it prints. Returns its exit status and the tests that failed."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        lines = []
        for line in child.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    return (0 if child.returncode == NO_TESTS else child.returncode), failed_tests(lines)


def failed_tests(lines: Iterable[str]) -> list[str]:
    """The ids of the tests that failed, from the summary that pytest prints."""
    return [line.removeprefix("FAILED ").split(" - ")[0].strip() for line in lines if line.startswith("FAILED ")]


def how_to_repeat(seed: int, failed: Sequence[str]) -> str:
    """The command that runs the failed tests with the same examples."""
    tests = shlex.join(failed).replace("$", "$$")
    return (
        f"\nTo repeat it:\n\n    make explore SEED={seed} ARGS={shlex.quote(tests)}\n\n"
        "The smallest example found is in .hypothesis too, and every run on this machine tries it first.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
