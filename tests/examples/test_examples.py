"""The programs and pages of examples/, started as in their README, against a real server with a short idle timeout."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from caesura.engines.scripted import SCRIPT
from tests.examples.page import BROWSERS, Page, open_page
from tests.server_process import ServerProcess, start_server
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.conformance]

EXAMPLES = Path(__file__).parents[2] / "examples"
RECORDING = Path(__file__).parents[1] / "data" / "lv-0880.wav"
with wave.open(str(RECORDING)) as opened:
    RECORDING_S = opened.getnframes() / opened.getframerate()

GOPATH = Path("/usr/share/gocode")
"""Where Debian keeps the sources of Go libraries."""

KEY = "k-0b7e6f3a-examples"
WINDOW_S = 1.5
PAUSE_AT_S = 1.5
PAUSE_S = 2.1
EVERY_S = 0.3
NEVER_S = 60.0

SAID = "line goes on after the pause."
"""What the script has where the recording is speech."""

PAUSING = (
    "python/bare_websockets.py",
    "python/official_sdk.py",
    "node/bare_ws.mjs",
    "node/official_sdk.mjs",
    "go/listen",
    "csharp/Listen.cs",
    "java/Listen.java",
)
ALONE = (
    "python/keepalive.py",
    "node/keepalive.mjs",
    "go/keepalive",
    "csharp/KeepAlive.cs",
    "java/KeepAlive.java",
)

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended, and what the server counted meanwhile."""

    code: int
    output: str
    errors: str
    record: Record


@dataclass(frozen=True, slots=True)
class Heard:
    """One line of words that an example showed."""

    start: float
    end: float
    text: str


@pytest.fixture(scope="module")
def keyed() -> Iterator[ServerProcess]:
    """A server that requires `KEY`."""
    with start_server(keys=[KEY], idle_timeout_s=WINDOW_S) as served:
        yield served


