"""Results messages: words, confidences and languages of a segment on the wire."""

from __future__ import annotations

from dataclasses import replace

import pytest

from caesura.events import Hit, Search, TranscriptSegment
from caesura.protocol.messages import Results, SearchHit, SearchResult, WireWord
from caesura.protocol.results import DominantLanguage, results_message, upper_median, wire_words
from caesura.words import DetectedLanguage, Word, raw
from tests.protocol.play import MODEL


def words(sentence: str) -> tuple[Word, ...]:
    """Half a second each, confidences 0.5, 0.625, 0.75, ..."""
    return tuple(
        Word(text, index * 0.5, index * 0.5 + 0.5, 0.5 + index * 0.125) for index, text in enumerate(sentence.split())
    )


def sentence(spoken: str, *, punctuate: bool) -> str:
    return _results(TranscriptSegment(0, 0.0, 9.0, words(spoken), final=True), punctuate=punctuate).transcript


def _results(segment: TranscriptSegment, *, punctuate: bool, detected: DetectedLanguage | None = None) -> Results:
    return results_message(
        segment,
        punctuate=punctuate,
        keep_punctuation=False,
        channels=2,
        request_id="id",
        model=MODEL,
        extra={"k": "v"},
        detected=detected,
    )


def test_languages_come_with_the_words_the_most_frequent_first() -> None:
    spoken = words("oui yes well")
    mixed = (replace(spoken[0], language="fr"), replace(spoken[1], language="en"), replace(spoken[2], language="en"))
    message = _results(TranscriptSegment(0, 0.0, 9.0, mixed, final=True), punctuate=False)
    assert message.languages == ("en", "fr")
    assert [word.language for word in message.words] == ["fr", "en", "en"]
    assert _results(TranscriptSegment(0, 0.0, 9.0, spoken, final=True), punctuate=False).languages == ()


def spoken_in(
    languages: str, *, channel: int = 0, final: bool = True, confidence: float | None = None
) -> TranscriptSegment:
    """A segment of a word in each of these languages."""
    spoken = (replace(word, language=word.text, language_confidence=confidence) for word in words(languages))
    return TranscriptSegment(channel, 0.0, 9.0, tuple(spoken), final=final)


def test_the_dominant_language_is_that_of_most_words_so_far_and_each_channel_has_its_own() -> None:
    dominant = DominantLanguage()
    french, english = DetectedLanguage("fr"), DetectedLanguage("en")
    assert dominant.add(spoken_in("")) is None
    assert dominant.add(spoken_in("fr en")) == french
    assert dominant.add(spoken_in("en en", channel=1)) == english
    # An interim counts for its own message alone.
    assert dominant.add(spoken_in("en en", final=False)) == english
    assert dominant.add(spoken_in("", final=False)) == french
    assert dominant.add(spoken_in("en en")) == english
    assert dominant.add(spoken_in("fr")) == english
    assert dominant.add(TranscriptSegment(0, 0.0, 9.0, words("what"), final=True)) == english


def test_the_confidence_of_the_dominant_language_is_the_mean_over_its_words() -> None:
    dominant = DominantLanguage()
    assert dominant.add(spoken_in("fr fr", confidence=0.75)) == DetectedLanguage("fr", 0.75)
    assert dominant.add(spoken_in("fr fr en", confidence=0.25, final=False)) == DetectedLanguage("fr", 0.5)
    assert dominant.add(spoken_in("en", confidence=0.1)) == DetectedLanguage("fr", 0.75)


def test_the_language_and_its_confidence_are_in_the_message() -> None:
    segment = spoken_in("fr")
    detected = _results(segment, punctuate=False, detected=DetectedLanguage("fr", 0.75))
    assert (detected.detected_language, detected.language_confidence) == ("fr", 0.75)
    plain = _results(segment, punctuate=False)
    assert (plain.detected_language, plain.language_confidence) == (None, None)


# ---- the raw word ----


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Back", "back"),
        ("again.", "again"),
        ("it's", "it's"),
        ("'cause", "cause"),
        ("dogs'", "dogs"),
        ("ill-disposed", "ill-disposed"),
        ("wait-", "wait"),
        ("U.S.", "u.s"),
        ("3.5", "3.5"),
        ("3.5.", "3.5"),
        ("-3", "-3"),
        ("$5", "$5"),
        ("$5,", "$5"),
        ("20%", "20%"),
        ("20%.", "20%"),
        ("c++", "c++"),
        ("&", "&"),
        ("—", ""),
        ("\N{EN DASH}", ""),
        ("-", ""),
        ("--", ""),
        ("...", ""),
        ("$", ""),
        ("%", ""),
        ("", ""),
        ('"Hello,"', "hello"),
        ("“Hello”", "hello"),
        ("(yes)", "yes"),
        ("¿Qué?", "qué"),
        ("¡Olé!", "olé"),
        ("„Straße“,", "straße"),
        ("ÉTÉ.", "été"),
        ("ΛΈΞΗ!", "λέξη"),
        ("日本", "日本"),
        ("[SSN_1].", "[SSN_1]"),
        ("([CREDIT_CARD_12])", "[CREDIT_CARD_12]"),
        ("[sic]", "sic"),
        ("[REDACTED],", "[REDACTED]"),
        ("****", "****"),
        ("******'s.", "******'s"),
        ("mother-****,", "mother-****"),
        ("*emphasis*", "emphasis"),
    ],
)
def test_a_raw_word_has_no_case_and_no_punctuation_around_it(text: str, word: str) -> None:
    assert raw(text) == word


