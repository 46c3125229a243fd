"""Mapping messages of several connections to events: times on three clocks, every word once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from caesura.client.events import Final, Interim, SpeechStarted, TimedWord, UtteranceEnd
from caesura.client.result_mapper import ResultMapper
from caesura.protocol import messages as wire
from caesura.timeline import Timeline

RATE = 1000
MODEL = wire.ModelInfo("", "", "", "")


def message(
    start: float,
    end: float,
    *words: tuple[str, float, float],
    final: bool = True,
    channel: tuple[int, int] = (0, 1),
    speech_final: bool = False,
    from_finalize: bool = False,
) -> wire.Results:
    heard = tuple(wire.WireWord(word, first, last, 0.9) for word, first, last in words)
    text = " ".join(word for word, _, _ in words)
    return wire.Results(
        *channel, start, end - start, final, speech_final, from_finalize, text, 0.9, heard, "", MODEL
    )  # fmt: skip


class Line:
    """A timeline and the mapper on it."""

    def __init__(self) -> None:
        self.timeline = Timeline(RATE)
        self.mapper = ResultMapper(self.timeline)

    def sent(self, start: float, end: float) -> None:
        """Captured audio from `start` to `end` was sent."""
        self.timeline.sent(round((end - start) * RATE), round(start * RATE))

    def reconnected(self, start: float, end: float) -> None:
        """A new connection is sent captured audio from `start` to `end`."""
        self.mapper.begin_epoch(self.timeline.begin_epoch())
        self.sent(start, end)

    def receive(self, results: wire.Results) -> Interim | Final | None:
        return self.mapper.results(results, "raw")

    def words(self, results: wire.Results) -> list[tuple[str, float | None, float | None]]:
        event = self.receive(results)
        return [(word.word, word.source_start, word.source_end) for word in event.words] if event else []


@pytest.fixture
def line() -> Line:
    """10 s, a pause of 20 s, 5 s; captured from noon on."""
    made = Line()
    made.sent(0.0, 10.0)
    made.sent(30.0, 35.0)
    made.timeline.anchor(0, datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp())
    return made


def clock(second: int, microsecond: int = 0) -> datetime:
    return datetime(2026, 1, 1, 12, 0, second, microsecond, tzinfo=UTC)


# ---- three times ----


def test_a_final_has_its_words_with_three_times_each(line: Line) -> None:
    event = line.receive(
        message(9.0, 12.0, ("one", 9.5, 9.75), ("two", 10.5, 11.0), speech_final=True, from_finalize=True)
    )
    one = TimedWord("one", "one", 0.9, 9.5, 9.75, 9.5, 9.75, clock(9, 500_000), clock(9, 750_000))
    two = TimedWord("two", "two", 0.9, 10.5, 11.0, 30.5, 31.0, clock(30, 500_000), clock(31))
    assert event == Final("one two", (one, two), 0, 1, 9.0, 12.0, 0, speech_final=True, from_finalize=True)
    assert event is not None
    assert event.raw == "raw"


def test_an_interim_confirms_nothing(line: Line) -> None:
    event = line.receive(message(9.0, 12.0, ("one", 9.5, 9.75), final=False))
    assert isinstance(event, Interim)
    assert event.words[0].source_start == 9.5
    assert line.mapper.confirmed == 0


def test_a_word_is_printed_with_its_punctuation_and_keeps_its_speaker(line: Line) -> None:
    word = wire.WireWord("yes", 1.0, 1.5, 0.9, "Yes.", 3)
    results = wire.Results(0, 1, 0.0, 2.0, True, False, False, "Yes.", 0.9, (word,), "", MODEL)
    event = line.receive(results)
    assert event is not None
    assert (event.words[0].text, event.words[0].word, event.words[0].speaker) == ("Yes.", "yes", 3)


def test_there_is_no_wall_clock_before_anything_was_captured() -> None:
    line = Line()
    line.sent(0.0, 1.0)
    event = line.receive(message(0.0, 1.0, ("one", 0.25, 0.5)))
    assert event is not None
    assert (event.words[0].source_start, event.words[0].wall_start) == (0.25, None)


def test_a_server_that_sends_results_before_any_audio_has_no_source_times() -> None:
    line = Line()
    assert line.words(message(0.0, 0.0, ("one", 0.0, 0.0))) == [("one", None, None)]
    assert line.mapper.speech_started(wire.SpeechStartedMessage(0, 1, 0.5), "") == SpeechStarted(0, 0.5, None, None)
    assert line.mapper.utterance_end(wire.UtteranceEndMessage(0, 1, 0.5), "") == UtteranceEnd(0, 0.5, None, None)
    assert line.mapper.confirmed == 0


def test_where_samples_cannot_be_counted_there_is_stream_time_only() -> None:
    mapper = ResultMapper(None)
    for epoch in (1, 2):
        event = mapper.results(message(0.0, 2.0, ("yes", 0.5, 1.0)), "")
        assert event is not None
        assert (event.words[0].stream_start, event.words[0].source_start, event.words[0].wall_start) == (
            0.5,
            None,
            None,
        )
        assert mapper.speech_started(wire.SpeechStartedMessage(0, 1, 0.5), "") == SpeechStarted(0, 0.5, None, None)
        assert mapper.utterance_end(wire.UtteranceEndMessage(0, 1, 1.0), "") == UtteranceEnd(0, 1.0, None, None)
        assert mapper.confirmed == 0
        mapper.begin_epoch(epoch)


# ---- what finals cover ----


def test_finals_confirm_up_to_their_end_and_not_across_a_pause(line: Line) -> None:
    line.receive(message(0.0, 4.0))
    assert line.mapper.confirmed == 4000
    line.receive(message(4.0, 10.0))
    assert line.mapper.confirmed == 10_000
    line.receive(message(10.0, 12.0))
    assert line.mapper.confirmed == 32_000


def test_what_finals_cover_never_shrinks(line: Line) -> None:
    line.receive(message(0.0, 4.0))
    line.receive(message(1.0, 2.0))
    assert line.mapper.confirmed == 4000


def test_all_channels_are_covered_when_the_last_one_is(line: Line) -> None:
    """A channel without a message of its own counts from its first mention by another one."""
    line.receive(message(0.0, 6.0, channel=(1, 3)))
    assert line.mapper.confirmed == 0
    line.receive(message(0.0, 5.0, channel=(0, 3)))
    assert line.mapper.confirmed == 0
    line.receive(message(0.0, 3.0, channel=(2, 3)))
    assert line.mapper.confirmed == 3000


# ---- words once each ----


def test_a_new_connection_yields_only_what_finals_did_not_cover(line: Line) -> None:
    line.receive(message(0.0, 8.0, ("yes", 7.0, 7.5)))
    line.reconnected(8.0, 10.0)
    assert line.words(message(0.0, 2.0, ("yes", 0.5, 1.0))) == [("yes", 8.5, 9.0)]


def test_two_words_of_the_same_sound_stay_two_and_one_recognized_twice_stays_one(line: Line) -> None:
    """By where they lie, never by their text: channel 1 is ahead, so it receives some of it again."""
    line.receive(message(0.0, 8.0, ("yes", 5.0, 5.5), ("yes", 7.0, 7.5), channel=(1, 2)))
    line.receive(message(0.0, 4.0, ("no", 3.0, 3.5), channel=(0, 2)))
    line.reconnected(4.0, 10.0)
    again = message(0.0, 6.0, ("yes", 1.02, 1.5), ("yes", 2.97, 3.5), ("yes", 4.5, 5.0), channel=(1, 2))
    assert line.words(again) == [("yes", 8.5, 9.0)]
    assert line.words(message(0.0, 6.0, ("yes", 1.0, 1.5), channel=(0, 2))) == [("yes", 5.0, 5.5)]


def test_the_text_leaves_out_the_words_of_earlier_finals(line: Line) -> None:
    line.receive(message(0.0, 8.0, channel=(1, 2)))
    line.reconnected(0.0, 10.0)
    event = line.receive(message(0.0, 10.0, ("old", 7.0, 7.5), ("new", 8.5, 9.0), channel=(1, 2)))
    assert event is not None
    assert event.text == "new"


@pytest.mark.parametrize(
    ("start", "end", "emitted"),
    [
        pytest.param(7.5, 7.9, True, id="as it was"),
        pytest.param(7.6, 8.05, True, id="a little later"),
        pytest.param(7.3, 7.7, True, id="a little earlier"),
        pytest.param(7.92, 8.0, True, id="a scrap of covered audio"),
        pytest.param(7.85, 8.3, False, id="the next word"),
        pytest.param(8.0, 8.3, False, id="the next word, behind the border"),
    ],
)
def test_a_word_on_the_border_is_assigned_by_its_middle(line: Line, start: float, end: float, emitted: bool) -> None:
    """Recognized again, it may lie a little earlier or later: the last word emitted ends at 7.9, the border is 8.0."""
    line.receive(message(0.0, 8.0, ("word", 7.5, 7.9)))
    line.reconnected(7.0, 10.0)
    assert bool(line.words(message(0.0, 3.0, ("word", start - 7.0, end - 7.0)))) is not emitted


@pytest.mark.parametrize("final", [True, False])
def test_an_interim_or_final_of_what_finals_cover_is_left_out_as_a_whole(line: Line, final: bool) -> None:
    line.receive(message(0.0, 8.0, channel=(1, 2)))
    line.receive(message(0.0, 4.0, channel=(0, 2)))
    line.reconnected(4.0, 10.0)
    assert line.receive(message(0.0, 3.5, ("again", 3.0, 3.5), final=final, channel=(1, 2))) is None
    assert line.mapper.confirmed == 4000


def test_an_interim_never_brings_back_words_of_a_final(line: Line) -> None:
    line.receive(message(0.0, 8.0, ("old", 7.0, 7.5), channel=(1, 2)))
    line.reconnected(4.0, 10.0)
    event = line.receive(message(0.0, 6.0, ("old", 3.0, 3.5), ("new", 4.5, 5.0), final=False, channel=(1, 2)))
    assert isinstance(event, Interim)
    assert event.text == "new"


def test_the_answer_to_finalize_at_the_very_beginning_is_emitted(line: Line) -> None:
    """An empty one, at a boundary that finals cover: who waits for it must see it."""
    line.receive(message(0.0, 8.0))
    line.reconnected(8.0, 10.0)
    event = line.receive(message(0.0, 0.0, from_finalize=True))
    assert isinstance(event, Final)
    assert event.from_finalize


def test_finals_of_one_connection_do_not_hide_one_another(line: Line) -> None:
    """A server may revise where words lie from one final to the next."""
    line.receive(message(0.0, 8.0))
    assert line.words(message(8.0, 10.0, ("early", 7.5, 8.4))) == [("early", 7.5, 8.4)]
    line.reconnected(32.0, 35.0)
    line.receive(message(0.0, 2.0))
    assert line.words(message(2.0, 3.0, ("earlier", 1.0, 1.5))) == [("earlier", 33.0, 33.5)]


# ---- beginnings and ends of speech ----


def test_speech_that_begins_after_a_pause_lies_after_it(line: Line) -> None:
    assert line.mapper.speech_started(wire.SpeechStartedMessage(0, 1, 10.0), "") == SpeechStarted(
        0, 10.0, 30.0, clock(30)
    )


def test_an_utterance_that_ends_at_a_pause_ends_before_it(line: Line) -> None:
    assert line.mapper.utterance_end(wire.UtteranceEndMessage(0, 1, 10.0), "") == UtteranceEnd(0, 10.0, 10.0, clock(10))


def test_an_end_without_a_time_is_emitted_without_one(line: Line) -> None:
    assert line.mapper.utterance_end(wire.UtteranceEndMessage(2, 3, -1.0), "") == UtteranceEnd(2, None, None, None)


def started(line: Line, at: float, channel: int = 0) -> bool:
    return line.mapper.speech_started(wire.SpeechStartedMessage(channel, 2, at), "") is not None


def ended(line: Line, at: float, channel: int = 0) -> bool:
    return line.mapper.utterance_end(wire.UtteranceEndMessage(channel, 2, at), "") is not None


@pytest.mark.parametrize("tell", [started, ended])
def test_what_another_connection_emitted_is_not_emitted_again(line: Line, tell: Callable[..., bool]) -> None:
    """Within a quarter of a second it is the same moment; on another channel it is another one."""
    assert tell(line, 3.0)
    assert tell(line, 8.0)
    assert tell(line, 8.1)
    line.reconnected(7.0, 10.0)
    assert not tell(line, 0.9)
    assert not tell(line, 1.34)
    assert tell(line, 0.9, 1)
    assert tell(line, 1.36)
    assert tell(line, 1.36)


def test_every_event_carries_the_message_it_came_in() -> None:
    mapper = ResultMapper(None)
    started, ended = wire.SpeechStartedMessage(0, 1, 0.5), wire.UtteranceEndMessage(0, 1, -1.0)
    assert getattr(mapper.speech_started(started, "started"), "raw", None) == "started"
    assert getattr(mapper.utterance_end(ended, "ended"), "raw", None) == "ended"
