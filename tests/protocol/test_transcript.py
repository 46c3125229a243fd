"""Words as printed come in, Results as asked for go out."""

from __future__ import annotations

import pytest

from caesura.events import Heard
from caesura.protocol.messages import Results, WireWord
from caesura.protocol.transcript import Format, results, upper_median, written
from caesura.words import Word, raw
from tests.protocol.play import MODEL

PUNCTUATED = Format(punctuate=True, filler_words=False)
PLAIN = Format(punctuate=False, filler_words=False)
VERBATIM = Format(punctuate=True, filler_words=True)


def words(sentence: str) -> tuple[Word, ...]:
    """Half a second each, confidences 0.5, 0.625, 0.75, ..."""
    return tuple(
        Word(text, index * 0.5, index * 0.5 + 0.5, 0.5 + index * 0.125) for index, text in enumerate(sentence.split())
    )


def sentence(spoken: str, format: Format) -> str:
    return _results(Heard(0, 0.0, 9.0, words(spoken), final=True), format).transcript


def _results(heard: Heard, format: Format) -> Results:
    return results(heard, format, channels=2, request_id="id", model=MODEL, extra={"k": "v"})


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


def test_words_are_punctuated_only_when_asked_for() -> None:
    spoken = (Word("Back", 10.5, 10.75, 0.5), Word("again.", 10.75, 11.25, 0.75))
    assert written(spoken, PUNCTUATED) == (
        WireWord("back", 10.5, 10.75, 0.5, "Back"),
        WireWord("again", 10.75, 11.25, 0.75, "again."),
    )
    assert written(spoken, PLAIN) == (
        WireWord("back", 10.5, 10.75, 0.5, None),
        WireWord("again", 10.75, 11.25, 0.75, None),
    )


def test_the_transcript_is_its_words() -> None:
    assert sentence("It's $5, or 20% — in the U.S.", PUNCTUATED) == "It's $5, or 20% in the U.S."
    assert sentence("It's $5, or 20% — in the U.S.", PLAIN) == "it's $5 or 20% in the u.s"


# ---- fillers ----


@pytest.mark.parametrize(
    ("spoken", "kept"),
    [
        ("Um, I think so.", "I think so."),
        ("Uh, well, yes.", "Well, yes."),
        ("Um, uh, well, yes.", "Well, yes."),
        ("I, um, think so.", "I, think so."),
        ("I think, uhm.", "I think."),
        ("You think, uh?", "You think?"),
        ("You think, uh, um?!", "You think?!"),
        ("I think so. Um.", "I think so."),
        ("I think um... so it is.", "I think... so it is."),
        ("I think um… so it is.", "I think… so it is."),
        ("Yes. Um, no.", "Yes. No."),
        ("Yes. Uh. no.", "Yes. No."),
        ("Uh, Élan.", "Élan."),
        ("um élan.", "élan."),
        ("Umm, élan.", "Élan."),
        ("Uh-huh, yes.", "Uh-huh, yes."),
        ("Umbrella, uhh, yes.", "Umbrella, yes."),
        ("Um.", ""),
        ("Um, uh, uhm, umm, uhh...", ""),
    ],
)
def test_fillers_are_left_out_and_hand_on_capital_and_full_stop(spoken: str, kept: str) -> None:
    assert sentence(spoken, PUNCTUATED) == kept
    assert sentence(spoken, VERBATIM) == spoken


def test_the_other_words_keep_their_times_and_confidences_when_a_filler_goes() -> None:
    spoken = (Word("Um,", 0.0, 0.25, 0.1), Word("yes,", 0.25, 0.5, 0.8), Word("uh.", 0.5, 0.75, 0.1))
    assert written(spoken, PUNCTUATED) == (WireWord("yes", 0.25, 0.5, 0.8, "Yes."),)


def test_an_utterance_of_fillers_alone_is_empty() -> None:
    answer = _results(Heard(0, 1.0, 2.0, words("Um, uh."), final=True, endpoint=True), PUNCTUATED)
    assert (answer.transcript, answer.words, answer.confidence) == ("", (), 0.0)
    assert (answer.start, answer.duration, answer.speech_final) == (1.0, 1.0, True)


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
    spoken = (Word("Um,", 0.0, 0.1, 0.1), Word("—", 0.1, 0.2, 0.2), Word("a", 0.2, 0.3, 0.7), Word("b", 0.3, 0.4, 0.9))
    heard = Heard(0, 0.0, 1.0, (*spoken, Word("c", 0.4, 0.5, 0.8)), final=True)
    assert _results(heard, PLAIN).confidence == 0.8
    assert _results(Heard(0, 0.0, 1.0, spoken[:2], final=True), PLAIN).confidence == 0.0


# ---- the message ----


def test_results_tell_the_segment_as_it_was_heard() -> None:
    spoken = (Word("Yes.", 10.25, 10.75, 0.5),)
    heard = Heard(1, 10.0, 12.5, spoken, final=True, endpoint=True, flushed=True)
    assert _results(heard, PUNCTUATED) == Results(
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


def test_an_interim_claims_neither_endpoint_nor_flush() -> None:
    answer = _results(Heard(0, 0.0, 1.0, (), final=False, endpoint=True, flushed=True), PUNCTUATED)
    assert (answer.is_final, answer.speech_final, answer.from_finalize) == (False, False, False)
