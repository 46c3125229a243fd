"""What a channel heard, on its way to the session: held, written, and by which style."""

from __future__ import annotations

from caesura.events import Heard, Search, SpeechBegan, UtteranceEnded
from caesura.formatting.style import Style
from caesura.pipeline.channel import ChannelEvent
from caesura.pipeline.scribe import Scribe
from caesura.words import Word


def words(text: str, start: float = 0.0, each: float = 0.5) -> tuple[Word, ...]:
    return tuple(
        Word(word, start + index * each, start + (index + 1) * each, 0.9) for index, word in enumerate(text.split())
    )


def final(text: str, start: float, end: float, *, endpoint: bool = True, flushed: bool = False) -> Heard:
    return Heard(0, start, end, words(text, start), final=True, endpoint=endpoint, flushed=flushed)


class Desk:
    """A scribe, and what it told."""

    def __init__(self, **style: object) -> None:
        self.told: list[ChannelEvent] = []
        self.scribe = Scribe(Style(**style), "en", self.told.append)  # type: ignore[arg-type]

    @property
    def texts(self) -> list[str]:
        return [" ".join(word.text for word in event.words) for event in self.told if isinstance(event, Heard)]


def test_words_pass_as_they_are_where_nothing_was_asked_for() -> None:
    desk = Desk()
    desk.scribe.hear(SpeechBegan(0, 0.1))
    desk.scribe.hear(final("I have twenty five dollars.", 0.0, 3.0))
    desk.scribe.hear(UtteranceEnded(0, 2.5))
    assert desk.texts == ["I have twenty five dollars."]
    assert [type(event) for event in desk.told] == [SpeechBegan, Heard, UtteranceEnded]


def test_a_final_that_ends_in_a_number_waits_for_its_end() -> None:
    desk = Desk(smart_format=True)
    desk.scribe.hear(final("My number is five five five", 0.0, 3.5))
    assert desk.texts == []
    desk.scribe.hear(final("one two three four. Thanks.", 3.5, 6.5))
    assert desk.texts == ["My number is 555-1234. Thanks."]
    (heard,) = desk.told
    assert isinstance(heard, Heard)
    assert (heard.start, heard.end) == (0.0, 6.5)


def test_it_waits_for_three_seconds_of_silence_and_no_longer() -> None:
    desk = Desk(smart_format=True)
    desk.scribe.hear(final("I want twenty five", 0.0, 2.5))
    desk.scribe.advance(4.9)
    assert desk.texts == []
    desk.scribe.advance(5.1)
    assert desk.texts == ["I want 25"]


def test_without_delay_nothing_waits_unless_something_is_redacted() -> None:
    hasty = Desk(smart_format=True, no_delay=True)
    hasty.scribe.hear(final("I want twenty five", 0.0, 2.5))
    assert hasty.texts == ["I want 25"]
    careful = Desk(redact=("pci",), no_delay=True)
    careful.scribe.hear(final("It is four one one one", 0.0, 2.5))
    assert careful.texts == []


def test_a_number_that_was_being_said_when_the_style_changed_is_written_as_a_whole() -> None:
    desk = Desk()
    desk.scribe.change(1.2, {"numerals": True})
    desk.scribe.hear(final("they cost twenty five dollars", 0.0, 3.0))
    assert desk.texts == ["they cost 25 dollars"]


def test_a_secret_that_was_being_said_when_the_style_changed_is_one_secret() -> None:
    for until in (1.2, 2.2, 3.2, 4.2):
        desk = Desk(redact=("pci",))
        desk.scribe.change(until, {"numerals": True})
        desk.scribe.hear(final("it is 4111, one one one one, 1111 one one one one thanks", 0.0, 7.0, flushed=True))
        assert desk.texts == ["it is [CREDIT_CARD_1] thanks"]


def test_a_number_that_was_over_when_the_style_changed_is_written_as_before() -> None:
    desk = Desk(smart_format=True)
    desk.scribe.hear(final("I want twenty five", 0.0, 2.5))
    desk.scribe.change(2.5, {"smart_format": False})
    desk.scribe.hear(final("that is all", 3.0, 5.0))
    desk.scribe.end()
    assert desk.texts == ["I want 25", "that is all"]


