"""The vendor's newest JavaScript SDK, unmodified, run by node against a real server on loopback."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.speech import (
    FIRST,
    FRAME_BYTES,
    FRAME_S,
    NET_0001,
    RATE,
    SECOND,
    WINDOW_S,
    Message,
    check_pause,
    check_script,
    check_stream,
    finals,
    pcm,
    seconds,
)
from tests.server_process import ServerProcess

pytestmark = pytest.mark.conformance

HERE = Path(__file__).parent
ASKED = {
    "model": "nova-3",
    "encoding": "linear16",
    "sample_rate": RATE,
    "channels": 1,
    "interim_results": True,
    "punctuate": True,
    "endpointing": 300,
}
PACE_S = FRAME_S / 4

Line = Mapping[str, Any]


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The recordings without their headers, as files for node."""
    folder = tmp_path_factory.mktemp("raw")
    for name in (FIRST, SECOND):
        (folder / name).write_bytes(pcm(name))
    return {name: str(folder / name) for name in (FIRST, SECOND)}


def listen(node: str, served: ServerProcess, steps: Sequence[Line], **credential: str) -> list[Line]:
    """The SDK's callbacks while it executes `steps`."""
    job = {"url": served.url, "asked": ASKED, "frame": FRAME_BYTES, "steps": steps, **(credential or {"key": "any"})}
    done = subprocess.run(
        [node, str(HERE / "listen.mjs"), json.dumps(job)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def messages(lines: Sequence[Line]) -> list[Message]:
    return [line["message"] for line in lines if line["event"] == "message"]


def test_a_pause_longer_than_the_idle_timeout_is_held(
    node: str, raw: Mapping[str, str], scripted: ServerProcess
) -> None:
    """KeepAlive holds the pause, words go on where they left off, Finalize is answered, the close is 1000."""
    lines = listen(
        node,
        scripted,
        [
            {"audio": raw[FIRST], "pace": PACE_S},
            {"hold": 2 * WINDOW_S, "every": WINDOW_S / 3},
            {"audio": raw[SECOND], "pace": PACE_S},
            {"finalize": True},
            {"close": True},
        ],
    )
    assert lines[-1] == {"event": "close", "code": 1000, "reason": ""}
    heard = messages(lines)
    check_pause(heard, seconds(pcm(FIRST)), seconds(pcm(FIRST) + pcm(SECOND)))
    check_script(heard)
    assert [final["from_finalize"] for final in finals(heard)].count(True) == 1
    during = lines[lines.index({"event": "hold"}) : lines.index({"event": "resume"})]
    # The last words before the pause may still come; six KeepAlives must bring nothing.
    assert len(messages(during)) <= 2


def test_times_out_without_keepalive(node: str, raw: Mapping[str, str], scripted: ServerProcess) -> None:
    """Silence for a whole window ends in 1011 with the NET-0001 sentence, Metadata before it."""
    lines = listen(node, scripted, [{"audio": raw[FIRST], "pace": PACE_S}])
    assert lines[-1] == {"event": "close", "code": 1011, "reason": NET_0001}
    check_stream(messages(lines), seconds(pcm(FIRST)))


def test_shows_a_refused_key(node: str, keyed: ServerProcess) -> None:
    """The SDK reports the status of the refused upgrade."""
    lines = listen(node, keyed, [], key="wrong")
    assert lines[0]["event"] == "error"
    assert "401" in lines[0]["message"]


@pytest.mark.parametrize("credential", ["key", "accessToken"])
def test_a_known_key_is_accepted(
    node: str, raw: Mapping[str, str], keyed: ServerProcess, key: str, credential: str
) -> None:
    """As `Token` and as `Bearer`."""
    steps: list[dict[str, Any]] = [{"audio": raw[FIRST], "pace": 0}, {"close": True}]
    lines = listen(node, keyed, steps, **{credential: key})
    assert lines[-1] == {"event": "close", "code": 1000, "reason": ""}
    check_stream(messages(lines), seconds(pcm(FIRST)))
