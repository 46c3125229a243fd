"""The bundled recordings: 16 kHz mono samples with their reference text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caesura.audio.format import AudioFormat
from caesura.audio.stream import AudioStream

FOLDER = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording: float32 samples, shape (n,), 16 kHz, and its reference text without punctuation."""

    name: str
    samples: NDArray[np.float32]
    text: str


def names() -> list[str]:
    """The names of all recordings, as `recording` takes them."""
    return [Path(line["file"]).stem for line in _manifest()]


def path(name: str) -> Path:
    """The file of a recording."""
    return FOLDER / str(_entry(name)["file"])


def recording(name: str) -> Recording:
    """Read one recording. Raises KeyError when there is none of that name."""
    stream = AudioStream(AudioFormat(None, None), split=False)
    head, tail = stream.feed(path(name).read_bytes()), stream.finish()
    return Recording(name, np.concatenate([head, tail], axis=1)[0], str(_entry(name)["text"]))


def _entry(name: str) -> dict[str, str]:
    for line in _manifest():
        if Path(line["file"]).stem == name:
            return line
    raise KeyError(name)


def _manifest() -> list[dict[str, str]]:
    return [json.loads(line) for line in (FOLDER / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
