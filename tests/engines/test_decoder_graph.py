"""The decoder with its cross-attention: the same logits, attention that sums to 1, and other files refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from caesura.engines.decoder_graph import CROSS_ATTENTION, with_cross_attention
from caesura.engines.moonshine import _assets

DECODER = _assets() / "decoder_model_merged.ort"


@pytest.mark.slow
def test_the_changed_network_computes_the_same_and_returns_its_attention() -> None:
    """Logits are equal to the bit; each row of attention has the weights of all frames of the audio."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    plain = onnxruntime.InferenceSession(str(DECODER), options)
    changed = onnxruntime.InferenceSession(with_cross_attention(onnxruntime, DECODER, layer=4), options)
    frames = 83
    states = np.random.default_rng(1).normal(size=(1, frames, 288)).astype(np.float32)
    feed = {
        "encoder_hidden_states": states,
        "encoder_attention_mask": np.ones((1, frames * 384 + 300), np.int64),
        "input_ids": np.array([[1, 450, 600]], np.int64),
        "use_cache_branch": np.array([False]),
    }
    empty = np.zeros((1, 8, 0, 36), np.float32)
    feed |= {node.name: empty for node in plain.get_inputs() if node.name.startswith("past_key_values")}
    (logits,) = plain.run(["logits"], feed)
    same, attention = changed.run(["logits", CROSS_ATTENTION], feed)
    np.testing.assert_array_equal(logits, same)
    assert attention.shape == (1, 8, 3, frames)
    np.testing.assert_allclose(attention.sum(axis=-1), 1.0, atol=1e-4)


@pytest.mark.slow
def test_a_missing_layer_is_named() -> None:
    with pytest.raises(ValueError, match=r"decoder_model_merged\.ort: its .* has no .*layers\.9/encoder_attn"):
        with_cross_attention(onnxruntime, DECODER, layer=9)


@pytest.mark.slow
def test_another_network_is_refused() -> None:
    with pytest.raises(ValueError, match=r"encoder_model\.ort: 0 branching nodes, expected 1"):
        with_cross_attention(onnxruntime, DECODER.with_name("encoder_model.ort"), layer=4)


def test_the_runtime_refuses_a_file_that_is_not_a_network(tmp_path: Path) -> None:
    damaged = tmp_path / "decoder.ort"
    damaged.write_bytes(b"not a network")
    with pytest.raises(Exception, match="ORT model verification failed"):
        with_cross_attention(onnxruntime, damaged, layer=4)
