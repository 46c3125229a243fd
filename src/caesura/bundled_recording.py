"""The bundled recording: its samples, its words, and where its two sentences meet."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from importlib.resources import files

TEXT = (
    "and mr john dashwood had then leisure to consider how much there might be prudently in his power to do for them "
    "unless to be rather cold hearted and rather selfish is to be ill disposed"
)
"""Words of the bundled recording, lower case and without punctuation."""

PAUSE_AT_S = 7.1
"""Position in seconds of a silence after the first sentence."""


@dataclass(frozen=True, slots=True)
class BundledRecording:
    """Mono 16-bit little-endian audio without its container."""

    sample_rate: int
    pcm: bytes

    @property
    def samples(self) -> int:
        """Number of samples."""
        return len(self.pcm) // 2

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.samples / self.sample_rate


def bundled_recording() -> BundledRecording:
    """Twelve seconds of public-domain speech; see recordings/README.md."""
    source = files("caesura") / "recordings" / "sense-and-sensibility.wav"
    with source.open("rb") as raw, wave.open(raw) as opened:
        return BundledRecording(opened.getframerate(), opened.readframes(opened.getnframes()))
