"""One recognizer, scenario by scenario: voice activity and hypotheses are given, every event has literal times.

A frame is 0.032 s and the window ten of them, 0.32 s, unless a test says otherwise.
"""

from __future__ import annotations

import math
import tracemalloc

import pytest

from caesura.engines.base import Hypothesis, SegmentJob
from caesura.events import SpeechBegan, TranscriptSegment, UtteranceEnded
from caesura.pipeline.segmented import WINDOW
from caesura.pipeline.segmenter import PADDING
from caesura.pipeline.word_context import LEAD_S
from caesura.words import Word
from tests.recognizer_bench import SILENCE, VOICE, Bench, places, word

HELLO, WORLD = word("Hello", 0.4, 0.6), word("world.", 0.65, 0.9)
AGAIN = word("Again.", 1.7, 2.0)
WRONG = Hypothesis((word("wrong", 0.0, 0.1),))


# ---- one utterance ----


def test_one_utterance_is_emitted_with_its_words_and_covers_the_window_too() -> None:
    bench = Bench(HELLO, WORLD, prompt=True).rest(10).speak(20).rest(10)
    began, final = bench.events
    assert began == SpeechBegan(0, 0.32)
    assert isinstance(final, TranscriptSegment)
    assert (final.start, final.end) == (0.0, 1.28)
    assert (final.final, final.endpoint, final.flushed) == (True, True, False)
    assert places(final.words) == [("Hello", 0.4, 0.6), ("world.", 0.65, 0.9)]
    assert [each.confidence for each in final.words] == [0.9, 0.9]


def test_an_utterance_goes_to_the_engine_once_with_a_fifth_of_a_second_around_it() -> None:
    bench = Bench(HELLO, prompt=True).rest(10).speak(20).rest(40)
    assert bench.requests == [(1_920, 18_560, True)]


def test_speech_is_announced_when_it_is_confirmed_and_once_in_an_utterance() -> None:
    bench = Bench().rest(10).speak(2)
    assert bench.began == []
    bench.speak(1)
    assert bench.began == [0.32]
    bench.speak(20).rest(1).speak(20).rest(5).speak(5)
    assert bench.began == [0.32]


def test_the_endpoint_comes_with_the_frame_that_completes_the_window() -> None:
    bench = Bench(HELLO, prompt=True).rest(10).speak(20).rest(9)
    assert bench.finals == []
    bench.rest(1)
    assert bench.spans == [(0.0, 1.28)]


def test_the_next_utterance_begins_where_the_last_final_ended() -> None:
    bench = Bench(HELLO, AGAIN, prompt=True).rest(10).speak(20).rest(20).speak(20).rest(10)
    assert bench.spans == [(0.0, 1.28), (1.28, 2.56)]
    assert bench.texts == ["Hello", "Again."]
    assert bench.began == [0.32, 1.6]


def test_a_pause_shorter_than_the_window_does_not_end_the_utterance() -> None:
    bench = Bench(HELLO, AGAIN, prompt=True).rest(10).speak(20).rest(9).speak(24).rest(10)
    assert bench.spans == [(0.0, 2.336)]
    assert bench.texts == ["Hello Again."]


def test_speech_that_is_not_confirmed_yet_holds_the_endpoint_back_and_a_click_only_delays_it() -> None:
    bench = Bench(HELLO, prompt=True).rest(10).speak(20).rest(9).speak(2)
    assert bench.finals == []
    bench.rest(1)
    assert bench.spans == [(0.0, 1.344)]


def test_one_short_pause_after_the_other_is_not_added_up() -> None:
    bench = Bench(prompt=True).speak(10).rest(6).speak(3).rest(6).speak(3).rest(6)
    assert bench.finals == []


def test_with_language_detection_each_word_has_the_language_of_its_segment() -> None:
    bench = Bench(HELLO, AGAIN, language=None).rest(10).speak(20).rest(10)
    bench.answer(language="fr")
    bench.rest(10).speak(20).rest(10)
    bench.answer(language="en")
    assert [[word.language for word in final.words] for final in bench.finals] == [["fr"], ["en"]]


def test_where_the_language_was_named_no_word_repeats_it() -> None:
    bench = Bench(HELLO, language="fr").rest(10).speak(20).rest(10)
    bench.answer(language="fr")
    assert [word.language for word in bench.finals[0].words] == [None]


# ---- the early final ----


def test_the_final_is_requested_at_two_tenths_of_silence_and_held_until_the_window_has_passed() -> None:
    bench = Bench(HELLO).rest(10).speak(20).rest(6)
    assert bench.jobs == []
    bench.rest(1)
    assert bench.requests == [(1_920, 18_560, True)]
    bench.answer().rest(2)
    assert bench.finals == []
    bench.rest(1)
    assert bench.texts == ["Hello"]
    assert len(bench.jobs) == 1


def test_an_answer_after_the_window_is_emitted_at_once() -> None:
    bench = Bench(HELLO).rest(10).speak(20).rest(25)
    assert bench.finals == []
    bench.answer()
    assert bench.spans == [(0.0, 1.28)]
    assert bench.texts == ["Hello"]


