"""The windows in which a voice is heard."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from caesura.speech.voice import HOP_S, WINDOW_S, windows


@given(st.floats(0, 1000), st.floats(0, 60))
def test_windows_cover_the_speech_and_stay_within_it(start: float, length: float) -> None:
    found = windows(start, start + length)
    assert found[0][0] == start
    assert found[-1][1] == start + length
    for (first, _), (second, _) in itertools.pairwise(found):
        assert first < second <= first + 1.5 * HOP_S + 1e-6
    assert all(0 <= end - begin <= WINDOW_S + 1e-6 for begin, end in found)
    assert found == sorted(found)
