"""Test sets of the accuracy bench: recordings with references, read from manifests, and samples of them."""

from __future__ import annotations

import json
import math
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
    """One recording: `load` returns int16 mono at 16 kHz; `text` is the reference transcript, "" without speech."""

    name: str
    text: str
    language: str
    seconds: float
    load: Callable[[], Pcm]
    word_starts: tuple[tuple[str, float], ...] = ()
    """The reference words with their start times in seconds; empty if they are unknown."""
    speech_id: str | None = None
    """Common to all recordings of one utterance, as with several noises."""

    @property
    def utterance(self) -> str:
        """What recordings of the same utterance have in common."""
        return self.speech_id or self.name


@dataclass(frozen=True, slots=True)
class ClipSet:
    """Recordings of one source and condition."""

    name: str
    clips: tuple[Clip, ...]

    @property
    def spoken(self) -> bool:
        """Whether any of the recordings has speech."""
        return any(clip.text for clip in self.clips)

    @property
    def seconds(self) -> float:
        """Total length of the recordings."""
        return sum(clip.seconds for clip in self.clips)


def find_sets(folders: Sequence[Path], languages: Collection[str], left_out: Sequence[str] = ()) -> list[ClipSet]:
    """Read the sets of all folders, in the order of their manifests and of decreasing signal-to-noise ratio.

    `manifest.jsonl` has one JSON object a line: `file`, `text` ("" without speech; null leaves the recording out) and
    `seconds`, and optionally `set`, `language` (default: en), `snr_db`, `word_times` (word, start, end),
    `channel_texts`, and `speech_id`, which recordings of the same utterance have in common. A set without a name is
    called after its folder, and each `snr_db` is a set of its own. Recordings in other languages than `languages` and
    those whose `file` matches a pattern of `left_out` are left out.
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
        for snr_db, clips in sorted(conditions.items(), key=lambda each: -math.inf if each[0] is None else -each[0])
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
    starts = tuple((word, float(start)) for word, start, *_ in line.get("word_times", ()))
    load, utterance = partial(decode, path), line.get("speech_id")
    return [Clip(path.stem, text, language, line["seconds"], load, starts, utterance)]


def sample(clips: ClipSet, seconds: float, longest_s: float, *, seed: int = 1) -> ClipSet:
    """Draw recordings of the set at random until there are that many seconds, none of them longer than `longest_s`."""
    drawn: list[Clip] = []
    fitting = [clip for clip in clips.clips if clip.seconds <= longest_s]
    for clip in random.Random(seed).sample(fitting, len(fitting)):
        if sum(each.seconds for each in drawn) >= seconds:
            break
        drawn.append(clip)
    return replace(clips, clips=tuple(drawn))
