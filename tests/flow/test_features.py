"""Options of a live stream as its client sees them: formatting, redaction, search, keyterms and diarization."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from caesura.engines.base import Engine, EngineInfo, SegmentJob, Term
from caesura.engines.registry import load_engine
from caesura.engines.scripted import INFO
from caesura.errors import BadParameter, NoSuchModel
from caesura.protocol.codec import write_server_message
from caesura.protocol.messages import (
    ConfigureFailure,
    ConfigureSuccess,
    Error,
    Metadata,
    Results,
    ServerMessage,
    UtteranceEndMessage,
)
from tests.encodings import encode
from tests.flow.inline import Outcome, flow
from tests.flow.synthetic_speech import BIASED, Talk, dialogue, sent, transcribed
from tests.recordings import recording

FINALIZE = '{"type":"Finalize"}'


def configure(**fields: Any) -> str:
    return json.dumps({"type": "Configure", **fields})


def transcript(outcome: Outcome) -> str:
    return " ".join(final.transcript for final in outcome.finals if final.transcript)


def texts(outcome: Outcome) -> list[str]:
    """The finals in which something was spoken."""
    return [final.transcript for final in outcome.finals if final.transcript]


def strings(value: object) -> Iterator[str]:
    """Every string in a message, at any depth."""
    match value:
        case str():
            yield value
        case dict():
            for inner in value.values():
                yield from strings(inner)
        case list():
            for inner in value:
                yield from strings(inner)


def shown(messages: list[ServerMessage]) -> str:
    """All that a client can read in these messages, but for what identifies the stream."""
    found = [json.loads(write_server_message(message)) for message in messages if not isinstance(message, Metadata)]
    for message in found:
        message.pop("metadata", None)
    return "\n".join(strings(found))


def assert_tiled(outcome: Outcome) -> None:
    at = 0.0
    for final in outcome.finals:
        assert final.start == pytest.approx(at, abs=1e-6)
        at = final.start + final.duration
        assert all(final.start - 1e-6 <= word.start <= word.end <= at + 1e-6 for word in final.words)
    assert at == pytest.approx(outcome.metadata.duration, abs=1e-6)


# ---- how words are written ----


def test_numerals_are_written_with_the_time_of_all_that_was_spoken() -> None:
    plain = transcribed("I have twenty five cats", 1.0)
    outcome = transcribed("I have twenty five cats", 1.0, query="numerals=true")
    assert transcript(plain) == "i have twenty five cats"
    assert transcript(outcome) == "i have 25 cats"
    number = outcome.words()[2]
    assert (number.word, number.start, number.end) == ("25", plain.words()[2].start, plain.words()[3].end)
    assert outcome.words()[3] == plain.words()[4]


def test_numerals_do_not_wait_and_smart_formatting_is_not_requested() -> None:
    outcome = transcribed("call five five five", 1.0, "one two three four", 1.0, query="numerals=true")
    assert texts(outcome) == ["call 555", "1234"]
    assert all(word.punctuated_word is None for word in outcome.words())


def test_a_final_that_ends_in_a_number_waits_and_is_emitted_with_the_rest_of_it() -> None:
    parts = ("My number is five five five", 1.0, "one two three four thanks.", 1.0)
    outcome = transcribed(*parts, query="smart_format=true&interim_results=true")
    assert texts(outcome) == ["My number is 555-1234 thanks."]
    final = next(final for final in outcome.finals if final.words)
    assert final.speech_final
    assert (final.words[3].word, final.words[3].punctuated_word) == ("555-1234", "555-1234")
    assert_tiled(outcome)
    hasty = transcribed(*parts, query="smart_format=true&no_delay=true")
    assert texts(hasty) == ["My number is 555", "1234 thanks."]


@pytest.mark.parametrize("query", ["smart_format=true", "smart_format=true&interim_results=true"])
def test_a_number_that_nothing_follows_is_emitted_after_three_seconds_of_silence(query: str) -> None:
    """Texts that are no messages are answered at once, so the errors show where in the audio the final came."""
    outcome = transcribed("I want twenty five", 2.7, "mark before", 0.5, "mark after", 1.0, query=query)
    order = [
        message.message if isinstance(message, Error) else message.transcript
        for message in outcome.messages
        if isinstance(message, Error) or (isinstance(message, Results) and message.is_final and message.words)
    ]
    assert order == ["mark before", "I want 25", "mark after"]


def test_finalize_releases_a_held_final_at_once() -> None:
    outcome = transcribed("I want twenty five", 0.5, FINALIZE, "mark", "twenty six", 1.0, query="smart_format=true")
    kinds = [type(message) for message in outcome.messages]
    assert kinds.index(Results) < kinds.index(Error)
    answers = [final for final in outcome.finals if final.from_finalize]
    assert [answer.transcript for answer in answers] == ["I want 25"]
    assert_tiled(outcome)


def test_a_held_final_is_sent_before_the_end_of_its_utterance() -> None:
    query = "smart_format=true&utterance_end_ms=1000&interim_results=true"
    outcome = transcribed("I want twenty five", 2.0, query=query)
    sent_messages = [message for message in outcome.messages if isinstance(message, UtteranceEndMessage | Results)]
    final = next(at for at, one in enumerate(sent_messages) if isinstance(one, Results) and one.is_final and one.words)
    end = next(at for at, one in enumerate(sent_messages) if isinstance(one, UtteranceEndMessage))
    assert final < end


def test_dictated_punctuation_is_punctuation() -> None:
    parts = ("dear Anna comma new line how are you question mark", 1.0)
    outcome = transcribed(*parts, query="dictation=true")
    assert transcript(outcome) == "dear Anna,\n How are you?"
    assert [word.word for word in outcome.words()] == ["dear", "anna", "how", "are", "you"]
    assert transcript(transcribed(*parts)) == "dear anna comma new line how are you question mark"


def test_hesitations_are_removed_unless_they_are_requested() -> None:
    parts = ("Um, I see uh nothing.", 1.0)
    assert transcript(transcribed(*parts)) == "i see nothing"
    assert transcript(transcribed(*parts, query="punctuate=true")) == "I see nothing."
    assert transcript(transcribed(*parts, query="filler_words=true&punctuate=true")) == "Um, I see uh nothing."


def test_profanity_is_masked_in_interims_and_in_finals() -> None:
    outcome = transcribed("what the fuck is this about then", 1.0, query="profanity_filter=true&interim_results=true")
    assert transcript(outcome) == "what the **** is this about then"
    assert "fuck" not in shown(outcome.messages)
    assert any("****" in result.transcript for result in outcome.results if not result.is_final)
    assert "fuck" in shown(transcribed("what the fuck", 1.0).messages)


def test_words_are_replaced_and_left_out() -> None:
    outcome = transcribed("the cat sat on the old mat", 1.0, query="replace=cat:dog&replace=old&replace=sat%20on:left")
    assert transcript(outcome) == "the dog left the mat"
    assert_tiled(outcome)


# ---- redaction ----

CARD = "four one one one one one one one one one one one one one one one"
SSN = "one two three four five six seven eight nine"

SECRETS = [
    ("pci", f"my card number is {CARD} thanks a lot", "[CREDIT_CARD_1]", ("4111", "1111", "four one", "one one one")),
    ("ssn", f"my social security number is {SSN} thanks", "[SSN_1]", ("123", "6789", "one two", "six seven")),
    ("numbers", "the code is seven seven three nine thanks", "[REDACTED]", ("7739", "77", "seven seven", "three nine")),
    ("aggressive_numbers", "I want twenty two of them please", "[REDACTED]", ("22", "twenty", "two")),
]


@pytest.mark.parametrize(("kind", "sentence", "tag", "forms"), SECRETS, ids=[secret[0] for secret in SECRETS])
@pytest.mark.parametrize("also", ["", "&smart_format=true", "&numerals=true&no_delay=true", "&dictation=true"])
def test_a_secret_is_in_no_message_of_the_stream(
    kind: str, sentence: str, tag: str, forms: tuple[str, ...], also: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in words nor in alternatives, interims, search hits or the log."""
    query = f"redact={kind}&interim_results=true&vad_events=true&utterance_end_ms=1000&search=hush{also}"
    with caplog.at_level(logging.DEBUG):
        outcome = transcribed(sentence, 4.0, query=query)
    assert tag in transcript(outcome)
    assert any(not result.is_final and result.words for result in outcome.results)
    sent_messages = shown(outcome.messages).lower()
    for form in forms:
        assert form not in sent_messages
        assert form not in caplog.text
    assert_tiled(outcome)


