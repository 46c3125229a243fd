"""Where the segments of a live channel end: at silence, at a flush, at a cut, and nowhere else."""

from __future__ import annotations

import pytest

from caesura.pipeline.live_segments import KEPT_SILENCE, MAX_SILENCE, ClosedSegment, LiveSegments
from caesura.speech.vad import FRAME
from tests.recognizer_bench import SILENCE, VOICE

WINDOW = 10 * FRAME


def fed(segments: LiveSegments, *runs: tuple[int, float]) -> list[int]:
    """Feed runs of frames; returns where speech began."""
    voice = [probability for frames, probability in runs for _ in range(frames)]
    return [began for each in voice if (began := segments.feed(each)) is not None]


def test_a_segment_ends_when_it_was_silent_for_the_window() -> None:
    segments = LiveSegments(WINDOW)
    assert fed(segments, (10, SILENCE), (20, VOICE), (9, SILENCE)) == [10 * FRAME]
    assert not segments.closed
    fed(segments, (1, SILENCE))
    assert list(segments.closed) == [
        ClosedSegment(40 * FRAME, 10 * FRAME, 30 * FRAME, endpoint=True, flushed=False),
    ]
    assert segments.open == 40 * FRAME


def test_without_endpointing_a_second_of_silence_closes_it_and_is_no_endpoint() -> None:
    segments = LiveSegments(None)
    fed(segments, (20, VOICE), (31, SILENCE))
    assert not segments.closed
    fed(segments, (1, SILENCE))
    assert [segment.endpoint for segment in segments.closed] == [False]


def test_speech_that_is_not_confirmed_holds_the_end_back() -> None:
    segments = LiveSegments(WINDOW)
    fed(segments, (20, VOICE), (9, SILENCE), (2, VOICE))
    assert segments.onset == 0
    assert not segments.closed


def test_silence_is_closed_in_pieces_and_keeps_what_speech_may_begin_in() -> None:
    segments = LiveSegments(WINDOW)
    frames = -(-(MAX_SILENCE + KEPT_SILENCE) // FRAME)
    fed(segments, (frames - 1, SILENCE))
    assert not segments.closed
    fed(segments, (1, SILENCE))
    (silence,) = segments.closed
    assert (silence.onset, silence.end) == (None, frames * FRAME - KEPT_SILENCE)


def test_a_window_longer_than_finals_may_wait_has_its_endpoint_later() -> None:
    segments = LiveSegments(2 * MAX_SILENCE)
    fed(segments, (20, VOICE), (2 * MAX_SILENCE // FRAME + 1, SILENCE))
    assert [segment.endpoint for segment in segments.closed] == [False, True]
    assert segments.closed[1].onset is None


def test_a_flush_closes_what_there_is_and_also_nothing() -> None:
    segments = LiveSegments(WINDOW)
    fed(segments, (20, VOICE))
    segments.flush(20 * FRAME + 100)
    segments.flush(20 * FRAME + 100)
    first, second = segments.closed
    assert first == ClosedSegment(20 * FRAME + 100, 0, 20 * FRAME + 100, endpoint=True, flushed=True)
    assert (second.onset, second.end, second.flushed) == (None, first.end, True)


@pytest.mark.parametrize("endpointing", [WINDOW, None])
def test_the_end_of_the_audio_closes_the_rest_if_there_is_any(endpointing: int | None) -> None:
    segments = LiveSegments(endpointing)
    fed(segments, (20, VOICE))
    segments.finish(20 * FRAME)
    segments.finish(20 * FRAME)
    (rest,) = segments.closed
    assert (rest.endpoint, rest.flushed) == (endpointing is not None, False)


def test_a_scrap_has_no_speech() -> None:
    segments = LiveSegments(WINDOW)
    fed(segments, (2, VOICE), (10, SILENCE))
    segments.flush(12 * FRAME)
    assert [segment.onset for segment in segments.closed] == [None]


def test_a_cut_moves_the_beginning_of_the_first_segment_that_waits() -> None:
    segments = LiveSegments(WINDOW)
    fed(segments, (40, VOICE))
    segments.cut(20 * FRAME)
    assert (segments.open, segments.onset) == (20 * FRAME, 20 * FRAME)
    fed(segments, (10, SILENCE))
    segments.cut(30 * FRAME)
    assert [segment.onset for segment in segments.closed] == [30 * FRAME]
    assert segments.open == 50 * FRAME