def test_a_window_shorter_than_the_padding_is_requested_when_it_has_passed() -> None:
    bench = Bench(HELLO, endpointing_s=0.1).rest(10).speak(20).rest(3)
    assert bench.jobs == []
    bench.rest(1)
    assert bench.requests == [(1_920, 17_408, True)]
    assert bench.answer().spans == [(0.0, 1.088)]


def test_speech_that_comes_back_makes_the_early_answer_a_draft() -> None:
    bench = Bench(HELLO, AGAIN).rest(10).speak(20).rest(7).answer().speak(24)
    assert bench.finals == []
    bench.rest(7)
    assert bench.requests == [(1_920, 18_560, True), (1_920, 34_432, True)]
    assert bench.jobs[0].draft is None
    assert bench.jobs[1].draft is not None
    bench.answer().rest(3)
    assert bench.texts == ["Hello Again."]


def test_an_early_answer_that_is_overtaken_by_more_speech_is_never_emitted() -> None:
    bench = Bench(HELLO, AGAIN).rest(10).speak(20).rest(7).speak(24)
    bench.answer()
    assert bench.finals == []
    bench.rest(10).answer()
    assert bench.texts == ["Hello Again."]


def test_an_early_job_still_out_is_given_up_for_the_longer_one() -> None:
    bench = Bench(HELLO, AGAIN).rest(10).speak(20).rest(7).speak(24).rest(7)
    assert len(bench.cancelled) == 1
    assert bench.requests[-1] == (1_920, 34_432, True)


def test_the_answer_of_a_cancelled_job_is_ignored() -> None:
    bench = Bench(HELLO, AGAIN).rest(10).speak(20).rest(7).speak(24).rest(10)
    events = list(bench.events)
    bench.answer_cancelled(WRONG)
    assert bench.events == events
    bench.answer()
    assert bench.texts == ["Hello Again."]


# ---- interims ----


def test_interims_come_once_a_second_and_restate_the_segment() -> None:
    bench = Bench(HELLO, WORLD, AGAIN, interim_s=1.0, prompt=True).rest(10).speak(100)
    assert [(each.start, each.end) for each in bench.interims] == [(0.0, 1.024), (0.0, 2.048), (0.0, 3.072)]
    assert [[each.text for each in interim.words] for interim in bench.interims] == [
        ["Hello", "world."],
        ["Hello", "world.", "Again."],
        ["Hello", "world.", "Again."],
    ]
    assert bench.requests == [(1_920, 16_384, False), (1_920, 32_768, False), (1_920, 49_152, False)]
    assert not any(each.endpoint or each.flushed for each in bench.interims)


def test_stretched_interims_come_less_often_and_as_often_as_before_when_the_stretch_ends() -> None:
    bench = Bench(HELLO, WORLD, AGAIN, interim_s=1.0, prompt=True).rest(10)
    bench.recognizer.stretch_interims(2.0)
    bench.speak(100)
    assert [each.end for each in bench.interims] == [2.016]
    bench.recognizer.stretch_interims(1.0)
    bench.speak(40)
    assert [each.end for each in bench.interims] == [2.016, 3.552, 4.576]


def test_finals_only_leaves_finals_and_those_interims_that_cost_no_job() -> None:
    """Those of silence, and those of a final that is held until its endpoint is certain."""
    bench = Bench(AGAIN, interim_s=1.0, prompt=True)
    bench.recognizer.stretch_interims(math.inf)
    bench.rest(40)
    assert [(each.end, each.words) for each in bench.interims] == [(1.024, ())]
    bench.speak(100).rest(10)
    assert [job.final for job in bench.jobs] == [True]
    assert [each.end for each in bench.interims] == [1.024, 4.704]
    assert bench.texts[-1] == "Again."


def test_whether_a_job_is_out_is_known() -> None:
    bench = Bench(HELLO).rest(10)
    assert not bench.recognizer.job_out
    bench.speak(20).rest(7)
    assert bench.recognizer.job_out
    bench.answer()
    assert not bench.recognizer.job_out


def test_each_interim_is_given_the_one_before_as_a_draft() -> None:
    bench = Bench(HELLO, interim_s=1.0, prompt=True).rest(10).speak(100)
    assert [job.draft and job.draft.tokens for job in bench.jobs] == [None, (1_920, 16_384), (1_920, 32_768)]


def test_an_interim_ends_where_it_was_requested_however_late_it_comes() -> None:
    bench = Bench(HELLO, interim_s=1.0).rest(10).speak(40).answer()
    assert [(each.start, each.end) for each in bench.interims] == [(0.0, 1.024)]


def test_interims_of_the_next_segment_start_where_it_starts() -> None:
    bench = Bench(HELLO, AGAIN, interim_s=1.0, prompt=True).rest(10).speak(20).rest(20).speak(40)
    assert [(each.start, each.end) for each in bench.interims] == [(0.0, 1.024), (1.28, 2.304)]
    assert [each.text for each in bench.interims[-1].words] == ["Again."]


def test_without_interims_nothing_is_requested_before_silence() -> None:
    bench = Bench(HELLO, prompt=True).speak(100)
    assert bench.jobs == []
    assert [type(each) for each in bench.events] == [SpeechBegan]


