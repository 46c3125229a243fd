"""Voice activity detection: how likely it is that somebody speaks, for each frame of a channel's audio."""

from __future__ import annotations

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

WEIGHTS: Final = Path(__file__).parent / "weights" / "silero_vad_16k_sequence.onnx"
SHA256: Final = "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85"
"""Of `WEIGHTS`: thresholds and gains are chosen for these weights, and would be silently wrong for others."""

LEVEL: Final = 0.02
"""The network detects a distant voice, with its reverberation, only when it is loud enough. So quiet audio is amplified
until the loudest recent frame has this level (root mean square; -34 dBFS), and louder audio stays as it is."""
MAX_GAIN: Final = 12.0
"""Largest gain (22 dB), so that the noise of a silent line is not taken for speech."""
FADE_S: Final = 30.0
"""Time constant with which the level of the loudest frame fades: after so many seconds to a third (1/e)."""

_FADE: Final = exp(-FRAME / 16_000 / FADE_S)
_OUTPUTS: Final = ("speech_probs", "hn", "cn")
_CONTEXT: Final = 64
_ROW: Final = _CONTEXT + FRAME
_STATE_SHAPE: Final = (1, 1, 128)
# A file pushed at full speed arrives in large pieces; the network's scratch memory grows with the rows of one call.
_ROWS_AT_ONCE: Final = 128

Floats = NDArray[np.float32]


class SileroModel:
    """The loaded network; holds no stream's state, so all channels of a process share one.

    Its rows follow each other in time: 64 samples of context and 512 new ones each.
    """

    def __init__(self, weights: bytes) -> None:
        """Loads an ONNX model. Raises InternalError when it is not the network expected here."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(weights, sess_options=options, providers=["CPUExecutionProvider"])
        found = {node.name: tuple(node.shape[1:]) for node in self._session.get_inputs()}
        expected = {"input": (_ROW,), "h": _STATE_SHAPE[1:], "c": _STATE_SHAPE[1:]}
        if found != expected:
            raise InternalError(f"the voice activity network takes {found}, expected {expected}")

    def run(self, rows: Floats, h: Floats, c: Floats) -> tuple[Floats, Floats, Floats]:
        """Probabilities (n,) for `rows` (n, 576), and the state after them; `h` and `c` are (1, 1, 128)."""
        probabilities, h, c = self._session.run(_OUTPUTS, {"input": rows, "h": h, "c": c})
        return probabilities, h, c


def load_silero() -> SileroModel:
    """The Silero network that comes with this package; takes some 10 ms and 10 MiB.

    Raises InternalError when its file is missing or is not the one that this version was made with.
    """
    try:
        weights = WEIGHTS.read_bytes()
    except OSError as error:
        raise InternalError(f"{WEIGHTS}: {error.strerror}; install this package again") from error
    if (found := sha256(weights).hexdigest()) != SHA256:
        raise InternalError(f"{WEIGHTS} has the SHA-256 {found}, expected {SHA256}; install this package again")
    return SileroModel(weights)


class SileroVad:
    """Voice activity of one channel; cheap until the first audio comes, then about 3 KiB.

    The probabilities depend on the samples alone, not on how they were split into calls.
    """

    __slots__ = ("_c", "_h", "_loudest", "_model", "_pending")

    def __init__(self, model: SileroModel) -> None:
        """A channel at its first sample; `model` is shared."""
        self._model = model
        self._pending: Floats | None = None
        self._loudest = 0.0
        """Level of the loudest frame so far, faded."""
        self._h: Floats | None = None
        self._c: Floats | None = None

    def feed(self, samples: Floats) -> Floats:
        """Probability of speech, 0..1, for each frame that these samples complete.

        Args:
            samples: float32 in -1..1, shape (n,), 16 kHz; any n. Samples that do not fill a frame are kept.

        Returns:
            float32, shape (m,); m may be 0.

        Raises:
            UsageError: other shape or dtype.
        """
        if samples.ndim != 1 or samples.dtype != np.float32:
            raise UsageError(f"samples: {samples.dtype} of shape {samples.shape}; give float32 of shape (n,)")
        if not len(samples):
            return np.empty(0, np.float32)
        pending = np.zeros(_CONTEXT, np.float32) if self._pending is None else self._pending
        joined = np.concatenate((pending, samples))
        frames = (len(joined) - _CONTEXT) // FRAME
        # A copy, for a view would keep the whole of a large chunk alive.
        self._pending = joined[frames * FRAME :].copy() if frames else joined
        return self._run(self._amplified(_rows(joined, frames))) if frames else np.empty(0, np.float32)

    def _amplified(self, rows: Floats) -> Floats:
        """The rows, each as loud as the loudest frame up to it allows."""
        # Plain floats: a call has three rows as a rule, and numpy's small arrays would cost more than they save.
        gains, loudest, frames = [], self._loudest, rows[:, _CONTEXT:]
        for energy in np.vecdot(frames, frames).tolist():
            loudest = max((energy / FRAME) ** 0.5, loudest * _FADE)
            gains.append(1.0 if loudest >= LEVEL else min(LEVEL / max(loudest, 1e-9), MAX_GAIN))
        self._loudest = loudest
        if max(gains) > 1.0:
            rows *= np.array(gains, np.float32)[:, None]
        return rows

    def _run(self, rows: Floats) -> Floats:
        h = np.zeros(_STATE_SHAPE, np.float32) if self._h is None else self._h
        c = np.zeros(_STATE_SHAPE, np.float32) if self._c is None else self._c
        parts = []
        for at in range(0, len(rows), _ROWS_AT_ONCE):
            part, h, c = self._model.run(rows[at : at + _ROWS_AT_ONCE], h, c)
            parts.append(part)
        self._h, self._c = h, c
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _rows(joined: Floats, frames: int) -> Floats:
    """Each frame with the context before it; twice as fast as a strided view and its copy."""
    rows = np.empty((frames, _ROW), np.float32)
    rows[:, _CONTEXT:] = joined[_CONTEXT : _CONTEXT + frames * FRAME].reshape(frames, FRAME)
    rows[0, :_CONTEXT] = joined[:_CONTEXT]
    rows[1:, :_CONTEXT] = rows[:-1, FRAME:]
    return rows
