"""The encoder's graph beside the model's own file: the same keys and values for audio of any length."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from caesura.engines.base import Samples
from caesura.engines.decoder_graph import CROSS
from caesura.engines.encoder_graph import encoder_graph
from caesura.engines.moonshine import _assets
from caesura.engines.ort_file import OrtFile
from tests.recordings import recording

ENCODER = _assets() / "encoder_model.ort"
DECODER = _assets() / "decoder_model_merged.ort"


def session(network: str | bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(network, options)


@pytest.fixture(scope="module")
def ours() -> Any:
    return session(encoder_graph(OrtFile(ENCODER), OrtFile(DECODER)))


@pytest.fixture(scope="module")
def original() -> Any:
    return session(str(ENCODER))


def expected(original: Any, audio: Samples) -> dict[str, NDArray[np.float32]]:
    """The file's states, multiplied exactly by the weights of the keys and values."""
    mask = np.ones((1, audio.size), np.int64)
    [states] = original.run(None, {"input_values": audio[None], "attention_mask": mask})
    file, found = OrtFile(DECODER), {}
    for name in CROSS:
        _, layer, kind = name.split(".")
        weights = file.linear(f"/model/decoder/layers.{layer}/encoder_attn/{kind[0]}_proj/MatMul_output_0")
        found[name] = (states[0] @ (weights.weights * weights.scales)).reshape(-1, 8, 36).transpose(1, 0, 2)[None]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("samples", [1_600, 16_001, 47_935, 96_000, 170_000])
def test_keys_and_values_are_those_of_the_file(ours: Any, original: Any, samples: int) -> None:
    """But for the rounding to 8 bits: the root mean square of the difference is some percent."""
    audio = recording("jfk").samples[5_000 : 5_000 + samples]
    found = dict(zip(CROSS, ours.run(list(CROSS), {"audio": audio[None]}), strict=True))
    for name, exact in expected(original, audio).items():
        assert found[name].shape == exact.shape
        assert np.sqrt(np.square(found[name] - exact).mean()) < 0.25 * np.sqrt(np.square(exact).mean())


@pytest.mark.slow
def test_silence_has_keys_and_values_too(ours: Any) -> None:
    for value in ours.run(list(CROSS), {"audio": np.zeros((1, 16_000), np.float32)}):
        assert np.isfinite(value).all()


@pytest.mark.slow
def test_another_network_is_refused() -> None:
    with pytest.raises(ValueError, match=r"decoder_model_merged\.ort: has no conv1\.weight"):
        encoder_graph(OrtFile(DECODER), OrtFile(DECODER))
