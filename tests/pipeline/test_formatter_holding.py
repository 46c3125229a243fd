"""Finals held by a formatter: its reaction to each kind of event, and its laws over any transcript."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from caesura.events import SpeechBegan, TranscriptSegment, UtteranceEnded
from caesura.formatting.itn import TextFormatter
from caesura.formatting.style import Style
from caesura.pipeline.formatter import ChannelFormatter
from caesura.pipeline.recognizer import RecognizerEvent
from caesura.words import Word
from tests.spoken_words import text, words_of

OPEN = frozenset({"one", "two"})
"""The tests' numbers: a run of these may go on, and `dollars` ends it."""


def bare(word: Word) -> str:
    return word.text.rstrip(".").lower()


def incomplete_from(words: Sequence[Word]) -> int:
    at = len(words)
    while at > 0 and bare(words[at - 1]) in OPEN and (at == len(words) or not words[at - 1].text.endswith(".")):
        at -= 1
    return at


def joins(words: Sequence[Word], at: int) -> bool:
    # A full stop ends a number: the formatter has to take the one away that an engine put at the end of its segment.
    return words[at - 1].text.lower() in OPEN and bare(words[at]) in OPEN | {"dollars"}


class PlainWriter(TextFormatter):
    """Writes words as they are; what may go on is decided by the tests' numbers, or nothing may."""

    holds = True

    def incomplete_from(self, words: Sequence[Word]) -> int:
        return incomplete_from(words) if self.holds else len(words)

    def is_inside_entity(self, words: Sequence[Word], at: int) -> bool:
        return self.holds and joins(words, at)


class NothingOpen(PlainWriter):
    """No final may go on."""

    holds = False


class Bench:
    """A formatter, and what it emitted."""

    def __init__(self, *, longest_s: float = 30.0, new_formatter: type[TextFormatter] = PlainWriter) -> None:
        self.emitted: list[RecognizerEvent] = []
        self.formatter = ChannelFormatter(Style(), "en", new_formatter=new_formatter, max_held_s=longest_s)

    def format(self, event: RecognizerEvent) -> None:
        self.emitted += self.formatter.format(event)

    def settle(self, until: float) -> None:
        self.emitted += self.formatter.settle(until)

    def end(self) -> None:
        self.emitted += self.formatter.end()

    def final(
        self, sentence: str, start: float, end: float, *, endpoint: bool = True, flushed: bool = False
    ) -> TranscriptSegment:
        segment = TranscriptSegment(
            0, start, end, words_of(sentence, start=start), final=True, endpoint=endpoint, flushed=flushed
        )
        self.format(segment)
        return segment

    def interim(self, sentence: str, start: float, end: float) -> TranscriptSegment:
        segment = TranscriptSegment(0, start, end, words_of(sentence, start=start), final=False)
        self.format(segment)
        return segment

    def sentences(self) -> list[tuple[str, float, float, bool]]:
        return [
            (text(one.words), one.start, one.end, one.final)
            for one in self.emitted
            if isinstance(one, TranscriptSegment)
        ]


def test_what_is_complete_is_emitted_as_it_came() -> None:
    bench = Bench()
    events: list[RecognizerEvent] = [
        SpeechBegan(0, 0.1),
        TranscriptSegment(0, 0.0, 1.0, words_of("so"), final=False),
        TranscriptSegment(0, 0.0, 2.0, words_of("so it is."), final=True, endpoint=True),
        UtteranceEnded(0, None),
    ]
    for event in events:
        bench.format(event)
    assert bench.emitted == events
    assert bench.formatter.end() == []


def test_a_final_that_may_go_on_waits_and_is_merged_with_what_follows() -> None:
    bench = Bench()
    bench.final("it is one.", 0.0, 2.0)
    assert bench.emitted == []
    bench.final("Two dollars now.", 2.0, 4.0)
    assert bench.sentences() == [("it is one Two dollars now.", 0.0, 4.0, True)]
    assert isinstance(bench.emitted[0], TranscriptSegment)
    assert bench.emitted[0].endpoint


def test_words_that_are_no_part_of_it_release_it_as_it_was() -> None:
    bench = Bench()
    first = bench.final("it is one.", 0.0, 2.0)
    second = bench.final("and so on.", 2.0, 4.0, endpoint=False)
    assert bench.emitted == [first, second]


