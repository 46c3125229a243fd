"""Voice activity detection: computes the probability of speech for each frame of a channel's audio."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from math import exp
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from caesura.errors import InternalError, UsageError

FRAME: Final = 512
"""Samples of one frame at 16 kHz: 32 ms."""

WEIGHTS: Final = Path(__file__).parent / "weights" / "silero_vad_16k_batched.onnx"
SHA256: Final = "2f0e64a6c9e93aea410e222baf66f57df5092ae0d8f33ec888553730b5f4f741"
"""SHA-256 of `WEIGHTS`: thresholds and gains are tuned for these weights, and would silently fail with others."""

LEVEL: Final = 0.02
"""The network detects a distant voice, with its reverberation, only when it is loud enough. So quiet audio is amplified
until the loudest recent frame has this level (root mean square; -34 dBFS), and louder audio stays as it is."""
MAX_GAIN: Final = 12.0
"""Largest gain (22 dB), so that the noise of a silent line is not detected as speech."""
FADE_S: Final = 30.0
"""Time constant in seconds with which the level of the loudest frame decays (to 1/e)."""

_FADE: Final = exp(-FRAME / 16_000 / FADE_S)
_OUTPUTS: Final = ("probabilities", "hn", "cn")
_CONTEXT: Final = 64
_ROW: Final = _CONTEXT + FRAME
_STATE: Final = 128
_STREAMS: Final = "streams"
# A file pushed at full speed arrives in large pieces; the network's scratch memory grows with the rows of one call.
_STEPS_AT_ONCE: Final = 128
_STREAMS_AT_ONCE: Final = 16

Floats = NDArray[np.float32]


class SileroModel:
    """The loaded network; it keeps no state of streams, so all channels of a process share one."""

    def __init__(self, weights: bytes) -> None:
        """Load an ONNX model. Raises InternalError if it is not the expected network."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(weights, sess_options=options, providers=["CPUExecutionProvider"])
        found = [(node.name, node.shape[-1]) for node in self._session.get_inputs()]
        expected = [("rows", _ROW), ("order", _STREAMS), ("lengths", _STREAMS), ("h", _STATE), ("c", _STATE)]
        if found != expected:
            raise InternalError(f"the voice activity network takes {found}, expected {expected}")

    def run(self, rows: Sequence[Floats], h: Floats, c: Floats) -> tuple[list[Floats], Floats, Floats]:
        """Probabilities of speech for several streams side by side.

        Args:
            rows: For each stream one or more rows in order, shape (n, 576): 64 samples of context and 512 new ones
                each.
            h: Hidden state before these rows, shape (1, streams, 128).
            c: Cell state before these rows, shape (1, streams, 128).

        Returns:
            The probabilities of each stream, shape (n,), and both states after the rows.
        """
        lengths = [len(each) for each in rows]
        order = np.zeros((max(lengths), len(rows)), np.int64)
        first = 0
        for stream, length in enumerate(lengths):
            order[:length, stream] = np.arange(first, first + length)
            first += length
        together = rows[0] if len(rows) == 1 else np.concatenate(rows)
        inputs = {"rows": together, "order": order, "lengths": np.array(lengths, np.int32), "h": h, "c": c}
        probabilities, h, c = self._session.run(_OUTPUTS, inputs)
        return [probabilities[:length, stream] for stream, length in enumerate(lengths)], h, c


def load_silero() -> SileroModel:
    """Load the Silero network that is part of this package; takes some 10 ms and 10 MiB.

    Raises InternalError if its file is missing, or is not the one of this version.
    """
    try:
        weights = WEIGHTS.read_bytes()
    except OSError as error:
        raise InternalError(f"{WEIGHTS}: {error.strerror}; install this package again") from error
    if (found := sha256(weights).hexdigest()) != SHA256:
        raise InternalError(f"{WEIGHTS} has the SHA-256 {found}, expected {SHA256}; install this package again")
    return SileroModel(weights)


