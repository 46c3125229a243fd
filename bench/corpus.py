"""Recordings of the hearing bench: sets named by their manifests, their references, and samples of them."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

from load import Pcm, decode


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording: `load` gives it as int16 mono at 16 kHz, `text` is what is said, "" where nobody speaks."""

    name: str
    text: str
    language: str
    seconds: float
    load: Callable[[], Pcm]
    word_starts: tuple[tuple[str, float], ...] = ()
    """The reference words with the seconds at which they start, where they are known."""


@dataclass(frozen=True, slots=True)
class ClipSet:
    """Recordings of one source under one condition."""

    name: str
    clips: tuple[Clip, ...]

    @property
    def spoken(self) -> bool:
        """Whether somebody speaks in any of the recordings."""
        return any(clip.text for clip in self.clips)

    @property
    def seconds(self) -> float:
        """Length of all recordings."""
        return sum(clip.seconds for clip in self.clips)


def find_sets(folders: Sequence[Path], languages: Collection[str], left_out: Sequence[str] = ()) -> list[ClipSet]:
    """The sets of all folders, in the order of their manifests, the least noise first.

    `manifest.jsonl` has one JSON object a line: `file`, `text` ("" where nobody speaks; null leaves the recording
    out), `seconds`, and where there are any `set`, `language` (default: en), `snr_db`, `word_times` (word, start, end)
    and `channel_texts`. A set without a name is called after its folder, and each `snr_db` is a set of its own.
    Recordings in other languages than `languages` and those that match a pattern of `left_out` are left out.
    """
    sets: dict[str, dict[float | None, list[Clip]]] = {}
    for folder in folders:
        for line in _manifest(folder):
            if any(fnmatch(line["file"], pattern) for pattern in left_out):
                continue
            conditions = sets.setdefault(line.get("set", folder.name), {})
            conditions.setdefault(line.get("snr_db"), []).extend(_clips(folder, line, languages))
    return [
        ClipSet(name if snr_db is None else f"{name}, {snr_db:g} dB", tuple(clips))
        for name, conditions in sets.items()
        for snr_db, clips in sorted(conditions.items(), key=lambda each: -(each[0] or 0.0))
        if clips
    ]


def _manifest(folder: Path) -> list[dict[str, Any]]:
    path = folder / "manifest.jsonl"
    if not path.is_file():
        sys.exit(f"{path} is not there: it lists the recordings, one JSON object a line with `file` and `text`.")
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def _clips(folder: Path, line: dict[str, Any], languages: Collection[str]) -> list[Clip]:
    path, text, language = folder / line["file"], line["text"], line.get("language", "en")
    if text is None or (text and language not in languages):
        return []
    if "channel_texts" in line:
        return [
            Clip(f"{path.stem}, channel {at}", said, language, line["seconds"], partial(decode, path, at))
            for at, said in enumerate(line["channel_texts"])
        ]
    times = tuple((word, float(start)) for word, start, *_ in line.get("word_times", ()))
    return [Clip(path.stem, text, language, line["seconds"], partial(decode, path), times)]


def sample(clips: ClipSet, seconds: float, longest_s: float, *, seed: int = 1) -> ClipSet:
    """Recordings of the set, drawn at random until there are that many seconds, none of them over `longest_s`."""
    drawn: list[Clip] = []
    fitting = [clip for clip in clips.clips if clip.seconds <= longest_s]
    for clip in random.Random(seed).sample(fitting, len(fitting)):
        if sum(each.seconds for each in drawn) >= seconds:
            break
        drawn.append(clip)
    return replace(clips, clips=tuple(drawn))