@pytest.mark.parametrize("query", ["four%20one%20one", "4111", "411111", "one%20two", "123"])
def test_to_search_for_a_secret_does_not_find_it(query: str) -> None:
    """A hit would reveal that it was there, and its snippet what it was."""
    said_secrets = transcribed(f"card {CARD} and social {SSN}", 4.0, query=f"redact=pci&redact=ssn&search={query}")
    snippets = [hit.snippet for final in said_secrets.finals for search in final.searches for hit in search.hits]
    assert not [snippet for snippet in snippets if set(snippet.split()) & {"one", "four", "two", "4111"}]
    assert not any(any(sign.isdigit() for sign in snippet.replace("_1]", "")) for snippet in snippets)


def test_a_secret_that_is_spoken_with_pauses_is_hidden_as_a_whole() -> None:
    parts = (
        "my card number is four one one one",
        1.0,
        "one one one one",
        1.2,
        "one one one one one one",
        0.8,
        "one one thanks",
        4.0,
    )
    outcome = transcribed(*parts, query="redact=pci&interim_results=true&utterance_end_ms=3000")
    assert transcript(outcome) == "my card number is [CREDIT_CARD_1] thanks"
    assert "one" not in shown(outcome.messages)


def test_a_secret_is_hidden_although_the_client_makes_it_final_in_its_middle() -> None:
    parts = ("my card number is four one one one", FINALIZE, "one one one one", FINALIZE, "one one one one thanks", 4.0)
    outcome = transcribed(*parts, query="redact=pci&interim_results=true")
    assert "one" not in shown(outcome.messages)
    assert len([final for final in outcome.finals if final.from_finalize]) == 2
    assert outcome.finals[0].transcript.startswith("my card number is [")