class SileroVad:
    """Voice activity detection for one channel; it takes about 3 KiB from the first audio on.

    The probabilities depend on the samples alone, not on how they were split into calls.
    """

    __slots__ = ("_c", "_h", "_loudest", "_model", "_pending")

    def __init__(self, model: SileroModel) -> None:
        """Start before the first sample of a channel; `model` is shared."""
        self._model = model
        self._pending: Floats | None = None
        self._loudest = 0.0
        """Level of the loudest frame so far, after decay."""
        self._h: Floats | None = None
        self._c: Floats | None = None

    @property
    def model(self) -> SileroModel:
        """The network that this channel uses."""
        return self._model

    def feed(self, samples: Floats) -> Floats:
        """Compute the probability of speech, in 0..1, for each frame that these samples complete.

        Args:
            samples: float32 in -1..1, shape (n,), 16 kHz; any n. Samples that do not fill a frame are kept.

        Returns:
            float32, shape (m,); m may be 0.

        Raises:
            UsageError: other shape or dtype.
        """
        return feed_together([(self, samples)])[0]

    def _frames(self, samples: Floats) -> Floats:
        """The rows that `samples` complete, amplified; shape (m, 576)."""
        if samples.ndim != 1 or samples.dtype != np.float32:
            raise UsageError(f"samples: {samples.dtype} of shape {samples.shape}; give float32 of shape (n,)")
        if not len(samples):
            return np.empty((0, _ROW), np.float32)
        pending = np.zeros(_CONTEXT, np.float32) if self._pending is None else self._pending
        joined = np.concatenate((pending, samples))
        frames = (len(joined) - _CONTEXT) // FRAME
        # A copy, because a view would keep the whole of a large chunk alive.
        self._pending = joined[frames * FRAME :].copy() if frames else joined
        return self._amplified(_rows(joined, frames)) if frames else np.empty((0, _ROW), np.float32)

    def _amplified(self, rows: Floats) -> Floats:
        """The rows, each amplified according to the loudest frame up to it."""
        # Plain floats: a call has three rows as a rule, and numpy's small arrays would cost more than they save.
        gains, loudest, frames = [], self._loudest, rows[:, _CONTEXT:]
        for energy in np.vecdot(frames, frames).tolist():
            loudest = max((energy / FRAME) ** 0.5, loudest * _FADE)
            gains.append(1.0 if loudest >= LEVEL else min(LEVEL / max(loudest, 1e-9), MAX_GAIN))
        self._loudest = loudest
        if max(gains) > 1.0:
            rows *= np.array(gains, np.float32)[:, None]
        return rows


def feed_together(parts: Sequence[tuple[SileroVad, Floats]]) -> list[Floats]:
    """Feed several channels at once; with many channels this costs a quarter of feeding them one after the other.

    Args:
        parts: Channels of the same model, each at most once, with their next samples as for `SileroVad.feed`.

    Returns:
        The probabilities of each channel.

    Raises:
        UsageError: other shape or dtype. After any error no channel has consumed its samples.
    """
    before = [(vad._pending, vad._loudest, vad._h, vad._c) for vad, _ in parts]
    try:
        return _feed(parts)
    except BaseException:
        for (vad, _), state in zip(parts, before, strict=True):
            vad._pending, vad._loudest, vad._h, vad._c = state
        raise


def _feed(parts: Sequence[tuple[SileroVad, Floats]]) -> list[Floats]:
    rows = [vad._frames(samples) for vad, samples in parts]
    found: list[list[Floats]] = [[] for _ in parts]
    for at in range(0, max(map(len, rows), default=0), _STEPS_AT_ONCE):
        going = [index for index, each in enumerate(rows) if len(each) > at]
        for first in range(0, len(going), _STREAMS_AT_ONCE):
            some = going[first : first + _STREAMS_AT_ONCE]
            vads = [parts[index][0] for index in some]
            for index, part in zip(some, _run(vads, [rows[i][at : at + _STEPS_AT_ONCE] for i in some]), strict=True):
                found[index].append(part)
    return [np.concatenate(each) if each else np.empty(0, np.float32) for each in found]


def _run(vads: list[SileroVad], rows: list[Floats]) -> list[Floats]:
    h, c = np.zeros((2, 1, len(vads), _STATE), np.float32)
    for index, vad in enumerate(vads):
        if vad._h is not None and vad._c is not None:
            h[0, index], c[0, index] = vad._h, vad._c
    probabilities, h, c = vads[0].model.run(rows, h, c)
    for index, vad in enumerate(vads):
        # Copies, because views would keep the states of all streams alive.
        vad._h, vad._c = h[0, index].copy(), c[0, index].copy()
    return probabilities


def _rows(joined: Floats, frames: int) -> Floats:
    """Rows of frames, each with its context before it; twice as fast as copying a strided view."""
    rows = np.empty((frames, _ROW), np.float32)
    rows[:, _CONTEXT:] = joined[_CONTEXT : _CONTEXT + frames * FRAME].reshape(frames, FRAME)
    rows[0, :_CONTEXT] = joined[:_CONTEXT]
    rows[1:, :_CONTEXT] = rows[:-1, FRAME:]
    return rows