# ---- punctuation ----


def test_words_are_punctuated_only_when_requested() -> None:
    spoken = (Word("Back", 10.5, 10.75, 0.5), Word("again.", 10.75, 11.25, 0.75))
    assert wire_words(spoken, punctuate=True, keep_punctuation=False) == (
        WireWord("back", 10.5, 10.75, 0.5, "Back"),
        WireWord("again", 10.75, 11.25, 0.75, "again."),
    )
    assert wire_words(spoken, punctuate=False, keep_punctuation=False) == (
        WireWord("back", 10.5, 10.75, 0.5, None),
        WireWord("again", 10.75, 11.25, 0.75, None),
    )


def test_the_transcript_is_its_words() -> None:
    assert sentence("It's $5, or 20% — in the U.S.", punctuate=True) == "It's $5, or 20% in the U.S."
    assert sentence("It's $5, or 20% — in the U.S.", punctuate=False) == "it's $5 or 20% in the u.s"


def test_marks_that_were_dictated_are_words_of_their_own() -> None:
    spoken = (Word("\n\n", 0.0, 0.5, 0.5), Word("Yes.", 0.5, 1.0, 0.5))
    assert [word.punctuated_word for word in wire_words(spoken, punctuate=True, keep_punctuation=True)] == [
        "\n\n",
        "Yes.",
    ]
    assert [word.word for word in wire_words(spoken, punctuate=True, keep_punctuation=True)] == ["\n\n", "yes"]
    assert [word.word for word in wire_words(spoken, punctuate=True, keep_punctuation=False)] == ["yes"]


# ---- confidence ----


@pytest.mark.parametrize(
    ("confidences", "median"),
    [
        ([], 0.0),
        ([0.25], 0.25),
        ([0.9, 0.1], 0.9),
        ([0.3, 0.9, 0.1], 0.3),
        ([0.4, 0.1, 0.3, 0.2], 0.3),
        ([0.962, 0.981], 0.981),
        ([0.5, 0.5, 0.9, 0.1, 0.7, 0.6], 0.6),
    ],
)
def test_confidence_is_the_upper_median(confidences: list[float], median: float) -> None:
    before = list(confidences)
    assert upper_median(confidences) == median
    assert confidences == before


def test_the_confidence_of_results_is_that_of_the_words_that_go_out() -> None:
    spoken = (Word("—", 0.1, 0.2, 0.2), Word("a", 0.2, 0.3, 0.7), Word("b", 0.3, 0.4, 0.9))
    segment = TranscriptSegment(0, 0.0, 1.0, (*spoken, Word("c", 0.4, 0.5, 0.8)), final=True)
    assert _results(segment, punctuate=False).confidence == 0.8
    assert _results(TranscriptSegment(0, 0.0, 1.0, spoken[:1], final=True), punctuate=False).confidence == 0.0


# ---- the message ----


def test_results_have_the_fields_of_the_segment() -> None:
    spoken = (Word("Yes.", 10.25, 10.75, 0.5),)
    segment = TranscriptSegment(1, 10.0, 12.5, spoken, final=True, endpoint=True, flushed=True)
    assert _results(segment, punctuate=True) == Results(
        channel=1,
        channels=2,
        start=10.0,
        duration=2.5,
        is_final=True,
        speech_final=True,
        from_finalize=True,
        transcript="Yes.",
        confidence=0.5,
        words=(WireWord("yes", 10.25, 10.75, 0.5, "Yes."),),
        request_id="id",
        model=MODEL,
        extra={"k": "v"},
    )


def test_results_have_speakers_and_searches() -> None:
    spoken = (Word("Yes.", 10.25, 10.75, 0.5, speaker=1),)
    searches = (Search("yes", (Hit(0.9, 10.25, 10.75, "yes"),)), Search("no", ()))
    answer = _results(TranscriptSegment(0, 10.0, 12.5, spoken, final=True, searches=searches), punctuate=False)
    assert answer.words == (WireWord("yes", 10.25, 10.75, 0.5, None, 1),)
    assert answer.searches == (SearchResult("yes", (SearchHit(0.9, 10.25, 10.75, "yes"),)), SearchResult("no", ()))


def test_an_interim_claims_neither_endpoint_nor_flush() -> None:
    answer = _results(TranscriptSegment(0, 0.0, 1.0, (), final=False, endpoint=True, flushed=True), punctuate=True)
    assert (answer.is_final, answer.speech_final, answer.from_finalize) == (False, False, False)
