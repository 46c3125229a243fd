"""Recordings posted to a real server on loopback, by the wire and by hand."""

from __future__ import annotations

import hashlib
import json
import socket
import tempfile
import urllib.request
import wave
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx2
import pytest

from caesura.engines.scripted import INFO
from caesura.protocol.options import ListenOptions
from caesura.server.prerecorded.run import recording_config
from tests.recording_server import RecordingServer, recording_server
from tests.server.outbound.remote import Answer, silence
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

DATA = Path(__file__).parent.parent.parent / "data"
SPEECH = DATA / "lv-0890.wav"
WAIT_S = 60.0
"""Nothing takes so long; the machine may be busy."""
CORRUPT = "Bad Request: failed to process audio: corrupt or unsupported data"


@pytest.fixture(scope="module")
def server() -> Iterator[RecordingServer]:
    """Plays the script on two workers."""
    with recording_server(workers=2, max_recording_bytes=1_000_000, max_recordings=2, stall_timeout_s=2.0) as running:
        yield running


@pytest.fixture(autouse=True)
def _fresh(server: RecordingServer) -> None:
    server.begin_test()


def callback(server: RecordingServer) -> str:
    """The query of a request whose result goes to the receiver."""
    return f"callback={server.receiver.url('/hook')}"


def active(server: RecordingServer) -> int:
    """Recordings being received or transcribed."""
    with urllib.request.urlopen(f"{server.url}/v1/status") as answer:
        return int(json.load(answer)["active_batch_requests"])


def post(server: RecordingServer, body: Any, query: str = "", **headers: str) -> httpx2.Response:
    with httpx2.Client(timeout=WAIT_S) as client:
        request = client.build_request("POST", f"{server.url}/v1/listen?{query}", content=body)
        request.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
        return client.send(request)


def wav(channels: int, seconds: float = 4.0) -> bytes:
    """The bundled recording on every channel, from its beginning."""
    with wave.open(str(SPEECH)) as opened:
        frames = opened.readframes(int(seconds * 16_000))
    mono = [frames[at : at + 2] for at in range(0, len(frames), 2)]
    file = BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(channels)
        written.setsampwidth(2)
        written.setframerate(16_000)
        written.writeframes(b"".join(sample * channels for sample in mono))
    return file.getvalue()


@pytest.mark.parametrize("kind", ["deepgram/audio+video", "application/octet-stream", "audio/wav", None])
def test_a_file_is_known_by_its_bytes(server: RecordingServer, kind: str | None) -> None:
    body = SPEECH.read_bytes()
    answer = post(server, body, "punctuate=true&tag=a&extra=k:v", **({"content_type": kind} if kind else {}))
    assert answer.status_code == 200
    told = answer.json()
    metadata = told["metadata"]
    assert metadata["request_id"] == answer.headers["dg-request-id"]
    assert metadata["sha256"] == hashlib.sha256(body).hexdigest()
    assert metadata["duration"] == pytest.approx(5.3, abs=0.05)
    assert (metadata["channels"], metadata["tags"], metadata["extra"]) == (1, ["a"], {"k": "v"})
    assert metadata["models"] == list(metadata["model_info"])
    (channel,) = told["results"]["channels"]
    (alternative,) = channel["alternatives"]
    assert alternative["transcript"] == " ".join(word["punctuated_word"] for word in alternative["words"])
    assert alternative["words"]
    assert all(word["end"] <= metadata["duration"] for word in alternative["words"])
    (ended,) = server.records
    assert (ended.code, ended.method, ended.channels, ended.bytes_in) == (200, "sync", 1, len(body))
    assert ended.billed_seconds == ended.audio_seconds == pytest.approx(metadata["duration"], abs=1e-3)


def test_raw_audio_is_decoded_as_declared(server: RecordingServer) -> None:
    body = SPEECH.read_bytes()[44:]
    answer = post(server, body, "encoding=linear16&sample_rate=16000")
    assert answer.json()["metadata"]["duration"] == pytest.approx(len(body) / 32_000, abs=1e-3)


