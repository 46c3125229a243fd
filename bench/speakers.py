"""Bench of diarization: errors by time and by word, live and on recordings, and whether `speaker_confidence` is true.

    python bench/speakers.py --speech DIR --turns 24
    python bench/speakers.py --conditions DIR --turns 0

Conversations are made up of random excerpts of random readers (`--speech`): once with a pause after each turn, once
with up to three turns joined without any; `--telephone` simulates telephone calls, and `--overlap` lets turns begin
before the last one has ended. A reader is the manifest's `speaker`, or else the name of the file up to its first digit.
`--conditions` adds recorded conversations (`conversations.py` has the format). Each is streamed with `diarize`, and
posted as a recording. `diarization.py` says how errors are counted.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from conversations import PATHS, Conversation, Score, find_conversations, score, transcribe
from diarization import Turn
from load import BUNDLED, RATE, Pcm, Recording, recordings, room_tone, serving
from report import common_arguments, progress_bar, repeat, write
from speakers_report import content, show

SPEECH_LEVEL = 600
"""Of 32767: the speech of a recording begins and ends where it is first and last louder than this."""
PAUSE_S = 0.7
JOINED = {1: "pauses", 3: "joined"}
"""Most turns without a pause between them, and what a conversation of such turns is called."""


def conversation(
    spoken: Sequence[Recording], rng: random.Random, *, readers: int, turns: int, joined: int, overlap_s: float = 0.0
) -> tuple[Pcm, list[Turn]]:
    """Synthesize a conversation, in runs of up to `joined` turns without a pause between them.

    A turn that follows without a pause begins up to `overlap_s` before the end of the last one.
    """
    people = rng.sample(sorted({reader(each) for each in spoken}), readers)
    placed: list[tuple[int, Pcm]] = []
    made: list[Turn] = []
    end, left = round(PAUSE_S * RATE), 0
    for _ in range(turns):
        others = [each for each in people if not made or each != made[-1].speaker] or people
        speaking = rng.choice(others)
        piece = excerpt(rng.choice([each for each in spoken if reader(each) == speaking]).pcm, rng)
        earlier = round(rng.uniform(0, overlap_s) * RATE) if left else 0
        start = end - min(earlier, len(piece) // 2)
        made.append(Turn(speaking, start / RATE, (start + len(piece)) / RATE))
        placed.append((start, piece))
        left = left - 1 if left else rng.randrange(joined)
        end = max(end, start + len(piece)) + (0 if left else round(PAUSE_S * RATE))
    return _mixed(placed, end), made


def _mixed(placed: Sequence[tuple[int, Pcm]], size: int) -> Pcm:
    sound = room_tone(size / RATE + 1)[:size].astype(np.int32)
    for start, piece in placed:
        sound[start : start + len(piece)] += piece
    mixed: Pcm = np.clip(sound, -32768, 32767).astype(np.int16)
    return mixed


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


def telephone(pcm: Pcm) -> Pcm:
    """The audio as transmitted by a telephone: 300 to 3400 Hz, a little noise, mu-law."""
    bands = np.fft.rfft(pcm / 32768)
    hertz = np.fft.rfftfreq(len(pcm), 1 / RATE)
    bands[(hertz < 300) | (hertz > 3400)] = 0
    sound = np.fft.irfft(bands, len(pcm)) + np.random.default_rng(1).normal(0.0, 0.003, len(pcm))
    coded = np.round(np.sign(sound) * np.log1p(255 * np.abs(sound).clip(0, 1)) / np.log(256) * 127) / 127
    decoded: Pcm = (np.sign(coded) * (256.0 ** np.abs(coded) - 1) / 255 * 32767).astype(np.int16)
    return decoded


def made_up(arguments: argparse.Namespace, spoken: Sequence[Recording], number: int) -> Iterator[Conversation]:
    """The conversations of one run: of each number of readers, with pauses and without."""
    for joined, how in JOINED.items():
        for readers in range(1, min(4, len({reader(each) for each in spoken})) + 1):
            rng = random.Random(f"{arguments.seed} {number} {readers} {joined}")
            pcm, turns = conversation(
                spoken, rng, readers=readers, turns=arguments.turns, joined=joined, overlap_s=arguments.overlap
            )
            pcm = telephone(pcm) if arguments.telephone else pcm
            name = f"{readers} readers, {how}"
            yield Conversation(f"{name}, run {number}", name, "en", partial(np.copy, pcm), tuple(turns))


async def measure(arguments: argparse.Namespace, conversations: Sequence[Conversation], number: int) -> list[Score]:
    """One run: each conversation on each path."""
    scores = []
    flags = ["--workers", str(arguments.workers)]
    async with serving(arguments.url, arguments.pid, engine=arguments.engine, flags=flags) as server:
        with progress_bar() as progress:
            for each in progress.track(conversations, description=f"run {number}"):
                pcm = each.load()
                found = {path: await transcribe(server.url, pcm, path, each.language) for path in PATHS}
                scores += [score(each, path, words) for path, words in found.items()]
    return scores


def main() -> None:
    """Read the arguments, measure, and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    common_arguments(parser, engine="moonshine")
    parser.add_argument("--speech", type=Path, default=BUNDLED, help="folder with manifest.jsonl and its recordings")
    parser.add_argument(
        "--conditions",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="folder with recorded conversations; may be repeated",
    )
    parser.add_argument(
        "--turns",
        type=int,
        default=24,
        help="of each made-up conversation; 0: none are made up (default: %(default)s)",
    )
    parser.add_argument("--telephone", action="store_true", help="make telephone calls of the made-up conversations")
    parser.add_argument(
        "--overlap",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="most that a turn may begin before the last one ends",
    )
    parser.add_argument("--seed", default="1", help="for other made-up conversations")
    arguments = parser.parse_args()
    spoken = recordings(arguments.speech) if arguments.turns else []
    recorded = [each for folder in arguments.conditions for each in find_conversations(folder)]

    def run(number: int) -> list[Score]:
        conversations = [*recorded, *(made_up(arguments, spoken, number) if spoken else ())]
        return asyncio.run(measure(arguments, conversations, number))

    scores = [each for scores in repeat(arguments.runs, run) for each in scores]
    show(scores)
    write("speakers", arguments, content(scores))


if __name__ == "__main__":
    main()
