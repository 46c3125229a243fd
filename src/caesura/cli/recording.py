"""The bundled recording in; its samples, its words and the place where its speaker pauses out."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from importlib.resources import files

TEXT = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"
"""What is said, lower case and without punctuation."""

PAUSE_AT_S = 7.9
"""Where the speaker pauses between the two sentences."""


@dataclass(frozen=True, slots=True)
class Recording:
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


def inaugural() -> Recording:
    """Eleven seconds of public-domain speech; see recordings/README.md."""
    source = files("caesura.cli") / "recordings" / "inaugural-1961.wav"
    with source.open("rb") as raw, wave.open(raw) as opened:
        return Recording(opened.getframerate(), opened.readframes(opened.getnframes()))
