"""Client messages parsed from JSON, server messages as JSON, and the replies to bad texts."""

from __future__ import annotations

import dataclasses
import itertools
import json
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.errors import BadMessage
from caesura.protocol.codec import (
    ECHO_BYTES,
    LONGEST_TEXT,
    read_client_message,
    schema_error,
    write_server_message,
)
from caesura.protocol.messages import (
    ClientMessage,
    CloseStream,
    Configure,
    ConfigureFailure,
    ConfigureSuccess,
    Error,
    Finalize,
    KeepAlive,
    Metadata,
    ModelInfo,
    Results,
    SpeechStartedMessage,
    UtteranceEndMessage,
    WireWord,
)

PREFIX = "Could not deserialize last text message: "
KNOWN = "expected one of `CloseStream`, `Configure`, `Sync`, `KeepAlive`, `Finalize`"
REQUEST_ID = "01a00000-0000-7000-8000-000000000001"
UUID = "00000000-0000-4000-8000-0000000000aa"
MODEL = ModelInfo(UUID, "general-local", "2026-01-01.0", "local")
DIGEST = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
RESULTS = Results(
    channel=0,
    channels=1,
    start=10.0,
    duration=2.1,
    is_final=True,
    speech_final=True,
    from_finalize=False,
    transcript="Back again.",
    confidence=0.981,
    words=(
        WireWord("back", 10.4, 10.72, 0.962, "Back"),
        WireWord("again", 10.72, 11.3, 0.981, "again."),
    ),
    request_id=REQUEST_ID,
    model=MODEL,
)
METADATA = Metadata(REQUEST_ID, DIGEST, "2026-01-01T00:00:01.002Z", 15.0, 1, MODEL)


# ---- from the client ----


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type":"KeepAlive"}', KeepAlive()),
        ('{"type": "KeepAlive"}', KeepAlive()),
        ('\r\n{\t"type" : "KeepAlive" }\n', KeepAlive()),
        ('{"type":"\\u004beepAlive"}', KeepAlive()),
        ('{"type":"Finalize"}', Finalize()),
        ('{"type":"Finalize","channel":0}', Finalize(0)),
        ('{"channel": 19, "type": "Finalize"}', Finalize(19)),
        ('{"type":"Finalize","channel":null}', Finalize()),
        ('{"type": "CloseStream"}', CloseStream()),
        ('{"type":"KeepAlive","channel":"x","note":{"type":"Pause"},"n":[1,{}]}', KeepAlive()),
        ('{"type":"CloseStream","channel":1,"channel":2}', CloseStream()),
        ('{"type":"Finalize","at":1e999,"digits":' + "9" * 5000 + "}", Finalize()),
    ],
)
def test_control_messages_are_read_however_their_json_is_written(text: str, message: ClientMessage) -> None:
    assert read_client_message(text) == message


@pytest.mark.parametrize(
    ("text", "description"),
    [
        ('{ "type": "KeepAlive "}', f"unknown variant `KeepAlive `, {KNOWN} at line 1 column 22"),
        ('{"type":"Pause"}', f"unknown variant `Pause`, {KNOWN} at line 1 column 15"),
        ('{"type":"keepalive"}', f"unknown variant `keepalive`, {KNOWN} at line 1 column 19"),
        ('{\n  "type": ""\n}', f"unknown variant ``, {KNOWN} at line 2 column 12"),
        ('{"type":"é€😀","n":{"type":1}}', f"unknown variant `é€😀`, {KNOWN} at line 1 column 19"),
        ('{"n":{"type":"x"} , "type" :\t"Pause"}', f"unknown variant `Pause`, {KNOWN} at line 1 column 36"),
    ],
)
def test_an_unknown_type_is_described_in_the_words_of_the_wire(text: str, description: str) -> None:
    with pytest.raises(BadMessage) as caught:
        read_client_message(text)
    assert str(caught.value) == PREFIX + description
    assert caught.value.variant == "SchemaError"