@pytest.mark.parametrize("words_before", range(8, 22, 2))
def test_a_secret_is_hidden_although_its_segment_was_too_long_for_the_engine(words_before: int) -> None:
    """Segments are cut after ten seconds, wherever that is."""
    before = " ".join(["well"] * words_before)
    outcome = transcribed(f"{before} {CARD} thanks", 4.0, query="redact=pci&interim_results=true")
    assert "one" not in shown(outcome.messages)
    assert transcript(outcome) == f"{before} [CREDIT_CARD_1] thanks"


@pytest.mark.parametrize("digits", [1, 4, 6, 8, 12, 15])
def test_a_secret_is_hidden_although_the_style_changed_in_its_middle(digits: int) -> None:
    """It is written whole, in the style in which it ended."""
    spoken = CARD.split()
    outcome = transcribed(
        f"it is {' '.join(spoken[:digits])}",
        configure(features={"smart_format": True}),
        f"{' '.join(spoken[digits:])} thanks",
        4.0,
        "thirty cats",
        4.0,
        query="redact=pci&interim_results=true",
    )
    assert not {"four", "4", "one"} & set(shown(outcome.messages).split())
    assert texts(outcome) == ["it is [CREDIT_CARD_1] thanks", "30 cats"]


def test_numbers_that_are_not_secret_stay_as_spoken() -> None:
    outcome = transcribed(f"two of them with card {CARD} in twenty minutes", 4.0, query="redact=pci")
    assert transcript(outcome) == "two of them with card [CREDIT_CARD_1] in twenty minutes"


def test_a_tag_spans_the_whole_time_of_its_secret() -> None:
    plain = transcribed(f"card {CARD} thanks", 4.0)
    word = transcribed(f"card {CARD} thanks", 4.0, query="redact=pci").words()[1]
    assert (word.word, word.start) == ("[CREDIT_CARD_1]", plain.words()[1].start)
    assert word.end == plain.words()[-2].end


# ---- search ----


def test_a_search_term_is_found_with_its_time_and_similarity() -> None:
    outcome = transcribed("nobody saw the kat on the mat", 1.0, query="search=cat&search=the%20mat&search=elephant")
    (final,) = (final for final in outcome.finals if final.words)
    cat, mat, elephant = final.searches
    assert (cat.query, mat.query, elephant.query) == ("cat", "the mat", "elephant")
    kat = final.words[3]
    assert (cat.hits[0].snippet, cat.hits[0].start, cat.hits[0].end) == ("kat", kat.start, kat.end)
    assert 0.4 < cat.hits[0].confidence < 1.0
    assert (mat.hits[0].confidence, mat.hits[0].snippet) == (1.0, "the mat")
    assert (mat.hits[0].start, mat.hits[0].end) == (final.words[5].start, final.words[6].end)
    assert all(hit.confidence < 0.5 for hit in elephant.hits)
    assert [one.confidence for one in cat.hits] == sorted((one.confidence for one in cat.hits), reverse=True)