def test_a_slow_engine_gets_the_newest_audio_and_no_backlog() -> None:
    bench = Bench(HELLO, interim_s=1.0).rest(10).speak(150)
    assert bench.requests == [(1_920, 16_384, False)]
    bench.answer()
    assert bench.requests == [(1_920, 16_384, False), (1_920, 81_920, False)]


def test_a_final_takes_the_place_of_an_interim_that_is_out() -> None:
    bench = Bench(HELLO, interim_s=1.0).rest(10).speak(24).rest(7)
    assert bench.requests == [(1_920, 16_384, False), (1_920, 20_608, True)]
    assert len(bench.cancelled) == 1


def test_an_interim_is_held_back_while_a_final_is_out() -> None:
    bench = Bench(HELLO, AGAIN, interim_s=1.0).rest(10).speak(12).rest(10).speak(60)
    assert bench.requests == [(1_920, 14_464, True)]
    assert bench.interims == []
    bench.answer()
    assert bench.spans == [(0.0, 1.024)]
    assert bench.requests[-1] == (13_184, 47_104, False)
    bench.answer()
    assert (bench.interims[0].start, bench.interims[0].end) == (1.024, 2.944)


def test_an_interim_in_the_pause_of_an_utterance_repeats_the_early_answer() -> None:
    bench = Bench(HELLO, interim_s=1.0, endpointing_s=2.0, prompt=True).rest(10).speak(14).rest(40)
    assert [(each.end, [word.text for word in each.words]) for each in bench.interims] == [
        (1.024, ["Hello"]),
        (2.048, ["Hello"]),
    ]
    assert len(bench.jobs) == 1


# ---- silence, scraps and noise ----


def test_long_silence_is_emitted_in_empty_finals_of_five_seconds() -> None:
    bench = Bench(prompt=True).rest(600)
    assert bench.spans == [(0.0, 5.004), (5.004, 10.028), (10.028, 15.052)]
    assert all(each.endpoint and not each.words and not each.flushed for each in bench.finals)
    assert bench.jobs == []


def test_silence_has_an_empty_interim_each_second() -> None:
    bench = Bench(interim_s=1.0).rest(100)
    assert [(each.start, each.end, each.words) for each in bench.interims] == [
        (0.0, 1.024, ()),
        (0.0, 2.048, ()),
        (0.0, 3.072, ()),
    ]
    assert bench.jobs == []


def test_speech_that_begins_as_a_quiet_segment_closes_is_not_lost() -> None:
    bench = Bench(word("Late", 5.46, 5.7), prompt=True).rest(170).speak(1).rest(1).speak(20).rest(10)
    assert bench.spans[0] == (0.0, 5.004)
    assert bench.texts == ["", "Late"]
    assert bench.began == [5.504]


def test_what_is_never_confirmed_never_reaches_the_engine() -> None:
    bench = Bench(HELLO, interim_s=1.0, prompt=True).rest(10).speak(2).rest(20)
    assert bench.began == []
    assert bench.jobs == []


def test_the_shortest_speech_that_is_confirmed_is_transcribed() -> None:
    bench = Bench(HELLO, prompt=True).rest(10).speak(3).rest(10)
    assert bench.requests == [(1_920, 9_856, True)]


def test_clicks_are_no_speech_however_many() -> None:
    bench = Bench(HELLO)
    for _ in range(100):
        bench.speak(2).rest(2)
    assert bench.began == []
    assert bench.jobs == []
    assert bench.texts == ["", ""]


# ---- pauses longer than any silence should be ----


def test_an_utterance_whose_pause_lasts_is_emitted_without_waiting_for_its_endpoint() -> None:
    """However long the window: after five seconds the words are final, and the endpoint comes when it is due."""
    bench = Bench(HELLO, endpointing_s=12.0, prompt=True).rest(10).speak(20).rest(380)
    assert [(each.end, each.endpoint) for each in bench.finals] == [(5.984, False), (10.988, False), (12.96, True)]
    assert bench.texts == ["Hello", "", ""]
    assert bench.recognizer.pending_s < 0.5


def test_speech_in_such_a_pause_starts_the_window_anew() -> None:
    bench = Bench(HELLO, word("More", 7.2, 7.5), endpointing_s=12.0, prompt=True)
    bench.rest(10).speak(20).rest(190).speak(20).rest(374)
    assert bench.texts == ["Hello", "More", ""]
    assert not any(each.endpoint for each in bench.finals)
    bench.rest(1)
    assert [each.endpoint for each in bench.finals] == [False, False, False, True]
    assert bench.finals[-1].end == 19.68


def test_a_flush_in_such_a_pause_is_its_endpoint() -> None:
    bench = Bench(HELLO, endpointing_s=12.0, prompt=True).rest(10).speak(20).rest(200).flush().rest(300)
    assert [each.endpoint for each in bench.finals] == [False, True, True]
    assert bench.finals[-1].words == ()


# ---- without endpointing ----


def test_without_endpointing_a_second_of_silence_closes_a_segment_that_is_no_endpoint() -> None:
    bench = Bench(HELLO, endpointing_s=None, prompt=True).rest(10).speak(20).rest(31)
    assert bench.finals == []
    bench.rest(1)
    assert [(each.start, each.end, each.endpoint) for each in bench.finals] == [(0.0, 1.984, False)]
    assert bench.texts == ["Hello"]


