"""Uncompressed audio of a line: whole samples from bytes of any chunking, and a loudness measure. Pure."""

from __future__ import annotations

import array
import sys
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

from caesura.containers.header import MAGIC_BYTES, container_name
from caesura.errors import UsageError

SAMPLE_BYTES = {"linear16": 2, "linear32": 4, "mulaw": 1, "alaw": 1}
"""Encodings in which samples can be counted."""

SPEECH_PEAK = 500
"""Lowest peak of speech, of 32768 (-36 dBFS)."""
OVER_NOISE = 3.0
"""Lowest ratio of the peaks of speech and of noise."""
NOISE_RISES = 0.01
"""Part of the way that the noise floor rises towards a louder chunk; to a quieter one it falls at once."""


@dataclass(frozen=True, slots=True)
class PcmFormat:
    """Audio in which samples can be counted: `frame_bytes` bytes are one sample of every channel."""

    encoding: str
    sample_rate: int
    frame_bytes: int


class Aligner:
    """Cuts bytes of any chunking to whole samples; an incomplete sample waits for the next bytes."""

    def __init__(self, pcm: PcmFormat) -> None:
        self._pcm = pcm
        self._rest = b""
        self._head = b""
        """First bytes of the stream, as many as identify a container."""

    def align(self, data: bytes) -> bytes:
        """All samples that are complete now. Raises UsageError when the stream begins like a container."""
        if len(self._head) < MAGIC_BYTES:
            self._head += data[:MAGIC_BYTES]
            self._refuse_container(self._head)
        data = self._rest + data if self._rest else data
        odd = len(data) % self._pcm.frame_bytes
        self._rest = data[len(data) - odd :] if odd else b""
        return data[: len(data) - odd] if odd else data

    def _refuse_container(self, head: bytes) -> None:
        if (name := container_name(head)) is not None:
            raise UsageError(
                f"The audio is {name}, not raw {self._pcm.encoding}. Open it with caesura.recording(...), "
                "or connect with encoding=None to have it sent as it is."
            )


class Loudness:
    """Distinguishes chunks of audio that may hold speech from others, by peaks over a noise floor.

    Accurate enough to know whether a silent server should have sent something; never used to decide what is sent.
    """

    def __init__(self, encoding: str) -> None:
        self._peak = _PEAKS[encoding]
        self._noise = float(SPEECH_PEAK)

    def is_speech(self, data: bytes) -> bool:
        """May this chunk hold speech? `data` is whole samples."""
        peak = self._peak(data)
        if not isfinite(peak):
            return False
        speech = peak >= SPEECH_PEAK and peak > OVER_NOISE * min(self._noise, SPEECH_PEAK * 8)
        self._noise = float(peak) if peak < self._noise else self._noise + NOISE_RISES * (peak - self._noise)
        return speech


def _linear16_peak(data: bytes) -> float:
    samples = array.array("h", data)
    if sys.byteorder == "big":
        samples.byteswap()
    return max(max(samples), -min(samples))


def _linear32_peak(data: bytes) -> float:
    samples = array.array("f", data)
    if sys.byteorder == "big":
        samples.byteswap()
    return max(max(samples), -min(samples)) * 32768


def _mulaw_magnitude(byte: int) -> int:
    value = ~byte & 0x7F
    return ((((value & 0x0F) << 3) + 0x84) << (value >> 4)) - 0x84


def _alaw_magnitude(byte: int) -> int:
    value = (byte ^ 0x55) & 0x7F
    exponent, mantissa = value >> 4, value & 0x0F
    return (mantissa << 4) + 8 if exponent == 0 else ((mantissa << 4) + 0x108) << (exponent - 1)


def _companded(magnitude: Callable[[int], int]) -> Callable[[bytes], float]:
    # Bytes are ranked by loudness, so that the loudest of a chunk is found without a loop in Python.
    levels = sorted({magnitude(byte) for byte in range(256)})
    ranks = bytes(levels.index(magnitude(byte)) for byte in range(256))
    return lambda data: levels[max(data.translate(ranks))]


_PEAKS: dict[str, Callable[[bytes], float]] = {
    "linear16": _linear16_peak,
    "linear32": _linear32_peak,
    "mulaw": _companded(_mulaw_magnitude),
    "alaw": _companded(_alaw_magnitude),
}
