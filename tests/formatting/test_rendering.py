"""Entities rendered as written words, with their times, confidences and punctuation."""

from __future__ import annotations

from dataclasses import replace

from caesura.formatting.amounts import parse_amounts
from caesura.formatting.rendering import Entity, EntityKind, EntityWord, entity, is_aligned, render
from tests.spoken_words import words_of


def test_a_written_word_has_the_span_and_the_lowest_confidence_of_what_was_spoken() -> None:
    first, second, third = words_of('it "twenty five"!')
    words = (first, replace(second, confidence=0.4), third)
    parsed = parse_amounts(words)
    it, number = render(parsed, [entity(EntityKind.NUMBER, 1, 3, "25")])
    assert it.word is first
    assert (number.word.text, number.word.start, number.word.end) == ('"25"!', second.start, third.end)
    assert number.word.confidence == 0.4
    assert number.spoken == words[1:]


def test_signs_inside_a_span_go_and_signs_around_it_stay() -> None:
    parsed = parse_amounts(words_of("(January fifth, twenty twenty four.)"))
    date = Entity(EntityKind.DATE, (EntityWord(0, 1, "January"), EntityWord(1, 2, "5,"), EntityWord(2, 5, "2024")))
    assert [one.word.text for one in render(parsed, [date])] == ["(January", "5,", "2024.)"]


def test_the_full_stop_of_an_abbreviation_stays_only_at_the_end() -> None:
    meridiem = [entity(EntityKind.TIME, 0, 1, "PM")]
    assert [one.word.text for one in render(parse_amounts(words_of("p.m. today")), meridiem)] == ["PM", "today"]
    assert [one.word.text for one in render(parse_amounts(words_of("p.m.")), meridiem)] == ["PM."]


def test_a_written_word_cannot_begin_inside_a_printed_word() -> None:
    parsed = parse_amounts(words_of("twenty-five"))
    assert is_aligned(parsed, entity(EntityKind.NUMBER, 0, 2, "25"))
    assert not is_aligned(parsed, entity(EntityKind.NUMBER, 1, 2, "5"))


def test_a_written_word_can_be_replaced_by_its_spoken_words() -> None:
    words = words_of("it costs twenty five dollars today")
    parsed = parse_amounts(words)
    done = render(parsed, [entity(EntityKind.MONEY, 2, 5, "$25", wanted=False)])
    assert [one.wanted for one in done] == [True, True, False, True]
    assert tuple(word for one in done for word in one.spoken) == words