def test_without_endpointing_long_silence_is_no_endpoint_either() -> None:
    bench = Bench(endpointing_s=None, prompt=True).rest(400)
    assert [each.endpoint for each in bench.finals] == [False, False]


def test_without_endpointing_only_a_flush_is_an_endpoint() -> None:
    bench = Bench(endpointing_s=None, prompt=True).rest(5).flush().rest(5).end()
    assert [(each.endpoint, each.flushed) for each in bench.finals] == [(True, True), (False, False)]


# ---- audio in large pieces ----


def test_two_utterances_in_one_piece_come_out_as_two() -> None:
    bench = Bench(HELLO, AGAIN).batch((10, SILENCE), (20, VOICE), (20, SILENCE), (20, VOICE), (20, SILENCE))
    assert bench.began == [0.32, 1.6]
    assert bench.requests == [(1_920, 18_560, True)]
    bench.answer()
    assert bench.texts == ["Hello"]
    bench.answer()
    assert bench.spans == [(0.0, 1.28), (1.28, 2.56)]
    assert bench.texts == ["Hello", "Again."]


def test_the_pieces_make_no_difference_to_the_finals() -> None:
    runs = [(10, SILENCE), (20, VOICE), (12, SILENCE), (30, VOICE), (200, SILENCE), (9, VOICE), (20, SILENCE)]
    small, large = (
        Bench(HELLO, AGAIN, prompt=True),
        Bench(HELLO, AGAIN, prompt=True),
    )
    for frames, probability in runs:
        small.speak(frames, probability)
    large.batch(*runs)
    assert large.finals == small.finals
    assert large.began == small.began


def test_a_minute_of_speech_in_one_piece_is_emitted_in_segments_that_the_engine_likes() -> None:
    track = [word(f"w{n}", 0.1 + n * 0.5, 0.5 + n * 0.5) for n in range(119)]
    bench = Bench(*track, interim_s=1.0).batch((1_875, VOICE), (20, SILENCE))
    bench.answer_all()
    assert [each.text for final in bench.finals for each in final.words] == [each.text for each in track]
    assert max(len(job.audio) for job in bench.jobs) <= 10.2 * 16_000
    assert len(bench.finals) == 7
    assert [each.endpoint for each in bench.finals] == [False] * 6 + [True]


# ---- flush ----


def flushed(bench: Bench) -> list[bool]:
    return [each.flushed for each in bench.finals]


def test_a_flush_before_any_audio_is_answered_with_an_empty_final() -> None:
    bench = Bench().flush()
    assert bench.events == [TranscriptSegment(0, 0.0, 0.0, (), final=True, endpoint=True, flushed=True)]


def test_a_flush_in_silence_is_answered_up_to_the_newest_sample() -> None:
    bench = Bench().rest(20).samples(100).flush()
    assert bench.events == [TranscriptSegment(0, 0.0, 0.64625, (), final=True, endpoint=True, flushed=True)]
    assert bench.jobs == []


def test_a_flush_in_mid_speech_emits_the_transcript_and_the_next_segment_starts_there() -> None:
    bench = Bench(HELLO, WORLD, AGAIN).rest(10).speak(18).samples(300).flush()
    assert bench.requests == [(1_920, 14_636, True)]
    bench.answer().samples(212, [VOICE]).speak(35).rest(10).answer()
    assert bench.spans == [(0.0, 0.91475), (0.91475, 2.368)]
    assert bench.texts == ["Hello world.", "Again."]
    assert [each.flushed for each in bench.finals] == [True, False]
    assert bench.requests[1][0] == 14_636


def test_every_flush_has_its_answer() -> None:
    bench = Bench(HELLO, prompt=True).rest(10).speak(20).flush().flush()
    assert bench.spans == [(0.0, 0.96), (0.96, 0.96)]
    assert bench.texts == ["Hello", ""]
    assert flushed(bench) == [True, True]


def test_a_flush_while_a_final_is_out_comes_after_it() -> None:
    bench = Bench(HELLO).rest(10).speak(20).rest(12).flush()
    assert bench.finals == []
    bench.answer()
    assert bench.spans == [(0.0, 1.28), (1.28, 1.344)]
    assert bench.texts == ["Hello", ""]
    assert flushed(bench) == [False, True]


def test_a_flush_in_the_window_takes_the_early_answer_over() -> None:
    bench = Bench(HELLO).rest(10).speak(20).rest(8).flush()
    assert bench.requests == [(1_920, 18_560, True)]
    bench.answer()
    assert bench.spans == [(0.0, 1.216)]
    assert flushed(bench) == [True]
    assert len(bench.jobs) == 1


def test_a_flush_in_the_window_after_the_early_answer_is_emitted_at_once() -> None:
    bench = Bench(HELLO).rest(10).speak(20).rest(8).answer().flush()
    assert bench.texts == ["Hello"]


