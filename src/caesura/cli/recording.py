"""The bundled recording in; its samples, its words and the place where its two sentences meet out."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from importlib.resources import files

TEXT = (
    "and mr john dashwood had then leisure to consider how much there might be prudently in his power to do for them "
    "unless to be rather cold hearted and rather selfish is to be ill disposed"
)
"""What is said, lower case and without punctuation."""

PAUSE_AT_S = 7.1
"""Where the first sentence is over and nobody speaks."""


@dataclass(frozen=True, slots=True)
class BundledRecording:
    """Mono 16-bit little-endian audio without its container."""

    sample_rate: int
    pcm: bytes

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return len(self.pcm) // 2

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.samples / self.sample_rate


def bundled_recording() -> BundledRecording:
    """Twelve seconds of public-domain speech; see recordings/README.md."""
    source = files("caesura.cli") / "recordings" / "sense-and-sensibility.wav"
    with source.open("rb") as raw, wave.open(raw) as opened:
        return BundledRecording(opened.getframerate(), opened.readframes(opened.getnframes()))
