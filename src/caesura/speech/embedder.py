"""Speaker embedder: computes a vector for a window of speech; vectors of the same person lie close together.

The network is `pyannote/embedding` (MIT; an x-vector TDNN on SincNet features: Bredin et al., "pyannote.audio", 2020;
Snyder et al., "X-vectors", 2018). The moonshine-voice wheel contains it as an ONNX file inside its library. It is read
from there; none of the library's functions is called.
"""

from __future__ import annotations

import ctypes
import hashlib
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime

from caesura.distribution import install_command
from caesura.errors import EngineError
from caesura.speech.embedding import Floats, SpeakerEmbedding, windows

NAME: Final = "pyannote-embedding"
_SHA256: Final = "0ec8d36d8e19b4a7035f1b71d35e651d9cb8e8cf2e456c559da3d22105c8050d"
VERSION: Final = _SHA256[:12]
"""Version of the network: the hash of its file, since it has no other."""
ARCH: Final = "x-vector"
SAMPLE_RATE: Final = 16_000
DIMENSIONS: Final = 512
SHORTEST_S: Final = 0.5
"""Shortest window: a shorter one is extended by the audio around it. The network itself needs more than 0.3 s."""


class SpeakerEmbedder:
    """The loaded network; it keeps no state of streams."""

    def __init__(self, network: bytes) -> None:
        """Load the ONNX file. Raises EngineError if it is not the expected network."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 4
        self._session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        names = [node.name for node in self._session.get_inputs()]
        if names != ["waveform"]:
            raise EngineError(f"the speaker embedder takes {names}, expected waveform")

    def embed(self, audio: Floats, spans: Sequence[tuple[float, float]]) -> tuple[SpeakerEmbedding, ...]:
        """Compute embeddings for `spans` (start and end in seconds) of `audio`, float32 of shape (n,) at 16 kHz.

        A span gets a window of 1.5 s every 0.5 s.
        """
        return tuple(
            SpeakerEmbedding(start, end, self._vector(audio, start, end))
            for span in spans
            for start, end in windows(*span)
        )

    def _vector(self, audio: Floats, start: float, end: float) -> Floats:
        lack = max(0.0, SHORTEST_S - (end - start)) / 2
        first = max(0, int((start - lack) * SAMPLE_RATE))
        piece = audio[first : max(int((end + lack) * SAMPLE_RATE), first + 1)]
        short = int(SHORTEST_S * SAMPLE_RATE) - piece.size
        if short > 0:
            piece = np.pad(piece, (0, short))
        (found,) = self._session.run(None, {"waveform": piece[None]})
        vector: Floats = found[0]
        length = float(np.linalg.norm(vector))
        return vector / length if length > 0 else vector


def embedder_missing() -> str | None:
    """The reason why diarization does not work on this machine, as a sentence; None if it works."""
    try:
        _library()
    except EngineError as error:
        return str(error)
    return None


def load_embedder() -> SpeakerEmbedder:
    """Load the network from the library of moonshine-voice; takes some 100 ms and 40 MiB.

    Raises:
        EngineError: the package is missing, or is not the version that contains this network.
    """
    path = _library()
    try:
        library = ctypes.CDLL(str(path))
        size = ctypes.c_size_t.in_dll(library, "speaker_embedding_model_ort_byte_count").value
        network = bytes((ctypes.c_uint8 * size).in_dll(library, "speaker_embedding_model_ort_bytes"))
    except (OSError, ValueError) as error:
        raise EngineError(f"{path.name} contains no speaker embedder ({error}): {_install()}") from error
    if hashlib.sha256(network).hexdigest() != _SHA256:
        raise EngineError(f"the speaker embedder in {path.name} is not the one expected here: {_install()}")
    return SpeakerEmbedder(network)


def _library() -> Path:
    # Located without importing the package, which would load much that is not needed here.
    spec = find_spec("moonshine_voice")
    if spec is None or spec.origin is None:
        raise EngineError(f"diarization needs the package moonshine-voice: {_install()}")
    path = Path(spec.origin).parent / ("libmoonshine.dylib" if sys.platform == "darwin" else "libmoonshine.so")
    if not path.is_file():
        raise EngineError(f"diarization needs {path.name} of moonshine-voice, which is missing: {_install()}")
    return path


def _install() -> str:
    return f"`{install_command('server')}` installs the version that has it"