def test_every_results_message_lists_searches_when_there_are_any() -> None:
    outcome = transcribed("the cat sat on the mat all day long", 6.0, query="search=cat&interim_results=true")
    assert len(outcome.results) > len(outcome.finals)
    assert all([search.query for search in result.searches] == ["cat"] for result in outcome.results)
    assert all(result.searches == () for result in transcribed("the cat sat", 1.0).results)


def test_hits_are_found_in_words_as_they_go_out() -> None:
    outcome = transcribed("the cat costs twenty five", 4.0, query="replace=cat:dog&numerals=true&search=dog&search=25")
    (final,) = (final for final in outcome.finals if final.words)
    assert [(search.hits[0].snippet, search.hits[0].confidence) for search in final.searches] == [
        ("dog", 1.0),
        ("25", 1.0),
    ]


# ---- languages ----

FRENCH = "mais oui c'est ça alors"
SEVERAL = replace(INFO, languages=("en", "fr"), detects_language=True)


def bilingual(query: str, info: EngineInfo = SEVERAL) -> Outcome:
    """An English sentence, then a French and another English one, with pauses between them.

    English is detected with a probability of 0.75, French with 0.5.
    """
    talk = Talk("and so it goes", 1.0, FRENCH, 1.0, "well yes", 1.0)
    talk.words = [
        replace(word, language="fr", language_confidence=0.5)
        if word.text in FRENCH.split()
        else replace(word, language="en", language_confidence=0.75)
        for word in talk.words
    ]
    return sent(talk, talk.items(), query, info=info)


def languages(results: Iterable[Results]) -> list[tuple[tuple[str, ...], list[str | None]]]:
    """Of each message with words: its languages, and that of each word."""
    return [(each.languages, [word.language for word in each.words]) for each in results if each.words]


def test_with_several_languages_each_word_has_its_own_in_interims_and_finals() -> None:
    outcome = bilingual("language=multi&interim_results=true")
    assert languages(outcome.finals) == [
        (("en",), ["en"] * 4),
        (("fr",), ["fr"] * 5),
        (("en",), ["en"] * 2),
    ]
    interims = languages(each for each in outcome.results if not each.is_final)
    assert {spoken for spoken, _ in interims} == {("en",), ("fr",)}
    assert all(job.language is None for job in outcome.jobs)
    assert all(each.detected_language is None for each in outcome.results)
    assert all(each.language_confidence is None for each in outcome.results)


def test_the_detected_language_is_that_of_most_words_so_far() -> None:
    outcome = bilingual("detect_language=true&interim_results=true")
    assert [each.detected_language for each in outcome.finals if each.words] == ["en", "fr", "en"]
    assert [each.language_confidence for each in outcome.finals if each.words] == [0.75, 0.5, 0.75]
    assert outcome.results[-1].detected_language == "en"
    assert all(job.language is None for job in outcome.jobs)


def test_the_languages_that_may_be_detected_reach_the_engine() -> None:
    outcome = bilingual("detect_language=fr&detect_language=en-GB&interim_results=true")
    assert {(job.language, job.detectable_languages) for job in outcome.jobs} == {(None, ("fr", "en"))}
    assert [each.detected_language for each in outcome.finals if each.words] == ["en", "fr", "en"]
    assert {job.detectable_languages for job in bilingual("detect_language=true").jobs} == {()}


def test_where_the_language_is_named_none_is_detected() -> None:
    outcome = bilingual("language=fr")
    assert languages(outcome.finals) == [((), [None] * count) for count in (4, 5, 2)]
    assert all(job.language == "fr" for job in outcome.jobs)


@pytest.mark.parametrize(
    ("query", "error"), [("detect_language=true", "which recognizes en only"), ("language=multi", "send language=en")]
)
def test_detection_is_refused_where_the_engine_knows_one_language(query: str, error: str) -> None:
    with pytest.raises((BadParameter, NoSuchModel), match=error):
        bilingual(query, INFO)


# ---- keyterms ----


def terms(jobs: list[SegmentJob]) -> list[tuple[Term, ...]]:
    """The keyterms of the jobs, each change once."""
    found = [job.terms for job in jobs]
    return [found[0], *(after for before, after in pairwise(found) if after != before)]


