"""The replay buffer, rule by rule and against a dictionary of samples as a model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.client.replay_buffer import CHUNK_BYTES, Range, ReplayBuffer, merged
from tests.client.bench import numbers, voice


def tape(limit: int = 1000) -> ReplayBuffer:
    return ReplayBuffer(2, limit)


def test_audio_is_read_from_any_place_on() -> None:
    made = tape()
    assert made.append(0, voice(0, 100)) == ()
    assert made.append(100, voice(100, 50)) == ()
    start, data = made.read(95, 20)
    assert (start, numbers(data)) == (95, list(range(95, 115)))
    assert made.read(140, 20) == (140, voice(140, 10))
    assert made.read(150, 20) == (150, b"")
    assert made.samples == 150


def test_a_pause_is_a_gap_between_two_pieces() -> None:
    made = tape()
    made.append(0, voice(0, 100))
    made.append(500, voice(500, 100))
    assert made.ranges == (Range(0, 100), Range(500, 600))
    assert made.read(90, 50) == (90, voice(90, 10))
    assert made.read(100, 50) == (500, voice(500, 50))
    assert made.read(300, 50) == (500, voice(500, 50))
    assert [made.waiting(at) for at in (0, 40, 100, 499, 550, 600, 900)] == [200, 160, 100, 100, 50, 0, 0]


def test_tiny_chunks_are_gathered_into_few() -> None:
    made = ReplayBuffer(2, 1_000_000)
    for each in range(20_000):
        made.append(each, b"ab")
    assert len(made.ranges) == -(-40_000 // CHUNK_BYTES)
    assert made.read(0, 20_000)[1] == b"ab" * (CHUNK_BYTES // 2)


def test_packets_stay_apart() -> None:
    made = ReplayBuffer(1, 1000, gather=False)
    made.append(0, b"one")
    made.append(3, b"two")
    assert made.read(0, 1000) == (0, b"one")
    assert made.read(3, 1000) == (3, b"two")


def test_what_finds_no_room_pushes_out_the_oldest() -> None:
    made = tape(100)
    made.append(0, voice(0, 60))
    made.append(200, voice(200, 40))
    assert made.append(240, voice(240, 10)) == (Range(0, 10),)
    assert made.append(250, voice(250, 60)) == (Range(10, 60), Range(200, 210))
    assert made.ranges == (Range(210, 310),)
    assert made.samples == 100


def test_audio_longer_than_the_tape_pushes_out_its_own_beginning() -> None:
    made = tape(100)
    made.append(0, voice(0, 50))
    assert made.append(50, voice(50, 250)) == (Range(0, 200),)
    assert made.read(0, 1000) == (200, voice(200, 100))


def test_what_was_pushed_out_in_touching_chunks_is_one_range() -> None:
    assert merged([]) == ()
    assert merged([Range(0, 3), Range(3, 5), Range(7, 8), Range(8, 9)]) == (Range(0, 5), Range(7, 9))


def test_audio_that_is_not_needed_is_dropped_to_the_sample() -> None:
    made = tape()
    made.append(0, voice(0, 100))
    made.append(500, voice(500, 100))
    made.forget(30)
    assert made.ranges == (Range(30, 100), Range(500, 600))
    made.forget(10)
    assert made.samples == 170
    made.forget(300)
    assert made.ranges == (Range(500, 600),)
    made.forget(10_000)
    assert made.ranges == ()
    assert made.read(0, 10) == (0, b"")
    assert made.waiting(0) == 0
    made.forget(20_000)
    assert made.samples == 0


def test_an_empty_tape_takes_audio_from_anywhere() -> None:
    made = tape()
    made.append(700, voice(700, 10))
    made.forget(710)
    made.append(100, voice(100, 10))
    assert made.ranges == (Range(100, 110),)
    assert made.append(200, b"") == ()


def test_audio_does_not_go_back() -> None:
    made = tape()
    made.append(0, voice(0, 100))
    with pytest.raises(ValueError, match="99 lies before 100"):
        made.append(99, voice(99, 1))


acts = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 30), st.integers(0, 40)),
        st.tuples(st.just("forget"), st.integers(0, 300), st.just(0)),
    ),
    max_size=30,
)


@given(acts, st.integers(0, 300), st.integers(1, 50), st.booleans())
def test_a_tape_is_a_dictionary_with_a_bound(
    acts: list[tuple[str, int, int]], at: int, most: int, gather: bool
) -> None:
    """Whatever was appended and forgotten: the newest 64 samples are there, each in its place, and none twice."""
    made, model, source = ReplayBuffer(2, 64, gather=gather), dict[int, int](), 0
    for act, first, samples in acts:
        if act == "forget":
            made.forget(first)
            model = {place: value for place, value in model.items() if place >= first}
            continue
        source += first
        out = made.append(source, voice(source, samples))
        model |= {place: place for place in range(source, source + samples)}
        source += samples
        pushed = sorted(model)[: max(len(model) - 64, 0)]
        assert [place for each in out for place in range(each.start, each.end)] == pushed
        model = {place: value for place, value in model.items() if place not in set(pushed)}
    assert made.samples == len(model)
    assert [place for each in made.ranges for place in range(each.start, each.end)] == sorted(model)
    behind = sorted(place for place in model if place >= at)
    assert made.waiting(at) == len(behind)
    start, data = made.read(at, most)
    assert numbers(data) == list(range(start, start + len(data) // 2))
    assert numbers(data) == behind[: len(data) // 2]
    assert start == (behind[0] if behind else at)
    assert bool(data) is bool(behind)


def test_a_range_is_split_into_what_lies_before_and_after() -> None:
    assert Range(10, 20).split(15) == (Range(10, 15), Range(15, 20))
    assert Range(10, 20).split(10) == (None, Range(10, 20))
    assert Range(10, 20).split(25) == (Range(10, 20), None)
