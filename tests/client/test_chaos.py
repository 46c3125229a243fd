"""Two minutes of real speech over a network that fails every few seconds: nothing is lost or repeated."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from chaos import TOLERANCE_S, lay_out, read_recordings, run_both

DATA = Path(__file__).parent.parent / "data"
MINUTES = 2.0
FINISH_S = 400.0
"""A busy machine may recognize what was said much more slowly than it was said."""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_line_that_is_broken_again_and_again_transcribes_what_an_unbroken_one_does() -> None:
    """By reset, silence while open, restart and kill, with pauses between; bench/chaos.py goes on for half an hour."""
    chance = random.Random(4)
    layout = lay_out(read_recordings(DATA), MINUTES, chance)
    outcome = asyncio.run(run_both(layout, chance, ("--workers", "1"), every_s=(5.0, 15.0), finish_s=FINISH_S))
    assert outcome.steady.complete
    assert outcome.broken.error is None
    assert outcome.broken.complete
    assert outcome.broken.stats.reconnects >= 3
    assert outcome.broken.stats.lost_s == 0
    assert outcome.broken.gaps == ()
    # The audio arrives as it was; what an engine recognizes moves a little with where segments are cut, and voice
    # activity has a memory that a new connection begins without. test_strict_wire.py is exact to the sample.
    assert outcome.words_apart <= 8.0
    # A hundred words are too few for a percentile further out: 95 % were within 40 to 62 ms in runs that were in order.
    shifts = sorted(outcome.shifts_s)
    assert shifts[int(len(shifts) * 0.9)] <= TOLERANCE_S
    starts = [word.source_start for word in outcome.broken.words if word.source_start is not None]
    assert starts == sorted(starts)
    assert len(starts) == len(set(starts))
