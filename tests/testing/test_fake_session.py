"""The wire of recorded sessions, spoken by the fake server."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from caesura.protocol.closing import NET_0001
from caesura.testing import Close, FakeServer
from tests.testing.peer import VOICE, connected, finals


def test_nothing_is_sent_on_open_and_metadata_comes_last() -> None:
    with FakeServer(VOICE) as server, connected(server) as peer:
        peer.send("CloseStream")
        (metadata,) = peer.rest()
        assert (metadata["type"], metadata["duration"]) == ("Metadata", 0.0)
        assert peer.end() == (1000, "")


def test_speech_yields_interims_finals_and_metadata() -> None:
    with FakeServer(VOICE) as server, connected(server, interim_results="true", vad_events="true") as peer:
        peer.say("one", "two", "three")
        peer.connection.send(VOICE.silence(1))
        peer.say("four")
        peer.send("CloseStream")
        messages = peer.rest()
        kinds = [message["type"] + ("" if message.get("is_final", True) else " interim") for message in messages]
        assert kinds == [
            "SpeechStarted",
            "Results interim",
            "Results",
            "SpeechStarted",
            "Results interim",
            "Results",
            "Metadata",
        ]
        assert finals(messages) == [(0.0, 1.4, "one two three"), (1.4, 2.6, "four")]
        assert messages[-1]["duration"] == 2.6
        assert {message["metadata"]["request_id"] for message in messages if "metadata" in message} == {
            server.connections[0].request_id
        }


def test_an_empty_binary_message_ends_the_stream() -> None:
    with FakeServer(VOICE) as server, connected(server) as peer:
        peer.say("one")
        peer.connection.send(b"")
        assert finals(peer.rest()) == [(0.0, 0.4, "one")]
        assert peer.end() == (1000, "")
        assert server.connections[0].audio == VOICE.say("one")


def test_a_silent_client_is_closed_with_net_0001_after_metadata() -> None:
    with FakeServer(VOICE, idle_s=0.05) as server, connected(server) as peer:
        assert peer.read()["type"] == "Metadata"
        assert peer.end() == (NET_0001.code, NET_0001.reason)
        server.wait(lambda: server.connections[0].closed == NET_0001)


def test_keepalive_holds_the_line_and_is_not_answered() -> None:
    with FakeServer(VOICE, idle_s=0.5) as server, connected(server) as peer:
        for sent in range(1, 5):
            peer.send("KeepAlive")
            server.wait(lambda: len(server.connections[0].texts) == sent)  # noqa: B023
            with pytest.raises(TimeoutError):
                peer.connection.recv(timeout=0.15)
        peer.send("CloseStream")
        assert [message["type"] for message in peer.rest()] == ["Metadata"]
        assert server.connections[0].types == ["KeepAlive"] * 4 + ["CloseStream"]
        times = [text.at for text in server.connections[0].texts]
        assert times == sorted(times)


def test_finalize_is_answered_with_the_words_so_far() -> None:
    with FakeServer(VOICE) as server, connected(server) as peer:
        peer.say("one")
        peer.send("Finalize")
        answer = peer.read()
        assert (answer["from_finalize"], answer["speech_final"]) == (True, True)
        assert finals([answer]) == [(0.0, 0.4, "one")]


@pytest.mark.parametrize(
    ("answers", "answered"),
    [(True, [1, 2, 3]), (False, []), ([False, True, False], [2]), ([False], [2, 3]), ([], [1, 2, 3])],
)
def test_a_finalize_with_nothing_pending_is_answered_or_not(
    answers: bool | Sequence[bool], answered: Sequence[int]
) -> None:
    """Each Finalize is followed by an invalid text, whose Error marks its position among the answers."""
    with FakeServer(VOICE, answers_finalize=answers) as server, connected(server) as peer:
        for _ in range(3):
            peer.send("Finalize")
            peer.send("?")
        peer.send("CloseStream")
        errors, found = 0, []
        for message in peer.rest():
            errors += message["type"] == "Error"
            if message["type"] == "Results":
                found.append(errors + 1)
        assert found == answered


def test_a_finalize_with_a_word_pending_is_always_answered() -> None:
    with FakeServer(VOICE, answers_finalize=False) as server, connected(server) as peer:
        peer.say("one")
        peer.send("Finalize")
        assert peer.read()["from_finalize"] is True


def test_an_invalid_text_gets_an_error_and_the_connection_stays_open() -> None:
    with FakeServer(VOICE) as server, connected(server) as peer:
        peer.connection.send("no JSON")
        assert peer.read()["type"] == "Error"
        assert peer.answers_ping()
        assert server.connections[0].texts[0].type == ""
        assert server.connections[0].texts[0].body == "no JSON"


def test_channels_are_kept_apart() -> None:
    query = {"channels": 2, "multichannel": "true"}
    left, right = VOICE.say("one"), VOICE.say("two")
    with FakeServer(VOICE) as server, connected(server, **query) as peer:
        peer.connection.send(b"".join(left[at : at + 2] + right[at : at + 2] for at in range(0, len(left), 2)))
        peer.send("CloseStream")
        messages = peer.rest()
        assert [message.get("channel_index") for message in messages] == [[0, 2], [1, 2], None]
        assert finals(messages) == [(0.0, 0.4, "one"), (0.0, 0.4, "two")]
        assert server.connections[0].seconds == 0.4


def test_the_close_frame_of_the_client_is_seen() -> None:
    with FakeServer(VOICE) as server, connected(server) as peer:
        peer.connection.close(4000, "enough")
        server.wait(lambda: server.connections[0].closed == Close(4000, "enough"))


def test_messages_from_before_a_disconnect_are_recorded() -> None:
    with FakeServer(VOICE) as server, connected(server) as peer:
        peer.say("one")
        peer.send("Finalize")
        peer.connection.close()
        server.wait(lambda: server.connections[0].closed is not None)
        assert server.connections[0].types == ["Finalize"]
        assert server.connections[0].audio == VOICE.say("one")


def test_a_binary_control_message_is_audio() -> None:
    with FakeServer(VOICE) as server, connected(server) as peer:
        peer.connection.send(b'{"type": "KeepAlive"}')
        peer.send("CloseStream")
        peer.rest()
        assert server.connections[0].types == ["CloseStream"]
        assert len(server.connections[0].audio) == 21
