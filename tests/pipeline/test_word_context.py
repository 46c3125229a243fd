"""Context of a job: which words it has, where its audio begins, and which words of interims are agreed on."""

from __future__ import annotations

import pytest

from caesura.pipeline.word_context import LEAD_S, MAX_GAP_S, SETTLED_S, AgreedWords, JobContext, WordContext, context_of
from caesura.words import Word

RATE = 16_000


def words(*starts: float) -> tuple[Word, ...]:
    """Words of a quarter of a second, called by their starts."""
    return tuple(Word(str(start), start, start + 0.25, 0.9) for start in starts)


def at(seconds: float) -> int:
    return round(seconds * RATE)


def test_without_words_a_job_has_its_own_audio() -> None:
    assert context_of((), 100, 200, 10 * RATE) == JobContext(100)


def test_a_context_begins_just_before_its_first_word() -> None:
    assert context_of(words(1, 2, 3), at(4), at(5), at(10)) == JobContext(at(1 - LEAD_S), "1 2 3")


def test_a_context_is_no_longer_than_allowed_with_the_jobs_own_audio() -> None:
    found = context_of(words(1, 2, 3), at(4), at(5), at(2.5))
    assert found == JobContext(at(3 - LEAD_S), "3")
    assert context_of(words(1, 2, 3), at(4), at(5), at(2.0)) == JobContext(at(4))


def test_a_context_ends_at_a_long_gap() -> None:
    assert context_of(words(1, 2, 6), at(7), at(8), at(20)).prefix == "6"
    assert context_of(words(1, 2), at(2.25 + MAX_GAP_S + 0.1), at(6), at(20)).prefix == ""


def test_a_word_that_reaches_into_the_jobs_audio_does_not_move_its_beginning_back() -> None:
    assert context_of(words(4.1), at(4), at(5), at(9)) == JobContext(at(4), "4.1")


def test_a_context_does_not_begin_before_the_stream() -> None:
    assert context_of(words(0), at(1), at(2), at(9)) == JobContext(0, "0")


def test_a_channel_keeps_no_more_words_than_can_be_context() -> None:
    context = WordContext(at(3))
    assert context.needed_from is None
    context.add(words(1, 2, 3), at(4))
    assert context.needed_from == at(2 - LEAD_S)
    context.add(words(5), at(6))
    assert context.before(at(6), at(6.5)).prefix == "5"
    context.clear()
    assert context.before(at(6), at(6.5)) == JobContext(at(6))
    assert context.needed_from is None


def test_without_context_no_word_is_kept() -> None:
    context = WordContext(0)
    context.add(words(1, 2), at(2.25))
    assert context.needed_from is None


def test_agreed_words_are_equal_in_two_hypotheses_and_not_the_newest() -> None:
    agreed = AgreedWords()
    agreed.add(words(0, 1, 2), 3)
    assert agreed.words == ()
    agreed.add(words(0, 1, 2, 3), 4)
    assert agreed.words == words(0, 1, 2)
    agreed.add((*words(0, 1, 2), Word("other", 3, 3.25, 0.9), *words(4)), 5)
    assert agreed.words == words(0, 1, 2)
    agreed.clear()
    assert agreed.words == ()


@pytest.mark.parametrize(("until_s", "count"), [(2.25 + SETTLED_S, 3), (2.2 + SETTLED_S, 2)])
def test_a_word_in_the_last_second_is_not_agreed_on(until_s: float, count: int) -> None:
    agreed = AgreedWords()
    agreed.add(words(0, 1, 2), until_s)
    agreed.add(words(0, 1, 2), until_s)
    assert agreed.words == words(0, 1, 2)[:count]


def test_words_that_were_agreed_on_keep_their_times() -> None:
    agreed = AgreedWords()
    for shift in (0.0, 0.0, 0.02):
        agreed.add(tuple(word.shifted(shift) for word in words(0, 1)), 5)
        agreed.add(tuple(Word(each.text, each.start, each.end, 0.9) for each in words(0, 1)), 5)
    assert agreed.words == words(0, 1)
