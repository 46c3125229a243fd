"""Synthetic audio signals, and helpers to decode and compare them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from caesura.audio.format import AudioFormat
from caesura.audio.stream import AudioStream
from tests.example_count import stride

Samples = NDArray[np.float32]


def sound(rate: int, seconds: float, channels: int = 1) -> Samples:
    """Swelling tones, a different pair in each channel; shape (channels, n)."""
    t = np.arange(round(seconds * rate)) / rate
    swell = np.sin(2 * np.pi * 1.5 * t) ** 2
    tones = [
        swell * np.sin(2 * np.pi * (300 + 170 * c) * t) + 0.3 * np.sin(2 * np.pi * 1100 * t) for c in range(channels)
    ]
    return (0.3 * np.stack(tones)).astype(np.float32)


def run(steps: Iterator[None]) -> None:
    """Run all steps of a decoder's `feed` or `finish`."""
    for _ in steps:
        pass


def cut(data: bytes | list[bytes], size: int) -> list[bytes]:
    """Split bytes into messages of `size`; a list of messages stays as it is."""
    if isinstance(data, list):
        return data
    return [data[at : at + size] for at in range(0, len(data), size)]


HEAD, TAIL = 4_000, 2_000
"""As many bytes at the beginning and at the end reach past every header and every index."""


def single_bytes(data: bytes) -> list[bytes]:
    """Every byte a message of its own; in `make check` only those at both ends."""
    if stride() == 1 or len(data) <= HEAD + TAIL:
        return cut(data, 1)
    return [*cut(data[:HEAD], 1), *cut(data[HEAD:-TAIL], 997), *cut(data[-TAIL:], 1)]


def feed_all(stream: AudioStream, messages: Iterable[bytes]) -> int:
    """Feed every message. Returns the number of samples that were decoded."""
    return sum(stream.feed(message).shape[1] for message in messages)


def decoded(messages: Iterable[bytes], declared: AudioFormat, *, split: bool = True) -> Samples:
    """Decode these messages with an AudioStream."""
    stream = AudioStream(declared, split=split)
    pieces = [*map(stream.feed, messages), stream.finish()]
    return np.concatenate([piece for piece in pieces if piece.size] or pieces[-1:], axis=1)


def correlation(received: Samples, sent: Samples) -> float:
    """Correlation of two mono signals over their common length, without shifting either."""
    n = min(len(received), len(sent))
    return float(np.corrcoef(received[:n], sent[:n])[0, 1])


def delayed_correlation(received: Samples, sent: Samples, most: int = 1300) -> float:
    """Correlation of two mono signals of which the first is delayed by up to `most` samples."""
    n = min(len(sent), len(received) - most)
    at = int(np.argmax(np.correlate(received[: n + most], sent[:n], "valid")))
    return correlation(received[at:], sent)
