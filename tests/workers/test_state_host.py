"""The states of a worker: opened where they begin, fed what is new in one call, and closed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from caesura.engines.base import Hypothesis, Priority, Term
from caesura.engines.streaming import FeedJob, StateStart
from caesura.errors import InternalError
from caesura.workers.state_host import StateHost
from tests.recognizer_bench import sound
from tests.streaming_engines import LATE, ChainEngine, chained


def job(state: int, first: int, last: int, *, final: bool = False) -> FeedJob:
    return FeedJob(state, sound(first, last), 1.5, Priority.FINAL if final else Priority.INTERIM, first)


def texts(hypothesis: Hypothesis) -> list[str]:
    return [word.text for word in hypothesis.words]


def test_a_state_goes_on_where_it_was_and_returns_all_its_words() -> None:
    host = StateHost(ChainEngine())
    (early,) = host.feed([job(7, 0, 8_000)])
    (late,) = host.feed([job(7, 8_000, 16_000)])
    (whole,) = host.feed([job(7, 16_000, 20_000, final=True)])
    expected = chained(sound(0, 20_000))
    assert texts(early) == expected[: (8_000 - LATE) // 1_600]
    assert texts(late) == expected[: (16_000 - LATE) // 1_600]
    assert texts(whole) == expected
    assert len(host) == 0


def test_several_states_are_fed_in_one_call() -> None:
    engine = ChainEngine()
    host = StateHost(engine)
    host.feed([job(1, 0, 1_000)])
    one, two = host.feed([job(1, 1_000, 5_000, final=True), job(2, 0, 3_000)])
    assert engine.calls == [[1_000], [4_000, 3_000]]
    assert texts(one) == chained(sound(0, 5_000))
    assert two == Hypothesis()
    assert len(host) == engine.open_states == 1


def test_audio_that_a_state_has_already_is_not_fed_again() -> None:
    engine = ChainEngine()
    host = StateHost(engine)
    host.feed([job(1, 0, 5_000)])
    (found,) = host.feed([job(1, 0, 9_000, final=True)])
    assert engine.calls == [[5_000], [4_000]]
    assert texts(found) == chained(sound(0, 9_000))


def test_a_state_is_opened_with_what_its_first_job_says() -> None:
    engine = ChainEngine()
    terms = (Term("caesura"),)
    StateHost(engine).feed([replace(job(1, 0, 10), language="en", terms=terms)])
    assert engine.states[0].begun == StateStart(1.5, "en", terms)
    StateHost(engine).feed([replace(job(1, 0, 10), detectable_languages=("de", "en"))])
    assert engine.states[1].begun == StateStart(1.5, detectable_languages=("de", "en"))


@pytest.mark.parametrize(
    ("known", "wanted", "sentence"),
    [
        (job(1, 0, 100), job(2, 100, 200), "samples 100 to 200 of a state that is not here"),
        (job(1, 0, 100), job(1, 101, 200), "samples 101 to 200 of a state that is fed up to 100"),
        (job(1, 0, 100), job(1, 0, 99), "samples 0 to 99 of a state that is fed up to 100"),
    ],
)
def test_a_job_that_does_not_go_on_from_where_the_state_is_fails(
    known: FeedJob, wanted: FeedJob, sentence: str
) -> None:
    """Rather than feed a state with a gap, the pool has it made again."""
    host = StateHost(ChainEngine())
    host.feed([known])
    with pytest.raises(InternalError, match=sentence):
        host.feed([wanted])


def test_closed_states_are_gone_and_others_are_passed_over() -> None:
    engine = ChainEngine()
    host = StateHost(engine)
    host.feed([job(1, 0, 10), job(2, 0, 10)])
    host.close([1, 3, 1])
    assert [state.closed for state in engine.states] == [True, False]
    assert len(host) == 1