@pytest.mark.parametrize(
    ("text", "description"),
    [
        ("", "it is not JSON: .+ at line 1 column 1"),
        ("KeepAlive", "it is not JSON: .+ at line 1 column 1"),
        ("[object Blob]", "it is not JSON: .+ at line 1 column 2"),
        ('{"type":"KeepAlive"}{}', "it is not JSON: .+ at line 1 column 21"),
        ('{"type":"KeepAlive"', "it is not JSON: .+ at line 1 column 20"),
        ('{"type":"Pause", and what follows', "it is not JSON: .+ at line 1 column 18"),
        ('{"type":"KeepAlive","n":NaN}', "it is not JSON: NaN is no number there"),
        ('{"type":"KeepAlive\n"}', "it is not JSON: .+ at line 1 column 19"),
        ('{"type":"KeepAlive","n":' + "[" * 8000 + "]" * 8000 + "}", "it is nested too deeply"),
        ('["KeepAlive"]', 'it is not a JSON object, as {"type":"KeepAlive"} is one'),
        ("null", 'it is not a JSON object, as {"type":"KeepAlive"} is one'),
        ("{}", "missing field `type`"),
        ('{"Type":"KeepAlive"}', "missing field `type`"),
        ('{"type":null}', "`type` must be a string, one of `CloseStream`, .+, `Finalize`"),
        ('{"type":["KeepAlive"]}', "`type` must be a string, one of `CloseStream`, .+, `Finalize`"),
        ('{"type":"KeepAlive","type":"KeepAlive"}', "duplicate field `type`"),
        ('{"type":"Finalize","channel":0,"channel":0}', "duplicate field `channel`"),
        ('{"type":"Sync","id":1}', "`Sync` is not supported by this server"),
    ],
)
def test_the_description_of_a_bad_text_says_what_is_wrong(text: str, description: str) -> None:
    with pytest.raises(BadMessage, match=f"^{PREFIX}{description}$") as caught:
        read_client_message(text)
    assert caught.value.variant == "SchemaError"


@pytest.mark.parametrize("channel", ["true", '"0"', "0.0", "1e2", "[0]", '{"a":0}', "-1", "1000000000", "9" * 5000])
def test_a_channel_must_be_a_whole_number(channel: str) -> None:
    with pytest.raises(BadMessage) as caught:
        read_client_message('{"type":"Finalize","channel":' + channel + "}")
    assert str(caught.value) == f"{PREFIX}`channel` must be an integer, 0 or more"


def test_a_long_name_is_shortened_and_what_utf8_cannot_carry_is_replaced() -> None:
    with pytest.raises(BadMessage, match="`" + "x" * 200 + "...`"):
        read_client_message('{"type":"' + "x" * 1000 + '"}')
    with pytest.raises(BadMessage, match=r"`a\?b`"):
        read_client_message('{"type":"Configure","a\\udfffb":1}')


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("", Configure()),
        (',"keyterms":["Norland"," New   York ",""]', Configure(keyterms=("Norland", "New York"))),
        (',"keyterms":[]', Configure(keyterms=())),
        (',"keyterms":null,"features":null', Configure()),
        (',"features":{"numerals":true,"x":false}', Configure({"numerals": True, "x": False})),
        (',"processors":[],"language_hints":null', Configure()),
        (',"language_hints":["en"]', Configure(unsupported="language_hints")),
        (',"processors":{"a":1}', Configure(unsupported="processors")),
    ],
)
def test_configure_names_what_changes(fields: str, message: Configure) -> None:
    assert read_client_message('{"type":"Configure"' + fields + "}") == message
    assert read_client_message('{"features":{},"type":"Configure"}') == Configure()


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        (
            '"keyterm":["x"]',
            "unknown field `keyterm`, expected one of `features`, `processors`, `keyterms`, `language_hints`",
        ),
        ('"keyterms":"x"', "`keyterms` must be a list of strings"),
        ('"keyterms":[1]', "`keyterms` must be a list of strings"),
        ('"keyterms":["\\ud800"]', "`keyterms` must be Unicode text, without lone surrogates"),
        ('"features":["numerals"]', "`features` must be an object whose values are true or false"),
        ('"features":{"numerals":"true"}', "`features` must be an object whose values are true or false"),
        ('"keyterms":[],"keyterms":[]', "duplicate field `keyterms`"),
    ],
)
def test_the_description_of_a_bad_configure_says_what_is_wrong(fields: str, fault: str) -> None:
    with pytest.raises(BadMessage) as caught:
        read_client_message('{"type":"Configure",' + fields + "}")
    assert (str(caught.value), caught.value.variant) == (PREFIX + fault, "SchemaError")


def test_each_configure_gets_its_answer() -> None:
    assert write_server_message(ConfigureSuccess("id", ("Norland",))) == (
        '{"type":"ConfigureSuccess","request_id":"id","keyterms":["Norland"]}'
    )
    assert write_server_message(ConfigureSuccess("id", None)) == '{"type":"ConfigureSuccess","request_id":"id"}'
    assert write_server_message(ConfigureFailure("id", "CODE", "Why.")) == (
        '{"type":"ConfigureFailure","request_id":"id","code":"CODE","description":"Why."}'
    )


def test_a_text_of_a_megabyte_is_refused_unread() -> None:
    with pytest.raises(BadMessage, match=r"1048576 characters.* more than 16384; audio must be sent in binary"):
        read_client_message("\x00" * 2**20)
    padding = " " * (LONGEST_TEXT - len('{"type":"KeepAlive"}'))
    assert read_client_message('{"type":"KeepAlive"}' + padding) == KeepAlive()


