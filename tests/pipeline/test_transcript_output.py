"""The events of a recognizer: finals tile the stream, words stay inside, and a gap is emitted once."""

from __future__ import annotations

from caesura.events import SpeechBegan, TranscriptSegment, UtteranceEnded
from caesura.pipeline.transcript_output import TranscriptOutput
from tests.recognizer_bench import places, word


def test_events_come_once_and_in_order() -> None:
    output = TranscriptOutput(2, None)
    output.emit_onset(8_000)
    output.emit_final(16_000, (), endpoint=True, flushed=False)
    began, final = output.take()
    assert began == SpeechBegan(2, 0.5)
    assert final == TranscriptSegment(2, 0.0, 1.0, (), final=True, endpoint=True)
    assert output.take() == []


def test_each_final_begins_where_the_last_one_ended() -> None:
    output = TranscriptOutput(0, None)
    for end in (16_000, 16_000, 24_000):
        output.emit_final(end, (), endpoint=False, flushed=True)
    finals = [event for event in output.take() if isinstance(event, TranscriptSegment)]
    assert [(final.start, final.end) for final in finals] == [(0.0, 1.0), (1.0, 1.0), (1.0, 1.5)]
    assert output.covered == 24_000


def test_words_are_clipped_to_the_segment_that_emits_them() -> None:
    output = TranscriptOutput(0, None)
    output.emit_final(16_000, (word("one", -0.1, 0.4), word("two", 0.9, 1.2)), endpoint=False, flushed=False)
    output.emit_interim(16_000, 24_000, (word("three", 0.9, 1.6),))
    final, interim = (event for event in output.take() if isinstance(event, TranscriptSegment))
    assert places(final.words) == [("one", 0.0, 0.4), ("two", 0.9, 1.0)]
    assert (interim.start, interim.end, interim.final) == (1.0, 1.5, False)
    assert places(interim.words) == [("three", 1.0, 1.5)]


def test_a_gap_after_the_last_word_is_emitted_once() -> None:
    output = TranscriptOutput(0, 16_000)
    output.note_words((word("one", 0.2, 0.5),))
    output.emit_utterance_end(23_999)
    assert output.take() == []
    output.emit_utterance_end(24_000)
    output.emit_utterance_end(64_000)
    assert output.take() == [UtteranceEnded(0, 0.5)]


def test_a_gap_that_an_endpoint_has_closed_names_no_word() -> None:
    output = TranscriptOutput(0, 16_000)
    output.emit_final(16_000, (word("one", 0.2, 0.5),), endpoint=True, flushed=False)
    output.emit_utterance_end(24_000)
    assert output.take()[1:] == [UtteranceEnded(0, None)]
