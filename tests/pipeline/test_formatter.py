"""The formatter of a channel: held finals, formatted words, and each word in the style in force when it began."""

from __future__ import annotations

from caesura.events import Search, SpeechBegan, TranscriptSegment, UtteranceEnded
from caesura.formatting.style import Style
from caesura.pipeline.formatter import ChannelFormatter
from caesura.pipeline.recognizer import RecognizerEvent
from caesura.words import Word


def words(text: str, start: float = 0.0, each: float = 0.5) -> tuple[Word, ...]:
    return tuple(
        Word(word, start + index * each, start + (index + 1) * each, 0.9) for index, word in enumerate(text.split())
    )


def final(text: str, start: float, end: float, *, endpoint: bool = True, flushed: bool = False) -> TranscriptSegment:
    return TranscriptSegment(0, start, end, words(text, start), final=True, endpoint=endpoint, flushed=flushed)


class Bench:
    """A formatter, and what it emitted."""

    def __init__(self, **style: object) -> None:
        self.emitted: list[RecognizerEvent] = []
        self.formatter = ChannelFormatter(Style(**style), "en")  # type: ignore[arg-type]

    def format(self, event: RecognizerEvent) -> None:
        self.emitted += self.formatter.format(event)

    @property
    def texts(self) -> list[str]:
        return [
            " ".join(word.text for word in event.words)
            for event in self.emitted
            if isinstance(event, TranscriptSegment)
        ]


def test_words_pass_unchanged_without_options() -> None:
    bench = Bench()
    bench.format(SpeechBegan(0, 0.1))
    bench.format(final("I have twenty five dollars.", 0.0, 3.0))
    bench.format(UtteranceEnded(0, 2.5))
    assert bench.texts == ["I have twenty five dollars."]
    assert [type(event) for event in bench.emitted] == [SpeechBegan, TranscriptSegment, UtteranceEnded]


def test_a_final_that_ends_in_a_number_waits_for_its_end() -> None:
    bench = Bench(smart_format=True)
    bench.format(final("My number is five five five", 0.0, 3.5))
    assert bench.texts == []
    bench.format(final("one two three four. Thanks.", 3.5, 6.5))
    assert bench.texts == ["My number is 555-1234. Thanks."]
    (segment,) = bench.emitted
    assert isinstance(segment, TranscriptSegment)
    assert (segment.start, segment.end) == (0.0, 6.5)


def test_it_waits_for_three_seconds_of_silence_and_no_longer() -> None:
    bench = Bench(smart_format=True)
    bench.format(final("I want twenty five", 0.0, 2.5))
    bench.emitted += bench.formatter.settle(4.9)
    assert bench.texts == []
    bench.emitted += bench.formatter.settle(5.1)
    assert bench.texts == ["I want 25"]


def test_without_delay_nothing_waits_unless_something_is_redacted() -> None:
    hasty = Bench(smart_format=True, no_delay=True)
    hasty.format(final("I want twenty five", 0.0, 2.5))
    assert hasty.texts == ["I want 25"]
    careful = Bench(redact=("pci",), no_delay=True)
    careful.format(final("It is four one one one", 0.0, 2.5))
    assert careful.texts == []


def test_a_number_that_was_being_spoken_when_the_style_changed_is_written_as_a_whole() -> None:
    bench = Bench()
    bench.formatter.change_style(1.2, {"numerals": True})
    bench.format(final("they cost twenty five dollars", 0.0, 3.0))
    assert bench.texts == ["they cost 25 dollars"]


def test_a_secret_that_was_being_spoken_when_the_style_changed_is_one_secret() -> None:
    for until in (1.2, 2.2, 3.2, 4.2):
        bench = Bench(redact=("pci",))
        bench.formatter.change_style(until, {"numerals": True})
        bench.format(final("it is 4111, one one one one, 1111 one one one one thanks", 0.0, 7.0, flushed=True))
        assert bench.texts == ["it is [CREDIT_CARD_1] thanks"]


def test_a_number_that_was_over_when_the_style_changed_is_written_as_before() -> None:
    bench = Bench(smart_format=True)
    bench.format(final("I want twenty five", 0.0, 2.5))
    bench.formatter.change_style(2.5, {"smart_format": False})
    bench.format(final("that is all", 3.0, 5.0))
    bench.emitted += bench.formatter.end()
    assert bench.texts == ["I want 25", "that is all"]


