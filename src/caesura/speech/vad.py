"""How likely it is that somebody speaks: samples of one channel in, one probability per frame out."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from caesura.errors import InternalError, UsageError

FRAME: Final = 512
"""Samples judged at a time, at 16 kHz: 32 ms."""

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

    def __init__(self, path: Path) -> None:
        """Loads the ONNX file at `path`. Raises InternalError when it is not the network expected here."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(path), sess_options=options, providers=["CPUExecutionProvider"]
        )
        found = {node.name: tuple(node.shape[1:]) for node in self._session.get_inputs()}
        expected = {"input": (_ROW,), "h": _STATE_SHAPE[1:], "c": _STATE_SHAPE[1:]}
        if found != expected:
            raise InternalError(f"{path.name}: the voice activity network takes {found}, expected {expected}")

    def judge(self, rows: Floats, h: Floats, c: Floats) -> tuple[Floats, Floats, Floats]:
        """Probabilities (n,) for `rows` (n, 576), and the state after them; `h` and `c` are (1, 1, 128)."""
        probabilities, h, c = self._session.run(None, {"input": rows, "h": h, "c": c})
        return probabilities, h, c


def load_silero() -> SileroModel:
    """The Silero network that the faster-whisper wheel brings along; takes some 10 ms and 10 MiB.

    Raises InternalError when that package is not installed or has no such file.
    """
    # Looked up without importing it: that would pull a whole inference library into the process.
    package = find_spec("faster_whisper")
    if package is None or package.origin is None:
        raise InternalError("voice activity detection needs the package faster-whisper; install caesura[server]")
    assets = Path(package.origin).parent / "assets"
    files = sorted(assets.glob("silero_vad*.onnx"))
    if not files:
        raise InternalError(f"no silero_vad*.onnx in {assets}; install faster-whisper 1.2")
    return SileroModel(files[-1])


class SileroVad:
    """Voice activity of one channel; cheap until the first audio comes, then about 3 KiB.

    The answers depend on the samples alone, not on how they were cut into calls.
    """

    __slots__ = ("_c", "_h", "_held", "_model")

    def __init__(self, model: SileroModel) -> None:
        """A channel at its first sample; `model` is shared."""
        self._model = model
        self._held: Floats | None = None
        self._h: Floats | None = None
        self._c: Floats | None = None

    def hear(self, samples: Floats) -> Floats:
        """Probability of speech, 0..1, for each frame that these samples complete.

        Args:
            samples: float32 in -1..1, shape (n,), 16 kHz; any n. What does not fill a frame is kept.

        Returns:
            float32, shape (m,); m may be 0.

        Raises:
            UsageError: other shape or dtype.
        """
        if samples.ndim != 1 or samples.dtype != np.float32:
            raise UsageError(f"samples: {samples.dtype} of shape {samples.shape}; give float32 of shape (n,)")
        if not len(samples):
            return np.empty(0, np.float32)
        held = np.zeros(_CONTEXT, np.float32) if self._held is None else self._held
        heard = np.concatenate((held, samples))
        frames = (len(heard) - _CONTEXT) // FRAME
        # A copy, for a view would keep the whole of a large chunk alive.
        self._held = heard[frames * FRAME :].copy() if frames else heard
        return self._judge(_rows(heard, frames)) if frames else np.empty(0, np.float32)

    def _judge(self, rows: Floats) -> Floats:
        h = np.zeros(_STATE_SHAPE, np.float32) if self._h is None else self._h
        c = np.zeros(_STATE_SHAPE, np.float32) if self._c is None else self._c
        told = []
        for at in range(0, len(rows), _ROWS_AT_ONCE):
            piece, h, c = self._model.judge(rows[at : at + _ROWS_AT_ONCE], h, c)
            told.append(piece)
        self._h, self._c = h, c
        return told[0] if len(told) == 1 else np.concatenate(told)


def _rows(heard: Floats, frames: int) -> Floats:
    """Each frame with the context before it; twice as fast as a strided view and its copy."""
    rows = np.empty((frames, _ROW), np.float32)
    rows[:, _CONTEXT:] = heard[_CONTEXT : _CONTEXT + frames * FRAME].reshape(frames, FRAME)
    rows[0, :_CONTEXT] = heard[:_CONTEXT]
    rows[1:, :_CONTEXT] = rows[:-1, FRAME:]
    return rows
