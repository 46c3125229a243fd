"""Synthetic speech: audio that is loud where words are, and an engine that recognizes just those words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from caesura.engines.base import EngineInfo
from caesura.engines.scripted import INFO, ScriptedEngine
from caesura.speech.vad import SileroModel
from caesura.words import Word
from tests.flow.inline import Outcome, flow

RATE = 16_000
STEP_S = 0.4
"""From one word to the next."""
WORD_S = 0.3
LINEAR = "encoding=linear16&sample_rate=16000&endpointing=300"
BIASED = replace(INFO, biases=True)

Part = str | float
"""A sentence that is spoken, or seconds of silence; a string that begins with `{` is a control message."""


class LoudIsVoice:
    """In the place of the network: a frame is voice when it is loud."""

    def run(
        self, rows: Sequence[NDArray[np.float32]], h: NDArray[np.float32], c: NDArray[np.float32]
    ) -> tuple[list[NDArray[np.float32]], NDArray[np.float32], NDArray[np.float32]]:
        return [(np.abs(each[:, 64:]).mean(axis=1) > 0.1).astype(np.float32) for each in rows], h, c


class Talk:
    """Parts spoken one after the other on one channel. A sentence of n words lasts n * 0.4 + 0.1 s."""

    def __init__(self, *parts: Part) -> None:
        self.words: list[Word] = []
        self.marks: list[tuple[int, str]] = []
        """Control messages with the sample before which they come."""
        self.samples = np.zeros(0, np.int16)
        for part in parts:
            self._add(part)

    def _add(self, part: Part) -> None:
        if isinstance(part, float):
            self._append(part, 0)
            return
        if part.startswith(("{", "mark")):
            self.marks.append((len(self.samples), part))
            return
        at = len(self.samples) / RATE + 0.1
        for index, text in enumerate(part.split()):
            start = round(at + index * STEP_S, 3)
            self.words.append(Word(text, start, round(start + WORD_S, 3), 0.9))
        self._append(len(part.split()) * STEP_S + 0.1, 8000)

    def _append(self, seconds: float, level: int) -> None:
        self.samples = np.append(self.samples, np.full(round(seconds * RATE), level, np.int16))

    def items(self, piece_s: float = 0.2) -> Iterator[bytes | str]:
        """What a client sends: audio in pieces, and control messages at their places in it."""
        at = 0
        for mark, message in [*self.marks, (len(self.samples), "")]:
            while at < mark:
                upto = min(at + round(piece_s * RATE), mark)
                yield self.samples[at:upto].tobytes()
                at = upto
            if message:
                yield message


def sent(talk: Talk, items: Iterable[bytes | str], query: str = "", *, info: EngineInfo = INFO) -> Outcome:
    """The messages that a client receives for these items, whose audio has the words of `talk`."""
    vad = cast(SileroModel, LoudIsVoice())
    return flow(items, f"{LINEAR}&{query}", loaded=ScriptedEngine(talk.words, 1000.0), info=info, vad=vad)


def transcribed(*parts: Part, query: str = "", info: EngineInfo = INFO) -> Outcome:
    """What a client receives of these parts."""
    talk = Talk(*parts)
    return sent(talk, talk.items(), query, info=info)


def dialogue(one: Talk, other: Talk, *, query: str = "") -> Outcome:
    """What a client receives of two talks that are two channels of one stream; one is silent while the other speaks."""
    length = max(len(one.samples), len(other.samples))
    both = np.zeros((length, 2), np.int16)
    both[: len(one.samples), 0] = one.samples
    both[: len(other.samples), 1] = other.samples
    script = sorted([*one.words, *other.words], key=lambda word: word.start)
    data = both.tobytes()
    return flow(
        [data[at : at + 6400] for at in range(0, len(data), 6400)],
        f"{LINEAR}&channels=2&multichannel=true&{query}",
        loaded=ScriptedEngine(script, 1000.0),
        vad=cast(SileroModel, LoudIsVoice()),
    )
