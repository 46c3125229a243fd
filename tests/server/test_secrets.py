"""A redacted card number leaves the server nowhere, and is stored nowhere."""

from __future__ import annotations

import contextlib
import logging
import re
from pathlib import Path

import httpx2
import pytest
from websockets.exceptions import InvalidStatus

from tests.in_process_server import InProcessServer
from tests.live_client import FINALIZE, LiveClient, live_client
from tests.recordings import path
from tests.server.outbound.remote import web_server
from tests.server.outside import Outside
from tests.server.scenes import LINEAR, logged, record, served, speech

pytestmark = pytest.mark.slow

NAME = "tests.server.sentence_engine:SECRET"
TOLD = re.compile(r"41\D?1|11 ?1|four one|one one|\bone\b")
"""Any part of the number, as words or as digits."""


def assert_hidden(text: str) -> None:
    found = TOLD.search(text.lower())
    assert found is None, text[max(0, found.start() - 200) : found.end() + 200]


def read(line: LiveClient) -> str:
    """All that the client reads, but for numbers: times and confidences have digits of their own."""
    return re.sub(r'": ?-?[0-9.e-]+|[0-9a-f]{8}-[0-9a-f-]{27}|"sha256": "[0-9a-f]+"', "", str(line.messages))


def plain(text: str) -> str:
    """A log or a row without ids, times, ports and numbers of workers."""
    times = r"[0-9]{2}:[0-9]{2}:[0-9.:+]+|datetime\([0-9, ]+|[0-9]+\.[0-9]+"
    return re.sub(rf"[0-9a-f]{{8}}-[0-9a-f-]{{27}}|127\.0\.0\.1:[0-9]+|thread-[0-9]+|{times}", "", text)


async def talk(server: InProcessServer, **query: str | int | bool) -> LiveClient:
    """A stream of the recording in pieces, with or without a Finalize in the middle of the number."""
    flushed = query.pop("flushed", False)
    async with live_client(server.url, **{**LINEAR, "endpointing": 1000, **query}) as line:
        data = speech() + bytes(32_000)
        for at in range(0, len(data), 16_000):
            await line.socket.send(data[at : at + 16_000])
            if flushed and at == 64_000:
                await line.socket.send(FINALIZE)
        await line.finish()
        assert line.closed_with == (1000, "")
    return line


def test_without_redaction_the_number_is_in_the_transcript() -> None:
    """The other tests here look for something that is really there."""

    async def main(server: InProcessServer) -> None:
        line = await talk(server)
        assert TOLD.search(read(line).lower())

    served(main, engines=(NAME,))


@pytest.mark.parametrize("flushed", [False, True], ids=["whole", "made final in its middle"])
def test_a_redacted_number_is_in_no_message_log_row_or_metric(
    flushed: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outside = Outside(tmp_path / "ledger.db")

    async def main(server: InProcessServer) -> None:
        line = await talk(server, redact="pci", interim_results=True, vad_events=True, flushed=flushed)
        told = " ".join(word["word"] for word in line.words())
        assert "[CREDIT_CARD_1]" in told
        assert told.startswith("my card is [")
        assert told.endswith("thanks")
        assert_hidden(read(line))
        assert_hidden(plain(str(await record(server))))
        assert_hidden("\n".join(_words(server.service.metrics.render()[0].decode())))

    with caplog.at_level(logging.DEBUG):
        served(main, engines=(NAME,), database=str(outside.path))
    assert_hidden(plain(logged(caplog)))
    assert_hidden(plain(str(outside.rows())))


def _words(text: str) -> list[str]:
    """What a metric is called and labelled, without its value."""
    return [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]


def test_a_redacted_number_is_in_nothing_that_a_callback_gets() -> None:
    async def main(server: InProcessServer) -> None:
        async with web_server() as receiver:
            line = await talk(server, redact="pci", interim_results=True, callback=receiver.url())
            assert line.messages == []
            bodies = re.sub(r'":-?[0-9.e-]+|[0-9a-f]{8}-[0-9a-f-]{27}|"sha256":"[0-9a-f]+"', "", str(receiver.bodies))
        assert "[CREDIT_CARD_1]" in bodies
        assert_hidden(bodies)

    served(main, engines=(NAME,), allow_private_urls=True)


@pytest.mark.parametrize("query", ["redact=pci", "redact=pci&smart_format=true&paragraphs=true&utterances=true"])
def test_a_redacted_number_is_not_in_the_answer_to_a_recording(
    query: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outside = Outside(tmp_path / "ledger.db")

    async def main(server: InProcessServer) -> None:
        async with httpx2.AsyncClient(base_url=server.http, timeout=20) as client:
            answer = await client.post(f"/v1/listen?{query}", content=path("lv-0890").read_bytes())
        assert answer.status_code == 200
        said = answer.json()["results"]["channels"][0]["alternatives"][0]["transcript"].lower()
        assert said.startswith("my card is [credit_card_1]")
        assert said.rstrip(".").endswith("thanks")
        results = re.sub(r'":-?[0-9.e-]+|[0-9a-f]{8}-[0-9a-f-]{27}', "", answer.text.partition('"results"')[2])
        assert_hidden(results)
        assert_hidden(plain(str(await record(server))))

    with caplog.at_level(logging.DEBUG):
        served(main, engines=(NAME,), database=str(outside.path))
    assert_hidden(plain(logged(caplog)))
    assert_hidden(plain(str(outside.rows())))


PRIVATE = "patient-4711"


@pytest.mark.parametrize(
    "query",
    [
        {"extra": f"case:{PRIVATE}", "search": PRIVATE, "replace": f"{PRIVATE}:x"},
        {"callback": f"http://user:{PRIVATE}@127.0.0.1:9/{PRIVATE}?key={PRIVATE}"},
        {"replace": f"{PRIVATE}:", "keywords": PRIVATE},
        {"extra": PRIVATE},
        {"endpointing": PRIVATE},
    ],
    ids=lambda query: "+".join(query),
)
def test_no_value_of_a_parameter_is_logged_at_any_level(
    query: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Accepted or refused, live or as a recording; the names are there."""

    async def main(server: InProcessServer) -> None:
        with contextlib.suppress(InvalidStatus):
            async with live_client(server.url, **{**LINEAR, **query}) as line:
                await line.finish()
        async with httpx2.AsyncClient(base_url=server.http, timeout=20) as client:
            await client.post("/v1/listen", params=query, content=b"")

    with caplog.at_level(logging.DEBUG):
        served(main)
    assert PRIVATE not in logged(caplog)
    assert any(f"{name}" in logged(caplog) for name in query)
