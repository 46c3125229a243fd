"""When the gap between two utterances is long enough."""

from __future__ import annotations

from caesura.events import UtteranceEnded
from caesura.pipeline.utterance_gap import UtteranceGap

SECOND = 16_000


def test_a_gap_is_emitted_once_with_the_end_of_the_last_word() -> None:
    gap = UtteranceGap(3, SECOND)
    gap.add_word(SECOND)
    gap.add_word(2 * SECOND)
    assert gap.event(3 * SECOND - 1) is None
    assert gap.event(3 * SECOND) == UtteranceEnded(3, 2.0)
    assert not gap.is_open
    assert gap.event(9 * SECOND) is None


def test_only_a_later_word_opens_another_gap() -> None:
    gap = UtteranceGap(0, SECOND)
    gap.add_word(SECOND)
    assert gap.event(3 * SECOND) is not None
    gap.add_word(2 * SECOND)
    assert gap.event(9 * SECOND) is None
    gap.add_word(4 * SECOND)
    assert gap.event(5 * SECOND) == UtteranceEnded(0, 4.0)


def test_after_an_endpoint_the_gap_has_no_last_word_unless_one_follows() -> None:
    gap = UtteranceGap(0, SECOND)
    gap.add_word(SECOND)
    gap.close_utterance()
    assert gap.event(2 * SECOND) == UtteranceEnded(0, None)
    gap.close_utterance()
    gap.add_word(3 * SECOND)
    assert gap.event(4 * SECOND) == UtteranceEnded(0, 3.0)


def test_without_a_length_there_is_no_gap() -> None:
    gap = UtteranceGap(0, None)
    gap.add_word(SECOND)
    assert not gap.is_open
    assert gap.event(99 * SECOND) is None
