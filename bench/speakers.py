"""Bench of diarization: the share of words of synthetic conversations that are assigned to the right speaker.

    python bench/speakers.py --speech DIR --turns 24

A conversation consists of random excerpts of random readers. It is streamed with `diarize`, and posted as a recording:
once with a pause after each turn, once with up to three turns joined without any. `--telephone` simulates telephone
calls. A reader is the manifest's `speaker`, or else the name of the file up to its first digit. A word is spoken by the
reader of the turn at its middle; speaker numbers are assigned to readers in the best possible way.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import itertools
import json
import random
import re
import urllib.request
import wave
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from load import BUNDLED, FRAME_SAMPLES, RATE, Pcm, Recording, recordings, room_tone, serving
from report import common_arguments, progress_bar, publish, repeat

from caesura.client.line import connect

SPEECH_LEVEL = 600
"""Of 32767: the speech of a recording begins and ends where it is first and last louder than this."""
PAUSE_S = 0.7
TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a reader; times in seconds of the conversation."""

    reader: str
    start: float
    end: float


def conversation(
    spoken: Sequence[Recording], rng: random.Random, *, readers: int, turns: int, joined: int
) -> tuple[Pcm, list[Turn]]:
    """Synthesize a conversation, in runs of up to `joined` turns without a pause between them."""
    people = rng.sample(sorted({reader(each) for each in spoken}), readers)
    pieces: list[Pcm] = [room_tone(PAUSE_S)]
    turns_made: list[Turn] = []
    at = PAUSE_S
    left = 0
    for _ in range(turns):
        others = [each for each in people if not turns_made or each != turns_made[-1].reader] or people
        speaking = rng.choice(others)
        piece = excerpt(rng.choice([each for each in spoken if reader(each) == speaking]).pcm, rng)
        turns_made.append(Turn(speaking, at, at + len(piece) / RATE))
        pieces.append(piece)
        left = left - 1 if left else rng.randrange(joined)
        if not left:
            pieces.append(room_tone(PAUSE_S))
        at = sum(map(len, pieces)) / RATE
    return np.concatenate(pieces), turns_made


def reader(recording: Recording) -> str:
    """The name of the reader."""
    return re.split(r"\d", recording.name, maxsplit=1)[0]


