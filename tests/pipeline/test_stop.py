"""A stream that is stopped: in a pause everything is final, in speech only what lies before a gap between two words."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from caesura.engines.base import SAMPLE_RATE, Hypothesis
from caesura.pipeline.live_segments import STOP_PAUSE, LiveSegments
from caesura.pipeline.segmenter import PADDING, last_cut
from caesura.speech.vad import FRAME
from tests.recognizer_bench import FRAME_S, SILENCE, VOICE, Bench, word
from tests.streaming_bench import StreamingBench

PAUSE = -(-STOP_PAUSE // FRAME)
"""Frames of a pause."""


def fed(*runs: tuple[int, float], window: int = 10 * FRAME) -> LiveSegments:
    """Segments that were fed runs of frames."""
    segments = LiveSegments(window)
    for frames, probability in runs:
        for _ in range(frames):
            segments.feed(probability)
    return segments


# ---- pauses ----


def test_a_stream_is_at_a_pause_before_anything_is_said_and_when_nothing_was_voiced_for_300_ms() -> None:
    assert fed().at_pause
    assert fed((1, SILENCE)).at_pause
    assert not fed((1, VOICE)).at_pause
    assert not fed((20, VOICE), (PAUSE - 1, SILENCE), window=99 * FRAME).at_pause
    assert fed((20, VOICE), (PAUSE, SILENCE), window=99 * FRAME).at_pause
    assert not fed((20, VOICE), (PAUSE, SILENCE), (1, VOICE), window=99 * FRAME).at_pause


def test_an_endpoint_is_a_pause_once_its_final_is_out_and_until_something_is_voiced() -> None:
    segments = fed((20, VOICE), (1, SILENCE), window=FRAME)
    assert not segments.at_pause
    segments.closed.clear()
    assert segments.at_pause
    segments.feed(VOICE)
    assert not segments.at_pause


def test_the_end_of_a_segment_without_endpoint_is_no_pause() -> None:
    segments = fed((20, VOICE))
    segments.finish(20 * FRAME)
    segments.closed.clear()
    assert segments.at_pause
    segments = LiveSegments(None)
    for _ in range(20):
        segments.feed(VOICE)
    segments.finish(20 * FRAME)
    segments.closed.clear()
    assert not segments.at_pause


# ---- where a stop closes ----


@pytest.mark.parametrize(
    ("runs", "end", "closed", "left"),
    [
        ([], 0, [], False),
        ([(5, SILENCE)], 5 * FRAME + 7, [], False),
        ([(10, SILENCE)], 10 * FRAME + 7, [10 * FRAME + 7 - PADDING], False),
        ([(10, SILENCE), (2, VOICE)], 12 * FRAME + 7, [10 * FRAME - PADDING], False),
        ([(20, VOICE)], 20 * FRAME, [], True),
        ([(20, VOICE), (PAUSE - 1, SILENCE)], (19 + PAUSE) * FRAME, [], True),
        ([(20, VOICE), (PAUSE, SILENCE)], (20 + PAUSE) * FRAME, [20 * FRAME + PADDING], False),
        ([(20, VOICE), (20, SILENCE)], 40 * FRAME, [40 * FRAME - PADDING], False),
        ([(20, VOICE), (PAUSE, SILENCE), (1, VOICE)], (21 + PAUSE) * FRAME, [20 * FRAME + PADDING], False),
        ([(20, VOICE), (PAUSE, SILENCE), (3, VOICE)], (23 + PAUSE) * FRAME, [], True),
    ],
)
def test_a_stop_closes_what_ends_in_a_pause_and_leaves_speech(
    runs: list[tuple[int, float]], end: int, closed: list[int], left: bool
) -> None:
    """Speech that may just begin is left out too, with some of the silence before it."""
    segments = fed(*runs, window=99 * FRAME)
    segments.stop(end)
    assert [segment.end for segment in segments.closed] == closed
    assert (segments.stopped, segments.speech_left) == (True, left)


def test_stopped_speech_is_cut_as_a_long_segment_and_with_no_place_for_it_closed_nowhere() -> None:
    words = (word("one", 0.5, 1.0), word("two", 1.4, 1.9), word("thr", 2.0, 2.5))
    kept, at = last_cut(words, 0.3, 2.5)
    assert ([each.text for each in kept], at) == (["one"], pytest.approx(1.2))
    for few in ((), words[:1], (word("one", 1.5, 2.1), word("tw", 2.15, 2.5))):
        assert last_cut(few, 0.3, 2.5) == ((), 0.3)


# ---- segment engines ----

TRACK = (word("one", 0.2, 0.6), word("two", 0.7, 1.2), word("three", 1.7, 2.2), word("four", 2.3, 3.4))


def test_a_stop_in_a_word_makes_final_what_lies_before_a_gap() -> None:
    bench = Bench(*TRACK).speak(90).stop()
    assert bench.requests == [(0, 90 * FRAME, True)]
    assert not bench.recognizer.drained
    bench.answer()
    assert (bench.texts, bench.spans) == (["one two"], [(0.0, 1.45)])
    assert not bench.finals[0].endpoint
    assert bench.recognizer.drained
    assert bench.out is None


def test_a_stop_in_the_only_word_makes_nothing_final_but_the_silence_before_it() -> None:
    bench = Bench(word("alone", 1.0, 3.0), prompt=True).rest(30).speak(20).stop()
    assert (bench.texts, bench.spans) == ([""], [(0.0, 30 * FRAME_S - 0.2)])
    assert bench.recognizer.drained


def test_a_stop_in_a_scrap_needs_no_job() -> None:
    bench = Bench(longest_s=4.0, prompt=True).rest(30).speak(3).stop()
    assert bench.recognizer.drained
    assert len(bench.jobs) <= 1
    assert sum(len(final.words) for final in bench.finals) == 0
    assert bench.finals[-1].end <= 30 * FRAME_S


def test_a_stop_in_a_pause_makes_everything_final() -> None:
    bench = Bench(*TRACK[:3], endpointing_s=1.0).speak(70).rest(PAUSE).stop()
    bench.answer_all()
    assert (bench.texts, bench.spans) == (["one two three"], [(0.0, pytest.approx(70 * FRAME_S + 0.2))])
    assert bench.requests == [(0, 70 * FRAME + PADDING, True)]
    assert bench.recognizer.drained


def test_a_stop_while_an_endpoint_s_final_is_out_waits_for_it_and_then_cuts_what_followed() -> None:
    track = (*TRACK[:3], word("five", 3.0, 3.5), word("six", 3.9, 4.2), word("seven", 4.3, 5.2))
    bench = Bench(*track).speak(70).rest(10).speak(68).stop()
    bench.answer_all()
    assert bench.texts == ["one two three", "five"]
    assert bench.spans[-1][1] == pytest.approx(3.7)
    assert bench.recognizer.drained


def test_a_long_segment_is_cut_as_ever_before_the_rest_is_cut_for_the_stop() -> None:
    track = [word(f"w{n}", 0.1 + n * 0.5, 0.5 + n * 0.5) for n in range(12)]
    bench = Bench(*track, longest_s=3.0).speak(150).stop()
    assert len(bench.jobs) == 1
    bench.answer_all()
    assert bench.recognizer.drained
    assert bench.texts == ["w0 w1 w2", "w3 w4 w5 w6", "w7"]
    assert bench.spans[-1][1] == pytest.approx(4.05)


@given(st.integers(1, 300), st.lists(st.tuples(st.integers(1, 40), st.booleans()), max_size=12), st.booleans())
@example(120, [(120, True)], True)
def test_whenever_a_stream_is_stopped_words_are_whole_or_not_covered_at_all(
    frames: int, runs: list[tuple[int, bool]], prompt: bool
) -> None:
    """Words of 0.3 s every 0.4 s, of which the engine returns those that lie wholly in its audio."""
    track = [word(f"w{n}", n * 0.4, n * 0.4 + 0.3) for n in range(60)]
    bench = Bench(*track, longest_s=4.0, prompt=prompt)
    for count, voiced in [(frames, True), *runs]:
        bench.batch((count, VOICE if voiced else SILENCE))
    at_pause = bench.recognizer.at_pause
    bench.stop().answer_all()
    assert bench.recognizer.drained
    covered = bench.finals[-1].end if bench.finals else 0.0
    emitted = [each.text for final in bench.finals for each in final.words]
    assert len(emitted) == len(set(emitted))
    if at_pause:
        assert covered >= bench.position / SAMPLE_RATE - 0.2001
    elif bench.finals and bench.finals[-1].words and not bench.finals[-1].endpoint:
        assert not any(each.start + 1e-6 < covered < each.end - 1e-6 for each in track)


# ---- streaming engines ----


def test_a_stopped_state_is_ended_and_cut_between_two_of_its_words() -> None:
    bench = StreamingBench().speak(70)
    bench.stop()
    assert bench.requests[-1] == (0, 70 * FRAME, True)
    assert not bench.recognizer.drained
    bench.answer(Hypothesis((word("one", 0.1, 0.5), word("two", 0.9, 1.3), word("thr", 1.5, 2.2))))
    assert (bench.words, bench.spans) == ([["one"]], [(0.0, 0.7)])
    assert bench.recognizer.drained
    assert bench.out is None
    assert bench.workers.end() == 0


def test_a_stop_cuts_no_state_in_a_pause_and_none_in_a_scrap() -> None:
    bench = StreamingBench(endpointing_s=1.0, prompt=True).speak(40).rest(PAUSE).stop()
    assert bench.spans == [(0.0, pytest.approx(40 * FRAME_S + 0.2))]
    assert bench.recognizer.drained
    bench = StreamingBench(prompt=True).rest(30).speak(2).stop()
    assert bench.spans == [(0.0, 30 * FRAME_S - 0.2)]
    assert bench.jobs == []
    assert bench.recognizer.drained


def test_speech_that_is_too_long_for_one_state_is_cut_as_ever_before_the_stop_cuts_the_rest() -> None:
    bench = StreamingBench(longest_s=2.0).speak(80).stop()
    bench.answer(Hypothesis((word("one", 0.1, 0.5), word("two", 0.9, 1.3), word("three", 1.5, 1.9))))
    assert bench.spans == [(0.0, 0.7)]
    bench.answer(Hypothesis((word("two", 0.2, 0.6), word("three", 1.0, 1.2), word("fo", 1.4, 1.86))))
    assert bench.words == [["one"], ["two"]]
    assert bench.spans[-1] == (0.7, pytest.approx(1.5))
    assert bench.recognizer.drained
