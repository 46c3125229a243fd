"""Client messages as JSON, and server messages parsed from JSON; what is no server message is rejected."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.errors import BadAnswer
from caesura.protocol.client_codec import (
    LARGEST,
    MOST_CHANNELS,
    SHOWN,
    Unrecognised,
    read_server_message,
    write_client_message,
)
from caesura.protocol.codec import read_client_message, write_server_message
from caesura.protocol.messages import (
    ClientMessage,
    CloseStream,
    Configure,
    Error,
    Finalize,
    KeepAlive,
    Metadata,
    ModelInfo,
    Results,
    ServerMessage,
    SpeechStartedMessage,
    UtteranceEndMessage,
    WireWord,
)

MODEL = ModelInfo("00000000-0000-4000-8000-0000000000aa", "general-local", "2026-01-01.0", "local")
RESULTS = Results(
    channel=1,
    channels=2,
    start=10.0,
    duration=2.1,
    is_final=True,
    speech_final=True,
    from_finalize=True,
    transcript="Back again.",
    confidence=0.981,
    words=(
        WireWord("back", 10.4, 10.72, 0.962, "Back", 0),
        WireWord("again", 10.72, 11.3, 0.981, "again.", 1, "en"),
    ),
    request_id="01a00000-0000-7000-8000-000000000001",
    model=MODEL,
    extra={"call": "7"},
    languages=("en",),
    detected_language="en",
    language_confidence=0.5,
)
METADATA = Metadata("01a0", "e3b0", "2026-01-01T00:00:01.002Z", 15.0, 2, MODEL, {"call": "7"}, ("a", "b"))
LEAST = {"type": "Results", "start": 1, "duration": 2, "channel": {"alternatives": [{"transcript": "Yes."}]}}
"""A Results with nothing but what it cannot do without."""


def read(**fields: Any) -> Any:
    """What a client makes of the least Results with these fields changed."""
    return read_server_message(json.dumps({**LEAST, **fields}))


# ---- to the server ----


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (KeepAlive(), '{"type":"KeepAlive"}'),
        (CloseStream(), '{"type":"CloseStream"}'),
        (Finalize(), '{"type":"Finalize"}'),
        (Finalize(0), '{"type":"Finalize","channel":0}'),
        (Finalize(3), '{"type":"Finalize","channel":3}'),
        (Configure(), '{"type":"Configure"}'),
        (Configure({"numerals": True}), '{"type":"Configure","features":{"numerals":true}}'),
        (Configure(keyterms=()), '{"type":"Configure","keyterms":[]}'),
        (
            Configure({"dictation": False}, ("Zoë",)),
            '{"type":"Configure","features":{"dictation":false},"keyterms":["Zoë"]}',
        ),
    ],
)
def test_what_a_client_writes_is_what_a_server_reads(message: ClientMessage, text: str) -> None:
    assert write_client_message(message) == text
    assert read_client_message(text) == message


# ---- from the server ----


@pytest.mark.parametrize(
    "message",
    [
        RESULTS,
        dataclasses.replace(RESULTS, is_final=False, speech_final=False, from_finalize=False, words=(), transcript=""),
        METADATA,
        dataclasses.replace(METADATA, model=None, extra={}, tags=()),
        SpeechStartedMessage(0, 1, 3.25),
        UtteranceEndMessage(1, 2, 11.3),
        UtteranceEndMessage(0, 1, -1.0),
        Error("SchemaError", "unknown variant `Pause`", '{"type":"Pause"}'),
    ],
    ids=lambda message: type(message).__name__,
)
def test_what_our_server_writes_is_what_our_client_reads(message: ServerMessage) -> None:
    assert read_server_message(write_server_message(message)) == message


def test_a_field_that_a_server_leaves_out_has_its_neutral_value() -> None:
    assert read() == Results(0, 1, 1.0, 2.0, False, False, False, "Yes.", 0.0, (), "", ModelInfo("", "", "", ""))
    assert read_server_message('{"type":"Metadata"}') == Metadata("", "", "", 0.0, 0, None)
    assert read_server_message('{"type":"Error"}') == Error("", "", "")
    assert read_server_message('{"type":"SpeechStarted","timestamp":1}') == SpeechStartedMessage(0, 1, 1.0)
    assert read_server_message('{"type":"UtteranceEnd","last_word_end":-1}') == UtteranceEndMessage(0, 1, -1.0)


@pytest.mark.parametrize("name", ["channel_index", "is_final", "metadata"])
def test_null_is_as_good_as_left_out(name: str) -> None:
    assert read(**{name: None}) == read()


def test_fields_that_are_not_known_are_ignored() -> None:
    assert read(sentiment={"of": ["all"]}, channel_index=[0, 1]) == read()


def test_a_message_of_no_known_type_is_handed_on_as_it_is() -> None:
    assert read_server_message('{"type":"ConfigureSuccess","more":1}') == Unrecognised("ConfigureSuccess")


def test_the_float32_seconds_of_the_hosted_service_are_read() -> None:
    """Captured: seconds printed as the shortest decimal of a float32."""
    assert read(start=1.6599998, duration=4.460001).start == 1.6599998


def test_a_word_that_ends_before_it_starts_ends_where_it_starts() -> None:
    word = {"word": "yes", "start": 1.5, "end": 1.25}
    assert read(channel={"alternatives": [{"transcript": "", "words": [word]}]}).words == (
        WireWord("yes", 1.5, 1.5, 0.0),
    )


# ---- what is no message ----


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        '{"type":"Results","start":0,"dura',
        "null",
        "7",
        "[]",
        '"Results"',
        "{}",
        '{"type":"Results"}',
        '{"type":"SpeechStarted"}',
        '{"type":"UtteranceEnd"}',
        '{"type":"Metadata","duration":-1}',
        '{"type":"Metadata","tags":1}',
        '{"type":"Metadata","model_info":{"a":1}}',
        '{"type":"SpeechStarted","channel":["x",null],"timestamp":1}',
        '{"type":"UtteranceEnd","last_word_end":NaN}',
        "[" * 100_000,
    ],
    ids=lambda text: text[:40],
)
def test_a_broken_text_is_refused(text: str) -> None:
    with pytest.raises(BadAnswer, match="no message of this wire"):
        read_server_message(text)


@pytest.mark.parametrize(
    "fields",
    [
        {"start": -0.5},
        {"start": "soon"},
        {"start": float("nan")},
        {"start": float("inf")},
        {"start": 10**400},
        {"duration": LARGEST * 1.01},
        {"duration": None},
        {"channel": None},
        {"channel": {"alternatives": []}},
        {"channel": {"alternatives": [{}]}},
        {"channel": {"alternatives": [{"transcript": "", "words": [{"word": "yes", "start": 1}]}]}},
        {"channel": {"alternatives": [{"transcript": "", "words": ["yes"]}]}},
        {"channel_index": [1, 1]},
        {"channel_index": [-1, 1]},
        {"channel_index": [0, MOST_CHANNELS + 1]},
        {"channel_index": [0, 1, 2]},
        {"channel_index": [0]},
        {"channel_index": [float("inf"), 1]},
        {"metadata": "none"},
    ],
    ids=str,
)
def test_numbers_and_places_that_cannot_be_are_refused(fields: dict[str, Any]) -> None:
    """A machine that is given channel 1 of 1, or of infinite time, would break later and elsewhere."""
    with pytest.raises(BadAnswer):
        read(**fields)


def test_the_error_shows_the_beginning_of_the_text() -> None:
    with pytest.raises(BadAnswer) as raised:
        read_server_message("x" * 1000)
    assert str(raised.value).endswith(": " + "x" * SHOWN)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = [
    "channel",
    "channel_index",
    "start",
    "duration",
    "timestamp",
    "last_word_end",
    "metadata",
    "model_info",
    "tags",
]


@given(
    st.sampled_from(["Results", "Metadata", "SpeechStarted", "UtteranceEnd", "Error"]),
    st.dictionaries(st.sampled_from(NAMES), values, max_size=4),
)
def test_whatever_json_comes_is_a_message_or_is_refused(kind: str, fields: dict[str, Any]) -> None:
    text = json.dumps({**LEAST, **fields, "type": kind})
    try:
        message = read_server_message(text)
    except BadAnswer:
        return
    assert type(message).__name__ == kind


@given(st.integers(0, 400))
def test_a_text_that_breaks_off_is_refused(length: int) -> None:
    text = write_server_message(RESULTS)
    with pytest.raises(BadAnswer):
        read_server_message(text[: min(length, len(text) - 1)])
