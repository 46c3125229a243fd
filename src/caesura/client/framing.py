"""The caller's bytes in; whole samples, or a container's header and the rest of it, out. Pure."""

from __future__ import annotations

import array
import sys
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

from caesura.containers.header import MAGIC_BYTES, container_name, header_bytes
from caesura.errors import BadAudio, UsageError

SAMPLE_BYTES = {"linear16": 2, "linear32": 4, "mulaw": 1, "alaw": 1}
"""Encodings in which samples can be counted."""

SPEECH_PEAK = 500
"""Quieter than this, of 32768, nobody speaks (-36 dBFS)."""
OVER_NOISE = 3.0
"""Speech is louder than the noise around it by this factor."""
NOISE_RISES = 0.01
"""How much of the way to a louder piece the noise floor follows it; to a quieter one it goes at once."""

MAX_HEADER_BYTES = 256 * 1024
"""A container that has no audio before so many bytes is sent on without looking further."""


@dataclass(frozen=True, slots=True)
class Pcm:
    """Audio in which samples can be counted: `frame_bytes` bytes are one sample of every channel."""

    encoding: str
    sample_rate: int
    frame_bytes: int


class Aligner:
    """Cuts a stream of bytes of any sizes into whole samples; what is left over waits for the next ones."""

    def __init__(self, pcm: Pcm) -> None:
        self._pcm = pcm
        self._rest = b""
        self._head = b""
        """The first bytes of the stream, as many as it takes to tell a container."""

    def align(self, data: bytes) -> bytes:
        """As many whole samples as there are now. Raises UsageError when the stream begins like a container."""
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


class HeaderKeeper:
    """Watches the beginning of a container for what a new connection must hear first to understand the rest."""

    def __init__(self) -> None:
        self._head = bytearray()
        self.header: bytes | None = None
        """Known once it is whole; b"" when this kind of container has none, or none was found."""

    def watch(self, data: bytes) -> None:
        """`data` is the next part of the container."""
        if self.header is not None:
            return
        self._head += data
        if len(self._head) < MAGIC_BYTES:
            return
        head = bytes(self._head)
        length = _header_bytes(head)
        if length is None and len(head) < MAX_HEADER_BYTES:
            return
        self.header = head[: length or 0]
        self._head.clear()

    def again(self, until: int) -> bytes:
        """What a new connection must hear first when the ones before it were sent the first `until` bytes."""
        return bytes(self._head[:until]) if self.header is None else self.header[:until]


def _header_bytes(head: bytes) -> int | None:
    """Bytes of the header at the start of `head`; a broken one is sent once and never again."""
    try:
        return header_bytes(head)
    except BadAudio:
        return 0


class Loudness:
    """Tells pieces of audio in which somebody may speak from those in which nobody does.

    By peaks over a noise floor: enough to know whether a server that says nothing has something to answer for,
    never used to decide what is sent.
    """

    def __init__(self, encoding: str) -> None:
        self._peak = _PEAKS[encoding]
        self._noise = float(SPEECH_PEAK)

    def is_speech(self, data: bytes) -> bool:
        """Does this piece stand out? `data` is whole samples."""
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
    # Bytes are ranked by loudness, so that the loudest of a piece is found without a loop in Python.
    levels = sorted({magnitude(byte) for byte in range(256)})
    ranks = bytes(levels.index(magnitude(byte)) for byte in range(256))
    return lambda data: levels[max(data.translate(ranks))]


_PEAKS: dict[str, Callable[[bytes], float]] = {
    "linear16": _linear16_peak,
    "linear32": _linear32_peak,
    "mulaw": _companded(_mulaw_magnitude),
    "alaw": _companded(_alaw_magnitude),
}