def test_what_is_held_is_told_at_the_end() -> None:
    desk = Desk(smart_format=True)
    desk.scribe.hear(final("I want twenty five", 0.0, 2.5))
    desk.scribe.end()
    assert desk.texts == ["I want 25"]


def test_a_change_holds_for_words_that_begin_after_it() -> None:
    desk = Desk()
    desk.scribe.change(1.4, {"numerals": True})
    desk.scribe.hear(final("twenty one cats twenty two dogs", 0.0, 3.0))
    assert desk.texts == ["twenty one cats 22 dogs"]
    desk.scribe.change(3.0, {"numerals": False})
    desk.scribe.hear(final("twenty three birds", 3.0, 5.0))
    assert desk.texts[1] == "twenty three birds"


def test_an_interim_shows_no_beginning_of_what_its_end_makes_a_secret() -> None:
    desk = Desk(redact=("pci",))
    heard = Heard(0, 0.0, 4.0, words("My card is four one one one one one"), final=False)
    desk.scribe.hear(heard)
    assert desk.texts == ["My card is"]


def test_a_secret_that_is_spread_over_finals_is_known_for_what_it_is() -> None:
    desk = Desk(redact=("pci",))
    for start, text in ((0.0, "four one one one one one"), (4.0, "one one one one one one"), (8.0, "one one one one")):
        desk.scribe.hear(final(text, start, start + 4.0, flushed=True))
    told = " ".join(desk.texts)
    assert sum(text in told for text in ("one one one one one one",)) <= 1
    assert "[" in desk.texts[1]
    assert "[" in desk.texts[2]


def test_each_query_has_its_hits_in_both_styles() -> None:
    desk = Desk(search=("cats", "dogs"))
    desk.scribe.change(1.4, {"numerals": True})
    desk.scribe.hear(final("twenty one cats twenty two dogs", 0.0, 3.0))
    (heard,) = desk.told
    assert isinstance(heard, Heard)
    cats, dogs = heard.searches
    assert (cats.query, dogs.query) == ("cats", "dogs")
    assert isinstance(cats, Search)
    assert (cats.hits[0].snippet, dogs.hits[0].snippet) == ("cats", "dogs")
    assert (cats.hits[0].start, dogs.hits[0].start) == (1.0, 2.5)


def test_a_change_in_the_middle_of_a_secret_shows_no_part_of_it_and_holds_from_the_next_segment_on() -> None:
    card = "my card is four one one one one one one one one one one one one one one one thank you very much"
    desk = Desk(redact=("pci",))
    desk.scribe.change(3.6, {"numerals": True})
    desk.scribe.hear(Heard(0, 0.0, 10.0, words(card), final=False))
    desk.scribe.hear(final(card, 0.0, 10.0))
    assert desk.texts == ["my card is [CREDIT_CARD_1] thank you very much"] * 2
    desk.scribe.hear(final("I have twenty cats", 11.0, 13.0))
    assert desk.texts[-1] == "I have 20 cats"


def test_the_first_digits_of_a_card_that_nothing_announced_are_six_at_most() -> None:
    """The final has to be told, for the utterance is over; more of the number may come."""
    for digits in ("four" + " one" * count for count in range(6, 12)):
        desk = Desk(redact=("pci",))
        desk.scribe.hear(final(f"it is {digits}", 0.0, 8.0))
        desk.scribe.hear(UtteranceEnded(0, None))
        assert desk.texts == ["it is [REDACTED]"]


def test_in_a_pause_nothing_waits_until_audio_comes_again() -> None:
    desk = Desk(smart_format=True)
    desk.scribe.hear(final("I want twenty five", 0.0, 2.5))
    desk.scribe.rest()
    assert desk.texts == ["I want 25"]
    # The engine was slow: what was said before the pause is heard only now.
    desk.scribe.hear(final("or thirty five", 2.5, 4.5))
    assert desk.texts == ["I want 25", "or 35"]
    desk.scribe.go_on()
    desk.scribe.hear(final("or forty five", 4.5, 6.5))
    assert len(desk.texts) == 2
