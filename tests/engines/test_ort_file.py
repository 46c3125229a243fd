"""Weights read from the model's files: shapes, values, and what is missing or damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caesura.engines.moonshine import _assets
from caesura.engines.ort_file import OrtFile

ENCODER = _assets() / "encoder_model.ort"


@pytest.fixture(scope="module")
def encoder() -> OrtFile:
    return OrtFile(ENCODER)


def test_a_linear_layer_has_centred_weights_scales_and_bias(encoder: OrtFile) -> None:
    layer = encoder.linear("/layers.0/mlp/fc1/Add_output_0")
    assert layer.weights.shape == (288, 1152)
    assert layer.bias is not None
    assert layer.bias.shape == layer.scales.shape == (1152,)
    assert abs(layer.weights.mean()) < 3
    assert encoder.linear("/layers.0/self_attn/q_proj/MatMul_output_0").bias is None


def test_a_normalisation_has_a_vector_and_any_tensor_a_name(encoder: OrtFile) -> None:
    assert encoder.vector("/layers.0/input_layernorm/LayerNormalization_output_0").shape == (288,)
    assert encoder.tensor("conv2.bias").dtype == np.float32


def test_what_is_missing_is_named(encoder: OrtFile) -> None:
    with pytest.raises(ValueError, match=r"encoder_model\.ort: nothing computes nonsense"):
        encoder.linear("nonsense")
    with pytest.raises(ValueError, match=r"encoder_model\.ort: has no nonsense"):
        encoder.tensor("nonsense")
    with pytest.raises(ValueError, match=r"/Transpose_output_0 is computed without weights of rank 2"):
        encoder.linear("/Transpose_output_0")


@pytest.mark.parametrize("length", [0, 8, 40, 1000])
def test_a_truncated_file_is_refused(tmp_path: Path, length: int) -> None:
    short = tmp_path / "short.ort"
    short.write_bytes(ENCODER.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"short\.ort: (not a network|damaged)"):
        OrtFile(short)
