"""Query strings parsed into options, and the sentences that refuse what cannot be honoured."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.errors import BadParameter, NoSuchModel, NotForLive
from caesura.protocol.catalogue import Catalogue, Offer
from caesura.protocol.messages import ModelInfo
from caesura.protocol.options import ENCODINGS, ListenOptions, parse_options

LIVEKIT = (
    "model=nova-3&punctuate=true&smart_format=true&no_delay=true&interim_results=true&encoding=linear16"
    "&vad_events=true&sample_rate=16000&channels=1&endpointing=25&filler_words=true&profanity_filter=false"
    "&numerals=false&mip_opt_out=false&language=en-US"
)
PIPECAT = (
    "channels=1&detect_entities=false&diarize=false&dictation=false&encoding=linear16&interim_results=true"
    "&language=en-US&model=nova-3&multichannel=false&numerals=false&punctuate=true&sample_rate=16000"
    "&smart_format=true"
)


OWN = ModelInfo("00000000-0000-4000-8000-0000000000aa", "own-en", "1.0", "own")
CATALOGUE = Catalogue((Offer(OWN, ("en",), biases=True),), diarizes=True)


def parse(query: str, **settings: Any) -> ListenOptions:
    pairs = parse_qsl(query, keep_blank_values=True)
    return parse_options(pairs, **{"catalogue": CATALOGUE, **settings})


def refusal(query: str, **settings: Any) -> BadParameter:
    with pytest.raises(BadParameter) as caught:
        parse(query, **settings)
    assert str(caught.value) == caught.value.message
    return caught.value


def test_an_empty_query_has_the_defaults_of_the_wire() -> None:
    assert parse("") == ListenOptions()
    assert ListenOptions() == ListenOptions(
        model="nova-3",
        language="en",
        version="latest",
        encoding=None,
        sample_rate=None,
        channels=1,
        multichannel=False,
        interim_results=False,
        endpointing_ms=10,
        utterance_end_ms=None,
        vad_events=False,
        punctuate=False,
        smart_format=False,
        numerals=False,
        dictation=False,
        filler_words=False,
        profanity_filter=False,
        redact=(),
        replace=(),
        search=(),
        keyterms=(),
        keywords=(),
        diarize=False,
        no_delay=False,
        tags=(),
        extra={},
        callback=None,
        callback_method="POST",
        inspect_response=False,
        mip_opt_out=False,
        utterances=False,
        utt_split_s=0.8,
        paragraphs=False,
        detect_language=False,
    )


def test_the_query_that_livekit_sends_is_understood() -> None:
    assert parse(LIVEKIT) == ListenOptions(
        language="en-US",
        encoding="linear16",
        sample_rate=16000,
        interim_results=True,
        endpointing_ms=25,
        vad_events=True,
        punctuate=True,
        smart_format=True,
        filler_words=True,
        no_delay=True,
    )


def test_the_query_that_pipecat_sends_is_understood() -> None:
    assert parse(PIPECAT) == ListenOptions(
        language="en-US",
        encoding="linear16",
        sample_rate=16000,
        interim_results=True,
        punctuate=True,
        smart_format=True,
    )


@pytest.mark.parametrize(
    ("query", "field", "value"),
    [
        ("encoding=flac", "encoding", "flac"),
        ("encoding=ogg-opus", "encoding", "ogg-opus"),
        ("sample_rate=8000", "sample_rate", 8000),
        ("channels=20", "channels", 20),
        ("multichannel=true", "multichannel", True),
        ("interim_results=true", "interim_results", True),
        ("endpointing=true", "endpointing_ms", 10),
        ("endpointing=false", "endpointing_ms", None),
        ("endpointing=0", "endpointing_ms", 0),
        ("endpointing=500", "endpointing_ms", 500),
        ("utterance_end_ms=1000", "utterance_end_ms", 1000),
        ("utterance_end_ms=5000", "utterance_end_ms", 5000),
        ("vad_events=true", "vad_events", True),
        ("punctuate=true", "punctuate", True),
        ("punctuate=false", "punctuate", False),
        ("smart_format=false&punctuate=true", "punctuate", True),
        ("numerals=true", "numerals", True),
        ("profanity_filter=true", "profanity_filter", True),
        ("redact=pci&redact=ssn&redact=pci", "redact", ("pci", "ssn")),
        ("redact=true", "redact", ("numbers",)),
        ("redact=false&redact=aggressive_numbers&redact=", "redact", ("aggressive_numbers",)),
        ("replace=one+two:three&replace=uh&replace=", "replace", (("one two", "three"), ("uh", ""))),
        ("replace=a:b:c", "replace", (("a", "b:c"),)),
        ("search=hello++there&search=", "search", ("hello there",)),
        ("keyterm=Norland&keyterm=Mrs.%20Dashwood", "keyterms", ("Norland", "Mrs. Dashwood")),
        ("keywords=a:2&keywords=b:-1.5&keywords=c&keywords=", "keywords", (("a", 2.0), ("b", -1.5), ("c", 1.0))),
        ("diarize=true", "diarize", True),
        ("diarize_model=latest", "diarize", True),
        ("diarize=true&diarize_model=", "diarize", True),
        ("diarize=false&diarize_model=v1", "diarize", True),
        ("callback=https%3A%2F%2Fa%3Ab%40example.com%2Fx", "callback", "https://a:b@example.com/x"),
        ("callback=wss://example.com", "callback", "wss://example.com"),
        ("callback_method=put", "callback_method", "PUT"),
        ("inspect_response=true", "inspect_response", True),
        ("filler_words=true", "filler_words", True),
        ("no_delay=true", "no_delay", True),
        ("mip_opt_out=true", "mip_opt_out", True),
        ("version=latest", "version", "latest"),
        ("tag=a&tag=b+c&tag=&tag=a", "tags", ("a", "b c", "a")),
        ("extra=a:1&extra=b:x%3Ay&extra=c:", "extra", {"a": "1", "b": "x:y", "c": ""}),
        ("extra=a:1&extra=a:2", "extra", {"a": "2"}),
    ],
)
def test_each_parameter_is_read_into_its_field(query: str, field: str, value: object) -> None:
    options = parse(query)
    assert getattr(options, field) == value
    expected = {name: getattr(ListenOptions(), name) for name in ListenOptions.__slots__}
    assert {name: getattr(options, name) for name in ListenOptions.__slots__} == {**expected, field: value}


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("smart_format=true", {"smart_format": True, "punctuate": True}),
        ("smart_format=true&punctuate=false", {"smart_format": True, "punctuate": True}),
        ("dictation=true", {"dictation": True, "punctuate": True}),
    ],
)
def test_what_cannot_be_without_punctuation_turns_it_on(query: str, fields: dict[str, Any]) -> None:
    assert parse(query) == ListenOptions(**fields)


def test_recordings_have_more_parameters() -> None:
    query = "utterances=true&utt_split=1.5&paragraphs=true&model=whisper-large"
    assert parse(query, recording=True) == ListenOptions(
        model="whisper-large", utterances=True, utt_split_s=1.5, paragraphs=True, punctuate=True
    )


def test_where_a_callback_goes_is_not_shown() -> None:
    assert "secret" not in repr(parse("callback=https://me:secret@example.com/"))


@pytest.mark.parametrize(("name", "most"), [("search", 50), ("replace", 200), ("keywords", 100)])
def test_lists_have_a_longest_length(name: str, most: int) -> None:
    query = [(name, f"w{index}") for index in range(most)]
    parse_options(query, catalogue=CATALOGUE)
    with pytest.raises(BadParameter, match=f"'{name}' was given more than {most} times"):
        parse_options([*query, (name, "x")], catalogue=CATALOGUE)


def test_all_keyterms_together_have_500_tokens_at_most() -> None:
    query = [("keyterm", "four")] * 500
    assert len(parse_options(query, catalogue=CATALOGUE).keyterms) == 500
    with pytest.raises(BadParameter) as caught:
        parse_options([*query[:-1], ("keyterm", "fours")], catalogue=CATALOGUE)
    assert caught.value.message == "Keyterm limit exceeded. The maximum number of tokens across all keyterms is 500."


def test_what_the_engine_cannot_do_is_refused_and_says_so() -> None:
    plain = Catalogue((Offer(OWN, ("en",)),))
    assert "engine own-en" in refusal("keyterm=x", catalogue=plain).message
    assert "engine own-en" in refusal("keywords=x:2", catalogue=plain).message
    assert "moonshine-voice" in refusal("diarize=true", catalogue=plain).message
    for recording in (False, True):
        error = refusal("detect_language=true", catalogue=plain, recording=recording)
        assert "own-en, which recognizes en only" in error.message
        assert parse("detect_language=false", recording=recording) == ListenOptions()


SEVERAL = Catalogue((Offer(OWN, ("en", "de", "fr"), detects_language=True),))


@pytest.mark.parametrize("recording", [False, True])
@pytest.mark.parametrize(
    ("query", "detects", "among"),
    [
        ("detect_language=true", True, ()),
        ("detect_language=true&detect_language=true", True, ()),
        ("detect_language=false", False, ()),
        ("detect_language=de", True, ("de",)),
        ("detect_language=en&detect_language=de-CH&detect_language=&detect_language=en", True, ("en", "de-CH")),
        ("detect_language=de&language=fr", True, ("de",)),
    ],
)
def test_the_language_is_detected_among_those_that_are_named(
    query: str, detects: bool, among: tuple[str, ...], recording: bool
) -> None:
    options = parse(query, catalogue=SEVERAL, recording=recording)
    assert (bool(options.detect_language), options.detectable_languages) == (detects, among)
    assert options.engine_language == ("multi" if detects else "en")


@pytest.mark.parametrize(
    ("query", "both"),
    [
        ("detect_language=en&detect_language=true", "'true' and 'en'"),
        ("detect_language=false&detect_language=en", "'false' and 'en'"),
        ("detect_language=true&detect_language=false", "'true' and 'false'"),
    ],
)
def test_whether_to_detect_the_language_may_not_be_contradicted(query: str, both: str) -> None:
    error = refusal(query, catalogue=SEVERAL)
    assert error.message == (
        f"'detect_language' was given as {both}; send true, false, or the languages to choose from."
    )
    assert error.name == "detect_language"


@pytest.mark.parametrize("value", ["it", "english", "True", "d\ne"])
def test_a_language_to_detect_that_no_engine_has_is_refused_with_those_that_it_has(value: str) -> None:
    with pytest.raises(NoSuchModel) as caught:
        parse_options([("detect_language", "en"), ("detect_language", value)], catalogue=SEVERAL)
    assert caught.value.message.endswith("is not available here; send detect_language=true, en, de or fr.")
    assert (caught.value.name, caught.value.value) == ("detect_language", value)


def test_languages_to_detect_are_refused_by_an_engine_of_one_language() -> None:
    message = refusal("detect_language=en").message
    assert message.startswith("'detect_language' cannot be honoured by the engine own-en, which recognizes en only")


def test_options_with_a_bad_value_get_the_recorded_wording_and_a_hint() -> None:
    error = refusal("utterance_end_ms=999")
    assert error.message == "Invalid 'utterance_end_ms' value of '999'."
    assert (error.name, error.value) == ("utterance_end_ms", "999")
    assert error.hint == "'utterance_end_ms' takes whole milliseconds from 1000 to 5000."


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("punctuate", "True"),
        ("punctuate", ""),
        ("interim_results", "1"),
        ("smart_format", "yes"),
        ("mip_opt_out", "maybe"),
        ("utterance_end_ms", "5001"),
        ("utterance_end_ms", "false"),
        ("utterance_end_ms", "1000.0"),
        ("endpointing", "-1"),
        ("endpointing", "True"),
        ("endpointing", "1_000"),
        ("endpointing", "9999999999"),
        ("endpointing", "600001"),
        ("sample_rate", "0"),
        ("sample_rate", "16k"),
        ("sample_rate", " 16000"),
        ("sample_rate", "200000"),
        ("channels", "0"),
        ("channels", "21"),
        ("channels", "two"),
        ("encoding", "pcm"),
        ("encoding", ""),
        ("encoding", "LINEAR16"),
        ("extra", "novalue"),
        ("extra", ":x"),
        ("diarize", "maybe"),
        ("numerals", "1"),
        ("summarize", "v9"),
        ("callback_method", "GET"),
        ("redact", "names"),
        ("replace", ":x"),
        ("keywords", ":2"),
        ("keywords", "a:much"),
        ("keyterm", "x" * 257),
        ("diarize_model", "v2"),
        ("utt_split", "half"),
        ("alternatives", "many"),
        ("tier", "gold"),
        ("debug", "1"),
        ("custom_topic_mode", "loose"),
    ],
)
def test_a_known_name_with_a_bad_value_is_refused(name: str, value: str) -> None:
    with pytest.raises(BadParameter) as caught:
        parse_options([(name, value)], catalogue=CATALOGUE)
    assert caught.value.message == f"Invalid '{name}' value of '{value if len(value) <= 100 else value[:100] + '...'}'."
    assert caught.value.hint.startswith(f"'{name}' takes ")
    assert len(caught.value.hint) > len(f"'{name}' takes .")


@pytest.mark.parametrize(
    "url", ["ftp://me:secret@example.com", "example.com/secret", "http://", "http://me:secret@example.com:99999/"]
)
def test_a_callback_that_is_none_is_refused_without_being_shown(url: str) -> None:
    error = refusal(f"callback={url}")
    assert error.message == "Invalid 'callback' value."
    assert error.hint == "'callback' takes a URL of http, https, ws or wss."
    assert "secret" not in f"{error.value}{error!r}"


def test_a_digit_of_another_script_is_no_digit() -> None:
    assert "Invalid 'channels' value of '\\u0663'." in refusal("channels=\u0663").message


@pytest.mark.parametrize(("name", "limit"), [("tag", 128), ("extra", 2048)])
def test_labels_are_limited_in_length(name: str, limit: int) -> None:
    fits = "k:" + "x" * (limit - 2)
    parse(f"{name}={fits}")
    error = refusal(f"{name}={fits}x")
    assert error.message == f"Invalid '{name}' value of '{fits[:100]}...'."
    assert str(limit) in error.hint


@pytest.mark.parametrize("name", ["detect_entities", "intents", "measurements", "sentiment", "summarize", "topics"])
def test_what_is_not_done_is_refused_in_a_sentence_that_says_what_to_do(name: str) -> None:
    for recording in (False, True):
        assert refusal(f"{name}=true", recording=recording).message == (
            f"'{name}=true' is not supported by this server; leave it out or send {name}=false."
        )
        assert parse(f"{name}=false", recording=recording) == ListenOptions()


@pytest.mark.parametrize(
    "name",
    ["paragraphs", "utterances"],
)
def test_what_is_for_recordings_only_is_refused_as_that(name: str) -> None:
    assert refusal(f"{name}=true").message == (
        f"'{name}=true' works on recordings only, not on a live stream; leave it out or send {name}=false."
    )
    assert parse(f"{name}=false") == ListenOptions()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("custom_topic=x", "'custom_topic=x' is not supported by this server; leave it out."),
        ("custom_intent=x", "'custom_intent=x' is not supported by this server; leave it out."),
        ("alternatives=2", "'alternatives=2' is not supported by this server; leave it out."),
        ("summarize=v2", "'summarize=v2' is not supported by this server; leave it out or send summarize=false."),
    ],
)  # fmt: skip
def test_other_values_that_request_something_are_refused_too(query: str, message: str) -> None:
    assert refusal(query).message == message


@pytest.mark.parametrize(
    "query",
    [
        "alternatives=1",
        "custom_intent_mode=strict",
        "custom_topic_mode=extended",
        "debug=true",
        "detect_language=",
        "diarize_version=2021-07-14.0",
        "redact=",
        "tier=nova",
        "utt_split=0.8",
    ],
)
def test_what_cannot_change_the_meaning_is_let_through(query: str) -> None:
    assert parse(query) == ListenOptions()


def test_unknown_names_are_ignored() -> None:
    assert parse("speech_final=true&is_final=true&x=%00&=&Punctuate=true") == ListenOptions()


def test_a_value_may_be_repeated_but_not_contradicted() -> None:
    assert parse("language=en-GB&language=en-GB").language == "en-GB"
    error = refusal("language=en&punctuate=true&language=en-GB")
    assert error.message == "'language' was given twice, as 'en' and 'en-GB'; send it once."
    assert refusal("endpointing=10&endpointing=true").name == "endpointing"


@pytest.mark.parametrize("encoding", ["linear16", "linear32", "mulaw", "alaw", "opus", "speex"])
def test_an_encoding_without_a_header_needs_its_sample_rate(encoding: str) -> None:
    error = refusal(f"encoding={encoding}")
    assert error.name == "sample_rate"
    assert error.message == f"'encoding={encoding}' needs 'sample_rate', for example sample_rate=16000."
    assert parse(f"sample_rate=8000&encoding={encoding}").encoding == encoding


def test_bare_opus_packets_have_two_channels_at_most() -> None:
    assert parse("encoding=opus&sample_rate=48000&channels=2").channels == 2
    assert refusal("encoding=opus&sample_rate=48000&channels=3").message == (
        "'channels=3' does not work with 'encoding=opus'; send channels=1 or 2."
    )


@pytest.mark.parametrize(
    ("encoding", "rate"), [("amr-nb", 8000), ("amr-wb", 16_000), ("g729", 8000), ("speex", 16_000)]
)
def test_a_codec_has_the_rates_that_it_has(encoding: str, rate: int) -> None:
    assert parse(f"encoding={encoding}&sample_rate={rate}").sample_rate == rate
    error = refusal(f"encoding={encoding}&sample_rate=44100")
    assert error.name == "sample_rate"
    assert f"'encoding={encoding}' has a 'sample_rate' of " in error.message


@pytest.mark.parametrize(
    "model",
    [
        *("nova-3", "nova-3-general", "nova-3-medical", "nova-2", "nova-2-phonecall", "nova-2-conversationalai"),
        *("nova", "nova-phonecall", "enhanced", "enhanced-finance", "base", "base-general", "general", "meeting"),
        *("phonecall", "finance", "conversationalai", "voicemail", "video", "default"),
    ],
)
def test_the_known_models_are_accepted_as_requested(model: str) -> None:
    assert parse(f"model={model}").model == model


@pytest.mark.parametrize("model", ["nova-4", "flux-general-en", "Nova-3", "", "enhanced-video", "custom"])
def test_an_unknown_model_is_refused_in_the_words_of_the_wire(model: str) -> None:
    error = refusal(f"model={model}")
    assert type(error) is NoSuchModel
    assert error.message == (
        "Bad Request: No such model/language/tier combination found."
        f" 'model={model}' is not available here; send model=nova-3 or own-en."
    )


def test_models_and_versions_of_our_own_can_be_requested() -> None:
    options = parse("model=own-en&version=1.0")
    assert (options.model, options.version) == ("own-en", "1.0")
    assert refusal("version=2024-01-18.1").message.endswith("send version=latest or 1.0.")


def test_the_default_model_is_a_setting() -> None:
    assert parse("", default_model="own-en").model == "own-en"
    assert parse("model=nova-2", default_model="own-en").model == "nova-2"


def test_a_version_that_is_not_there_is_refused() -> None:
    error = refusal("version=2024-01-18.26916")
    assert (type(error), error.name) == (NoSuchModel, "version")
    assert error.message.endswith("'version=2024-01-18.26916' is not available here; send version=latest or 1.0.")


@pytest.mark.parametrize("model", ["whisper", "whisper-large", "whisper-tiny"])
def test_a_model_for_recordings_is_refused_as_that(model: str) -> None:
    error = refusal(f"model={model}")
    assert type(error) is NotForLive
    assert error.message.startswith(f"'model={model}' is for recordings only")


@pytest.mark.parametrize(
    "language", ["en", "en-US", "en-GB", "en-AU", "en-IN", "en-NZ", "EN", "en-us", "en-Latn-US", "en-001"]
)
def test_every_region_of_a_language_is_understood(language: str) -> None:
    assert parse(f"language={language}").language == language


@pytest.mark.parametrize("language", ["fr", "multi", "english", "", "en_US", "en-", "eng", "en-USA", "en US"])
def test_another_language_is_refused_in_the_words_of_the_wire(language: str) -> None:
    error = refusal(f"language={language}")
    assert type(error) is NoSuchModel
    assert error.message == (
        "Bad Request: No such model/language/tier combination found."
        f" 'language={language}' is not available here; send language=en."
    )


def test_syntax_is_judged_before_the_model() -> None:
    assert refusal("model=nope&channels=0").name == "channels"
    assert refusal("language=fr&model=nope").name == "model"


def test_a_value_in_a_sentence_is_fit_for_a_header() -> None:
    message = refusal("model=a%0D%0Aset-cookie: x\u200bé😀").message
    assert "'model=aset-cookie: x\\xe9\\U0001f600'" in message
    assert "'" + "x" * 100 + "...'" in refusal("channels=" + "x" * 101).message
    assert "'" + "x" * 100 + "'" in refusal("channels=" + "x" * 100).message
    assert "\\xe9" * 25 + "...'" in refusal("channels=" + "é" * 100).message


def test_what_utf8_cannot_carry_does_not_get_into_the_options() -> None:
    options = parse_options([("tag", "a\ud800"), ("extra", "k\udfff:v\ud800")], catalogue=CATALOGUE)
    assert (options.tags, options.extra) == (("a?",), {"k?": "v?"})


NAMES = st.sampled_from(
    [
        *("model", "language", "version", "encoding", "sample_rate", "channels", "multichannel", "endpointing"),
        *("utterance_end_ms", "smart_format", "tag", "extra", "redact", "callback", "callback_method", "tier"),
        *("alternatives", "summarize", "diarize_version", "utt_split", "keyterm", "interim_results", "unknown"),
    ]
)
VALUES = st.sampled_from(
    [
        *("true", "false", "", "0", "1", "2", "10", "1000", "8000", "16000", "linear16", "opus", "flac", "speex"),
        *("nova-3", "whisper-large", "en", "en-US", "fr", "a:b", "POST", "v2", "\n", "9" * 5000),
    ]
)


@given(st.lists(st.tuples(NAMES | st.text(), VALUES | st.text())))
def test_any_query_gives_options_or_a_sentence_for_a_header(query: list[tuple[str, str]]) -> None:
    try:
        options = parse_options(query, catalogue=CATALOGUE)
    except BadParameter as error:
        refused = error
    else:
        assert options.encoding in (None, *ENCODINGS)
        assert 1 <= options.channels <= 20
        assert options.utterance_end_ms is None or 1000 <= options.utterance_end_ms <= 5000
        assert all("".join((tag, *options.extra, *options.extra.values())).encode() for tag in options.tags)
        return
    assert refused.message.isascii()
    assert refused.message.isprintable()
    assert len(refused.message) < 500
    assert refused.name in refused.message