def test_a_file_header_overrides_the_declared_format(server: RecordingServer) -> None:
    plain = post(server, SPEECH.read_bytes()).json()
    declared = post(server, SPEECH.read_bytes(), "encoding=linear16&sample_rate=8000").json()
    assert declared["results"] == plain["results"]


def test_channels_are_transcribed_separately_only_on_request(server: RecordingServer) -> None:
    mixed = post(server, wav(2)).json()
    assert (mixed["metadata"]["channels"], len(mixed["results"]["channels"])) == (1, 1)
    apart = post(server, wav(2), "multichannel=true&utterances=true").json()
    assert (apart["metadata"]["channels"], len(apart["results"]["channels"])) == (2, 2)
    left, right = apart["results"]["channels"]
    assert left == right
    assert {utterance["channel"] for utterance in apart["results"]["utterances"]} == {0, 1}
    assert server.records[-1].billed_seconds == pytest.approx(2 * apart["metadata"]["duration"], abs=1e-3)


def test_a_url_is_fetched(server: RecordingServer) -> None:
    body = SPEECH.read_bytes()
    server.remote.answers[:] = [Answer(body=body)]
    url = server.remote.url("/a.wav")
    answer = post(server, json.dumps({"url": url}), content_type="application/json; charset=x")
    assert answer.json()["metadata"]["sha256"] == hashlib.sha256(body).hexdigest()
    assert server.records[0].bytes_in == len(body)


def test_a_url_that_gives_nothing_is_reported(server: RecordingServer) -> None:
    server.remote.answers[:] = [Answer(404)]
    answer = post(server, json.dumps({"url": server.remote.url()}), content_type="application/json")
    assert (answer.status_code, answer.json()["err_code"]) == (400, "REMOTE_CONTENT_ERROR")
    assert "404" in answer.json()["err_msg"]
    assert answer.headers["dg-error"] == answer.json()["err_msg"]


