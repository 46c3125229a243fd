"""The vendor's newest Python SDK, unmodified, posting recordings to a real server on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jiwer import wer

from tests.conformance.speech import DATA, FIRST, FIRST_TEXT, SECOND, SECOND_TEXT
from tests.recording_server import RecordingServer, recording_server
from tests.server.outbound.remote import Answer
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[RecordingServer]:
    """The default engine on two workers."""
    with recording_server("moonshine", workers=2) as running:
        yield running


def environment(server: RecordingServer) -> Any:
    """The only setting of the SDK that differs: the address of the server."""
    from deepgram.environment import DeepgramClientEnvironment

    wire = server.url.replace("http://", "ws://")
    return DeepgramClientEnvironment(base=server.url, production=wire, agent=wire, agent_rest=server.url)


@pytest.fixture
def media(server: RecordingServer) -> Iterator[Any]:
    """The synchronous SDK."""
    from deepgram import DeepgramClient

    # Its own HTTP client is never closed.
    with httpx.Client(timeout=60) as http:
        yield DeepgramClient(api_key="any", environment=environment(server), httpx_client=http).listen.v1.media


def lower(text: str) -> str:
    return " ".join("".join(char if char.isalpha() else " " for char in text.lower()).split())


def test_a_file_is_transcribed(media: Any) -> None:
    told = media.transcribe_file(
        request=(DATA / SECOND).read_bytes(), model="nova-3", punctuate=True, utterances=True, paragraphs=True
    )
    channel = told.results.channels[0]
    alternative = channel.alternatives[0]
    assert wer(SECOND_TEXT, lower(alternative.transcript)) < 0.2
    assert told.metadata.channels == 1
    assert told.metadata.model_info[told.metadata.models[0]]["name"] == "moonshine-tiny-en"
    assert told.metadata.created.tzinfo is not None
    starts = [word.start for word in alternative.words]
    assert starts == sorted(starts)
    assert told.results.utterances[0].transcript
    assert told.results.utterances[0].id
    assert alternative.paragraphs.paragraphs[0].sentences[0].text
    assert alternative.paragraphs.paragraphs[0].num_words == len(alternative.words)


def test_a_file_in_pieces_is_transcribed(media: Any) -> None:
    body = (DATA / FIRST).read_bytes()
    pieces = (body[at : at + 7_000] for at in range(0, len(body), 7_000))
    told = media.transcribe_file(request=pieces)
    assert wer(FIRST_TEXT, lower(told.results.channels[0].alternatives[0].transcript)) < 0.2


def test_the_asynchronous_client_names_a_url(server: RecordingServer) -> None:
    server.remote.answers[:] = [Answer(body=(DATA / "jfk.flac").read_bytes())]
    from deepgram import AsyncDeepgramClient

    async def ask() -> Any:
        async with httpx.AsyncClient(timeout=60) as http:
            deepgram = AsyncDeepgramClient(api_key="any", environment=environment(server), httpx_client=http)
            return await deepgram.listen.v1.media.transcribe_url(
                url=server.remote.url("/speech.flac"), smart_format=True
            )

    told = asyncio.run(ask())
    assert "country can do for you" in told.results.channels[0].alternatives[0].transcript
    assert told.metadata.duration == pytest.approx(11.0, abs=0.01)


def test_a_callback_gets_the_same(server: RecordingServer, media: Any) -> None:
    body = (DATA / FIRST).read_bytes()
    promised = media.transcribe_file(request=body, callback=server.receiver.url("/hook"))
    wait_until(lambda: server.delivered)
    assert json.loads(server.delivered[0])["metadata"]["request_id"] == promised.request_id


def test_a_refusal_is_shown(media: Any) -> None:
    from deepgram.core.api_error import ApiError

    with pytest.raises(ApiError) as caught:
        media.transcribe_file(request=b"no audio at all")
    assert caught.value.status_code == 400
    assert "corrupt or unsupported data" in str(caught.value.body)
