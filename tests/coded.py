"""The coded recordings come out, as files or packets, and how like a decoded one sounds to its original."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from tests.recordings import recording

FOLDER = Path(__file__).parent / "data" / "coded"
ORIGINAL = "lv-0880"
_FRAME = 320


def coded(name: str) -> bytes:
    """One file of the folder."""
    return (FOLDER / name).read_bytes()


def speex_packets(name: str) -> list[bytes]:
    """The bare packets of an Ogg Speex file."""
    with av.open(io.BytesIO(coded(name)), "r") as source:
        return [bytes(packet) for packet in source.demux(source.streams.audio[0]) if packet.size]


def same_speech(heard: NDArray[np.float32], *, after_s: float = 0.0) -> float:
    """How far 16 kHz samples from `after_s` on swell and fade as the original does: correlation of levels, at best 1.

    Speech codecs keep no waveform, and delay it by up to 20 ms.
    """
    said = _levels(recording(ORIGINAL).samples)
    at = round(after_s * 16_000)
    return max(
        float(np.corrcoef(_levels(heard[at + delay :])[: len(said) - 2], said[:-2])[0, 1])
        for delay in (0, 80, 160, 240)
    )


def _levels(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    whole = samples[: len(samples) - len(samples) % _FRAME].reshape(-1, _FRAME).astype(np.float64)
    levels: NDArray[np.float64] = np.log10(np.sqrt((whole**2).mean(axis=1)) + 1e-3)
    return levels
