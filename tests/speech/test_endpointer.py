"""The endpointer with given probabilities: where speech begins, goes on and ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.speech.endpointer import CONFIRM, ONSET, RELEASE, Endpointer
from caesura.speech.vad import FRAME


def listen(ear: Endpointer, *probabilities: float) -> list[int | None]:
    return [ear.feed(probability) for probability in probabilities]


def test_speech_counts_from_its_first_frame_once_three_stand_in_a_row() -> None:
    ear = Endpointer()
    assert listen(ear, 0.1, 0.1, 0.9, 0.9, 0.9, 0.9) == [None, None, None, None, 2 * FRAME, None]
    assert ear.onset == 2 * FRAME
    assert ear.speech_end == ear.voiced == 6 * FRAME
    assert ear.speaking
    assert ear.silence == 0


@pytest.mark.parametrize("frames", range(1, CONFIRM))
def test_a_click_shorter_than_that_does_not_count(frames: int) -> None:
    ear = Endpointer()
    assert listen(ear, *[0.99] * frames, 0.0, *[0.99] * frames, 0.0) == [None] * (2 * frames + 2)
    assert ear.onset is None
    assert not ear.speaking
    assert ear.silence == 0
    assert ear.voiced_frames == 2 * frames


def test_speech_begins_at_the_onset_threshold_and_not_just_below() -> None:
    below, at = Endpointer(), Endpointer()
    listen(below, *[ONSET - 0.001] * 9)
    listen(at, *[ONSET] * 3)
    assert below.onset is None
    assert at.onset == 0


def test_confirmed_speech_goes_on_down_to_the_release_threshold() -> None:
    ear = Endpointer()
    listen(ear, 0.9, 0.9, 0.9, RELEASE, RELEASE)
    assert (ear.speaking, ear.speech_end, ear.silence) == (True, 5 * FRAME, 0)
    listen(ear, RELEASE - 0.001)
    assert (ear.speaking, ear.speech_end, ear.silence) == (False, 5 * FRAME, FRAME)


def test_the_lower_threshold_is_for_confirmed_speech_only() -> None:
    ear = Endpointer()
    listen(ear, 0.9, 0.9, RELEASE, 0.9, 0.9, RELEASE)
    assert ear.onset is None


def test_silence_counts_from_the_last_confirmed_frame_whatever_clicks_in_it() -> None:
    ear = Endpointer()
    listen(ear, 0.9, 0.9, 0.9, 0.1, 0.9, 0.9, 0.1)
    assert ear.silence == 4 * FRAME


def test_speech_that_comes_back_is_the_same_speech() -> None:
    """One onset in a segment: a dip of one frame does not announce speech again."""
    ear = Endpointer()
    assert listen(ear, 0.9, 0.9, 0.9, 0.1, 0.9, 0.9, 0.9).count(None) == 6
    assert ear.onset == 0
    assert (ear.speech_end, ear.silence) == (7 * FRAME, 0)


def test_speech_that_waits_for_confirmation_is_a_possible_onset() -> None:
    ear = Endpointer()
    seen = []
    for probability in (0.1, 0.9, 0.9, 0.9, 0.9, 0.1, 0.9):
        ear.feed(probability)
        seen.append(ear.possible_onset)
    assert seen == [None, FRAME, FRAME, None, None, None, 6 * FRAME]


def test_a_new_segment_hears_speech_that_goes_on_as_its_own() -> None:
    ear = Endpointer()
    listen(ear, 0.9, 0.9, 0.9, 0.9)
    ear.segment()
    assert (ear.onset, ear.voiced_frames, ear.silence, ear.speaking) == (None, 0, 0, False)
    assert listen(ear, 0.9, 0.9, 0.9) == [None, None, 4 * FRAME]
    assert (ear.onset, ear.voiced_frames) == (4 * FRAME, 3)


def test_a_new_segment_forgets_speech_that_was_not_confirmed() -> None:
    ear = Endpointer()
    listen(ear, 0.9, 0.9)
    ear.segment()
    assert listen(ear, 0.9, 0.9) == [None, None]
    assert ear.onset is None


def test_carried_speech_begins_where_it_was_carried_and_is_not_announced_again() -> None:
    ear = Endpointer()
    listen(ear, *[0.9] * 8)
    ear.carry(5 * FRAME + 17)
    assert ear.onset == 5 * FRAME + 17
    assert listen(ear, 0.9, 0.1, 0.9, 0.9, 0.9) == [None] * 5
    assert ear.onset == 5 * FRAME + 17


def test_carrying_never_moves_an_onset_back_nor_makes_one_up() -> None:
    ear = Endpointer()
    ear.carry(100)
    assert ear.onset is None
    listen(ear, 0.1, 0.9, 0.9, 0.9)
    ear.carry(1)
    assert ear.onset == FRAME


@given(st.lists(st.sampled_from([0.0, RELEASE, 0.4, ONSET, 1.0]), max_size=60))
def test_onset_speech_end_and_silence_always_fit_together(probabilities: list[float]) -> None:
    ear = Endpointer()
    for count, probability in enumerate(probabilities, 1):
        began = ear.feed(probability)
        assert ear.voiced == count * FRAME
        assert began is None or (began == ear.onset == ear.voiced - CONFIRM * FRAME)
        if ear.onset is None:
            assert not ear.speaking
            assert ear.silence == 0
        else:
            assert ear.onset + CONFIRM * FRAME <= ear.speech_end <= ear.voiced
            assert ear.silence == ear.voiced - ear.speech_end
            assert ear.speaking == (ear.silence == 0)
            assert ear.voiced_frames * FRAME >= CONFIRM * FRAME