@pytest.fixture(scope="module")
def unlocked() -> Iterator[ServerProcess]:
    """Lets everybody in."""
    with start_server(idle_timeout_s=WINDOW_S) as served:
        yield served


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[str]]:
    """How to start a program of examples/, built if it must be."""
    return partial(_command, folder=tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module", params=PAUSING)
def both(
    request: pytest.FixtureRequest, command: Callable[[str], list[str]], keyed: ServerProcess, unlocked: ServerProcess
) -> tuple[Outcome, Outcome]:
    """A program that pauses: with KeepAlive and a key, without KeepAlive and without a key; at once, to save time."""
    start = [*command(request.param), str(RECORDING), str(PAUSE_AT_S), str(PAUSE_S)]
    with ThreadPoolExecutor() as pool:
        kept = pool.submit(run, [*start, str(EVERY_S)], keyed, DEEPGRAM_API_KEY=KEY)
        left = pool.submit(run, [*start, str(NEVER_S)], unlocked)
        return kept.result(), left.result()


@pytest.fixture
def browser() -> str:
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    pytest.skip(f"none of {', '.join(BROWSERS)} was found; examples/toolchains.sh installs one")


def test_continues_after_a_pause_held_by_keepalive(both: tuple[Outcome, Outcome]) -> None:
    kept, _ = both
    check_went_on(kept, RECORDING_S + PAUSE_S)


def test_our_own_client_continues_after_the_pause(command: Callable[[str], list[str]], keyed: ServerProcess) -> None:
    """It has no other half: hung up on, it connects again."""
    start = command("python/caesura_client.py")
    arguments = [str(RECORDING), *map(str, (PAUSE_AT_S, PAUSE_S, EVERY_S))]
    check_went_on(run([*start, *arguments], keyed, DEEPGRAM_API_KEY=KEY), RECORDING_S + PAUSE_S)


def test_without_keepalive_it_fails_and_says_why(both: tuple[Outcome, Outcome]) -> None:
    _, left = both
    assert left.code != 0
    assert left.errors.startswith("the server hung up: ")
    assert "1011" in left.errors
    assert "net0001" in left.errors
    assert (left.record["close_code"], left.record["keepalive_count"]) == (1011, 0)
    assert left.record["audio_seconds"] == pytest.approx(PAUSE_AT_S, abs=0.001)


@pytest.mark.parametrize("program", ALONE)
def test_keepalive_alone_holds_a_line(program: str, command: Callable[[str], list[str]], keyed: ServerProcess) -> None:
    done = run([*command(program), str(8 * EVERY_S), str(EVERY_S)], keyed, DEEPGRAM_API_KEY=KEY)
    assert done.code == 0, done.errors
    messages = [json.loads(line) for line in done.output.splitlines() if line.startswith("{")]
    assert [message["type"] for message in messages] == ["Metadata"]
    assert done.record["keepalive_count"] == 8
    assert done.record["connection_seconds"] > WINDOW_S
    assert (done.record["audio_seconds"], done.record["close_code"]) == (0.0, 1000)


def test_a_recording_is_transcribed_as_a_file_and_by_its_url(command: Callable[[str], list[str]]) -> None:
    with start_server(keys=[KEY], allow_private_urls=True) as served, serving_files(RECORDING.parent) as files:
        for source in (str(RECORDING), f"{files}/{RECORDING.name}"):
            done = run([*command("python/recording.py"), source], served, DEEPGRAM_API_KEY=KEY)
            assert done.code == 0, done.errors
            *lines, last = done.output.splitlines()
            assert [read(line).text for line in lines] == [SAID]
            assert last == f"{RECORDING_S:.2f} s of audio"
            assert (done.record["method"], done.record["code"]) == ("sync", 200)


def test_a_callback_brings_the_words(command: Callable[[str], list[str]]) -> None:
    with start_server(keys=[KEY], allow_private_urls=True) as served:
        done = run([*command("python/callback.py"), str(RECORDING)], served, DEEPGRAM_API_KEY=KEY)
    assert done.code == 0, done.errors
    accepted, transcript = done.output.splitlines()
    assert accepted == f"accepted: {done.record['request_id']}"
    assert transcript == SAID
    assert done.record["method"] == "async"


@pytest.mark.parametrize("source", ["microphone", "file"])
def test_the_page_continues_after_a_pause_held_by_keepalive(
    source: str, browser: str, keyed: ServerProcess, tmp_path: Path
) -> None:
    """Opened as a file with the microphone, and from localhost with a recording; the key goes as a sub-protocol."""
    seen = len(keyed.records())
    with serving_examples() as localhost:
        place = EXAMPLES.as_uri() if source == "microphone" else localhost
        address = f"{place}/browser/index.html?url={keyed.url}&every={EVERY_S}"
        with open_page(browser, address, tmp_path / "profile", RECORDING) as page:
            page.fill("key", KEY)
            if source == "file":
                page.choose("file", RECORDING)
            page.click("start")
            page.until(lambda: hears(page))
            page.click("pause")
            page.until(lambda: page.text("state") == "paused" and not page.text("interim"))
            time.sleep(PAUSE_S)
            assert page.text("state") == "paused"
            before = rows(page)
            page.click("pause")
            page.until(lambda: hears(page) or len(rows(page)) > len(before))
            page.click("stop")
            page.until(lambda: page.text("state") == "closed: 1000")
            *heard, metadata = rows(page)
            record = next_record(keyed, seen)
    check_pause([read(row) for row in heard], read(before[-1]).end)
    check_held(record, float(metadata.removesuffix(" s of audio")))


def test_page_without_keepalive_is_hung_up_on(browser: str, tmp_path: Path) -> None:
    """From localhost, where the server names it: it needs no key, so that other pages are refused."""
    with (
        serving_examples() as localhost,
        start_server(cors_origins=[localhost], idle_timeout_s=WINDOW_S) as unlocked,
        open_page(
            browser,
            f"{localhost}/browser/index.html?url={unlocked.url}&every={NEVER_S}",
            tmp_path / "profile",
            RECORDING,
        ) as page,
    ):
        page.click("start")
        page.until(lambda: hears(page))
        page.click("pause")
        page.until(lambda: page.text("state").startswith("closed: 1011"))


def test_keepalive_page_holds_a_line(browser: str, keyed: ServerProcess, tmp_path: Path) -> None:
    seen = len(keyed.records())
    address = f"{EXAMPLES.as_uri()}/browser/keepalive.html?url={keyed.url}&key={KEY}&every={EVERY_S}"
    with open_page(browser, address, tmp_path / "profile", RECORDING) as page:
        page.until(lambda: page.text("log") == "open\n")
        time.sleep(2 * WINDOW_S)
        page.click("close")
        page.until(lambda: "closed: 1000" in page.text("log"))
        _, metadata, _ = page.text("log").splitlines()
    assert json.loads(metadata)["type"] == "Metadata"
    record = next_record(keyed, seen)
    assert record["keepalive_count"] >= 2 * WINDOW_S / EVERY_S - 2
    assert record["audio_seconds"] == 0.0


def run(command: list[str], served: ServerProcess, **environment: str) -> Outcome:
    """Run it to its end; no other program may use `served` meanwhile."""
    seen = len(served.records())
    surroundings = {name: value for name, value in os.environ.items() if name != "DEEPGRAM_API_KEY"}
    done = subprocess.run(
        command,
        env=surroundings | {"CAESURA_URL": served.url} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if len(served.records()) == seen and done.returncode:
        pytest.fail(f"it did not get as far as a stream:\n{done.stdout}{done.stderr}")
    return Outcome(done.returncode, done.stdout, done.stderr, next_record(served, seen))


def next_record(served: ServerProcess, seen: int) -> Record:
    """The server's record of the stream after the first `seen`."""
    wait_until(lambda: len(served.records()) > seen)
    records = served.records()
    assert len(records) == seen + 1
    return records[seen]


def read(line: str) -> Heard:
    """A line of words as all examples show it."""
    found = re.fullmatch(r"\s*([0-9.]+)\s+([0-9.]+)\s+(\S.*)", line)
    assert found, line
    return Heard(float(found[1]), float(found[2]), found[3])


def hears(page: Page) -> bool:
    """Whether the page shows interim words."""
    return bool(page.text("interim"))


def rows(page: Page) -> list[str]:
    """The final lines on the page."""
    return list(page.evaluate("[...document.querySelectorAll('#words li')].map((row) => row.innerText.trim())"))


def check_went_on(done: Outcome, open_s: float) -> None:
    """Words came from both sides of the pause, and only the time on the line holds it; the server counted so, too."""
    assert done.code == 0, done.errors
    *lines, last = done.output.splitlines()
    check_pause([read(line) for line in lines], PAUSE_AT_S)
    sums = re.fullmatch(r"([0-9.]+) s of audio, ([0-9.]+) s on the line", last)
    assert sums, last
    assert float(sums[1]) == pytest.approx(RECORDING_S, abs=0.01)
    assert float(sums[2]) > open_s - 0.1
    check_held(done.record, RECORDING_S)


def check_pause(lines: list[Heard], pause_at_s: float) -> None:
    """Words on both sides of the pause, each where the script has it on the stream clock, which stood still.

    A word in which a line begins or ends may stand on either side.
    """
    before = [line for line in lines if line.end <= pause_at_s + 0.01]
    after = [line for line in lines if line.start >= pause_at_s - 0.01]
    assert before, lines
    assert after, lines
    assert before + after == lines
    assert after[0].start < pause_at_s + WINDOW_S
    for line in lines:
        written = [word.text for word in SCRIPT if line.start < word.end and word.start < line.end]
        assert line.text.lower() in " ".join(written).lower(), line


def check_held(record: Record, audio_s: float) -> None:
    """KeepAlives as text held the pause, and nothing but the audio was counted."""
    assert record["close_code"] == 1000
    assert record["keepalive_count"] >= PAUSE_S / EVERY_S - 2
    assert record["binary_control_suspects"] == 0
    assert record["paused_seconds"] > WINDOW_S
    assert record["audio_seconds"] == pytest.approx(audio_s, abs=0.01)


def serving_examples() -> AbstractContextManager[str]:
    """The folder over HTTP on localhost, as pages are served while they are developed."""
    return serving_files(EXAMPLES)


@contextmanager
def serving_files(folder: Path) -> Iterator[str]:
    """A folder over HTTP on localhost."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _command(program: str, folder: Path) -> list[str]:
    source = EXAMPLES / program
    target = folder / program.replace("/", "-")
    match program.split("/")[0]:
        case "python":
            return [sys.executable, str(source)]
        case "node":
            node, npm = needed("node", "npm")
            install_packages(npm)
            return [node, str(source)]
        case "java":
            java, _ = needed("java", "javac")  # a runtime alone cannot start a source file
            return [java, str(source)]
        case "csharp":
            mcs, mono = needed("mcs", "mono")
            build([mcs, "-r:System.Runtime.Serialization", f"-out:{target}", str(source)])
            return [mono, str(target)]
        case "go":
            (go,) = needed("go")
            if not (GOPATH / "src/github.com/gorilla/websocket").exists():
                pytest.skip("gorilla/websocket was not found; examples/toolchains.sh installs it")
            build([go, "build", "-o", str(target), str(source / "main.go")], GO111MODULE="off", GOPATH=str(GOPATH))
            return [str(target)]
    raise AssertionError(program)


def needed(*tools: str) -> list[str]:
    """Where these tools are; without one of them the test is skipped."""
    found = {tool: shutil.which(tool) for tool in tools}
    if missing := [tool for tool, path in found.items() if path is None]:
        pytest.skip(f"{' and '.join(missing)} not found; examples/toolchains.sh installs what the examples need")
    return [path for path in found.values() if path is not None]


def install_packages(npm: str) -> None:
    """What package-lock.json pins, unless it is there."""
    folder = EXAMPLES / "node"
    stamp = folder / "node_modules" / ".package-lock.json"
    if not stamp.exists() or stamp.stat().st_mtime < (folder / "package-lock.json").stat().st_mtime:
        build([npm, "ci", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(folder)])


def build(command: list[str], **environment: str) -> None:
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