def test_terms_reach_every_job_of_the_engine() -> None:
    query = "keyterm=Caesura&keyterm=half%20line&keywords=pause:2.5&keywords=uh:-3&interim_results=true"
    outcome = transcribed("the caesura is a pause in a line", 1.0, "and so on", 1.0, query=query, info=BIASED)
    assert len(outcome.jobs) > 2
    expected = (Term("Caesura"), Term("half line"), Term("pause", 2.5), Term("uh", -3.0))
    assert terms(outcome.jobs) == [expected]


@pytest.mark.parametrize("query", ["keyterm=Caesura", "keywords=Caesura:2"])
def test_terms_are_refused_where_the_engine_does_not_heed_them(query: str) -> None:
    with pytest.raises(BadParameter, match=query.partition("=")[0]) as caught:
        transcribed("hello", query=query)
    assert "scripted" in caught.value.message


# ---- Configure ----


def test_the_transcript_after_a_configure_is_formatted_by_it() -> None:
    """In the middle of a sentence too: audio before it is written as before, whenever its words are emitted."""
    outcome = transcribed(
        "twenty one cats",
        configure(features={"numerals": True}),
        "twenty two dogs",
        1.0,
        "twenty three birds",
        1.0,
        configure(features={"numerals": False}),
        "twenty four fish",
        1.0,
    )
    assert texts(outcome) == ["twenty one cats 22 dogs", "23 birds", "twenty four fish"]
    assert [type(message) for message in outcome.messages if isinstance(message, ConfigureSuccess)] == [
        ConfigureSuccess
    ] * 2
    assert_tiled(outcome)


def test_a_configure_is_in_order_with_audio_that_came_at_once() -> None:
    """A whole recording in one message before it, another behind it: neither waits for the other to be transcribed."""
    first, second = Talk("twenty one cats", 0.5), Talk("twenty one cats", 0.5, "twenty two dogs", 1.0)
    rest = second.samples[len(first.samples) :].tobytes()
    outcome = sent(second, [first.samples.tobytes(), configure(features={"numerals": True}), rest])
    assert texts(outcome) == ["twenty one cats", "22 dogs"]


def test_each_feature_can_be_turned_on_and_off() -> None:
    sentence = "um the fucking bill is twenty five dollars period"
    for feature, on, off in [
        ("numerals", "25", "twenty five"),
        ("smart_format", "$25", "twenty five dollars"),
        ("dictation", "dollars.", "dollars period"),
        ("filler_words", "um", "the"),
        ("profanity_filter", "*******", "fucking"),
    ]:
        outcome = transcribed(
            configure(features={feature: True}),
            sentence,
            4.0,
            configure(features={feature: False}),
            sentence,
            4.0,
            query="punctuate=true",
        )
        first, second = texts(outcome)
        assert on in first
        assert on not in second
        assert off in second


def test_redaction_and_searching_are_not_touched_by_a_configure() -> None:
    outcome = transcribed(
        configure(features={"numerals": True, "smart_format": True}),
        f"card {CARD} thanks",
        4.0,
        "twenty one cats",
        4.0,
        query="redact=pci&search=cats",
    )
    assert texts(outcome) == ["card [CREDIT_CARD_1] thanks", "21 cats"]
    assert all(final.searches for final in outcome.finals)


def test_keyterms_are_replaced_and_keywords_stay() -> None:
    outcome = transcribed(
        "one two three",
        1.0,
        configure(keyterms=["new", "newer"]),
        "four five six",
        1.0,
        configure(features={"numerals": True}),
        "seven eight nine",
        1.0,
        configure(keyterms=[]),
        "ten eleven",
        1.0,
        query="keyterm=old&keywords=word:2",
        info=BIASED,
    )
    word = Term("word", 2.0)
    assert terms(outcome.jobs) == [(Term("old"), word), (Term("new"), Term("newer"), word), (word,)]
    answers = [message.keyterms for message in outcome.messages if isinstance(message, ConfigureSuccess)]
    assert answers == [("new", "newer"), None, ()]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"features": {"redact": True}}, "CONFIGURE_FEATURE_NOT_SUPPORTED"),
        ({"features": {"numerals": True}, "keyterms": ["x"]}, "CONFIGURE_KEYTERMS_NOT_SUPPORTED"),
    ],
)
def test_a_configure_that_cannot_be_honoured_changes_nothing(asked: dict[str, Any], code: str) -> None:
    outcome = transcribed(configure(**asked), "twenty one cats", 1.0)
    (failure,) = (message for message in outcome.messages if isinstance(message, ConfigureFailure))
    assert failure.code == code
    assert texts(outcome) == ["twenty one cats"]


