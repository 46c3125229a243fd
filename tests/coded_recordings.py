"""Recordings coded with AMR, Speex and G.729, as files or packets, and their similarity to the original."""

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
    """Read one file of the folder."""
    return (FOLDER / name).read_bytes()


def speex_packets(name: str) -> list[bytes]:
    """The bare packets of an Ogg Speex file."""
    with av.open(io.BytesIO(coded(name)), "r") as source:
        return [bytes(packet) for packet in source.demux(source.streams.audio[0]) if packet.size]


def level_correlation(decoded: NDArray[np.float32], *, after_s: float = 0.0) -> float:
    """Correlation of the levels of 16 kHz samples, from `after_s` on, with those of the original; at best 1.

    Speech codecs keep no waveform, and delay it by up to 20 ms.
    """
    original = _levels(recording(ORIGINAL).samples)
    at = round(after_s * 16_000)
    return max(
        float(np.corrcoef(_levels(decoded[at + delay :])[: len(original) - 2], original[:-2])[0, 1])
        for delay in (0, 80, 160, 240)
    )


def _levels(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    whole = samples[: len(samples) - len(samples) % _FRAME].reshape(-1, _FRAME).astype(np.float64)
    levels: NDArray[np.float64] = np.log10(np.sqrt((whole**2).mean(axis=1)) + 1e-3)
    return levels
