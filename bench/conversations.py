"""Conversations with known speakers for the bench of diarization: recordings from manifests, and how they are scored.

A line of `manifest.jsonl` is a conversation if it has `speaker_turns` (start, length and speaker of each turn, in
seconds), `speaker_texts` (speaker and text of each turn, in order), or both. With turns the errors are counted by time,
and a word is judged where exactly one person speaks; with texts alone a word is judged if it was recognized correctly.
"""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

from diarization import (
    DiarizationErrors,
    FoundWord,
    Turn,
    by_text,
    by_turns,
    cp_word_errors,
    diarization_errors,
    right_speakers,
    turns_of_words,
)
from load import FRAME_SAMPLES, RATE, Pcm, decode
from scoring import WordErrors, word_errors

from caesura.client.line import connect

PATHS = ("live", "recorded")
COLLAR_S = 0.25
TIMEOUT_S = 600.0
NO_WORDS = WordErrors()

CONVENTIONS: Mapping[str, tuple[float, bool]] = {
    "no collar": (0.0, True),
    "collar": (COLLAR_S, True),
    "no collar, without overlap": (0.0, False),
    "collar, without overlap": (COLLAR_S, False),
}
"""Ways to count the diarization error rate: collar in seconds, and whether overlapped speech counts."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A recording with speakers; `load` returns int16 mono at 16 kHz. At least one of `turns`, `spoken` is known."""

    name: str
    group: str
    """The set that it belongs to."""
    language: str
    load: Callable[[], Pcm]
    turns: tuple[Turn, ...] = ()
    spoken: tuple[tuple[str, str], ...] = ()
    """Speaker and text of each turn, in order."""

    @property
    def people(self) -> frozenset[str]:
        """Everybody who speaks."""
        return frozenset([*(turn.speaker for turn in self.turns), *(person for person, _ in self.spoken)])


@dataclass(frozen=True, slots=True)
class Score:
    """One conversation on one path."""

    name: str
    group: str
    path: str
    people: int
    found: int
    """Speaker numbers that the server assigned."""
    errors: Mapping[str, DiarizationErrors]
    """By the names of `CONVENTIONS`; empty where the times of turns are unknown."""
    judged: tuple[tuple[float | None, bool], ...]
    """Of each word whose speaker is known: the confidence of its speaker, and whether that is right."""
    concatenated: WordErrors = NO_WORDS
    """Errors in the words of each speaker (cpWER); of no words where the texts are unknown."""
    unattributed: WordErrors = NO_WORDS
    """Errors in the words of all speakers together; the rest of cpWER is words with the wrong speaker."""


def find_conversations(folder: Path) -> list[Conversation]:
    """The conversations that `manifest.jsonl` lists in a folder; exits if there is none."""
    manifest = folder / "manifest.jsonl"
    if not manifest.is_file():
        sys.exit(f"{manifest} is not there: it lists the recordings, one JSON object a line.")
    lines = [json.loads(line) for line in manifest.read_text().splitlines() if line.strip()]
    found = [
        Conversation(
            Path(line["file"]).stem,
            line.get("set", folder.name),
            line.get("language", "en"),
            partial(decode, folder / line["file"]),
            tuple(Turn(speaker, start, start + length) for start, length, speaker in line.get("speaker_turns", ())),
            tuple((speaker, text) for speaker, text in line.get("speaker_texts", ())),
        )
        for line in lines
        if line.get("speaker_turns") or line.get("speaker_texts")
    ]
    if not found:
        sys.exit(f"{manifest} lists no conversation: none of its lines has speaker_turns or speaker_texts.")
    return found


async def transcribe(url: str, pcm: Pcm, path: str, language: str) -> list[FoundWord]:
    """The words of a recording with their speakers, from one of `PATHS`."""
    if path == "live":
        return await _stream(url, pcm, language)
    return await asyncio.to_thread(_post, url, pcm, language)


async def _stream(url: str, pcm: Pcm, language: str) -> list[FoundWord]:
    async def feed() -> AsyncIterator[bytes]:
        for at in range(0, len(pcm), 10 * FRAME_SAMPLES):
            yield pcm[at : at + 10 * FRAME_SAMPLES].astype("<i2").tobytes()

    async with connect(url, live=False, sample_rate=RATE, diarize=True, language=language) as line:
        async for _ in line.transcribe(feed()):
            pass
        transcript = await line.finish()
    if not transcript.complete:
        raise SystemExit(f"the stream did not end as it should: {transcript.error}")
    return [
        FoundWord(word.text, word.stream_start, word.stream_end, word.speaker)
        for word in transcript.words
        if word.speaker is not None
    ]


def _post(url: str, pcm: Pcm, language: str) -> list[FoundWord]:
    query = urlencode({"encoding": "linear16", "sample_rate": RATE, "diarize": "true", "language": language})
    address = f"{url.replace('ws://', 'http://')}/v1/listen?{query}"
    request = urllib.request.Request(address, pcm.astype("<i2").tobytes(), {"content-type": "audio/raw"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        (channel,) = json.load(response)["results"]["channels"]
    return [
        FoundWord(word["word"], word["start"], word["end"], word["speaker"], word.get("speaker_confidence"))
        for word in channel["alternatives"][0]["words"]
    ]


def score(conversation: Conversation, path: str, words: Sequence[FoundWord]) -> Score:
    """Score the words of one path."""
    turns, spoken = conversation.turns, conversation.spoken
    found = turns_of_words(words)
    judged = by_turns(words, turns) if turns else by_text(words, spoken, conversation.language)
    right = right_speakers(judged)
    return Score(
        conversation.name,
        conversation.group,
        path,
        len(conversation.people),
        len({word.speaker for word in words}),
        {
            name: diarization_errors(turns, found, collar_s=collar_s, overlap=overlap)
            for name, (collar_s, overlap) in CONVENTIONS.items()
            if turns
        },
        tuple((word.confidence, good) for (_, word), good in zip(judged, right, strict=True)),
        _concatenated(conversation, words) if spoken else NO_WORDS,
        word_errors(*_texts(conversation, words), conversation.language) if spoken else NO_WORDS,
    )


def _texts(conversation: Conversation, words: Sequence[FoundWord]) -> tuple[str, str]:
    return " ".join(text for _, text in conversation.spoken), " ".join(word.text for word in words)


def _concatenated(conversation: Conversation, words: Sequence[FoundWord]) -> WordErrors:
    expected: dict[str, list[str]] = {}
    for person, text in conversation.spoken:
        expected.setdefault(person, []).append(text)
    found: dict[int, list[str]] = {}
    for word in words:
        found.setdefault(word.speaker, []).append(word.text)
    return cp_word_errors(
        {person: " ".join(texts) for person, texts in expected.items()},
        {speaker: " ".join(texts) for speaker, texts in found.items()},
        conversation.language,
    )
