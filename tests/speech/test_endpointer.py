"""The endpointer with given probabilities: where speech begins, goes on and ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.speech.endpointer import CONFIRM, ONSET, RELEASE, Endpointer
from caesura.speech.vad import FRAME


def feed_all(endpointer: Endpointer, *probabilities: float) -> list[int | None]:
    return [endpointer.feed(probability) for probability in probabilities]


def test_speech_counts_from_its_first_frame_once_three_stand_in_a_row() -> None:
    endpointer = Endpointer()
    assert feed_all(endpointer, 0.1, 0.1, 0.9, 0.9, 0.9, 0.9) == [None, None, None, None, 2 * FRAME, None]
    assert endpointer.onset == 2 * FRAME
    assert endpointer.speech_end == endpointer.voiced == 6 * FRAME
    assert endpointer.speaking
    assert endpointer.silence == 0


@pytest.mark.parametrize("frames", range(1, CONFIRM))
def test_a_click_shorter_than_that_does_not_count(frames: int) -> None:
    endpointer = Endpointer()
    assert feed_all(endpointer, *[0.99] * frames, 0.0, *[0.99] * frames, 0.0) == [None] * (2 * frames + 2)
    assert endpointer.onset is None
    assert not endpointer.speaking
    assert endpointer.silence == 0
    assert endpointer.voiced_frames == 2 * frames


def test_speech_begins_at_the_onset_threshold_and_not_just_below() -> None:
    below, at = Endpointer(), Endpointer()
    feed_all(below, *[ONSET - 0.001] * 9)
    feed_all(at, *[ONSET] * 3)
    assert below.onset is None
    assert at.onset == 0


def test_confirmed_speech_goes_on_down_to_the_release_threshold() -> None:
    endpointer = Endpointer()
    feed_all(endpointer, 0.9, 0.9, 0.9, RELEASE, RELEASE)
    assert (endpointer.speaking, endpointer.speech_end, endpointer.silence) == (True, 5 * FRAME, 0)
    feed_all(endpointer, RELEASE - 0.001)
    assert (endpointer.speaking, endpointer.speech_end, endpointer.silence) == (False, 5 * FRAME, FRAME)


def test_the_lower_threshold_is_for_confirmed_speech_only() -> None:
    endpointer = Endpointer()
    feed_all(endpointer, 0.9, 0.9, RELEASE, 0.9, 0.9, RELEASE)
    assert endpointer.onset is None


def test_silence_counts_from_the_last_confirmed_frame_whatever_clicks_in_it() -> None:
    endpointer = Endpointer()
    feed_all(endpointer, 0.9, 0.9, 0.9, 0.1, 0.9, 0.9, 0.1)
    assert endpointer.silence == 4 * FRAME


def test_speech_that_resumes_is_the_same_speech() -> None:
    """One onset in a segment: a dip of one frame does not announce speech again."""
    endpointer = Endpointer()
    assert feed_all(endpointer, 0.9, 0.9, 0.9, 0.1, 0.9, 0.9, 0.9).count(None) == 6
    assert endpointer.onset == 0
    assert (endpointer.speech_end, endpointer.silence) == (7 * FRAME, 0)


def test_speech_that_waits_for_confirmation_is_a_possible_onset() -> None:
    endpointer = Endpointer()
    seen = []
    for probability in (0.1, 0.9, 0.9, 0.9, 0.9, 0.1, 0.9):
        endpointer.feed(probability)
        seen.append(endpointer.possible_onset)
    assert seen == [None, FRAME, FRAME, None, None, None, 6 * FRAME]


def test_a_new_segment_takes_speech_that_goes_on_as_its_own() -> None:
    endpointer = Endpointer()
    feed_all(endpointer, 0.9, 0.9, 0.9, 0.9)
    endpointer.segment()
    assert (endpointer.onset, endpointer.voiced_frames, endpointer.silence, endpointer.speaking) == (None, 0, 0, False)
    assert feed_all(endpointer, 0.9, 0.9, 0.9) == [None, None, 4 * FRAME]
    assert (endpointer.onset, endpointer.voiced_frames) == (4 * FRAME, 3)


def test_a_new_segment_forgets_speech_that_was_not_confirmed() -> None:
    endpointer = Endpointer()
    feed_all(endpointer, 0.9, 0.9)
    endpointer.segment()
    assert feed_all(endpointer, 0.9, 0.9) == [None, None]
    assert endpointer.onset is None


def test_carried_speech_begins_where_it_was_carried_and_is_not_announced_again() -> None:
    endpointer = Endpointer()
    feed_all(endpointer, *[0.9] * 8)
    endpointer.carry(5 * FRAME + 17)
    assert endpointer.onset == 5 * FRAME + 17
    assert feed_all(endpointer, 0.9, 0.1, 0.9, 0.9, 0.9) == [None] * 5
    assert endpointer.onset == 5 * FRAME + 17


def test_carrying_never_moves_an_onset_back_nor_makes_one_up() -> None:
    endpointer = Endpointer()
    endpointer.carry(100)
    assert endpointer.onset is None
    feed_all(endpointer, 0.1, 0.9, 0.9, 0.9)
    endpointer.carry(1)
    assert endpointer.onset == FRAME


@given(st.lists(st.sampled_from([0.0, RELEASE, 0.4, ONSET, 1.0]), max_size=60))
def test_onset_speech_end_and_silence_always_fit_together(probabilities: list[float]) -> None:
    endpointer = Endpointer()
    for count, probability in enumerate(probabilities, 1):
        began = endpointer.feed(probability)
        assert endpointer.voiced == count * FRAME
        assert began is None or (began == endpointer.onset == endpointer.voiced - CONFIRM * FRAME)
        if endpointer.onset is None:
            assert not endpointer.speaking
            assert endpointer.silence == 0
        else:
            assert endpointer.onset + CONFIRM * FRAME <= endpointer.speech_end <= endpointer.voiced
            assert endpointer.silence == endpointer.voiced - endpointer.speech_end
            assert endpointer.speaking == (endpointer.silence == 0)
            assert endpointer.voiced_frames * FRAME >= CONFIRM * FRAME