def test_the_answer_to_a_bad_text_gives_it_back() -> None:
    text = '{"type":"Pause"}'
    with pytest.raises(BadMessage) as caught:
        read_client_message(text)
    answer = schema_error(text, caught.value)
    assert answer == Error("SchemaError", str(caught.value), text)
    assert write_server_message(answer) == (
        '{"type":"Error","variant":"SchemaError","description":"Could not deserialize last text message: '
        "unknown variant `Pause`, expected one of `CloseStream`, `Configure`, `Sync`, `KeepAlive`, `Finalize` "
        'at line 1 column 15","message":"{\\"type\\":\\"Pause\\"}"}'
    )


def test_the_answer_carries_the_variant_of_the_error() -> None:
    answer = schema_error("x", BadMessage("No.", variant="InvalidConfigureMessage"))
    assert (answer.variant, answer.description) == ("InvalidConfigureMessage", "No.")


def test_the_echo_of_a_bad_text_is_cut_between_characters() -> None:
    echo = schema_error("x" + "é" * 4096, BadMessage("No.")).message
    assert echo == "x" + "é" * 2047
    assert len(echo.encode()) == ECHO_BYTES - 1
    assert schema_error("a\ud800b", BadMessage("No.")).message == "a?b"


ALPHABET = st.sampled_from(list('{}[]",:\\ \n\t-+.0123456789eEu\x00é€😀\ud800\udc00'))
WORDS = st.sampled_from(
    [
        *('"type"', '"channel"', ":", ",", "{", "}", '"KeepAlive"', '"Finalize"', '"CloseStream"', '"Configure"'),
        *('"Sync"', "null", "true", "1", "-1", "1e9", "[", "]", '"', "\\u", " ", "\n", "NaN"),
    ]
)
TEXTS = st.text() | st.text(ALPHABET) | st.lists(WORDS).map("".join) | st.integers(0, 3000).map("[{".__mul__)


@given(TEXTS)
def test_any_text_is_a_control_message_or_gets_an_answer_that_can_be_sent(text: str) -> None:
    try:
        message = read_client_message(text)
    except BadMessage as error:
        answer = schema_error(text, error)
    else:
        assert isinstance(message, typing.get_args(ClientMessage))
        return
    sent = write_server_message(answer).encode("utf-8")
    assert json.loads(sent)["type"] == "Error"
    assert len(answer.message.encode()) <= ECHO_BYTES
    assert len(answer.description) < 1000


# ---- from the server ----


def test_results_have_every_field_in_the_order_of_the_wire() -> None:
    assert write_server_message(RESULTS) == (
        '{"type":"Results","channel_index":[0,1],"duration":2.1,"start":10.0,"is_final":true,'
        '"speech_final":true,"channel":{"alternatives":[{"transcript":"Back again.","confidence":0.981,'
        '"words":[{"word":"back","start":10.4,"end":10.72,"confidence":0.962,"punctuated_word":"Back"},'
        '{"word":"again","start":10.72,"end":11.3,"confidence":0.981,"punctuated_word":"again."}]}]},'
        f'"metadata":{{"request_id":"{REQUEST_ID}",'
        '"model_info":{"name":"general-local","version":"2026-01-01.0","arch":"local"},'
        f'"model_uuid":"{UUID}"}},"from_finalize":false}}'
    )


def test_results_name_the_diarizer_when_diarization_is_requested() -> None:
    diarizer = ModelInfo("00000000-0000-4000-8000-0000000000bb", "voices", "1", "x-vector")
    metadata = json.loads(write_server_message(dataclasses.replace(RESULTS, diarizer=diarizer)))["metadata"]
    assert metadata["diarize_info"] == {"model_uuid": diarizer.uuid, "arch": "x-vector"}


def test_empty_results_have_the_same_fields_and_no_nulls() -> None:
    empty = dataclasses.replace(
        RESULTS, transcript="", confidence=0.0, words=(), speech_final=False, from_finalize=True
    )
    sent = json.loads(write_server_message(empty))
    assert sent["channel"] == {"alternatives": [{"transcript": "", "confidence": 0.0, "words": []}]}
    assert (sent["is_final"], sent["speech_final"], sent["from_finalize"]) == (True, False, True)
    assert list(sent) == list(json.loads(write_server_message(RESULTS)))


def test_words_go_out_without_punctuated_word_unless_it_was_requested() -> None:
    plain = dataclasses.replace(RESULTS, words=(WireWord("back", 10.4, 10.72, 0.9619999),))
    (word,) = json.loads(write_server_message(plain))["channel"]["alternatives"][0]["words"]
    assert word == {"word": "back", "start": 10.4, "end": 10.72, "confidence": 0.962}