def test_a_number_may_go_on_over_many_finals() -> None:
    bench = Bench()
    for at in range(4):
        bench.final("one two.", 2.0 * at, 2.0 * at + 2, endpoint=at == 3)
    assert bench.emitted == []
    bench.end()
    assert bench.sentences() == [("one two one two one two one two.", 0.0, 8.0, True)]


def test_an_interim_is_emitted_with_the_held_words_in_front() -> None:
    bench = Bench()
    bench.final("it is one.", 0.0, 2.0)
    bench.interim("two", 2.0, 3.0)
    bench.interim("two dollars", 2.0, 4.0)
    assert bench.sentences() == [("it is one two", 0.0, 3.0, False), ("it is one two dollars", 0.0, 4.0, False)]


def test_an_interim_of_other_words_releases_but_one_word_alone_does_not() -> None:
    bench = Bench()
    held = bench.final("it is one.", 0.0, 2.0)
    bench.interim("dol", 2.0, 3.0)
    assert bench.sentences() == [("it is one dol", 0.0, 3.0, False)]
    later = bench.interim("and so", 2.0, 4.0)
    assert bench.emitted[1:] == [held, later]


def test_silence_releases_it_with_its_endpoint() -> None:
    bench = Bench()
    held = bench.final("one", 0.0, 1.0)
    bench.settle(3.3)
    assert bench.emitted == []
    bench.settle(3.4)
    assert bench.emitted == [held]
    assert held.endpoint


def test_speech_that_began_since_is_no_silence() -> None:
    bench = Bench()
    bench.final("one", 0.0, 1.0)
    bench.format(SpeechBegan(0, 3.0))
    bench.settle(9.0)
    assert bench.sentences() == []
    bench.final("two dollars", 1.0, 9.0)
    assert bench.sentences() == [("one two dollars", 0.0, 9.0, True)]


def test_speech_that_began_and_was_nothing_is_silence() -> None:
    bench = Bench()
    bench.final("one", 0.0, 1.0)
    bench.format(SpeechBegan(0, 3.0))
    bench.final("", 1.0, 6.0, endpoint=False)
    bench.settle(6.0)
    assert bench.sentences() == [("one", 0.0, 6.0, True)]


def test_a_final_that_was_cut_in_the_middle_of_speech_waits_for_the_rest() -> None:
    bench = Bench()
    bench.final("one", 0.0, 0.5, endpoint=False)
    bench.settle(9.0)
    assert bench.emitted == []
    bench.final("two dollars", 0.5, 9.0)
    assert bench.sentences() == [("one two dollars", 0.0, 9.0, True)]


def test_silence_is_counted_from_the_last_word_of_an_interim() -> None:
    bench = Bench()
    bench.final("one", 0.0, 1.0)
    bench.interim("two", 1.0, 2.0)
    bench.settle(4.3)
    assert len(bench.emitted) == 1
    bench.settle(4.4)
    assert len(bench.emitted) == 2


def test_the_end_of_an_utterance_releases_it_first() -> None:
    bench = Bench()
    held = bench.final("one", 0.0, 1.0)
    bench.format(UtteranceEnded(0, None))
    assert bench.emitted == [held, UtteranceEnded(0, None)]


def test_the_end_releases_it_and_nothing_twice() -> None:
    bench = Bench()
    held = bench.final("one", 0.0, 1.0)
    bench.end()
    bench.end()
    bench.settle(99.0)
    assert bench.emitted == [held]


def test_a_flushed_answer_is_emitted_at_once_with_what_was_held() -> None:
    bench = Bench()
    bench.final("one.", 0.0, 1.0, endpoint=False)
    bench.final("", 1.0, 2.0, flushed=True)
    bench.final("one", 2.0, 3.0, flushed=True)
    assert bench.sentences() == [("one.", 0.0, 2.0, True), ("one", 2.0, 3.0, True)]
    assert all(isinstance(one, TranscriptSegment) and one.flushed for one in bench.emitted)


