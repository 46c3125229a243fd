"""One streaming recognizer, scenario by scenario: what its state is fed and when, and which events come of it.

A frame is 0.032 s and the window ten of them, 0.32 s, unless a test says otherwise. The engine's words are checksums of
all that the state was fed, one for each 0.1 s.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from caesura.engines.base import Hypothesis, Priority, Term
from caesura.events import SpeechBegan, TranscriptSegment
from caesura.pipeline.streaming import FEED, TAIL
from caesura.speech.diarizer import Diarizer
from caesura.speech.embedding import SpeakerEmbedding
from caesura.speech.vad import FRAME
from tests.recognizer_bench import places, sound, word
from tests.streaming_bench import StreamingBench
from tests.streaming_engines import chained

WRONG = Hypothesis((word("wrong", 0.0, 0.1),))
HELLO = Hypothesis((word("Hello", 0.25, 0.5),))
"""Times count from the first sample of the state."""


# ---- one utterance ----


def test_one_utterance_is_emitted_with_its_words_and_covers_the_window_too() -> None:
    bench = StreamingBench(prompt=True).rest(10).speak(20).rest(10)
    began, final = bench.events
    assert began == SpeechBegan(0, 0.32)
    assert isinstance(final, TranscriptSegment)
    assert (final.start, final.end) == (0.0, 1.28)
    assert (final.final, final.endpoint, final.flushed) == (True, True, False)
    assert [each.text for each in final.words] == chained(sound(1_920, 20_480))
    assert (final.words[0].start, round(final.words[-1].end, 7)) == (0.12, 1.28)


def test_the_state_is_fed_while_speech_goes_on_and_ends_with_the_segment() -> None:
    bench = StreamingBench(prompt=True).rest(10).speak(20).rest(30)
    assert [last for _, _, last in bench.requests] == [False, False, False, False, True]
    assert {first for first, _, _ in bench.requests} == {1_920}
    ends = [end for _, end, _ in bench.requests]
    assert all(FEED <= later - earlier < FEED + FRAME for earlier, later in pairwise(ends[:-1]))
    assert ends[-1] == 20_480
    assert [job.priority for job in bench.jobs[:-1]] == [Priority.INTERIM] * 4
    assert bench.jobs[-1].priority is Priority.FINAL
    assert bench.workers.end() == 0


def test_the_next_utterance_has_a_state_of_its_own() -> None:
    bench = StreamingBench(prompt=True).rest(10).speak(20).rest(20).speak(20).rest(10)
    assert bench.spans == [(0.0, 1.28), (1.28, 2.56)]
    assert bench.words == [chained(sound(1_920, 20_480)), chained(sound(22_400, 40_960))]
    assert sorted({job.state for job in bench.jobs}) == [0, 1]


def test_a_pause_shorter_than_the_window_is_fed_too() -> None:
    bench = StreamingBench(prompt=True).rest(10).speak(20).rest(9).speak(24).rest(10)
    assert bench.spans == [(0.0, 2.336)]
    assert bench.words == [chained(sound(1_920, 37_376))]
    assert len({job.state for job in bench.jobs}) == 1


def test_silence_and_scraps_are_not_fed() -> None:
    bench = StreamingBench(prompt=True).rest(40).speak(2).rest(20).speak(2).flush().rest(400).end()
    assert bench.jobs == []
    assert [final.words for final in bench.finals] == [()] * len(bench.finals)
    assert bench.recognizer.drained


def test_no_more_silence_behind_speech_is_fed_than_the_engine_may_be_late() -> None:
    bench = StreamingBench(endpointing_s=4.0, prompt=True).speak(20).rest(125)
    assert bench.requests[-1] == (0, 20 * FRAME + TAIL, True)
    assert all(end <= 20 * FRAME + TAIL for _, end, _ in bench.requests)
    assert bench.spans == [(0.0, 4.64)]


def test_with_language_detection_each_word_has_the_language_of_its_state() -> None:
    bench = StreamingBench(language=None, detectable_languages=("en", "ko")).speak(20).rest(10)
    bench.answer(replace(HELLO, language="ko", language_confidence=0.75))
    assert (bench.jobs[0].language, bench.jobs[0].detectable_languages) == (None, ("en", "ko"))
    assert [(each.language, each.language_confidence) for each in bench.finals[0].words] == [("ko", 0.75)]


def test_where_the_language_was_named_no_word_repeats_it() -> None:
    bench = StreamingBench(language="ko").speak(20).rest(10)
    bench.answer(replace(HELLO, language="ko"))
    assert bench.jobs[0].language == "ko"
    assert [each.language for each in bench.finals[0].words] == [None]


# ---- a slow worker ----


def test_one_job_is_out_at_a_time_and_the_next_has_the_newest_audio() -> None:
    bench = StreamingBench().speak(50)
    assert len(bench.jobs) == 1
    bench.answer()
    assert [end for _, end, _ in bench.requests] == [FRAME * 8, FRAME * 50]


def test_the_final_takes_the_place_of_a_feed_that_is_out() -> None:
    bench = StreamingBench().speak(20)
    late = bench.out
    bench.rest(10)
    assert late is not None
    assert bench.requests[-1] == (0, 15_360, True)
    bench.recognizer.receive(late, WRONG)
    bench.answer()
    assert bench.words == [chained(sound(0, 15_360))]


def test_a_feed_that_was_done_in_vain_is_not_fed_twice() -> None:
    bench = StreamingBench().speak(20)
    bench.answer_in_vain()
    bench.rest(10).answer()
    assert bench.words == [chained(sound(0, 15_360))]


@pytest.mark.parametrize("when", [4, 12, 22, 29])
def test_a_worker_that_dies_costs_no_word(when: int) -> None:
    """What the state was fed is fed again to another."""
    frames = [(20, True), (10, False)]
    bench = StreamingBench(prompt=True)
    voice = [speaks for count, speaks in frames for _ in range(count)]
    for at, speaks in enumerate(voice):
        if at == when:
            bench.workers.die()
        bench.speak(1) if speaks else bench.rest(1)
    assert bench.words == [chained(sound(0, 15_360))]
    assert bench.workers.deaths == (1 if when > 8 else 0)


# ---- flush and end ----


def test_a_flush_makes_everything_final_and_the_rest_has_another_state() -> None:
    bench = StreamingBench(prompt=True).speak(20).samples(100).flush()
    (final,) = bench.finals
    assert (final.end, final.endpoint, final.flushed) == (0.64625, True, True)
    assert bench.words == [chained(sound(0, 10_340))]
    bench.speak(20).rest(10)
    # Voice activity is known of whole frames.
    assert bench.words[1] == chained(sound(10_340, 50 * FRAME))
    assert bench.spans[1][0] == 0.64625


def test_a_flush_of_nothing_is_answered_too() -> None:
    bench = StreamingBench().flush()
    assert bench.spans == [(0.0, 0.0)]
    assert bench.finals[0].flushed


def test_the_end_makes_the_rest_final() -> None:
    bench = StreamingBench().speak(20).end()
    assert not bench.recognizer.drained
    bench.answer()
    assert bench.recognizer.drained
    assert bench.words == [chained(sound(0, 20 * FRAME))]
    assert bench.recognizer.pending_s == 0.0


# ---- interims ----


def test_interims_come_at_the_interval_with_the_words_so_far() -> None:
    bench = StreamingBench(interim_s=0.5, prompt=True).speak(50)
    assert [round(each.end, 3) for each in bench.interims] == [0.512, 1.024, 1.536]
    # The engine returns a word 0.3 s after it.
    assert [len(each.words) for each in bench.interims] == [2, 7, 12]
    assert [each.text for each in bench.interims[2].words] == chained(sound(0, 24_000))[:12]
    assert {each.start for each in bench.interims} == {0.0}


def test_interims_of_silence_and_of_a_pause_come_too() -> None:
    bench = StreamingBench(interim_s=0.5, endpointing_s=3.0, prompt=True).rest(32)
    assert [(each.end, each.words) for each in bench.interims] == [(0.512, ()), (1.024, ())]
    bench.speak(20).rest(60)
    assert bench.interims[-1].end > 2.9
    assert len(bench.interims[-1].words) == len(bench.interims[-2].words) > 0


def test_a_short_interval_has_the_state_fed_as_often() -> None:
    bench = StreamingBench(interim_s=0.1, prompt=True).speak(20)
    assert [round(each.end, 3) for each in bench.interims][:3] == [0.128, 0.256, 0.384]


def test_load_makes_interims_of_feeds_no_rarer() -> None:
    """They cost nothing beyond feeding, which a final would otherwise have to wait for."""
    bench = StreamingBench(interim_s=0.5, prompt=True)
    bench.recognizer.stretch_interims(math.inf)
    assert len(bench.speak(50).interims) == 3


def test_no_interim_comes_of_a_segment_that_is_closed() -> None:
    bench = StreamingBench(interim_s=0.1).speak(20)
    job = bench.out
    assert job is not None
    bench.rest(10)
    bench.recognizer.receive(job, HELLO)
    assert bench.recognizer.events() == []


# ---- the gap between utterances ----


def test_the_end_of_an_utterance_is_emitted_once_silence_is_long_enough() -> None:
    bench = StreamingBench(gap_s=1.0).speak(20).rest(10)
    bench.answer(HELLO)
    bench.rest(30)
    assert bench.gaps == [None]
    assert bench.recognizer.settled_until_s == pytest.approx(60 * FRAME / 16_000)


def test_with_a_longer_window_it_waits_until_the_engine_has_had_time_for_a_late_word() -> None:
    bench = StreamingBench(gap_s=1.0, endpointing_s=4.0).speak(20)
    bench.answer(HELLO)
    while not bench.gaps:
        bench.rest(1)
        if bench.out is not None:
            bench.answer(HELLO)
    assert bench.gaps == [0.5]
    assert bench.position - 20 * FRAME - TAIL in range(FRAME)


def test_words_that_may_still_come_hold_the_settled_audio_back() -> None:
    bench = StreamingBench(prompt=True).speak(100)
    fed = bench.requests[-1][1]
    assert bench.recognizer.settled_until_s == (fed - TAIL) / 16_000


# ---- long segments ----


def test_a_long_segment_is_cut_between_two_words_and_a_new_state_begins_there() -> None:
    bench = StreamingBench(longest_s=2.0).speak(70)
    assert bench.requests[-1] == (0, 32_000, True)
    bench.answer(Hypothesis((word("one", 0.1, 0.5), word("two", 0.9, 1.3), word("three", 1.5, 1.9))))
    assert bench.spans == [(0.0, 0.7)]
    assert places(bench.finals[0].words) == [("one", 0.1, 0.5)]
    assert not bench.finals[0].endpoint
    first, _, _ = bench.requests[-1]
    assert first == 11_200


def test_silence_behind_speech_makes_no_segment_too_long() -> None:
    bench = StreamingBench(longest_s=2.0, prompt=True).speak(62).rest(10)
    assert bench.spans == [(0.0, 2.304)]
    assert bench.words == [chained(sound(0, 72 * FRAME))]


def test_a_cut_that_a_pause_has_passed_is_made_where_it_would_be_without_the_pause() -> None:
    """The state that was fed the pause is done with, and another is fed up to the cut."""
    bench = StreamingBench(longest_s=2.0, prompt=True).speak(62).rest(9)
    assert bench.requests[-1][1] > 32_000
    bench.speak(3)
    cut = next(request for request in bench.requests if request[2])
    assert cut == (0, 32_000, True)
    assert bench.words == [chained(sound(0, 32_000))[: len(bench.words[0])]]
    assert bench.workers.end() == 0


def test_a_cut_that_comes_back_when_the_segment_is_closed_is_made_all_the_same() -> None:
    bench = StreamingBench(longest_s=2.0).speak(70).rest(10)
    assert [last for _, _, last in bench.requests] == [False, True]
    bench.answer()
    assert not bench.finals[0].endpoint
    bench.answer()
    assert [final.endpoint for final in bench.finals] == [False, True]
    assert bench.spans[-1][1] == 80 * FRAME / 16_000


# ---- terms and speakers ----


def test_terms_apply_to_states_that_are_opened_later() -> None:
    bench = StreamingBench()
    bench.recognizer.bias((Term("caesura"),))
    bench.speak(20)
    assert bench.jobs[-1].terms == (Term("caesura"),)


def test_speakers_are_embedded_for_what_is_emitted_only() -> None:
    bench = StreamingBench(interim_s=0.5, diarizer=Diarizer(), prompt=True).speak(40).rest(10)
    assert [job.embed_speakers for job in bench.jobs] == [
        job.final or len(job.audio) in {round(each.end * 16_000) for each in bench.interims} for job in bench.jobs
    ]
    assert bench.jobs[-1].embed_speakers
    assert len(bench.interims) == 3


def test_load_makes_interims_with_speakers_rarer() -> None:
    bench = StreamingBench(interim_s=0.5, diarizer=Diarizer(), prompt=True)
    bench.recognizer.stretch_interims(3.0)
    assert [round(each.end, 3) for each in bench.speak(60).interims] == [1.504]


def test_an_interim_in_a_pause_has_speakers_too() -> None:
    bench = StreamingBench(interim_s=0.5, endpointing_s=4.0, diarizer=Diarizer(), prompt=True).speak(20).rest(90)
    last = bench.jobs[-1]
    assert (len(last.audio), last.embed_speakers) == (20 * FRAME + TAIL, True)
    assert bench.interims[-1].end > 3.0


class Learner(Diarizer):
    """Keeps what it learns."""

    def __init__(self) -> None:
        super().__init__()
        self.learned: list[tuple[list[str], int]] = []

    def learn(self, words: object, embeddings: object) -> None:
        assert isinstance(words, list | tuple)
        assert isinstance(embeddings, list | tuple)
        self.learned.append(([each.text for each in words], len(embeddings)))


def test_speakers_are_learned_once_from_each_final() -> None:
    learner = Learner()
    found = replace(HELLO, speaker_embeddings=(SpeakerEmbedding(0.25, 0.5, np.ones(512, np.float32)),))
    bench = StreamingBench(diarizer=learner).speak(20).rest(10)
    bench.answer(found)
    assert learner.learned == [(["Hello"], 1)]
