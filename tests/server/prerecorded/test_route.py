"""Recordings posted to a whole server: admitted, formatted, fetched, called back and recorded."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import wave
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx2
import pytest

from caesura.ledger.projects import DEFAULT_PROJECT_ID
from caesura.ledger.requests import Method, Outcome
from caesura.server.outbound.guard import Guard, ReachPolicy
from tests.in_process_server import InProcessServer
from tests.recordings import path
from tests.server.outbound.remote import Answer, Names, web_server
from tests.server.outside import Outside
from tests.server.scenes import logged, record, served
from tests.waiting import until

pytestmark = pytest.mark.slow

SPEECH = path("lv-0890").read_bytes()
SECONDS = pytest.approx(5.3, abs=0.01)
PRICE = "tests.server.sentence_engine:PRICE"
SECRET = "tests.server.sentence_engine:SECRET"
PRIVATE: dict[str, Any] = {"allow_private_urls": True}


async def post(
    server: InProcessServer, query: str = "", body: Any = SPEECH, *, key: str | None = None, **headers: str
) -> httpx2.Response:
    if key is not None:
        headers["Authorization"] = f"Token {key}"
    if isinstance(body, dict):
        body, headers["Content-Type"] = json.dumps(body), "application/json"
    async with httpx2.AsyncClient(base_url=server.http, timeout=20) as client:
        answer = await client.post(f"/v1/listen?{query}", content=body, headers=headers)
    assert "dg-request-id" in answer.headers
    return answer


def alternative(answer: httpx2.Response, channel: int = 0) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["results"]["channels"][channel]["alternatives"][0]
    return found


def transcript(answer: httpx2.Response) -> str:
    return str(alternative(answer)["transcript"])


def refused(answer: httpx2.Response) -> tuple[int, str]:
    body = answer.json()
    assert answer.headers["dg-error"] == body["err_msg"]
    assert answer.headers["dg-request-id"] == body["request_id"]
    return answer.status_code, body["err_code"]


def twice(seconds: float = 2.0) -> bytes:
    """The recording on two channels."""
    with wave.open(str(path("lv-0890"))) as opened:
        mono = opened.readframes(round(seconds * 16_000))
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(2)
        written.setsampwidth(2)
        written.setframerate(16_000)
        written.writeframes(b"".join(mono[at : at + 2] * 2 for at in range(0, len(mono), 2)))
    return file.getvalue()


# ---- formatting ----


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (
            "",
            "anna owes me twenty five dollars what the fuck question mark call five five five one two three four",
        ),
        (
            "punctuate=true&filler_words=true",
            "Anna owes me twenty five dollars. What the fuck um question mark Call five five five one two three four.",
        ),
        ("numerals=true", "anna owes me 25 dollars what the fuck question mark call 5551234"),
        ("smart_format=true", "Anna owes me $25. What the fuck question mark Call 555-1234."),
        ("dictation=true", "Anna owes me twenty five dollars. What the fuck? Call five five five one two three four."),
        (
            "profanity_filter=true&redact=numbers&replace=anna:somebody",
            "somebody owes me twenty five dollars what the **** question mark call [REDACTED]",
        ),
        ("redact=aggressive_numbers&smart_format=true", None),
    ],
)
def test_a_recording_is_written_as_a_stream_would_be(query: str, expected: str | None) -> None:
    async def main(server: InProcessServer) -> None:
        answer = await post(server, query)
        if expected is None:
            assert not any(sign.isdigit() for sign in transcript(answer).replace("_1]", "").replace("_2]", ""))
            assert "[" in transcript(answer)
        else:
            assert transcript(answer) == expected
        words = alternative(answer)["words"]
        assert all(before["end"] <= after["start"] for before, after in pairwise(words))

    served(main, engines=(PRICE,))


def test_paragraphs_utterances_and_hits_are_made_of_the_written_words() -> None:
    async def main(server: InProcessServer) -> None:
        query = "smart_format=true&paragraphs=true&utterances=true&search=anna&search=elephant&replace=owes:gave"
        answer = await post(server, query)
        text = transcript(answer)
        assert text.startswith("Anna gave me $25.")
        told = alternative(answer)["paragraphs"]
        assert told["transcript"].split() == text.split()
        sentences = [sentence["text"] for part in told["paragraphs"] for sentence in part["sentences"]]
        assert " ".join(sentences) == text
        assert len(sentences) > 1
        utterances = answer.json()["results"]["utterances"]
        assert " ".join(one["transcript"] for one in utterances) == text
        anna, elephant = answer.json()["results"]["channels"][0]["search"]
        assert (anna["query"], anna["hits"][0]["snippet"], anna["hits"][0]["confidence"]) == ("anna", "anna", 1)
        assert anna["hits"][0]["start"] == alternative(answer)["words"][0]["start"]
        assert all(hit["confidence"] < 0.5 for hit in elephant["hits"])

    served(main, engines=(PRICE,))


def test_a_secret_is_hidden_and_cannot_be_searched_for() -> None:
    async def main(server: InProcessServer) -> None:
        answer = await post(server, "redact=pci&search=four%20one&utterances=true&paragraphs=true")
        assert transcript(answer) == "My card is [CREDIT_CARD_1], thanks."
        hits = answer.json()["results"]["channels"][0]["search"][0]["hits"]
        assert not [hit for hit in hits if {"four", "one"} & set(hit["snippet"].split())]
        assert "four" not in answer.text.replace('"query":"four one"', "")

    served(main, engines=(SECRET,))


def test_a_recording_has_speakers_with_diarize() -> None:
    async def main(server: InProcessServer) -> None:
        answer = await post(server, "diarize=true")
        assert all("speaker" in word for word in alternative(answer)["words"])

    served(main)


@pytest.mark.parametrize(
    "query", ["keyterm=x", "keywords=x:2", "detect_language=true", "numerals=maybe", "model=nova-9"]
)
def test_an_unsupported_parameter_is_refused_by_name(query: str) -> None:
    async def main(server: InProcessServer) -> None:
        answer = await post(server, query)
        assert refused(answer)[0] == 400
        name = query.partition("=")[0]
        assert name in answer.json()["err_msg"]
        assert len(server.service.session_log) == 0

    served(main)


# ---- the ledger ----


def test_an_answered_recording_is_on_record_and_billed(tmp_path: Path) -> None:
    outside = Outside(tmp_path / "ledger.db")
    key = outside.key(tags=("ward",))

    async def main(server: InProcessServer) -> None:
        answer = await post(server, "tag=call&punctuate=true&search=hush&replace=hush:hush", key=key.secret)
        ended = await record(server)
        assert ended.request_id == answer.headers["dg-request-id"] == answer.json()["metadata"]["request_id"]
        assert (ended.method, ended.code, ended.outcome) == (Method.SYNC, 200, Outcome.SUCCEEDED)
        assert ended.audio_seconds == ended.billed_seconds == SECONDS
        assert (ended.channels, ended.bytes_in, ended.close_code) == (1, len(SPEECH), None)
        assert (ended.api_key_id, ended.tags) == (key.key.api_key_id, ("call", "ward"))
        assert server.service.ledger_writer.open_requests(ended.project_id) == 0

    served(main, database=str(outside.path))
    (row,) = outside.rows()
    assert (row.method, row.code, row.outcome) == (Method.SYNC, 200, Outcome.SUCCEEDED)
    assert row.usd > 0
    assert "hush" not in str(row)
    assert key.secret not in str(row)


def test_each_channel_that_is_transcribed_separately_is_billed() -> None:
    async def main(server: InProcessServer) -> None:
        await post(server, "multichannel=true", twice())
        await post(server, "", twice())
        apart, mixed = await record(server, 1), await record(server, 2)
        assert (apart.channels, apart.audio_seconds, apart.billed_seconds) == (2, 2.0, 4.0)
        assert (mixed.channels, mixed.audio_seconds, mixed.billed_seconds) == (1, 2.0, 2.0)

    served(main)


def test_a_body_that_is_not_a_recording_is_recorded_and_free() -> None:
    async def main(server: InProcessServer) -> None:
        answer = await post(server, "", b"this is no music at all" * 1000)
        assert refused(answer) == (400, "Bad Request")
        ended = await record(server)
        assert (ended.code, ended.outcome, ended.billed_seconds, ended.usd) == (400, Outcome.FAILED, 0.0, 0.0)
        assert server.service.ledger_writer.open_requests(ended.project_id) == 0

    served(main)


def test_a_client_that_does_not_wait_leaves_its_place_and_a_record() -> None:
    async def main(server: InProcessServer) -> None:
        _, writer = await asyncio.open_connection(*server.address)
        writer.write(b"POST /v1/listen HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nRIFF")
        await until(lambda: server.service.ledger_writer.open_requests(DEFAULT_PROJECT_ID))
        writer.transport.abort()
        ended = await record(server)
        assert (ended.code, ended.outcome) == (422, Outcome.FAILED)
        assert server.service.ledger_writer.open_requests(ended.project_id) == 0

    served(main)


@pytest.mark.parametrize("callback", [False, True])
def test_a_fault_of_our_own_is_on_record_and_takes_no_place_for_ever(
    callback: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> str:
        raise ZeroDivisionError("on purpose")

    monkeypatch.setattr("caesura.server.prerecorded.run.response_json", broken)

    async def main(server: InProcessServer) -> None:
        async with web_server() as receiver:
            answer = await post(server, f"callback={receiver.url()}" if callback else "")
            ended = await record(server)
        if not callback:
            assert refused(answer) == (500, "INTERNAL_SERVER_ERROR")
            assert ended.code == 500
        assert ended.outcome is Outcome.FAILED
        assert ended.billed_seconds == 0.0
        assert server.service.ledger_writer.open_requests(ended.project_id) == 0

    served(main, **PRIVATE)
    assert "on purpose" in caplog.text


# ---- the result goes elsewhere ----


def test_the_result_is_delivered_and_only_an_id_is_answered(tmp_path: Path) -> None:
    outside = Outside(tmp_path / "ledger.db")
    key = outside.key()

    async def main(server: InProcessServer) -> None:
        plain = await post(server, "smart_format=true&redact=pci", key=key.secret)
        async with web_server() as receiver:
            callback = receiver.url("/hook?a=b", userinfo="anna:sesame@").replace("&", "%26").replace("?", "%3F")
            query = f"smart_format=true&redact=pci&callback={callback}&callback_method=PUT"
            answer = await post(server, query, key=key.secret)
            assert answer.json() == {"request_id": answer.headers["dg-request-id"]}
            await until(lambda: receiver.requests)
            (request,) = receiver.requests
            told = json.loads(request.body)
            assert told["results"] == plain.json()["results"]
            assert told["metadata"]["request_id"] == answer.headers["dg-request-id"]
            assert request.line == "PUT /hook?a=b HTTP/1.1"
            assert request.headers["dg-token"] == key.key.api_key_id
            assert request.headers["authorization"] == "Basic YW5uYTpzZXNhbWU="
            assert key.secret not in str(request)
        ended = await record(server, 2)
        assert (ended.method, ended.code, ended.outcome) == (Method.ASYNC, 200, Outcome.SUCCEEDED)
        assert ended.billed_seconds == SECONDS
        assert ended.callback == f"http://127.0.0.1:{receiver.port}"

    served(main, database=str(outside.path), engines=(SECRET,), **PRIVATE)


def test_a_body_that_is_not_a_recording_is_reported_to_the_receiver() -> None:
    async def main(server: InProcessServer) -> None:
        async with web_server() as receiver:
            answer = await post(server, f"callback={receiver.url()}", b"no music " * 1000)
            assert answer.status_code == 200
            await until(lambda: receiver.requests)
            told = json.loads(receiver.bodies[0])
        assert (told["err_code"], told["request_id"]) == ("Bad Request", answer.json()["request_id"])
        ended = await record(server)
        assert (ended.method, ended.code, ended.billed_seconds) == (Method.ASYNC, 400, 0.0)

    served(main, **PRIVATE)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/hush", "wss://example.com/hush", "http://example.com:22/hush"])
def test_a_callback_that_may_not_be_reached_is_refused(url: str) -> None:
    async def main(server: InProcessServer) -> None:
        answer = await post(server, f"callback={url}")
        assert refused(answer) == (400, "INVALID_QUERY_PARAMETER")
        assert "callback" in answer.json()["err_msg"]
        assert "hush" not in answer.text + str(answer.headers)
        assert len(server.service.session_log) == 0

    served(main)


def test_a_callback_whose_name_turns_out_to_be_this_machine_is_not_reached(caplog: pytest.LogCaptureFixture) -> None:
    """The recording is transcribed and billed; its result is not delivered, and the log has the reason."""

    async def main(server: InProcessServer) -> None:
        names = Names({"hooks.example.com": [["127.0.0.1"]]})
        server.service.outbound.guard = Guard(ReachPolicy(ports=None), names)
        async with web_server() as receiver:
            url = receiver.url("/x?token=hush", host="hooks.example.com").replace("?", "%3F").replace("=", "%3D")
            assert (await post(server, f"callback={url}")).status_code == 200
            await record(server)
            await until(lambda: "could not be delivered" in caplog.text)
            assert names.asked == ["hooks.example.com"]
            assert receiver.connections == 0

    with caplog.at_level(logging.DEBUG):
        served(main)
    assert "hush" not in logged(caplog)


# ---- the recording lies elsewhere ----


def test_a_url_is_fetched_and_transcribed_like_a_body() -> None:
    async def main(server: InProcessServer) -> None:
        plain = await post(server, "punctuate=true")
        async with web_server(Answer(body=SPEECH)) as remote:
            answer = await post(server, "punctuate=true", {"url": remote.url("/a.wav", userinfo="anna:sesame@")})
            assert answer.json()["results"] == plain.json()["results"]
            assert remote.requests[0].headers["authorization"].startswith("Basic ")
        ended = await record(server, 2)
        assert (ended.method, ended.code, ended.bytes_in) == (Method.SYNC, 200, len(SPEECH))
        assert ended.billed_seconds == SECONDS

    served(main, **PRIVATE)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/hush.wav",
        "http://[::1]:8080/hush.wav",
        "http://10.0.0.1/hush.wav",
        "http://169.254.169.254/hush",
        "http://[::ffff:127.0.0.1]/hush",
        "http://user:hush@127.0.0.1/",
        "file:///etc/hush",
        "ws://example.com/hush",
        "http://example.com:22/hush",
        "not a url: hush",
    ],
)
def test_a_url_that_may_not_be_reached_is_refused(url: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main(server: InProcessServer) -> None:
        answer = await post(server, "", {"url": url})
        assert refused(answer) == (400, "REMOTE_CONTENT_ERROR")
        assert "hush" not in answer.text + str(answer.headers)
        ended = await record(server)
        assert (ended.code, ended.billed_seconds, ended.bytes_in) == (400, 0.0, 0)
        assert server.service.ledger_writer.open_requests(ended.project_id) == 0

    with caplog.at_level(logging.DEBUG):
        served(main)
    assert "hush" not in logged(caplog)


def test_a_name_that_turns_out_to_be_this_machine_is_not_fetched_from() -> None:
    async def main(server: InProcessServer) -> None:
        server.service.outbound.guard = Guard(ReachPolicy(ports=None), Names({"files.example.com": [["127.0.0.1"]]}))
        async with web_server(Answer(body=SPEECH)) as remote:
            answer = await post(server, "", {"url": remote.url("/a.wav", host="files.example.com")})
            assert refused(answer) == (400, "REMOTE_CONTENT_ERROR")
            assert remote.connections == 0

    served(main)


def test_a_redirect_to_what_may_not_be_reached_is_not_followed() -> None:
    async def main(server: InProcessServer) -> None:
        there = Answer(302, headers={"Location": "http://169.254.169.254/latest/meta-data"})
        async with web_server(there) as remote:
            answer = await post(server, "", {"url": remote.url("/a.wav")})
            assert refused(answer) == (400, "REMOTE_CONTENT_ERROR")
            assert len(remote.requests) == 1

    served(main, **PRIVATE)


@pytest.mark.parametrize("answered", [Answer(404), Answer(500), Answer(200, body=b"")], ids=["404", "500", "empty"])
def test_a_url_without_a_recording_is_reported(answered: Answer) -> None:
    async def main(server: InProcessServer) -> None:
        async with web_server(answered) as remote:
            answer = await post(server, "", {"url": remote.url("/a.wav?token=hush")})
        assert answer.status_code == 400
        assert "hush" not in answer.text
        assert (await record(server)).code == 400

    served(main, **PRIVATE)
