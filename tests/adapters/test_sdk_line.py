"""A line behind the SDK, without the SDK, against the fake server."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from math import inf
from typing import Any

import pytest
from websockets.sync.server import ServerConnection, serve

import caesura
from caesura.adapters.sdk_line import LineEnded, SdkLine, parse_address
from caesura.client.config import DeclaredAudio
from caesura.testing import FakeServer, Voice
from tests.client.fake_transports import FakeOpener

pytestmark = pytest.mark.slow

VOICE = Voice(["one", "two", "three", "four"])
RAW = "encoding=linear16&sample_rate=16000"


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer(VOICE, idle_s=2.0) as fake:
        yield fake


def opened(server: FakeServer, query: str = RAW, *, pause_after_s: float = inf, **tuning: Any) -> SdkLine:
    quick = replace(caesura.Tuning(open_within_s=0), **tuning)
    line = SdkLine(parse_address(f"{server.url}/v1/listen?{query}"), {}, tuning=quick, pause_after_s=pause_after_s)
    line.begin().result(5)
    return line


def take(line: SdkLine, data: Any) -> None:
    for chunk in line.accept(data):
        line.send_captured(chunk)


def pulled(line: SdkLine) -> Iterator[dict[str, Any]]:
    """All messages of the line, up to its end."""
    ready = threading.Event()
    while True:
        try:
            text = line.next_message(ready.set)
        except LineEnded:
            return
        if text is not None:
            yield json.loads(text)
        else:
            assert ready.wait(5)
            ready.clear()


def starts(said: list[dict[str, Any]], kind: str, name: str) -> list[float]:
    return [message[name] for message in said if message["type"] == kind]


# ---- the address ----


def test_only_a_live_stream_whose_words_come_back_is_a_line() -> None:
    assert parse_address("wss://host/v1/listen?model=nova-3").is_line
    assert parse_address("ws://host/below/v1/listen/").is_line
    for address in ("wss://host/v2/listen", "wss://host/v1/speak", "wss://host/v1/listen?callback=https://there"):
        assert not parse_address(address).is_line


def test_booleans_are_in_lower_case_and_words_stay() -> None:
    request = parse_address("ws://host/v1/listen?interim_results=True&punctuate=False&keyterm=True&keyterm=b&tag=")
    assert request.url == "ws://host/v1/listen"
    assert request.parameters == {
        "interim_results": ["true"],
        "punctuate": ["false"],
        "keyterm": ["True", "b"],
        "tag": [""],
    }


@pytest.mark.parametrize(
    ("query", "counted"),
    [
        ("encoding=linear16&sample_rate=8000&channels=2", True),
        ("encoding=mulaw&sample_rate=8000", True),
        ("encoding=opus&sample_rate=48000", False),
        ("encoding=flac", False),
        ("model=nova-3", False),
    ],
)
def test_samples_are_counted_where_they_can_be(query: str, counted: bool) -> None:
    request = parse_address(f"ws://host/v1/listen?{query}")
    line = SdkLine(request, {}, tuning=caesura.Tuning(opener=FakeOpener()), pause_after_s=inf)
    line.begin().result(5)
    assert (line.timeline is not None) == counted
    line.abandon()


def test_invalid_numbers_are_left_for_the_server_to_refuse() -> None:
    request = parse_address("ws://host/v1/listen?encoding=linear16&sample_rate=fast&channels=x")
    assert request.declared == DeclaredAudio("linear16", 16_000, 1)
    assert request.parameters["sample_rate"] == ["fast"]


def test_nothing_is_added_to_the_address(server: FakeServer) -> None:
    opened(server, RAW).abandon()
    assert dict(server.connections[0].request.query) == {"encoding": ("linear16",), "sample_rate": ("16000",)}


# ---- the line ----


def test_everything_is_on_the_source_clock(server: FakeServer) -> None:
    """The pause between the two words is inferred from the arrival of audio, and is part of every later time."""
    told = "vad_events=true&utterance_end_ms=1000&interim_results=true&endpointing=false"
    line = opened(server, f"{RAW}&{told}", pause_after_s=0.05, keepalive_s=0.1)
    take(line, VOICE.say("one"))
    take(line, '{"type": "Finalize"}')
    server.wait(lambda: server.connections[0].types.count("KeepAlive") >= 6)
    take(line, VOICE.say("two"))
    take(line, VOICE.silence(1.4))
    take(line, '{"type": "CloseStream"}')
    said = list(pulled(line))
    (first,) = [message for message in said if message.get("from_finalize")][:1]
    assert (first["start"], first["duration"]) == (0.0, 0.4)
    began = starts(said, "SpeechStarted", "timestamp")
    finals = [message["channel"]["alternatives"][0] for message in said if message.get("is_final")]
    words = [word for final in finals for word in final["words"]]
    assert began == [words[0]["start"], words[1]["start"]]
    assert words[1]["start"] - words[1]["stream_start"] > 0.05
    assert starts(said, "UtteranceEnd", "last_word_end")[-1] == words[1]["end"]
    assert said[-1]["type"] == "Metadata"
    assert said[-1]["duration"] == 2.2


def test_a_loss_is_logged(server: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "caesura.adapters.deepgram")
    line = opened(server, keep_s=0.5)
    server.cut()
    server.stop()
    for _ in range(4):
        take(line, VOICE.silence(0.5))  # no further ahead of the clock than live audio may be
    server.start()
    take(line, '{"type": "CloseStream"}')
    said = list(pulled(line))
    lost = said[-1]["lost_duration"]
    assert lost > 0
    assert "s of audio are lost: no room" in caplog.text
    assert said[-1]["duration"] == pytest.approx(2.0 - lost)
    assert "connected again after" in caplog.text


def test_nothing_is_accepted_after_the_end(server: FakeServer) -> None:
    line = opened(server)
    take(line, '{"type": "CloseStream"}')
    assert [message["type"] for message in pulled(line)][-1] == "Metadata"
    with pytest.raises(LineEnded):
        take(line, VOICE.say("one"))


def test_a_broken_message_breaks_nothing(server: FakeServer) -> None:
    """The Metadata at the end is cut in half, and request for again."""
    line = opened(server)
    server.corrupt()
    take(line, '{"type": "CloseStream"}')
    assert [message["type"] for message in pulled(line)] == ["Metadata"]


def test_detaching_waits_for_a_connection_only_after_close_stream(server: FakeServer) -> None:
    line, asking = opened(server), opened(server)
    take(asking, VOICE.say("one"))
    server.stop()
    line.detach().result(5)
    take(asking, '{"type": "CloseStream"}')
    left = asking.detach()
    with pytest.raises(TimeoutError):
        left.result(0.2)
    server.start()
    left.result(5)
    assert [message["type"] for message in pulled(asking)][-1] == "Metadata"
    line.abandon()


def test_an_abandoned_line_has_no_metadata(server: FakeServer) -> None:
    line = opened(server)
    take(line, VOICE.say("one"))
    line.abandon()
    line.abandon()
    assert list(pulled(line)) == []


# ---- a server of another kind ----

RESULTS = {
    "type": "Results",
    "start": 0.5,
    "duration": 1.0,
    "is_final": True,
    "channel": {"alternatives": [{"transcript": "yes", "words": [{"word": "yes", "start": 0.6, "end": 0.9}]}]},
}


@pytest.fixture
def answering() -> Iterator[str]:
    """The URL of a server that answers every WAV file in the same way."""

    def say(connection: ServerConnection) -> None:
        assert connection.recv() == b"RIFF, and so on"
        for message in ({"type": "Warning", "text": "hot"}, RESULTS, {"type": "Metadata", "duration": 1.0}):
            connection.send(json.dumps(message))

    with serve(say, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()


def test_a_container_is_sent_unchanged_and_keeps_the_servers_times(answering: str) -> None:
    """What this package does not know is handed on too."""
    request = parse_address(f"{answering}/v1/listen?model=nova-3")
    line = SdkLine(request, {}, tuning=caesura.Tuning(), pause_after_s=inf)
    line.begin().result(5)
    take(line, b"RIFF, and so on")
    take(line, '{"type": "CloseStream"}')
    warning, results, metadata = pulled(line)
    assert warning == {"type": "Warning", "text": "hot"}
    assert (results["start"], results["channel"]["alternatives"][0]["words"][0]["start"]) == (0.5, 0.6)
    assert metadata["duration"] == 1.0
