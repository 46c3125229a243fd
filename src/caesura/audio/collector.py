"""Collects decoded blocks of any rate and resamples them to 16 kHz, mixed down or channel by channel."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from caesura.audio.format import OUTPUT_RATE, Samples, check_channels, check_rate
from caesura.audio.resample import Resampler


class Collector:
    """Destination of the samples of every decoder.

    Each block is mixed and resampled as it comes, so a long decode never holds more than one block
    at the source's rate. `frames` counts the source samples of one channel.
    """

    def __init__(self, *, split: bool) -> None:
        self._split = split
        self._ready: list[Samples] = []
        self._ready_samples = 0
        self._resampler: Resampler | None = None
        self._rate = 0
        self._past = Fraction(0)
        self._rate_frames = 0
        self.frames = 0
        self.channels: int | None = None if split else 1

    @property
    def seconds(self) -> float:
        """Source samples over source rate."""
        if not self._rate:
            return 0.0
        if not self._past:
            return self._rate_frames / self._rate
        return float(self._past + Fraction(self._rate_frames, self._rate))

    @property
    def ready_s(self) -> float:
        """Decoded seconds, summed over all channels, that have not been taken yet."""
        return self._ready_samples / OUTPUT_RATE

    def declare(self, rate: int, channels: int) -> None:
        """Declare rate and channels of the next blocks. Raises BadAudio for impossible ones."""
        check_rate(rate)
        check_channels(channels)
        if self.channels is None:
            self.channels = channels
        if rate != self._rate:
            self._change_rate(rate)

    def put(self, samples: Samples, rate: int) -> None:
        """Add one block, shape (channels, n). Raises BadAudio for an impossible rate or number of channels.

        A block whose channel count differs from the others (one damaged frame is enough) is mixed down and given to
        every channel.
        """
        channels, frames = samples.shape
        if not frames:
            return
        if rate != self._rate or channels != self.channels:
            self.declare(rate, channels)
        self.frames += frames
        self._rate_frames += frames
        if channels != self.channels:
            samples = samples.mean(axis=0, dtype=np.float32, keepdims=True)
            if self._split:
                samples = np.repeat(samples, self.channels or 1, axis=0)
        if rate != OUTPUT_RATE:
            samples = self._resampled(samples)
        self._add(samples)

    def finish(self) -> None:
        """Flush the resampler; idempotent."""
        if self._resampler is not None:
            self._add(self._resampler.finish())
            self._resampler = None

    def take(self) -> Samples:
        """All samples since the last call, shape (channels, n)."""
        ready = self._ready
        self._ready_samples = 0
        if len(ready) == 1:
            self._ready = []
            return ready[0]
        if not ready:
            return np.empty((self.channels or 1, 0), np.float32)
        self._ready = []
        return np.concatenate(ready, axis=1)

    def _add(self, samples: Samples) -> None:
        if samples.shape[1]:
            self._ready.append(samples)
            self._ready_samples += samples.size

    def _resampled(self, samples: Samples) -> Samples:
        if self._resampler is None:
            self._resampler = Resampler(self._rate, samples.shape[0])
        return self._resampler.feed(samples)

    def _change_rate(self, rate: int) -> None:
        # AAC with an undeclared SBR layer and chained Ogg streams change their rate on the way.
        self.finish()
        if self._rate:
            self._past += Fraction(self._rate_frames, self._rate)
        self._rate, self._rate_frames = rate, 0