def test_a_flush_takes_the_place_of_an_interim_that_is_out() -> None:
    bench = Bench(HELLO, interim_s=1.0).rest(10).speak(30).flush()
    assert bench.requests == [(1_920, 16_384, False), (1_920, 20_480, True)]
    bench.answer_cancelled(WRONG)
    assert bench.interims == []
    assert bench.answer().texts == ["Hello"]


def test_a_flush_while_a_cut_is_out_emits_the_cut_and_then_the_rest() -> None:
    track = [word(f"w{n}", 0.1 + n * 0.5, 0.5 + n * 0.5) for n in range(8)]
    bench = Bench(*track, longest_s=3.0).speak(110).flush()
    assert bench.requests == [(0, 48_000, True)]
    bench.answer()
    assert bench.requests[1][1:] == (56_320, True)
    bench.answer()
    assert bench.texts == ["w0 w1 w2", "w3 w4 w5 w6"]
    assert [(each.endpoint, each.flushed) for each in bench.finals] == [(False, False), (True, True)]
    assert bench.spans == [(0.0, 1.55), (1.55, 3.52)]


def test_the_beginning_of_a_word_that_a_flush_left_unconfirmed_goes_to_the_next_segment() -> None:
    bench = Bench(word("Soft", 0.3, 0.7), prompt=True).rest(10).speak(2).flush().speak(20).rest(10)
    assert bench.requests == [(2_944, 19_584, True)]
    assert bench.texts == ["", "Soft"]
    assert places(bench.finals[1].words) == [("Soft", 0.384, 0.7)]


def test_flushed_silence_keeps_the_padding_of_the_next_utterance() -> None:
    bench = Bench(HELLO, prompt=True).rest(10).flush().speak(20).rest(10)
    assert bench.requests == [(1_920, 18_560, True)]


# ---- end ----


def test_the_end_of_nothing_emits_nothing() -> None:
    bench = Bench().end()
    assert bench.events == []
    assert bench.recognizer.drained


def test_the_end_in_silence_is_an_empty_endpoint() -> None:
    bench = Bench().rest(20).end()
    assert bench.events == [TranscriptSegment(0, 0.0, 0.64, (), final=True, endpoint=True)]
    assert bench.recognizer.drained


def test_the_end_in_mid_speech_emits_the_rest() -> None:
    bench = Bench(HELLO, WORLD).rest(10).speak(20).samples(100).end()
    assert not bench.recognizer.drained
    bench.answer()
    assert bench.recognizer.drained
    assert bench.spans == [(0.0, 0.96625)]
    assert bench.texts == ["Hello world."]
    assert (bench.finals[0].endpoint, bench.finals[0].flushed) == (True, False)


def test_the_end_right_after_a_flush_adds_nothing() -> None:
    bench = Bench(HELLO).rest(10).speak(20).flush().end()
    assert not bench.recognizer.drained
    bench.answer()
    assert bench.recognizer.drained
    assert bench.spans == [(0.0, 0.96)]


def test_the_end_in_the_window_after_the_early_answer_is_emitted_at_once() -> None:
    """A client that closes has little patience: no second decode."""
    bench = Bench(HELLO).rest(10).speak(20).rest(8).answer().end()
    assert bench.recognizer.drained
    assert bench.texts == ["Hello"]


def test_the_end_while_an_interim_is_out_requests_the_final() -> None:
    bench = Bench(HELLO, interim_s=1.0).rest(10).speak(30).end()
    assert bench.requests[-1] == (1_920, 20_480, True)
    assert bench.answer().recognizer.drained
    assert bench.texts == ["Hello"]


def test_the_end_while_a_final_is_out_waits_for_it() -> None:
    bench = Bench(HELLO).rest(10).speak(20).rest(12).end()
    assert not bench.recognizer.drained
    bench.answer()
    assert bench.recognizer.drained
    assert bench.spans == [(0.0, 1.28), (1.28, 1.344)]


def test_the_end_while_a_cut_is_out_emits_the_cut_and_then_the_rest() -> None:
    track = [word(f"w{n}", 0.1 + n * 0.5, 0.5 + n * 0.5) for n in range(8)]
    bench = Bench(*track, longest_s=3.0).speak(110).end()
    bench.answer()
    assert not bench.recognizer.drained
    bench.answer()
    assert bench.recognizer.drained
    assert bench.texts == ["w0 w1 w2", "w3 w4 w5 w6"]


def test_audio_shorter_than_a_frame_is_covered_too() -> None:
    bench = Bench().samples(1).end()
    assert bench.spans == [(0.0, 0.0000625)]


# ---- segments that grow too long ----


def test_long_speech_is_cut_in_a_gap_and_every_word_is_emitted_once() -> None:
    track = (word("one", 0.2, 1.0), word("two", 1.1, 2.1), word("three", 2.4, 2.9), word("four", 3.0, 4.6))
    bench = Bench(*track, longest_s=4.0).speak(125)
    assert bench.jobs == []
    bench.speak(1)
    assert bench.requests == [(0, 64_000, True)]
    bench.answer().speak(24).rest(10)
    assert bench.requests[1] == (36_000, 80_000, True)
    bench.answer()
    assert bench.texts == ["one two", "three four"]
    assert bench.spans == [(0.0, 2.25), (2.25, 5.12)]
    assert [each.endpoint for each in bench.finals] == [False, True]
    assert bench.began == [0.0]