def excerpt(pcm: Pcm, rng: random.Random) -> Pcm:
    """1 to 5 seconds of the speech in a recording, or all of it."""
    loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > SPEECH_LEVEL)
    speech = pcm[max(loud[0] - RATE // 20, 0) : loud[-1] + RATE // 20]
    size = min(len(speech), int(rng.uniform(1, 5) * RATE))
    first = rng.randrange(len(speech) - size + 1)
    return speech[first : first + size]


async def stream_words(url: str, pcm: Pcm) -> list[tuple[float, int]]:
    """Stream the audio. Returns the middle of each word in seconds, and its speaker."""

    async def feed() -> AsyncIterator[bytes]:
        for at in range(0, len(pcm), 10 * FRAME_SAMPLES):
            yield pcm[at : at + 10 * FRAME_SAMPLES].astype("<i2").tobytes()

    async with connect(url, live=False, sample_rate=RATE, diarize=True) as line:
        async for _ in line.transcribe(feed()):
            pass
        transcript = await line.finish()
    if not transcript.complete:
        raise SystemExit(f"the stream did not end as it should: {transcript.error}")
    return [
        ((word.stream_start + word.stream_end) / 2, word.speaker)
        for final in transcript.finals
        for word in final.words
        if word.speaker is not None
    ]


def post_words(url: str, pcm: Pcm) -> list[tuple[float, int]]:
    """Post the audio as a recording. Returns the middle of each word in seconds, and its speaker."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(RATE)
        written.writeframes(pcm.astype("<i2").tobytes())
    address = url.replace("ws://", "http://") + "/v1/listen?diarize=true"
    with urllib.request.urlopen(urllib.request.Request(address, file.getvalue()), timeout=TIMEOUT_S) as answer:
        (channel,) = json.load(answer)["results"]["channels"]
    words = channel["alternatives"][0]["words"]
    return [((word["start"] + word["end"]) / 2, word["speaker"]) for word in words]


def telephone(pcm: Pcm) -> Pcm:
    """The audio as transmitted by a telephone: 300 to 3400 Hz, a little noise, mu-law."""
    bands = np.fft.rfft(pcm / 32768)
    hertz = np.fft.rfftfreq(len(pcm), 1 / RATE)
    bands[(hertz < 300) | (hertz > 3400)] = 0
    sound = np.fft.irfft(bands, len(pcm)) + np.random.default_rng(1).normal(0.0, 0.003, len(pcm))
    coded = np.round(np.sign(sound) * np.log1p(255 * np.abs(sound).clip(0, 1)) / np.log(256) * 127) / 127
    decoded: Pcm = (np.sign(coded) * (256.0 ** np.abs(coded) - 1) / 255 * 32767).astype(np.int16)
    return decoded


def correct_percent(words: Sequence[tuple[float, int]], turns: Sequence[Turn]) -> float:
    """The share of words, in percent, whose speaker number is that of the reader who spoke them."""
    pairs: Counter[tuple[str, int]] = Counter()
    for at, speaker in words:
        nearest = min(turns, key=lambda turn: max(turn.start - at, at - turn.end))
        pairs[nearest.reader, speaker] += 1
    people = sorted({turn.reader for turn in turns})
    numbers = [*sorted({speaker for _, speaker in words})[:7], *([-1] * len(people))]
    best = max(
        sum(pairs[pair] for pair in zip(people, chosen, strict=True))
        for chosen in set(itertools.permutations(numbers, len(people)))
    )
    return 100 * best / len(words)


async def measure(arguments: argparse.Namespace, spoken: Sequence[Recording], number: int) -> Mapping[str, float]:
    """One run: the share of words assigned correctly, for each number of readers, with pauses and without."""
    figures: dict[str, float] = {}
    flags = ["--workers", str(arguments.workers)]
    async with serving(arguments.url, arguments.pid, engine=arguments.engine, flags=flags) as server:
        with progress_bar() as progress:
            cases = [(readers, joined) for joined in (1, 3) for readers in (1, 2, 3, 4)]
            for readers, joined in progress.track(cases, description=f"run {number}"):
                rng = random.Random(f"{arguments.seed} {number} {readers} {joined}")
                pcm, turns = conversation(spoken, rng, readers=readers, turns=arguments.turns, joined=joined)
                pcm = telephone(pcm) if arguments.telephone else pcm
                how = "a pause after each turn" if joined == 1 else "up to 3 turns without a pause"
                live = await stream_words(server.url, pcm)
                recorded = await asyncio.to_thread(post_words, server.url, pcm)
                for kind, words in (("live", live), ("recorded", recorded)):
                    name = f"{readers} readers, {how}, {kind}"
                    figures[f"{name}: words assigned correctly %"] = correct_percent(words, turns)
                    figures[f"{name}: speakers found"] = len({speaker for _, speaker in words})
    return figures


def main() -> None:
    """Read the arguments, measure, and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    common_arguments(parser, engine="moonshine")
    parser.add_argument("--speech", type=Path, default=BUNDLED, help="folder with manifest.jsonl and its recordings")
    parser.add_argument("--turns", type=int, default=24, help="turns of each conversation (default: %(default)s)")
    parser.add_argument("--telephone", action="store_true", help="make telephone calls of the conversations")
    parser.add_argument("--seed", default="1", help="for other conversations")
    arguments = parser.parse_args()
    spoken = recordings(arguments.speech)
    runs = repeat(arguments.runs, lambda number: asyncio.run(measure(arguments, spoken, number)))
    publish("speakers", "Words assigned to the right speaker", arguments, runs)


if __name__ == "__main__":
    main()
