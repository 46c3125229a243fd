"""Formatting of whole segments: inverse text normalization, redaction and all other steps in their order."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from caesura.formatting.itn import TextFormatter
from caesura.formatting.style import Style
from caesura.words import Word, raw
from tests.spoken_words import text, words_of

SMART = Style(smart_format=True)
NUMERALS = Style(numerals=True)
REDACT = Style(redact=("numbers",))
STYLES = (SMART, NUMERALS, Style(smart_format=True, numerals=True), Style(smart_format=True, filler_words=True))


def render(style: Style, sentence: str, *, final: bool = True, language: str = "en") -> str:
    return text(TextFormatter(style, language).format(words_of(sentence), final=final).words)


# ---- the order of things ----


def test_without_a_style_only_hesitations_go() -> None:
    assert render(Style(), "Um, I have twenty five fucks comma uh.") == "I have twenty five fucks comma."


def test_filled_pauses_stay_when_requested() -> None:
    assert render(Style(filler_words=True), "Um, I see.") == "Um, I see."


def test_a_hesitation_does_not_part_a_number_even_when_it_stays() -> None:
    assert render(Style(filler_words=True, smart_format=True), "It is five five um five.") == "It is 555."


def test_replacement_and_search_come_after_numbers() -> None:
    style = Style(smart_format=True, replace=(("$25", "much"),), search=("much",))
    writing = TextFormatter(style).format(words_of("It costs twenty five dollars"), final=True)
    assert text(writing.words) == "It costs much"
    (search,) = writing.searches
    assert (search.query, len(search.hits)) == ("much", 1)


def test_nothing_is_searched_for_without_queries() -> None:
    assert TextFormatter(Style()).format(words_of("hello"), final=True).searches == ()


def test_profanity_is_masked() -> None:
    (word,) = TextFormatter(Style(profanity_filter=True)).format(words_of("shit"), final=True).words
    assert "*" in word.text


# ---- languages ----


@pytest.mark.parametrize("language", ["de", "de-DE", "es", "pt_BR", "fr"])
def test_words_of_other_languages_pass_unharmed(language: str) -> None:
    style = Style(smart_format=True, numerals=True, dictation=True)
    sentence = "Um six Uhr, comma one hundred period may fifth."
    assert render(style, sentence, language=language) == sentence


def test_a_mix_of_languages_has_its_numbers_written_and_keeps_its_words() -> None:
    assert render(SMART, "Um gato costs twenty five dollars", language="multi") == "Um gato costs $25"


@pytest.mark.parametrize("language", ["en-GB", "en_US", "EN"])
def test_any_english_is_english(language: str) -> None:
    assert render(SMART, "um twenty five dollars", language=language) == "$25"


def test_printed_digits_are_redacted_in_any_language() -> None:
    assert "4567" not in render(REDACT, "Die Nummer ist 4567.", language="de")
    assert render(REDACT, "Die Nummer ist 4567", final=False, language="de") == "Die Nummer ist"


# ---- redaction ----


def test_a_spoken_secret_is_redacted_and_other_numbers_stay_in_words() -> None:
    done = render(REDACT, "Two of them, number four five six seven, in twenty five minutes.")
    assert done.startswith("Two of them, number [")
    assert done.endswith(", in twenty five minutes.")
    assert not any(sign.isdigit() for sign in done.replace("_1]", "]"))


def test_a_redacted_word_has_the_time_of_all_that_was_spoken() -> None:
    words = words_of("It is four five six seven okay")
    secret = TextFormatter(REDACT).format(words, final=True).words[2]
    assert (secret.start, secret.end) == (words[2].start, words[5].end)


def test_words_that_are_not_secret_are_unchanged() -> None:
    words = words_of("I see twenty five of them, a second.")
    assert TextFormatter(REDACT).format(words, final=True).words == words


def test_smart_formatting_writes_numbers_that_are_not_secret() -> None:
    style = Style(smart_format=True, redact=("pci",))
    assert render(style, "It costs twenty five dollars for two.") == "It costs $25 for two."


@pytest.mark.parametrize(
    ("spoken", "told"),
    [
        ("My number is four five six", "My number is"),
        ("My number is four five six.", "My number is"),
        ("My number is four five six for", "My number is"),
        ("My number is four five six, uh", "My number is"),
        ("My number is twenty four point", "My number is"),
        ("My number is", "My number is"),
    ],
)
def test_an_interim_keeps_back_a_number_that_may_go_on(spoken: str, told: str) -> None:
    assert render(REDACT, spoken, final=False) == told


def test_an_interim_without_redaction_keeps_nothing_back() -> None:
    assert render(SMART, "My number is four five six", final=False) == "My number is 456"


@given(
    st.lists(st.sampled_from(["four", "five", "oh", "double", "nine", "4", "55", "um"]), min_size=4, max_size=24),
    st.data(),
)
def test_no_beginning_of_a_redacted_number_is_ever_sent(number: list[str], data: st.DataObject) -> None:
    """This holds for any part of a card number in an interim, with or without a misrecognised word after it."""
    heard = data.draw(st.integers(1, len(number)))
    after = data.draw(st.sampled_from(["", "for", "to um", "and"]))
    before = "my number is"
    told = render(REDACT, " ".join([before, "four", *number[:heard], after]), final=False)
    assert told == before


# ---- what may go on ----


def test_only_a_style_that_waits_has_anything_open() -> None:
    words = words_of("My number is five five five")
    size = len(words)
    assert TextFormatter(Style()).incomplete_from(words) == size
    assert TextFormatter(NUMERALS).incomplete_from(words) == size
    assert TextFormatter(Style(smart_format=True, no_delay=True)).incomplete_from(words) == size
    assert TextFormatter(SMART).incomplete_from(words) == 3
    assert TextFormatter(Style(redact=("pci",), no_delay=True)).incomplete_from(words) == 3
    assert TextFormatter(SMART, "de").incomplete_from(words) == size
    assert TextFormatter(REDACT, "de").incomplete_from(words_of("Nummer 45 67")) == 1


@pytest.mark.parametrize(
    ("sentence", "at", "expected"),
    [
        ("it costs twenty five dollars", 4, True),
        ("it costs twenty five dollars", 3, True),
        ("it costs twenty five dollars", 2, False),
        ("it costs twenty five dollars", 0, False),
        ("it costs twenty five dollars", 5, False),
        ("twenty five people", 2, False),
        ("January fifth twenty twenty four", 2, True),
        ("john at acme dot com", 4, True),
    ],
)
def test_the_parts_of_one_thing_join(sentence: str, at: int, expected: bool) -> None:
    assert TextFormatter(SMART).is_inside_entity(words_of(sentence), at) is expected


def test_printed_digits_join_in_any_language() -> None:
    assert TextFormatter(REDACT, "de").is_inside_entity(words_of("Nummer 45 67 gut"), 2)
    assert not TextFormatter(REDACT, "de").is_inside_entity(words_of("Nummer 45 67 gut"), 3)


# ---- laws ----

VOCABULARY = words_of(
    "the a and of to at is my number code call account by on you may one two five nine oh o double ten twelve twenty "
    "thirty-five fifty hundred thousand million point percent dollars cents p m pm a.m. o'clock january may march the "
    "first second fifth twenty-first 5 25 1961 $5 10:30 5th 3.5 1,200 555 (555) 867-5309 123-45-6789 john dot com www "
    "slash acme.com x z plus dash street people half um uh-huh euros january, five, five. nineteen"
)
TALK = [word.text for word in words_of("the of my you is john people street um-hm Then, okay. que x")]


@st.composite
def segments(draw: st.DrawFn) -> tuple[Word, ...]:
    at, words = 0.0, []
    for spoken in draw(st.lists(st.sampled_from([word.text for word in VOCABULARY]), max_size=16)):
        at += draw(st.sampled_from([0.0, 0.1, 0.5]))
        end = at + draw(st.sampled_from([0.0, 0.2]))
        words.append(Word(spoken, at, end, draw(st.sampled_from([0.3, 0.9])), draw(st.sampled_from([0, 0, 0, 1]))))
        at = end
    return tuple(words)


@given(segments(), st.sampled_from(STYLES))
def test_times_and_speakers_stay_in_order_and_inside(words: tuple[Word, ...], style: Style) -> None:
    done = TextFormatter(style).format(words, final=True).words
    at = words[0].start if words else 0.0
    for word in done:
        assert at <= word.start <= word.end <= words[-1].end
        assert any(one.start == word.start and one.speaker == word.speaker for one in words)
        at = word.end


PHRASES = [
    "twenty five dollars and fifty cents",
    "January fifth, twenty twenty four",
    "the twenty-first of May",
    "five five five eight six seven five three oh nine",
    "double five four",
    "at three thirty p m",
    "between five and ten percent",
    "nineteen sixty one",
    "john dot lee at acme dot com",
    "w w w dot acme dot com slash docs",
    "code b four seven k two",
    "one thousand two hundred",
    "three point five",
    "a hundred and ten",
    "two",
    "the second",
    "(555) 867-5309",
    "10:30 a.m.",
    "one fifty five State Street",
    "$5",
]


@given(st.lists(st.sampled_from(PHRASES), max_size=5), st.sampled_from(["and then", "um so", "okay."]), st.data())
@example(["five five five eight six seven five three oh nine"], "okay.", None)
def test_formatting_is_idempotent(phrases: list[str], between: str, data: st.DataObject | None) -> None:
    style = data.draw(st.sampled_from(STYLES)) if data is not None else SMART
    once = TextFormatter(style).format(words_of(f" {between} ".join(phrases)), final=True).words
    assert text(TextFormatter(style).format(once, final=True).words) == text(once)


@given(segments(), st.sampled_from(STYLES))
def test_no_digit_that_was_printed_is_lost(words: tuple[Word, ...], style: Style) -> None:
    spoken = [sign for word in words for sign in word.text if sign.isdigit()]
    left = iter(
        sign for word in TextFormatter(style).format(words, final=True).words for sign in word.text if sign.isdigit()
    )
    assert all(sign in left for sign in spoken)


@given(st.lists(st.sampled_from(TALK), max_size=20))
def test_words_without_numbers_are_unchanged(spoken: list[str]) -> None:
    words = words_of(" ".join(spoken))
    for style in STYLES:
        assert TextFormatter(style).format(words, final=True).words == words


@given(segments(), st.sampled_from(STYLES))
@example(words_of("acme.com slash to is"), SMART)
def test_a_word_that_is_part_of_nothing_is_the_same_word(words: tuple[Word, ...], style: Style) -> None:
    """After `slash` it may be the path of a web address."""
    without_um = [word for word in words if raw(word.text) != "um"]
    kept = [
        word
        for before, word in pairwise((Word("", 0.0, 0.0, 0.0), *without_um))
        if raw(word.text) in {"people", "uh-huh", "is", "you", "to"} and raw(before.text) != "slash"
    ]
    done = iter(TextFormatter(style).format(words, final=True).words)
    assert all(word in done for word in kept)


@given(segments(), st.sampled_from([*STYLES, REDACT]))
def test_the_start_of_an_incomplete_entity_is_within_the_words(words: tuple[Word, ...], style: Style) -> None:
    assert 0 <= TextFormatter(style).incomplete_from(words) <= len(words)


@given(segments())
def test_nothing_is_lost_in_redaction_but_secrets(words: tuple[Word, ...]) -> None:
    style = Style(redact=("pci",), filler_words=True)
    done = TextFormatter(style).format(words, final=True).words
    untouched = [word for word in done if not word.text.startswith("[")]
    left = iter(words)
    assert all(word in left for word in untouched)


@pytest.mark.parametrize(("kind", "value", "most"), [("pci", "4111111111111111", 6), ("ssn", "456781234", 4)])
def test_a_secret_that_a_final_cuts_in_two_reveals_its_first_group_at_most(kind: str, value: str, most: int) -> None:
    """Finalize, or three seconds of silence, may end a final in the middle of a number."""
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    for told in range(most + 1, len(value) + 1):
        spoken = ["it", "is", *(names[int(digit)] for digit in value[:told])]
        words = [Word(text, at * 0.3, at * 0.3 + 0.3, 0.9) for at, text in enumerate(spoken)]
        writing = TextFormatter(Style(redact=(kind,))).format(words, final=True)
        assert [word.text for word in writing.words[:2]] == ["it", "is"]
        assert len(writing.words) == 3
        assert writing.words[2].text.startswith("[")


def test_a_telephone_number_is_no_beginning_of_a_card() -> None:
    spoken = "call me at five five five eight six seven five three oh nine"
    words = [Word(text, at * 0.3, at * 0.3 + 0.3, 0.9) for at, text in enumerate(spoken.split())]
    writing = TextFormatter(Style(redact=("pci",))).format(words, final=True)
    assert " ".join(word.text for word in writing.words) == spoken