def test_interims_after_a_cut_restate_the_rest() -> None:
    track = (word("one", 0.2, 1.0), word("two", 1.1, 2.1), word("three", 2.4, 2.9), word("four", 3.0, 4.6))
    bench = Bench(*track, longest_s=4.0, interim_s=1.0, prompt=True).speak(150)
    assert [(each.start, each.end) for each in bench.interims] == [
        (0.0, 1.024),
        (0.0, 2.048),
        (0.0, 3.072),
        (2.25, 4.096),
    ]
    assert [each.text for each in bench.interims[-1].words] == ["three"]


def test_no_interim_is_requested_while_a_cut_is_out() -> None:
    bench = Bench(longest_s=4.0, interim_s=1.0, prompt=True).speak(120)
    bench.prompt = False
    bench.speak(60)
    assert [final for _, _, final in bench.requests] == [False, False, False, True]


def test_a_cut_takes_the_place_of_an_interim_that_is_out() -> None:
    bench = Bench(longest_s=4.0, interim_s=1.0).speak(126)
    assert bench.requests == [(0, 16_384, False), (0, 64_000, True)]
    assert len(bench.cancelled) == 1


@pytest.mark.parametrize("track", [(), (word("Mmm", 1.0, 2.0),)])
def test_noise_with_no_place_to_cut_is_closed_whole(track: tuple[Word, ...]) -> None:
    bench = Bench(*track, longest_s=4.0).speak(126).answer()
    assert bench.spans == [(0.0, 4.0)]
    bench.speak(130).answer()
    assert bench.spans == [(0.0, 4.0), (4.0, 8.0)]
    assert bench.texts == [" ".join(each.text for each in track), ""]


def test_speech_that_ends_while_its_cut_is_out_is_cut_all_the_same() -> None:
    track = (word("one", 0.2, 1.0), word("two", 1.1, 2.1), word("three", 2.4, 2.9), word("four", 3.0, 4.6))
    bench = Bench(*track, longest_s=4.0).speak(150).rest(30)
    assert bench.requests == [(0, 64_000, True)]
    assert bench.finals == []
    bench.answer().answer()
    assert bench.texts == ["one two", "three four"]
    assert bench.spans == [(0.0, 2.25), (2.25, 5.12)]


def test_two_utterances_after_a_cut_that_is_still_out_are_emitted_in_their_order() -> None:
    track = (word("one", 0.2, 1.0), word("two", 2.4, 3.6), word("three", 6.0, 6.5))
    bench = Bench(*track, longest_s=4.0).speak(130).rest(50).speak(30).rest(10)
    bench.answer_all()
    assert bench.texts == ["one", "two", "three"]
    assert bench.spans == [(0.0, 1.7), (1.7, 4.48), (4.48, 7.04)]


def test_a_short_word_right_behind_a_cut_is_not_taken_for_a_scrap() -> None:
    track = (word("Well,", 3.3, 3.8), word("no.", 3.82, 3.9))
    bench = Bench(*track, longest_s=4.0).speak(122).rest(12)
    bench.answer_all()
    assert [each.text for final in bench.finals for each in final.words] == ["Well,", "no."]


# ---- what the engine says ----


def test_a_word_in_the_padding_of_two_segments_is_emitted_by_the_first() -> None:
    """Both jobs hold it, because padding overlaps; nothing may be emitted twice."""
    soft = word("uh", 1.1, 1.15)
    bench = Bench(HELLO, soft, AGAIN, prompt=True).rest(10).speak(20).rest(10).speak(30).rest(10)
    assert bench.requests == [(1_920, 18_560, True), (17_280, 39_040, True)]
    assert bench.texts == ["Hello uh", "Again."]


def test_words_of_the_padding_are_clipped_to_their_segment() -> None:
    bench = Bench().rest(10).speak(20).rest(10)
    bench.answer(HELLO).speak(20).rest(10)
    bench.answer(word("Early", 1.2, 1.5), word("late", 1.8, 2.5))
    assert bench.spans == [(0.0, 1.28), (1.28, 2.24)]
    assert places(bench.finals[1].words) == [("Early", 1.28, 1.5), ("late", 1.8, 2.24)]


def test_an_engine_that_recognizes_nothing_makes_an_empty_endpoint() -> None:
    bench = Bench(prompt=True).rest(10).speak(20).rest(10)
    assert bench.finals == [TranscriptSegment(0, 0.0, 1.28, (), final=True, endpoint=True)]


# ---- the gap between utterances ----


def test_a_gap_is_emitted_once_and_as_closed_when_an_endpoint_came_first() -> None:
    bench = Bench(HELLO, gap_s=1.0, prompt=True).rest(10).speak(20).rest(19)
    assert bench.gaps == []
    bench.rest(1)
    assert bench.events[-1] == UtteranceEnded(0, None)
    bench.rest(400)
    assert bench.gaps == [None]


def test_a_gap_without_an_endpoint_names_the_end_of_the_last_word() -> None:
    bench = Bench(HELLO, gap_s=1.0, interim_s=1.0, endpointing_s=3.0, prompt=True).rest(10).speak(20).rest(19)
    assert bench.gaps == []
    bench.rest(1)
    assert bench.gaps == [0.6]
    bench.rest(300)
    assert bench.gaps == [0.6]
    assert bench.texts[0] == "Hello"