def test_languages_go_out_beside_the_words_and_with_each_of_them() -> None:
    spoken = (WireWord("oui", 10.4, 10.72, 0.9, language="fr"), WireWord("yes", 10.8, 11.0, 0.9, language="en"))
    mixed = dataclasses.replace(RESULTS, words=spoken, languages=("fr", "en"))
    (alternative,) = json.loads(write_server_message(mixed))["channel"]["alternatives"]
    assert alternative["languages"] == ["fr", "en"]
    assert [word["language"] for word in alternative["words"]] == ["fr", "en"]


def test_the_detected_language_goes_out_beside_the_alternatives() -> None:
    detected = dataclasses.replace(RESULTS, detected_language="fr")
    channel = json.loads(write_server_message(detected))["channel"]
    assert list(channel) == ["alternatives", "detected_language"]
    assert channel["detected_language"] == "fr"
    sure = dataclasses.replace(detected, language_confidence=0.98765)
    channel = json.loads(write_server_message(sure))["channel"]
    assert list(channel) == ["alternatives", "detected_language", "language_confidence"]
    assert channel["language_confidence"] == 0.988


def test_extra_is_given_back_in_results_and_metadata_behind_what_is_always_there() -> None:
    extra = {"call": "7", "note": "naïve 😀"}
    results = json.loads(write_server_message(dataclasses.replace(RESULTS, extra=extra)))
    assert list(results["metadata"].items())[-1] == ("extra", extra)
    metadata = json.loads(write_server_message(dataclasses.replace(METADATA, extra=extra, tags=("a", "b"))))
    assert list(metadata.items())[-2:] == [("extra", extra), ("tags", ["a", "b"])]


def test_text_beyond_ascii_goes_out_as_it_is() -> None:
    assert '"transcript":"Ça va?"' in write_server_message(dataclasses.replace(RESULTS, transcript="Ça va?"))


def test_metadata_has_every_field_in_the_order_of_the_wire() -> None:
    assert write_server_message(METADATA) == (
        f'{{"type":"Metadata","transaction_key":"deprecated","request_id":"{REQUEST_ID}","sha256":"{DIGEST}",'
        f'"created":"2026-01-01T00:00:01.002Z","duration":15.0,"channels":1,"models":["{UUID}"],'
        f'"model_info":{{"{UUID}":{{"name":"general-local","version":"2026-01-01.0","arch":"local"}}}}}}'
    )


def test_metadata_without_audio_names_no_model() -> None:
    sent = json.loads(write_server_message(dataclasses.replace(METADATA, model=None, duration=0.0, channels=0)))
    assert list(sent) == [
        "type",
        "transaction_key",
        "request_id",
        "sha256",
        "created",
        "duration",
        "channels",
    ]


def test_speech_started_and_utterance_end_name_their_channel() -> None:
    assert write_server_message(SpeechStartedMessage(0, 1, 10.3600001)) == (
        '{"type":"SpeechStarted","channel":[0,1],"timestamp":10.36}'
    )
    assert write_server_message(UtteranceEndMessage(1, 2, 11.3)) == (
        '{"type":"UtteranceEnd","channel":[1,2],"last_word_end":11.3}'
    )
    assert write_server_message(UtteranceEndMessage(0, 1, -1)) == (
        '{"type":"UtteranceEnd","channel":[0,1],"last_word_end":-1.0}'
    )


def test_a_number_that_is_none_is_never_sent() -> None:
    for broken in (float("nan"), float("inf")):
        with pytest.raises((ValueError, OverflowError)):
            write_server_message(SpeechStartedMessage(0, 1, broken))


SAMPLES = st.integers(0, 16_000 * 3600)


@given(st.lists(SAMPLES, min_size=3, max_size=20, unique=True).map(sorted))
def test_segments_that_tile_the_stream_tile_it_on_the_wire(cuts: list[int]) -> None:
    """Whatever a start and a duration are rounded to, the next start is their sum, and no word sticks out."""
    end_before = None
    for first, last in itertools.pairwise(cuts):
        start, end = first / 16_000, last / 16_000
        word = WireWord("a", start, end, 0.5)
        segment = dataclasses.replace(RESULTS, start=start, duration=end - start, words=(word,))
        sent = json.loads(write_server_message(segment))
        if end_before is not None:
            assert sent["start"] == end_before
        end_before = round(sent["start"] + sent["duration"], 3)
        (sent_word,) = sent["channel"]["alternatives"][0]["words"]
        assert sent["start"] <= sent_word["start"] <= sent_word["end"] <= end_before
        assert abs(sent["start"] - start) <= 0.000501


@given(st.floats(0, 100_000))
def test_numbers_go_out_with_three_decimals_at_most(seconds: float) -> None:
    sent = json.loads(write_server_message(SpeechStartedMessage(0, 1, seconds)))["timestamp"]
    assert sent == round(sent, 3)
    assert abs(sent - seconds) <= 0.000501