@pytest.mark.parametrize("body", ["", "{", "[]", '{"url": 3}', '{"url": ""}', "[" * 50_000])
def test_json_that_names_no_url_is_refused(server: RecordingServer, body: str) -> None:
    answer = post(server, body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json() == {
        "err_code": "Bad Request",
        "err_msg": "Content-type was application/json, but we could not process the JSON payload.",
        "request_id": answer.headers["dg-request-id"],
    }


@pytest.mark.parametrize(
    "body", [b"", b"x", b"hello, I am a text and no audio" * 1000, b'{"url": "https://a.b"}', b"RIFF\0\0\0\0WAVE"]
)
def test_bytes_that_are_not_audio_are_refused(server: RecordingServer, body: bytes) -> None:
    answer = post(server, body)
    assert answer.status_code == 400
    assert (answer.json()["err_code"], answer.json()["err_msg"]) == ("Bad Request", CORRUPT)
    assert (server.records[0].code, server.records[0].billed_seconds) == (400, 0.0)


def test_too_much_is_refused_by_its_length_and_by_its_bytes(server: RecordingServer) -> None:
    for body in (bytes(1_250_000), iter([wav(1), *[bytes(100_000)] * 12])):
        answer = post(server, body)
        assert (answer.status_code, answer.json()["err_code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert active(server) == 0


def test_a_body_that_stalls_is_given_up(server: RecordingServer) -> None:
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as client:
        client.sendall(b"POST /v1/listen HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\nRIFF")
        client.settimeout(WAIT_S)
        answer = client.recv(65536)
    assert answer.startswith(b"HTTP/1.1 422 ")
    assert b"Unable to read the entire client request." in answer
    assert b"connection: close" in answer
    wait_until(lambda: server.records)
    assert server.records[0].code == 422


def test_a_client_that_disconnects_ends_the_work(server: RecordingServer) -> None:
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as client:
        body = wav(1)
        head = b"POST /v1/listen HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % (len(body) * 2)
        client.sendall(head + body)
        wait_until(lambda: active(server) == 1)
    wait_until(lambda: active(server) == 0)
    wait_until(lambda: server.records)
    assert server.records[0].code == 422


def test_a_client_that_does_not_wait_for_its_answer_ends_the_work(server: RecordingServer) -> None:
    server.remote.answers[:] = [silence]
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as client:
        body = json.dumps({"url": server.remote.url()}).encode()
        head = b"POST /v1/listen HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        client.sendall(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        wait_until(lambda: active(server) == 1)
    wait_until(lambda: active(server) == 0)
    wait_until(lambda: server.records)
    assert (server.records[0].code, server.records[0].billed_seconds) == (499, 0.0)


def test_a_client_may_ask_before_it_sends(server: RecordingServer) -> None:
    body = SPEECH.read_bytes()
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as client:
        client.settimeout(WAIT_S)
        head = b"POST /v1/listen HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: %d\r\n\r\n"
        client.sendall(head % len(body))
        assert client.recv(1000).startswith(b"HTTP/1.1 100 ")
        client.sendall(body)
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
        client.sendall(head % 5_000_000)
        # What is left of the first answer may come before the second.
        told = b""
        while b"HTTP/1.1 413 " not in told:
            piece = client.recv(65536)
            assert piece
            told += piece
        assert b"HTTP/1.1 100 " not in told


def test_no_more_recordings_are_transcribed_than_allowed(server: RecordingServer) -> None:
    port = int(server.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as one, socket.create_connection(("127.0.0.1", port)) as two:
        for client in (one, two):
            client.sendall(b"POST /v1/listen HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\nRIFF")
        wait_until(lambda: active(server) == 2)
        answer = post(server, SPEECH.read_bytes())
    assert (answer.status_code, answer.json()["err_code"]) == (429, "TOO_MANY_REQUESTS")
    wait_until(lambda: active(server) == 0)


def test_a_callback_is_promised_at_once_and_delivered_later(server: RecordingServer) -> None:
    body = SPEECH.read_bytes()
    answer = post(server, body, callback(server))
    assert answer.json() == {"request_id": answer.headers["dg-request-id"]}
    wait_until(lambda: server.delivered)
    told = json.loads(server.delivered[0])
    assert told["metadata"]["request_id"] == answer.headers["dg-request-id"]
    assert told["results"] == post(server, body).json()["results"]
    assert (server.records[0].method, server.records[0].code) == ("async", 200)
    assert active(server) == 0


def test_a_callback_is_reported_of_failure(server: RecordingServer) -> None:
    answer = post(server, b"no audio at all", callback(server))
    assert answer.status_code == 200
    wait_until(lambda: server.delivered)
    assert json.loads(server.delivered[0])["err_msg"] == CORRUPT


def test_a_callback_takes_a_url_too(server: RecordingServer) -> None:
    server.remote.answers[:] = [Answer(body=SPEECH.read_bytes())]
    body = json.dumps({"url": server.remote.url()})
    assert post(server, body, callback(server), content_type="application/json").status_code == 200
    wait_until(lambda: server.delivered)
    assert json.loads(server.delivered[0])["metadata"]["duration"] > 5


def test_a_fault_of_ours_is_reported_to_the_client_and_to_a_callback(
    server: RecordingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr("caesura.server.prerecorded.run.response_json", broken)
    answer = post(server, SPEECH.read_bytes())
    assert (answer.status_code, answer.json()["err_code"]) == (500, "INTERNAL_SERVER_ERROR")
    assert answer.headers["dg-request-id"] == answer.json()["request_id"]
    assert post(server, SPEECH.read_bytes(), callback(server)).status_code == 200
    wait_until(lambda: server.delivered)
    assert json.loads(server.delivered[0])["err_code"] == "INTERNAL_SERVER_ERROR"
    assert [ended.code for ended in server.records] == [500, 500]
    assert caplog.text.count("the recording failed") == 2


def test_a_disk_that_cannot_be_written_is_answered_and_counted(
    server: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "is not there"))
    answer = post(server, SPEECH.read_bytes(), callback(server))
    assert (answer.status_code, answer.json()["err_code"]) == (500, "INTERNAL_SERVER_ERROR")
    assert [ended.code for ended in server.records] == [500]
    assert active(server) == 0


def test_the_config_has_the_languages_among_which_to_detect() -> None:
    config = recording_config(ListenOptions(detect_language=("EN-us", "de")), INFO)
    assert (config.language, config.detectable_languages) == (None, ("en", "de"))
    assert recording_config(ListenOptions(), INFO).detectable_languages == ()