def test_half_a_word_recognized_as_none_does_not_end_the_utterance() -> None:
    """The next one has begun within the gap, and its first interim is empty: speech has not ended."""
    late = word("late", 2.4, 2.7)
    bench = Bench(HELLO, WORLD, late, interim_s=0.5, gap_s=1.0, prompt=True).rest(10).speak(20).rest(20)
    assert [type(each) for each in bench.events if isinstance(each, UtteranceEnded)] == []
    # Speech again at 1.6 s, 0.7 s after "world."; interims up to 2.4 s say nothing.
    bench.speak(24)
    assert any(each.words == () for each in bench.interims)
    bench.speak(12).rest(10)
    assert bench.texts == ["Hello world.", "late"]
    assert [each for each in bench.events if isinstance(each, UtteranceEnded)] == []


def test_an_interim_that_loses_the_words_of_the_one_before_neither_blanks_them_nor_ends_the_utterance() -> None:
    """The engine dropped a text of low confidence; the speech goes on."""
    bench = Bench(HELLO, WORLD, interim_s=1.0, gap_s=1.0).rest(10).speak(30).answer()
    bench.speak(32)
    bench.answer_nothing()
    assert [(each.end, [word.text for word in each.words]) for each in bench.interims] == [
        (1.024, ["Hello", "world."]),
        (2.048, ["Hello", "world."]),
    ]
    assert bench.gaps == []


def test_words_that_two_interims_in_a_row_no_longer_contain_are_dropped() -> None:
    bench = Bench(HELLO, WORLD, interim_s=1.0, gap_s=1.0).rest(10).speak(30).answer()
    for _ in range(2):
        bench.speak(32)
        bench.answer_nothing()
    assert [word.text for word in bench.interims[-1].words] == []
    assert bench.gaps == [0.9]


def test_noise_that_keeps_the_voice_detector_speaking_does_not_hide_the_gap() -> None:
    bench = Bench(HELLO, gap_s=1.0, interim_s=1.0, prompt=True).rest(10).speak(53)
    assert bench.gaps == []
    bench.speak(1)
    assert bench.interims[-1].end == 2.048
    assert bench.gaps == [0.6]
    bench.speak(200).rest(10)
    assert bench.gaps == [0.6]


def test_a_late_answer_settles_only_the_audio_of_its_job() -> None:
    bench = Bench(HELLO, gap_s=1.0, interim_s=1.0).rest(10).speak(60)
    bench.answer()
    assert bench.interims[-1].end == 1.024
    assert bench.gaps == []
    bench.answer()
    assert bench.gaps == [0.6]


def test_a_cut_shows_the_gap_behind_its_last_word() -> None:
    bench = Bench(word("Mmm", 1.0, 2.0), gap_s=1.0, longest_s=4.0).speak(126)
    assert bench.gaps == []
    bench.answer()
    assert bench.spans == [(0.0, 4.0)]
    assert bench.gaps == [2.0]


def test_each_utterance_has_its_gap() -> None:
    bench = Bench(HELLO, word("Again.", 2.5, 2.8), gap_s=1.0, prompt=True)
    bench.rest(10).speak(20).rest(45).speak(15).rest(60)
    assert bench.gaps == [None, None]
    assert [type(each) for each in bench.events] == [SpeechBegan, TranscriptSegment, UtteranceEnded] * 2


def test_a_gap_between_two_utterances_of_one_piece_is_emitted_between_them() -> None:
    bench = Bench(HELLO, word("Again.", 2.5, 2.8), gap_s=1.0)
    bench.batch((10, SILENCE), (20, VOICE), (45, SILENCE), (15, VOICE), (60, SILENCE))
    bench.answer_all()
    assert [type(each) for each in bench.events] == [SpeechBegan, SpeechBegan, *[TranscriptSegment, UtteranceEnded] * 2]


def test_a_gap_that_a_slow_final_hides_is_emitted_before_the_next_words() -> None:
    bench = Bench(HELLO, word("Again.", 2.5, 2.8), gap_s=1.0).rest(10).speak(20).rest(10).answer()
    bench.batch((35, SILENCE), (15, VOICE), (10, SILENCE))
    assert bench.gaps == [None]
    bench.answer()
    assert bench.gaps == [None]
    assert bench.texts == ["Hello", "Again."]


def test_utterances_that_follow_each_other_have_one_gap_after_the_last() -> None:
    bench = Bench(HELLO, AGAIN, gap_s=1.0, prompt=True).rest(10).speak(20).rest(15).speak(20).rest(60)
    assert bench.texts == ["Hello", "Again."]
    assert bench.gaps == [None]


def test_no_gap_comes_without_words() -> None:
    bench = Bench(gap_s=1.0, interim_s=1.0, prompt=True).rest(10).speak(20).rest(100)
    assert bench.gaps == []


def test_no_gap_comes_in_a_pause_whatever_is_flushed_meanwhile() -> None:
    bench = Bench(HELLO, gap_s=1.0, prompt=True).rest(10).speak(20).rest(19)
    for _ in range(5):
        bench.flush()
    assert bench.gaps == []
    bench.rest(1)
    assert bench.gaps == [None]


