"""Streaming resampler from any sample rate to 16 kHz."""

from __future__ import annotations

import numpy as np
import soxr

from caesura.audio.format import OUTPUT_RATE, Samples


class Resampler:
    """Resamples one continuous stretch of audio from `rate` Hz to 16 kHz.

    Output is aligned with input (the filter's delay is taken out) and, after `finish`, exactly
    `round(n * 16000 / rate)` samples long for n input samples. The output does not depend on how the input was cut. The
    filter delays audio by at most 40 ms (30 ms below 16 kHz).
    """

    def __init__(self, rate: int, channels: int) -> None:
        self._rate = rate
        self._channels = channels
        self._taken = 0
        self._given = 0
        # soxr's fixed-ratio filter works in blocks, which delay 8 kHz telephone audio by up to 115 ms; its
        # variable-rate one delays it by 30 ms. Above 16 kHz the latter is off by 0.1 ms and costs four times as much.
        self._soxr = soxr.ResampleStream(
            rate, OUTPUT_RATE, channels, dtype="float32", quality="HQ", vr=rate < OUTPUT_RATE
        )

    def feed(self, samples: Samples) -> Samples:
        """Resample samples of shape (channels, n); returns those that are ready, of shape (channels, m)."""
        self._taken += samples.shape[1]
        return self._run(samples, last=False)

    def finish(self) -> Samples:
        """Flush the filter and return the last samples; nothing may be fed afterwards."""
        empty = np.empty((self._channels, 0), np.float32)
        owed = round(self._taken * OUTPUT_RATE / self._rate) - self._given
        tail = self._run(empty, last=True)[:, :owed]
        # soxr rounds its own way and may end one sample short.
        return np.pad(tail, ((0, 0), (0, owed - tail.shape[1])), mode="edge" if tail.size else "constant")

    def _run(self, samples: Samples, *, last: bool) -> Samples:
        ready: Samples = self._soxr.resample_chunk(np.ascontiguousarray(samples.T), last=last)
        self._given += 0 if last else ready.shape[0]
        return np.ascontiguousarray(ready.T)
