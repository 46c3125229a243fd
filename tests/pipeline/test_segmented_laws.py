"""Laws of a recognizer for any speech, any split into pieces, and any timing of the engine."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from caesura.pipeline.segmenter import MIN_CARRIED_S, MIN_SPEECH, PADDING
from caesura.speech.vad import FRAME
from tests.example_count import examples
from tests.pipeline.recognizer_laws import FAINT, Plan, Player, Step, Talk, plans, talks, windows
from tests.recognizer_bench import VOICE, Bench

LONGEST_S = 4.0
SURE = MIN_SPEECH + 3 * FRAME
"""So much voice of one run in a segment is transcribed wherever frames and flushes fall."""


def explained(talk: Talk, bench: Bench, start: int, end: int) -> bool:
    """Whether a word may be missing: a final's edge lies in it, or its segment has too little voice around it."""
    edges = [round(final.end * 16_000) for final in bench.finals]
    if any(start < edge < end for edge in edges):
        return True
    low = max([0, *[edge for edge in edges if edge <= start]])
    high = min(edge for edge in edges if edge >= end)
    first, last = next(run for run in talk.voiced(VOICE) if run[0] <= start and end <= run[1])
    return min(last, high) - max(first, low) < SURE


def check_words(talk: Talk, bench: Bench) -> None:
    events = [int(word.text) for final in bench.finals for word in final.words]
    assert events == sorted(set(events)), "a word was emitted twice, or out of order"
    missing = set(range(len(talk.words))) - set(events)
    unexplained = [talk.words[n] for n in missing if not explained(talk, bench, *talk.words[n])]
    assert unexplained == []


def check_cuts(talk: Talk, bench: Bench) -> None:
    """A cut lies in a word only where the engine had no two words to cut between."""
    for final in bench.finals:
        edge = round(final.end * 16_000)
        if final.endpoint or not any(start < edge < end for start, end in talk.words):
            continue
        jobs = [job for job in bench.jobs if job.final and abs(job.at + len(job.audio) / 16_000 - final.end) < 1e-6]
        assert jobs, "cut inside a word, and not where a job ended"
        inside = [word for word in talk.track if jobs[-1].at <= word.start and word.end <= final.end]
        places = [(a.end + b.start) / 2 for a, b in pairwise(inside)]
        assert not any(place <= final.end - MIN_CARRIED_S for place in places)


def check_jobs(talk: Talk, bench: Bench) -> None:
    for first, last, _ in bench.requests:
        voice = sum(max(0, min(last, end) - max(first, start)) for start, end in talk.voiced(FAINT))
        # A flush may fall into a frame that is not judged yet, and counts for speech while somebody speaks.
        assert voice > min(MIN_SPEECH, last - first) - FRAME, "silence or a scrap went to the engine"
        assert last - first <= LONGEST_S * 16_000 + PADDING


@examples(150)
@given(talks(), plans(Step.FLUSH, Step.ANSWER, Step.STALE), st.integers(FRAME, 40_000), windows(), st.booleans())
@example(Talk(((1_250, VOICE),), tuple((n * 4_000, n * 4_000 + 3_900) for n in range(159))), [], 640_000, 0.32, True)
def test_whatever_is_spoken_and_whenever_it_is_answered(
    talk: Talk, plan: Plan, piece: int, window: float | None, full: bool
) -> None:
    """Finals tile the stream, each word is emitted once or its loss is explained, and no law is broken on the way."""
    extra = 1.0 if full else None
    bench = Bench(*talk.track, endpointing_s=window, interim_s=extra, gap_s=extra, longest_s=LONGEST_S)
    Player(bench, talk).play(plan, piece)
    assert full or not bench.interims
    check_words(talk, bench)
    check_cuts(talk, bench)
    check_jobs(talk, bench)


@examples(60)
@given(talks(), windows(), st.integers(FRAME, 60_000))
def test_pieces_make_no_difference_to_what_is_emitted(talk: Talk, window: float | None, piece: int) -> None:
    """With an engine that answers at once, finals do not depend on how the audio was cut."""
    small = Bench(*talk.track, endpointing_s=window, longest_s=200.0, prompt=True)
    large = Bench(*talk.track, endpointing_s=window, longest_s=200.0, prompt=True)
    Player(small, talk).play([], FRAME)
    Player(large, talk).play([], piece)
    assert large.finals == small.finals
    assert large.began == small.began


@examples(40)
@given(talks(), st.lists(st.integers(1, 60_000), max_size=10))
def test_interims_change_nothing_about_finals(talk: Talk, pieces: list[int]) -> None:
    with_, without = (
        Bench(*talk.track, interim_s=interval, longest_s=LONGEST_S, prompt=True) for interval in (0.3, None)
    )
    for bench in (with_, without):
        Player(bench, talk).play(list(pieces), 8_000)
    assert with_.finals == without.finals


@examples(30)
@given(talks(), plans(Step.FLUSH, Step.ANSWER, Step.STALE), st.integers(FRAME, 40_000))
def test_once_finals_cover_everything_little_audio_is_kept(talk: Talk, plan: Plan, piece: int) -> None:
    """The buffer is cut down when it is worth the copy: at the latest when 10 s of it are covered."""
    tracemalloc.start()
    try:
        bench = Bench(*talk.track, endpointing_s=0.32, longest_s=LONGEST_S)
        Player(bench, talk).play(plan, piece)
        bench.jobs.clear()
        bench.cancelled.clear()
        assert tracemalloc.get_traced_memory()[0] <= 2 * 160_000 * 4 + 1_000_000
    finally:
        tracemalloc.stop()
