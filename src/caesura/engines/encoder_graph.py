"""Encoder of Moonshine as an ONNX graph for onnxruntime, built from the weights of the model's files.

Three convolutions shorten the audio to a frame for each 24 ms; layers of self-attention with rotary positions follow
(Jeffries et al., "Moonshine", 2024). The file's own graph has a mask for padded audio, which there is not here, and
holds the attention of all frames to all frames at once, so that its cost grows faster than the audio.
"""

from __future__ import annotations

import numpy as np

from caesura.engines.decoder_graph import HEADS, LAYERS, ROTATED, SCALE, cross_attention
from caesura.engines.graph_builder import GraphBuilder
from caesura.engines.ort_file import OrtFile

_NORM_EPSILON = 1e-5


def encoder_graph(encoder: OrtFile, decoder: OrtFile) -> bytes:
    """Graph from `audio`, float32, shape (1, samples), to `decoder_graph.CROSS`, the audio's keys and values.

    Raises:
        ValueError: a file is not the expected network.
    """
    graph = GraphBuilder()
    stream = _frames(graph, encoder, graph.input("audio", np.float32, [1, "samples"]))
    cosines, sines = _rotary_tables(graph, encoder, stream)
    for layer in range(LAYERS):
        stream = graph.add("Add", stream, _self_attention(graph, encoder, layer, stream, cosines, sines))
        stream = graph.add("Add", stream, _feed_forward(graph, encoder, layer, stream))
    cross_attention(graph, decoder, graph.layer_norm(stream, encoder.tensor("layer_norm.weight")))
    return graph.model()


def _frames(graph: GraphBuilder, file: OrtFile, audio: str) -> str:
    first, second, third = (file.tensor(f"conv{at}.weight_add_tensor") for at in (1, 2, 3))
    # The normalisation's scale and bias, one for each channel, are part of the convolution after it.
    scale, bias = file.tensor("onnx::Mul_2080").ravel(), file.tensor("onnx::Add_2081").ravel()
    second_bias = file.tensor("conv2.bias") + (second * bias[None, :, None]).sum(axis=(1, 2))
    waves = graph.add("Conv", graph.add("Unsqueeze", audio, graph.ints(1)), graph.weights(first), strides=[64])
    value = _normalised(graph, graph.add("Tanh", waves))
    scaled = graph.weights(second * scale[None, :, None])
    value = graph.add("Gelu", graph.add("Conv", value, scaled, graph.weights(second_bias), strides=[3]))
    weights, bias = graph.weights(third), file.tensor("conv3.bias")
    value = graph.add("Gelu", graph.add("Conv", value, weights, graph.weights(bias), strides=[2]))
    return graph.add("Transpose", value, perm=[0, 2, 1])


def _normalised(graph: GraphBuilder, value: str) -> str:
    # Over all channels and times.
    one, zero = graph.weights(np.ones(1, np.float32)), graph.weights(np.zeros(1, np.float32))
    flat = graph.add("Reshape", value, graph.ints(1, 1, -1))
    flat = graph.add("InstanceNormalization", flat, one, zero, epsilon=_NORM_EPSILON)
    return graph.add("Reshape", flat, graph.add("Shape", value))


def _rotary_tables(graph: GraphBuilder, file: OrtFile, stream: str) -> tuple[str, str]:
    # Cosine and sine of each frame's angles.
    frames = graph.add("Gather", graph.add("Shape", stream), graph.number(np.int64, 1), axis=0)
    positions = graph.add("Range", graph.number(np.int64, 0), frames, graph.number(np.int64, 1))
    column = graph.add("Unsqueeze", graph.add("Cast", positions, to=1), graph.ints(1))
    frequencies = graph.weights(file.tensor("onnx::Expand_202").reshape(1, ROTATED // 2))
    angles = graph.add("Mul", column, frequencies)
    return graph.add("Cos", angles), graph.add("Sin", angles)


def _self_attention(graph: GraphBuilder, file: OrtFile, layer: int, stream: str, cosines: str, sines: str) -> str:
    value = graph.layer_norm(stream, file.vector(_name(layer, "input_layernorm", "LayerNormalization")))
    projections = (file.linear(_name(layer, f"self_attn/{kind}_proj", "MatMul")) for kind in "qkv")
    query, key, content = graph.split(graph.linear_of_all(value, *projections), 3)
    first = graph.ints(0)
    query, key = (
        graph.rotated(each, first, cosines, sines, heads=HEADS, numbers=ROTATED) for each in (query, key)
    )  # fmt: skip
    attended = graph.add("MultiHeadAttention", query, key, content, num_heads=HEADS, scale=SCALE)
    return graph.linear_of_all(attended, file.linear(_name(layer, "self_attn/o_proj", "MatMul")))


def _feed_forward(graph: GraphBuilder, file: OrtFile, layer: int, stream: str) -> str:
    value = graph.layer_norm(stream, file.vector(_name(layer, "post_attention_layernorm", "LayerNormalization")))
    hidden = graph.add("Gelu", graph.linear_of_all(value, file.linear(_name(layer, "mlp/fc1", "Add"))))
    return graph.linear_of_all(hidden, file.linear(_name(layer, "mlp/fc2", "Add")))


def _name(layer: int, block: str, node: str) -> str:
    # The output of a block in the file.
    return f"/layers.{layer}/{block}/{node}_output_0"