def test_an_empty_final_lengthens_it_and_leaves_it_its_endpoint() -> None:
    bench = Bench()
    bench.final("one", 0.0, 1.0, endpoint=True)
    bench.final("", 1.0, 3.0, endpoint=False)
    bench.end()
    (emitted,) = bench.emitted
    assert isinstance(emitted, TranscriptSegment)
    assert (emitted.end, emitted.endpoint, text(emitted.words)) == (3.0, True, "one")


def test_nothing_is_held_that_is_too_long_or_would_become_so() -> None:
    bench = Bench(longest_s=5.0)
    first = bench.final("one", 0.0, 6.0)
    assert bench.emitted == [first]
    second = bench.final("one", 6.0, 8.0)
    bench.final("two", 8.0, 12.0)
    assert bench.emitted == [first, second]
    third = bench.interim("and", 12.0, 13.5)
    assert bench.emitted[2:] == [
        TranscriptSegment(0, 8.0, 12.0, words_of("two", start=8.0), final=True, endpoint=True),
        third,
    ]


def test_time_alone_releases_what_is_too_long() -> None:
    bench = Bench(longest_s=5.0)
    held = bench.final("one", 0.0, 0.5, endpoint=False)
    bench.settle(5.0)
    assert bench.emitted == []
    bench.settle(5.1)
    assert bench.emitted == [held]


@pytest.mark.parametrize(
    ("segments", "written"),
    [
        (["My number is 555.", "867.", "5309."], ["My number is (555) 867-5309."]),
        (["It was January fifth.", "Twenty twenty four.", "So."], ["It was January 5, 2024.", "So."]),
        (["It costs twenty.", "Five dollars, okay."], ["It costs $25, okay."]),
        (["Mail john at.", "Acme dot com please."], ["Mail john@acme.com please."]),
        (["I want two.", "And then some."], ["I want two.", "And then some."]),
        (["I want twenty five.", "Percent of it."], ["I want 25% of it."]),
    ],
)
def test_a_number_that_may_go_on_is_held(segments: list[str], written: list[str]) -> None:
    formatter = ChannelFormatter(Style(smart_format=True), "en")
    emitted: list[RecognizerEvent] = []
    for at, sentence in enumerate(segments):
        emitted += formatter.format(
            TranscriptSegment(0, 4.0 * at, 4.0 * at + 4, words_of(sentence, start=4.0 * at), final=True, endpoint=True)
        )
    emitted += formatter.end()
    assert [text(one.words) for one in emitted if isinstance(one, TranscriptSegment)] == written


# ---- laws ----


@st.composite
def talks(draw: st.DrawFn) -> list[RecognizerEvent | float]:
    """Output of a recognizer in order: its events, and as numbers how far its audio is settled."""
    emitted: list[RecognizerEvent | float] = []
    start = 0.0
    for _ in range(draw(st.integers(0, 7))):
        said = draw(st.lists(st.sampled_from(["one", "two.", "dollars", "and", "so."]), max_size=4))
        words = words_of(" ".join(said), start=start)
        end = max(start + draw(st.sampled_from([0.1, 0.5, 2.0, 5.0])), words[-1].end if words else 0.0)
        if draw(st.booleans()):
            emitted.append(SpeechBegan(0, start))
        for count in range(1, len(words) + 1, 2):
            emitted.append(TranscriptSegment(0, start, words[count - 1].end, words[:count], final=False))
            if draw(st.booleans()):
                emitted.append(words[count - 1].end)
        flushed = draw(st.sampled_from([False, False, True]))
        endpoint = flushed or draw(st.booleans())
        emitted.append(TranscriptSegment(0, start, end, words, final=True, endpoint=endpoint, flushed=flushed))
        if draw(st.booleans()):
            emitted.append(end)
        if draw(st.sampled_from([False, False, True])):
            emitted.append(UtteranceEnded(0, words[-1].end if words else None))
        start = end
    return emitted


def play(talk: list[RecognizerEvent | float], longest_s: float) -> Bench:
    bench = Bench(longest_s=longest_s)
    for step in talk:
        if isinstance(step, float):
            bench.settle(step)
        else:
            bench.format(step)
    bench.end()
    return bench


def finals(events: Sequence[RecognizerEvent | float]) -> list[TranscriptSegment]:
    return [event for event in events if isinstance(event, TranscriptSegment) and event.final]


