"""Finalize, and binary messages that look like control messages."""

from __future__ import annotations

from typing import Any

import pytest

from caesura.events import (
    AudioFound,
    Drained,
    SpeechBegan,
    UtteranceEnded,
)
from caesura.protocol.actions import FeedAudio, FlushAudio, Send, Warn
from caesura.protocol.codec import write_server_message
from caesura.protocol.messages import Error, Metadata, Results, SpeechStartedMessage, UtteranceEndMessage
from caesura.protocol.session import State, Tally
from tests.protocol.play import (
    BINARY_KEEPALIVE,
    CLOSE_STREAM,
    FINALIZE,
    messages,
    segment,
    session,
)

# ---- Finalize ----


@pytest.mark.parametrize(
    ("text", "channel"),
    [
        (FINALIZE, None),
        ('{"type":"Finalize","channel":null}', None),
        ('{"type":"Finalize","channel":0}', 0),
        ('{"type":"Finalize","channel":1}', 1),
    ],
)
def test_finalize_flushes_the_channel_it_names_or_all(text: str, channel: int | None) -> None:
    made = session(multichannel=True, channels=2)
    made.receive_text(text, now=1.0)
    assert made.actions() == [FlushAudio(channel)]
    assert made.state is State.OPEN


def test_finalize_of_a_channel_that_does_not_exist_is_a_schema_error() -> None:
    made = session(multichannel=True, channels=2)
    text = '{"type":"Finalize","channel":2}'
    made.receive_text(text, now=1.0)
    sentence = "Could not deserialize last text message: channel 2 does not exist, expected 0..1"
    assert made.actions() == [Send(write_server_message(Error("SchemaError", sentence, text)), reply=True)]
    assert made.state is State.OPEN


def test_finalize_of_a_wrong_channel_is_given_back_whole_as_any_bad_text_is() -> None:
    made = session()
    text = '{"type":"Finalize","channel":1,"note":"' + "x" * 1000 + '"}'
    made.receive_text(text, now=1.0)
    (error,) = messages(made.actions())
    assert isinstance(error, Error)
    assert error.message == text


@pytest.mark.parametrize(
    ("options", "known"),
    [
        ({}, 1),
        ({"channels": 2}, 1),
        ({"channels": 2, "multichannel": True}, 2),
        ({"channels": 2, "multichannel": True, "encoding": None}, 1),
    ],
)
def test_channels_are_apart_only_when_requested_and_declared(options: dict[str, Any], known: int) -> None:
    made = session(**options)
    made.receive_text(CLOSE_STREAM, now=1.0)
    made.engine_event(Drained(0.0), now=1.0)
    (metadata,) = messages(made.actions())
    assert isinstance(metadata, Metadata)
    assert metadata.channels == known


def test_a_container_determines_the_number_of_channels() -> None:
    made = session(encoding=None, multichannel=True, vad_events=True, utterance_end_ms=1000)
    made.receive_audio(b"RIFF", now=1.0)
    made.engine_event(AudioFound(2), now=1.0)
    made.engine_event(SpeechBegan(1, 0.5), now=1.0)
    made.engine_event(segment(final=True, channel=1), now=1.0)
    made.engine_event(UtteranceEnded(1, 1.75), now=1.0)
    made.receive_text('{"type":"Finalize","channel":1}', now=2.0)
    made.receive_text(CLOSE_STREAM, now=2.0)
    made.engine_event(Drained(3.0), now=2.0)
    actions = made.actions()
    assert FlushAudio(1) in actions
    started, results, ended, metadata = messages(actions)
    assert started == SpeechStartedMessage(1, 2, 0.5)
    assert isinstance(results, Results)
    assert (results.channel, results.channels) == (1, 2)
    assert ended == UtteranceEndMessage(1, 2, 1.75)
    assert isinstance(metadata, Metadata)
    assert metadata.channels == 2
    assert made.tally.channels == 2


# ---- binary is audio, whatever it looks like ----


def test_a_binary_keepalive_is_audio_warned_about_once_counted_and_never_obeyed() -> None:
    made = session()
    made.receive_audio(BINARY_KEEPALIVE, now=1.0)
    warning, fed = made.actions()
    assert fed == FeedAudio(BINARY_KEEPALIVE)
    assert isinstance(warning, Warn)
    assert "KeepAlive" in warning.text
    assert "20 bytes" in warning.text
    assert "text message" in warning.text
    made.receive_audio(BINARY_KEEPALIVE, now=2.0)
    assert made.actions() == [FeedAudio(BINARY_KEEPALIVE)]
    assert made.tally == Tally(bytes_in=40, binary_control_suspects=2)


@pytest.mark.parametrize("text", [CLOSE_STREAM, FINALIZE])
def test_no_binary_control_message_is_obeyed(text: str) -> None:
    made = session()
    made.receive_audio(text.encode(), now=1.0)
    assert [type(action) for action in made.actions()] == [Warn, FeedAudio]
    assert made.state is State.OPEN


@pytest.mark.parametrize(
    ("data", "suspected"),
    [
        (b'{"type": "KeepAlive"}\n', True),
        (b' {"type": "KeepAlive"}', True),
        (b'{"type":"KeepAlive"}'.ljust(63), True),
        (b'{"type":"KeepAlive"}'.ljust(64), False),
        (b'{"type":"Pause"}', False),
        (b'{"type":"KeepAlive"', False),
        (b"{", False),
        (b"{\xff\xfe", False),
        (b"\x01\x02", False),
    ],
)
def test_only_what_reads_as_a_control_message_is_suspected(data: bytes, suspected: bool) -> None:
    made = session()
    made.receive_audio(data, now=1.0)
    kinds = [type(action) for action in made.actions()]
    assert kinds == ([Warn, FeedAudio] if suspected else [FeedAudio])
    assert made.tally.binary_control_suspects == suspected
    assert made.tally.bytes_in == len(data)