def test_what_is_held_is_emitted_at_the_end() -> None:
    bench = Bench(smart_format=True)
    bench.format(final("I want twenty five", 0.0, 2.5))
    bench.emitted += bench.formatter.end()
    assert bench.texts == ["I want 25"]


def test_a_change_holds_for_words_that_begin_after_it() -> None:
    bench = Bench()
    bench.formatter.change_style(1.4, {"numerals": True})
    bench.format(final("twenty one cats twenty two dogs", 0.0, 3.0))
    assert bench.texts == ["twenty one cats 22 dogs"]
    bench.formatter.change_style(3.0, {"numerals": False})
    bench.format(final("twenty three birds", 3.0, 5.0))
    assert bench.texts[1] == "twenty three birds"


def test_an_interim_shows_no_beginning_of_what_its_end_makes_a_secret() -> None:
    bench = Bench(redact=("pci",))
    segment = TranscriptSegment(0, 0.0, 4.0, words("My card is four one one one one one"), final=False)
    bench.format(segment)
    assert bench.texts == ["My card is"]


def test_a_secret_that_is_spread_over_finals_is_known_for_what_it_is() -> None:
    bench = Bench(redact=("pci",))
    for start, text in ((0.0, "four one one one one one"), (4.0, "one one one one one one"), (8.0, "one one one one")):
        bench.format(final(text, start, start + 4.0, flushed=True))
    emitted = " ".join(bench.texts)
    assert sum(text in emitted for text in ("one one one one one one",)) <= 1
    assert "[" in bench.texts[1]
    assert "[" in bench.texts[2]


def test_each_query_has_its_hits_in_both_styles() -> None:
    bench = Bench(search=("cats", "dogs"))
    bench.formatter.change_style(1.4, {"numerals": True})
    bench.format(final("twenty one cats twenty two dogs", 0.0, 3.0))
    (segment,) = bench.emitted
    assert isinstance(segment, TranscriptSegment)
    cats, dogs = segment.searches
    assert (cats.query, dogs.query) == ("cats", "dogs")
    assert isinstance(cats, Search)
    assert (cats.hits[0].snippet, dogs.hits[0].snippet) == ("cats", "dogs")
    assert (cats.hits[0].start, dogs.hits[0].start) == (1.0, 2.5)


def test_a_change_in_the_middle_of_a_secret_shows_no_part_of_it_and_holds_from_the_next_segment_on() -> None:
    card = "my card is four one one one one one one one one one one one one one one one thank you very much"
    bench = Bench(redact=("pci",))
    bench.formatter.change_style(3.6, {"numerals": True})
    bench.format(TranscriptSegment(0, 0.0, 10.0, words(card), final=False))
    bench.format(final(card, 0.0, 10.0))
    assert bench.texts == ["my card is [CREDIT_CARD_1] thank you very much"] * 2
    bench.format(final("I have twenty cats", 11.0, 13.0))
    assert bench.texts[-1] == "I have 20 cats"


def test_the_first_digits_of_a_card_that_nothing_announced_are_six_at_most() -> None:
    """The final has to be emitted, for the utterance is over; more of the number may come."""
    for digits in ("four" + " one" * count for count in range(6, 12)):
        bench = Bench(redact=("pci",))
        bench.format(final(f"it is {digits}", 0.0, 8.0))
        bench.format(UtteranceEnded(0, None))
        assert bench.texts == ["it is [REDACTED]"]


def test_in_a_pause_nothing_waits_until_audio_comes_again() -> None:
    bench = Bench(smart_format=True)
    bench.format(final("I want twenty five", 0.0, 2.5))
    bench.emitted += bench.formatter.release_held()
    assert bench.texts == ["I want 25"]
    # The engine was slow: the words before the pause come only now.
    bench.format(final("or thirty five", 2.5, 4.5))
    assert bench.texts == ["I want 25", "or 35"]
    bench.formatter.resume()
    bench.format(final("or forty five", 4.5, 6.5))
    assert len(bench.texts) == 2