LENGTHS = st.sampled_from([1.0, 4.0, 30.0])


@given(talks(), LENGTHS)
def test_finals_tile_the_stream_as_the_channel_s_do(talk: list[RecognizerEvent | float], longest_s: float) -> None:
    segment, emitted = finals(talk), finals(play(talk, longest_s).emitted)
    edges = [one.end for one in segment]
    at = 0.0
    for one in emitted:
        assert one.start == at
        assert one.end in edges
        at = one.end
    assert at == (edges[-1] if edges else 0.0)


@given(talks(), LENGTHS)
@example(
    [
        TranscriptSegment(0, 0.0, 1.0, words_of("one."), final=True),
        TranscriptSegment(0, 1.0, 2.0, words_of("two", start=1), final=True),
    ],
    30.0,
)
def test_every_word_is_emitted_once_and_in_order(talk: list[RecognizerEvent | float], longest_s: float) -> None:
    segment = [word for one in finals(talk) for word in one.words]
    emitted = [word for one in finals(play(talk, longest_s).emitted) for word in one.words]
    assert [replace(word, text=bare(word)) for word in emitted] == [replace(word, text=bare(word)) for word in segment]


@given(talks(), LENGTHS)
def test_each_flushed_answer_is_one_flushed_answer(talk: list[RecognizerEvent | float], longest_s: float) -> None:
    segment = [one.end for one in finals(talk) if one.flushed]
    assert [one.end for one in finals(play(talk, longest_s).emitted) if one.flushed] == segment


@given(talks(), LENGTHS)
def test_a_flushed_final_is_emitted_before_anything_else_comes(
    talk: list[RecognizerEvent | float], longest_s: float
) -> None:
    bench = Bench(longest_s=longest_s)
    for step in talk:
        if isinstance(step, float):
            bench.settle(step)
            continue
        bench.format(step)
        if isinstance(step, TranscriptSegment) and step.flushed:
            assert bench.formatter.end() == []
            assert isinstance(bench.emitted[-1], TranscriptSegment)
            assert bench.emitted[-1].flushed


@given(talks(), LENGTHS)
def test_nothing_is_held_after_the_end(talk: list[RecognizerEvent | float], longest_s: float) -> None:
    assert play(talk, longest_s).formatter.end() == []


@given(talks(), LENGTHS)
def test_an_endpoint_is_lost_only_where_the_utterance_goes_on(
    talk: list[RecognizerEvent | float], longest_s: float
) -> None:
    endpoints = {one.end for one in finals(talk) if one.endpoint}
    for one in finals(play(talk, longest_s).emitted):
        parts = [part for part in finals(talk) if one.start <= part.start and part.end <= one.end]
        spoken = [part for part in parts if part.words]
        last = spoken[-1].end if spoken else one.end
        assert one.endpoint == (not endpoints.isdisjoint(part.end for part in parts if part.end >= last))


@given(talks(), LENGTHS)
def test_nothing_merged_is_longer_than_it_may_be(talk: list[RecognizerEvent | float], longest_s: float) -> None:
    edges = {(one.start, one.end) for one in finals(talk)}
    for one in finals(play(talk, longest_s).emitted):
        assert (one.start, one.end) in edges or one.end - one.start <= longest_s


@given(talks(), LENGTHS)
def test_interims_emit_what_is_not_final_yet(talk: list[RecognizerEvent | float], longest_s: float) -> None:
    at = 0.0
    for one in play(talk, longest_s).emitted:
        if isinstance(one, TranscriptSegment):
            assert one.start == at
            at = one.end if one.final else at


@given(talks(), LENGTHS)
def test_all_other_events_are_emitted_once_and_in_order(talk: list[RecognizerEvent | float], longest_s: float) -> None:
    segment = [event for event in talk if isinstance(event, SpeechBegan | UtteranceEnded)]
    assert [event for event in play(talk, longest_s).emitted if not isinstance(event, TranscriptSegment)] == segment


@given(talks())
def test_without_anything_open_everything_passes_as_it_came(talk: list[RecognizerEvent | float]) -> None:
    bench = Bench(new_formatter=NothingOpen)
    events = [step for step in talk if not isinstance(step, float)]
    for event in events:
        bench.format(event)
    assert bench.emitted == events