def test_a_configure_before_the_first_audio_holds_for_all_of_it() -> None:
    assert texts(transcribed(configure(features={"numerals": True}), "twenty one cats", 1.0)) == ["21 cats"]


# ---- channels ----


def test_each_channel_is_written_held_and_searched_by_itself() -> None:
    """One number is held while there is speech on the other channel; the two are not mixed."""
    outcome = dialogue(
        Talk("call five five five", 2.5, "one two three four okay", 4.0),
        Talk(2.0, "my card is secret um", 5.0, "yes twenty one cats", 4.0),
        query="smart_format=true&search=cats&search=okay&interim_results=true",
    )
    assert [final.transcript for final in outcome.finals if final.words and final.channel == 0] == [
        "call 555-1234 okay"
    ]
    assert [final.transcript for final in outcome.finals if final.words and final.channel == 1] == [
        "my card is secret",
        "yes 21 cats",
    ]
    for final in (final for final in outcome.finals if final.words):
        cats, okay = ([hit.snippet for hit in search.hits if hit.confidence == 1.0] for search in final.searches)
        assert cats == (["cats"] if "cats" in final.transcript else [])
        assert okay == (["okay"] if "okay" in final.transcript else [])
    for channel in (0, 1):
        at = 0.0
        for final in (final for final in outcome.finals if final.channel == channel):
            assert final.start == pytest.approx(at, abs=1e-6)
            at = final.start + final.duration
        assert at == pytest.approx(outcome.metadata.duration, abs=1e-6)


def test_a_secret_on_one_channel_is_no_part_of_the_other() -> None:
    outcome = dialogue(
        Talk(f"card {CARD}", 4.0), Talk(7.5, "one two three go", 4.0), query="redact=pci&interim_results=true"
    )
    assert outcome.text(0) == "card [CREDIT_CARD_1]"
    assert outcome.text(1) == "one two three go"
    sent_messages = [message for message in outcome.messages if isinstance(message, Results) and message.channel == 0]
    assert "one" not in shown([*sent_messages])


# ---- real speech ----


@pytest.fixture(scope="module")
def moonshine() -> Engine:
    return load_engine("moonshine")


def transcribed_file(name: str, engine: Engine, query: str) -> Outcome:
    samples = np.concatenate([recording(name).samples, np.zeros(16_000, np.float32)])
    data, _ = encode(samples[np.newaxis, :], 16_000, "linear16")
    assert isinstance(data, bytes)
    items = [data[at : at + 3200] for at in range(0, len(data), 3200)]
    return flow(
        items, f"encoding=linear16&sample_rate=16000&endpointing=500&{query}", engine="moonshine", loaded=engine
    )


@pytest.mark.slow
def test_in_real_speech_a_word_is_found_at_each_place_where_it_was_spoken(moonshine: Engine) -> None:
    outcome = transcribed_file("jfk", moonshine, "search=country&search=selfish&interim_results=true")
    said_at = [(word.start, word.end) for word in outcome.words() if word.word == "country"]
    assert len(said_at) == 2
    found = [
        (hit.start, hit.end)
        for final in outcome.finals
        for hit in final.searches[0].hits
        if hit.confidence == 1.0 and hit.snippet == "country"
    ]
    assert sorted(found) == said_at
    assert not [hit for final in outcome.finals for hit in final.searches[1].hits if hit.confidence > 0.5]


@pytest.mark.slow
def test_real_speech_is_formatted_and_replaced_without_losing_a_word(moonshine: Engine) -> None:
    plain = transcribed_file("jfk", moonshine, "punctuate=true")
    outcome = transcribed_file(
        "jfk", moonshine, "smart_format=true&dictation=true&profanity_filter=true&redact=numbers&replace=country:nation"
    )
    assert "country" not in outcome.text()
    assert outcome.text().replace("nation", "country") == plain.text()
    assert [word.start for word in outcome.words()] == [word.start for word in plain.words()]
    assert_tiled(outcome)
