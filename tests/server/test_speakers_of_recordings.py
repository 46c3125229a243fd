"""Diarization of recordings posted to the whole server."""

from __future__ import annotations

import asyncio
import io
import wave
from typing import Any

import httpx2
import numpy as np
import pytest

from caesura.server.service import embedder_info
from caesura.server.settings import Settings
from tests.in_process_server import in_process_server
from tests.recordings import recording

pytestmark = pytest.mark.slow


def conversation() -> tuple[bytes, list[tuple[float, int]]]:
    """Two readers by turns as a WAV file, a second between them; and where each turn begins, with its reader."""
    pieces, turns = [], []
    at = 0
    for name in ("lv-0890", "jfk", "lv-0890", "jfk"):
        turns.append((at / 16_000, int(name == "jfk")))
        pieces += [recording(name).samples, np.zeros(16_000, np.float32)]
        at += len(pieces[-2]) + len(pieces[-1])
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(16_000)
        written.writeframes((np.concatenate(pieces) * 32_767).astype("<i2").tobytes())
    return file.getvalue(), turns


def posted(query: str, body: bytes) -> Any:
    """The response of a server with the default engine."""

    async def main() -> Any:
        async with (
            in_process_server(Settings(engines=("moonshine",), workers=2)) as server,
            httpx2.AsyncClient(timeout=60) as client,
        ):
            answer = await client.post(f"{server.http}/v1/listen?{query}", content=body)
            assert answer.status_code == 200
            return answer.json()

    return asyncio.run(main())


def test_two_alternating_readers_get_different_speakers() -> None:
    body, turns = conversation()
    told = posted("diarize=true&utterances=true&paragraphs=true&punctuate=true&utt_split=5", body)
    assert told["metadata"]["diarize_info"] == {"model_uuid": embedder_info().uuid, "arch": embedder_info().arch}
    (alternative,) = told["results"]["channels"][0]["alternatives"]
    words = alternative["words"]
    assert len(words) > 60
    readers = [max(turn for turn in turns if turn[0] <= word["start"])[1] for word in words]
    # The first reader is speaker 0. A phrase of a second between two pauses may go astray.
    right = sum(word["speaker"] == reader for word, reader in zip(words, readers, strict=True))
    assert right >= 0.9 * len(words)
    assert all(0.5 <= word["speaker_confidence"] <= 1 for word in words)
    assert np.median([word["speaker_confidence"] for word in words]) > 0.9
    for parts in (told["results"]["utterances"], alternative["paragraphs"]["paragraphs"]):
        assert {0, 1} <= {part["speaker"] for part in parts}
        for part in parts:
            spoken = {word["speaker"] for word in words if part["start"] <= word["start"] < part["end"]}
            assert spoken == {part["speaker"]}