def test_speech_that_is_not_decoded_yet_holds_the_gap_back() -> None:
    """Words may be in it; so the gap ends where it begins."""
    bench = Bench(HELLO, word("Again.", 1.5, 1.9), gap_s=1.0, prompt=True).rest(10).speak(20).rest(15).speak(60)
    assert bench.gaps == []


# ---- bounds ----


def test_pending_counts_what_no_final_covers() -> None:
    bench = Bench(HELLO).rest(10).speak(20).rest(10)
    assert bench.recognizer.pending_s == 1.28
    bench.answer()
    assert bench.recognizer.pending_s == 0.0
    bench.samples(160)
    assert bench.recognizer.pending_s == 0.01


def test_audio_that_finals_cover_is_given_up() -> None:
    bench = Bench(prompt=True)
    tracemalloc.start()
    try:
        for _ in range(60):
            bench.batch((20, VOICE), (40, SILENCE))
            bench.jobs.clear()
        assert tracemalloc.get_traced_memory()[0] < 20 * 16_000 * 4
    finally:
        tracemalloc.stop()
    assert bench.position > 115 * 16_000


# ---- context ----


def test_a_final_is_given_the_audio_before_it_with_its_words() -> None:
    """From just before the first word of it; the words are not recognized again."""
    bench = Bench(HELLO, WORLD, AGAIN, context_s=5.0, prompt=True).rest(10).speak(20).rest(20).speak(20).rest(20)
    first, second = bench.jobs
    assert (first.prefix, first.prefix_s) == ("", 0.0)
    assert second.prefix == "Hello world."
    assert second.at == pytest.approx(HELLO.start - LEAD_S)
    assert second.at + second.prefix_s == pytest.approx(1.6 - PADDING / 16_000)
    assert bench.texts == ["Hello world.", "Again."]
    assert places(bench.finals[1].words) == [("Again.", 1.7, 2.0)]


def test_context_has_whole_words_and_is_no_longer_than_the_engine_likes() -> None:
    bench = Bench(HELLO, WORLD, AGAIN, context_s=2.0, prompt=True).rest(10).speak(20).rest(20).speak(20).rest(20)
    assert bench.jobs[1].prefix == "world."
    assert len(bench.jobs[1].audio) <= 2.0 * 16_000


def test_words_far_behind_are_no_context_and_their_audio_is_not_kept() -> None:
    bench = Bench(HELLO, AGAIN, context_s=9.0, prompt=True).rest(10).speak(20).rest(100).speak(20).rest(20)
    assert [job.prefix for job in bench.jobs] == ["", ""]


def test_after_a_pause_of_the_audio_there_is_no_context() -> None:
    bench = Bench(HELLO, AGAIN, context_s=9.0, prompt=True).rest(10).speak(20).rest(15)
    bench.recognizer.pause()
    bench.rest(5).speak(20).rest(20)
    assert [job.prefix for job in bench.jobs] == ["", ""]
    assert len(bench.finals) == 2


def test_finals_do_not_depend_on_interims() -> None:
    """Nor does their context."""
    track = [word(str(n), 0.4 + 0.3 * n, 0.6 + 0.3 * n) for n in range(40)]
    with_interims, without = (
        Bench(*track, context_s=6.0, interim_s=interim_s, prompt=True).rest(10).speak(260).rest(20).speak(90).rest(30)
        for interim_s in (0.5, None)
    )
    assert with_interims.finals == without.finals
    assert [job for job in map(described, with_interims.jobs) if job[2]] == [
        job for job in map(described, without.jobs) if job[2]
    ]


def test_interims_of_a_long_segment_hear_its_end_and_restate_all_of_it() -> None:
    track = [word(str(n), 0.4 + 0.3 * n, 0.6 + 0.3 * n) for n in range(40)]
    bench = Bench(*track, context_s=6.0, interim_s=1.0, prompt=True).rest(10).speak(290)
    assert len(bench.interims) == 9
    for interim in bench.interims:
        assert [each.text for each in interim.words] == [each.text for each in track if each.end <= interim.end]
    assert max(len(job.audio) for job in bench.jobs) <= WINDOW + 16_000
    assert [bool(job.prefix) for job in bench.jobs] == [False] * 5 + [True] * 4


def test_only_words_that_two_interims_agree_on_are_not_heard_again() -> None:
    """The second interim has another word than the first; the third repeats the second's."""
    bench = Bench(context_s=6.0, interim_s=2.0).rest(10).speak(60)
    bench.answer(word("wreck", 0.4, 0.7), word("a", 0.75, 0.8)).speak(62)
    bench.answer(word("recognize", 0.4, 0.9), word("speech", 3.2, 3.6)).speak(62)
    bench.answer(word("recognize", 0.4, 0.9), word("speech", 3.2, 3.6)).speak(62)
    assert [job.prefix for job in bench.jobs] == ["", "", "", "speech"]


def described(job: SegmentJob) -> tuple[float, int, bool, str, float]:
    return job.at, len(job.audio), job.final, job.prefix, job.prefix_s
