"""Bundled recordings as frames to send, and laws that every transcript of them must keep."""

from __future__ import annotations

import wave
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parent.parent / "data"
RATE = 16_000
FRAME_S = 0.05
FRAME_BYTES = int(RATE * FRAME_S) * 2

WINDOW_S = 1.5
"""The idle window of the servers that SDKs talk to, scaled down from 10 s."""
WIRE_WINDOW_S = 0.8
"""The idle window of the server for tests of the bare wire."""

NET_0001 = (
    "Deepgram did not receive audio data or a text message within the timeout window. See https://dpgr.am/net0001"
)

FIRST = "lv-0880.wav"
FIRST_TEXT = "he was not an ill disposed young man"
SECOND = "lv-0890.wav"
SECOND_TEXT = "unless to be rather cold hearted and rather selfish is to be ill disposed"

Message = Mapping[str, Any]


def pcm(name: str) -> bytes:
    """A recording of 16 kHz mono as raw linear16."""
    with wave.open(str(DATA / name)) as opened:
        assert (opened.getframerate(), opened.getnchannels(), opened.getsampwidth()) == (RATE, 1, 2), name
        return bytes(opened.readframes(opened.getnframes()))


def seconds(audio: bytes) -> float:
    return len(audio) / 2 / RATE


def frames(audio: bytes) -> Iterator[bytes]:
    """Pieces of 50 ms, as live clients send them; the last one may be shorter."""
    return (audio[at : at + FRAME_BYTES] for at in range(0, len(audio), FRAME_BYTES))


def finals(messages: Sequence[Message]) -> list[Message]:
    return [message for message in messages if message["type"] == "Results" and message["is_final"]]


def words(results: Sequence[Message]) -> list[Message]:
    return [word for message in results for word in message["channel"]["alternatives"][0]["words"]]


def said(results: Sequence[Message]) -> str:
    return " ".join(word["word"] for word in words(results))


def check_stream(messages: Sequence[Message], total_s: float) -> None:
    """Finals tile 0..total_s, their words lie inside and in order, and one Metadata for all of it comes last."""
    at = 0.0
    for final in finals(messages):
        end = final["start"] + final["duration"]
        assert final["start"] == pytest.approx(at, abs=2e-3)
        inside = words([final])
        stamps = [stamp for word in inside for stamp in (word["start"], word["end"])]
        assert stamps == sorted(stamps)
        assert all(at - 2e-3 <= stamp <= end + 2e-3 for stamp in stamps)
        at = end
    assert at == pytest.approx(total_s, abs=2e-3)
    assert [message["type"] for message in messages].count("Metadata") == 1
    last = messages[-1]
    assert last["type"] == "Metadata"
    assert last["duration"] == pytest.approx(total_s, abs=2e-3)
    ids = {message["metadata"]["request_id"] for message in messages if message["type"] == "Results"}
    assert ids <= {last["request_id"]}
    assert all(message["is_final"] for message in messages if message["type"] == "Results" and message["speech_final"])


def check_pause(messages: Sequence[Message], pause_at_s: float, total_s: float) -> None:
    """As `check_stream`, and there are words on both sides of the pause, the later ones timed from where it began."""
    check_stream(messages, total_s)
    heard = words(finals(messages))
    before = [word for word in heard if word["end"] <= pause_at_s + 2e-3]
    after = [word for word in heard if word["start"] >= pause_at_s - 2e-3]
    assert before
    assert after
    assert len(before) + len(after) == len(heard)
    # The pause lasted longer than this; had it counted, the first word would be behind it.
    assert after[0]["start"] < pause_at_s + WINDOW_S


def check_script(messages: Sequence[Message]) -> None:
    """The scripted engine has a word every 0.4 s of stream time, so every start is a multiple of that."""
    heard = words(finals(messages))
    assert heard
    for word in heard:
        assert word["start"] == pytest.approx(round(word["start"] / 0.4) * 0.4, abs=2e-3), word
