"""Live diarization with a real engine and the real voices of two people who take turns."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from tests.encodings import encode
from tests.in_process_server import InProcessServer
from tests.live_client import LiveClient, live_client
from tests.recordings import recording
from tests.server.scenes import LINEAR, served

pytestmark = pytest.mark.slow

PAUSE_S = 1.0
TURNS = (("lv-0890", 0.0, 5.3), ("jfk", 0.0, 7.6), ("lv-0880", 0.0, 2.99), ("jfk", 8.0, 11.0))
"""Of which recording, from when to when: two readers in turn."""


def conversation() -> tuple[np.ndarray[Any, Any], list[tuple[float, float]]]:
    """The turns one after the other with pauses, float32 of shape (n,), and from when to when each of them is."""
    pieces: list[np.ndarray[Any, Any]] = []
    spans = []
    at = 0.0
    for name, start, end in TURNS:
        piece = recording(name).samples[round(start * 16_000) : round(end * 16_000)]
        pieces += [piece, np.zeros(round(PAUSE_S * 16_000), np.float32)]
        spans.append((at, at + len(piece) / 16_000))
        at += len(piece) / 16_000 + PAUSE_S
    return np.concatenate(pieces), spans


async def heard(
    server: InProcessServer, samples: np.ndarray[Any, Any], *, pause_s: float = 0.0, **query: Any
) -> LiveClient:
    """The messages that a client receives that sends a second of audio at a time."""
    channels = np.atleast_2d(samples)
    data, _ = encode(channels, 16_000, "linear16")
    assert isinstance(data, bytes)
    size = 32_000 * len(channels)
    async with live_client(server.url, **LINEAR, endpointing=400, channels=len(channels), **query) as line:
        for at in range(0, len(data), size):
            await line.socket.send(data[at : at + size])
            await asyncio.sleep(pause_s)
        await line.finish()
        assert line.closed_with == (1000, "")
    return line


def speaks(words: Sequence[Mapping[str, Any]]) -> int:
    """The speaker of these words, at least four in five: two words alone between pauses may get another one."""
    speaker, count = Counter(int(word["speaker"]) for word in words).most_common(1)[0]
    assert count >= 0.8 * len(words), [(word["word"], word["speaker"]) for word in words]
    return speaker


def turn(words: Sequence[Mapping[str, Any]], start: float, end: float) -> list[Mapping[str, Any]]:
    """The words that are spoken in a turn."""
    return [word for word in words if start <= (word["start"] + word["end"]) / 2 <= end]


def test_two_people_get_different_speakers_and_the_first_is_recognised_again() -> None:
    samples, spans = conversation()

    async def main(server: InProcessServer) -> None:
        line = await heard(server, samples, pause_s=0.08, diarize=True, interim_results=True)
        words = line.words()
        assert len(words) > 30
        assert all(type(word["speaker"]) is int for word in words)
        assert [speaks(turn(words, start, end)) for start, end in spans] == [0, 1, 0, 1]
        interims = [message for message in line.of("Results") if not message["is_final"]]
        spoken = [word for one in interims for word in one["channel"]["alternatives"][0]["words"]]
        # None come while the network of voices is being loaded: the stream is then late, and interims give way.
        assert all("speaker" in word for word in spoken)

    served(main, engines=("moonshine",))


def test_speakers_are_assigned_only_on_request_and_words_are_the_same() -> None:
    samples, _ = conversation()

    async def main(server: InProcessServer) -> None:
        plain = await heard(server, samples)
        told = await heard(server, samples, diarize=True)
        assert all("speaker" not in word for word in plain.words())
        assert [word["word"] for word in told.words()] == [word["word"] for word in plain.words()]

    served(main, engines=("moonshine",))


def test_each_channel_counts_its_own_speakers() -> None:
    """The second person is alone on the second channel, and the first there."""
    one, other = recording("lv-0890").samples, recording("jfk").samples[: 16_000 * 8]
    both = np.zeros((2, len(other) + 16_000), np.float32)
    both[0, : len(one)] = one
    both[1, : len(other)] = other

    async def main(server: InProcessServer) -> None:
        line = await heard(server, both, diarize=True, multichannel=True)
        for channel in (0, 1):
            assert speaks(line.words(channel)) == 0

    served(main, engines=("moonshine",))
