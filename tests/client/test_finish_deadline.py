"""How long a line waits for the last words."""

from __future__ import annotations

from math import inf

from caesura.client.finish_deadline import FINISH_S, LONGEST_FINISH_S, RECORDING_FINISH_S, FinishDeadline


def begun(timeout_s: float | None, *, is_recording: bool = False) -> FinishDeadline:
    """With 5 s of audio that no final covers, at 100."""
    deadline = FinishDeadline()
    deadline.begin(timeout_s, uncovered_s=5.0, is_recording=is_recording, now=100.0)
    return deadline


def test_there_is_no_deadline_before_finish_and_after_the_end() -> None:
    deadline = FinishDeadline()
    assert (deadline.is_set, deadline.at) == (False, inf)
    deadline.extend(uncovered_s=1.0, now=1.0)
    assert not deadline.is_set
    ended = begun(None)
    ended.clear()
    ended.extend(uncovered_s=1.0, now=101.0)
    assert (ended.is_set, ended.at) == (False, inf)


def test_the_callers_limit_is_neither_extended_nor_longer_than_a_day() -> None:
    deadline = begun(3.0)
    deadline.extend(uncovered_s=50.0, now=102.0)
    assert (deadline.at, deadline.length_s) == (103.0, 3.0)
    assert begun(inf).length_s == LONGEST_FINISH_S


def test_without_a_limit_it_follows_from_the_audio_without_a_final() -> None:
    assert begun(None).length_s == FINISH_S + 5.0
    assert begun(None, is_recording=True).length_s == RECORDING_FINISH_S + 5.0


def test_a_final_extends_it_and_never_shortens_it() -> None:
    deadline = begun(None)
    deadline.extend(uncovered_s=0.0, now=101.0)
    assert deadline.at == 115.0
    deadline.extend(uncovered_s=4.0, now=110.0)
    assert deadline.at == 124.0
