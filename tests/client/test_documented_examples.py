"""The examples of docs/client.md and README.md that use the client, run as printed on two minutes of speech."""

from __future__ import annotations

import ast
import asyncio
import re
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import caesura
from caesura.client import config
from caesura.client.address import listen_address
from caesura.client.sources import SourceClock
from caesura.testing import FakeServer, Voice
from tests.server_process import start_server

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
NUMBERED = Voice([f"word{number}" for number in range(340)])
SAID = " ".join(NUMBERED.words)
AUDIO = NUMBERED.say(*NUMBERED.words, word_s=0.25, gap_s=0.11)
"""340 words in two minutes: more than a live line keeps, and longer than it waits for anything."""
FORMER = """
import caesura.sync

with caesura.sync.connect("deepgram", key="...", model="nova-3") as line:
    for chunk in chunks_of_pcm():
        line.send(chunk)  # never waits
    print(line.finish().text)
"""
"""A former example of the page: it lost half of the words."""


def examples(page: str) -> list[str]:
    """The Python examples of a page that use the client, but for the user's own tests: test_documented."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    return [block for block in blocks if "caesura." in block and "import pytest" not in block]


def clock_that_skips() -> SourceClock:
    """A clock of sources that is at once where one waits for: a recording in real time takes no time."""
    at = 0.0

    def skip(seconds: float) -> None:
        nonlocal at
        at += seconds

    async def skip_async(seconds: float) -> None:
        skip(seconds)
        await asyncio.sleep(0)

    return SourceClock(lambda: at, skip, skip_async)


@pytest.fixture
def numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    """What the examples talk to, whatever address they name, and the files that they read."""
    monkeypatch.chdir(tmp_path)
    for name in ("speech.wav", "talk.mp3"):
        with wave.open(name, "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(AUDIO)
    monkeypatch.setattr(caesura, "microphone", chunks, raising=False)
    monkeypatch.setattr("caesura.client.sources.SourceClock", clock_that_skips)
    with FakeServer(NUMBERED) as running:
        monkeypatch.setattr(config, "listen_address", lambda url, parameters: listen_address(running.url, parameters))
        yield running


def chunks() -> list[bytes]:
    """A tenth of a second each, as fast as they are taken."""
    return [AUDIO[at : at + 3200] for at in range(0, len(AUDIO), 3200)]


def run_as_printed(example: str) -> None:
    """Runs an example, top-level `async with` and all."""
    names = {"chunks_of_pcm": chunks, "caesura": caesura, "__name__": "example"}
    running = eval(compile(example, "example", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    if running is not None:
        asyncio.run(running)


@pytest.mark.parametrize("example", [*examples("docs/client.md"), *examples("README.md"), FORMER])
def test_an_example_of_the_docs_loses_no_word_of_two_minutes(
    numbered: FakeServer, example: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run_as_printed(example)
    printed = re.findall(r"word\d+", capsys.readouterr().out)
    assert " ".join(printed) == SAID
    assert len(printed) == 340
    (connection,) = numbered.connections
    assert connection.audio == AUDIO


def test_there_are_examples_of_each_way_to_send() -> None:
    of_client, of_readme = examples("docs/client.md"), examples("README.md")
    assert [len(of_client), len(of_readme)] == [3, 1]
    assert "caesura.sync" in of_client[1]


def test_the_example_without_an_event_loop_loses_nothing_of_real_speech_on_a_real_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The bundled recording ten times over: 124 s, 340 words."""
    with wave.open(str(ROOT / "src/caesura/recordings/sense-and-sensibility.wav")) as file:
        speech = file.readframes(file.getnframes()) * 10
    assert len(speech) / 32_000 == pytest.approx(124, abs=0.5)
    example = next(example for example in examples("docs/client.md") if "caesura.sync" in example)
    with start_server(engine="moonshine") as served:
        monkeypatch.setattr(config, "listen_address", lambda url, parameters: listen_address(served.url, parameters))
        names: dict[str, Any] = {
            "chunks_of_pcm": lambda: [speech[at : at + 3200] for at in range(0, len(speech), 3200)]
        }
        exec(compile(example, "example", "exec"), names)
        transcript = names["transcript"]
    assert transcript.complete, transcript.reason
    assert transcript.stats.audio_sent_s == pytest.approx(len(speech) / 32_000)
    # Each time the recording comes after other words, so that a few of them are recognized otherwise.
    assert len(transcript.text.split()) == pytest.approx(340, abs=7)
