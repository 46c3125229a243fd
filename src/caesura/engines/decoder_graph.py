"""Decoder of Moonshine as an ONNX graph for onnxruntime, built from the weights of the model's file.

The network is that of Jeffries et al., "Moonshine: Speech Recognition for Live Transcription and Voice Commands", 2024:
layers of causal self-attention with rotary positions, cross-attention to the encoder's states, and a gated feed-forward
network. The file's own graph spends as much time on shapes and padding as on arithmetic, and rounds the numbers of all
positions of a pass together, so that what it computes for one depends on the others. This graph rounds each position
on its own: a pass over many positions gives what as many passes over two give.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from caesura.engines.graph_builder import GraphBuilder
from caesura.engines.ort_file import Linear, OrtFile

LAYERS: Final = 6
HEADS: Final = 8
HEAD_SIZE: Final = 36
WIDTH: Final = HEADS * HEAD_SIZE
VOCABULARY: Final = 32_768
MAX_TOKENS: Final = 2048
"""Most positions of a text, the start token included; speech reaches them after five minutes."""

# The head of the decoder whose attention follows the words most closely. Chosen on three readers and thirty telephone
# sentences by the starts of an alignment with a hidden Markov model; on others (505 words) its own starts lie 24 ms
# from those (median; p90 74 ms, p95 94 ms). No mean of heads was better.
_LAYER, _HEAD = 4, 6

_KINDS = ("key", "value")
PAST: Final = tuple(f"past.{layer}.{kind}" for layer in range(LAYERS) for kind in _KINDS)
"""Inputs of the decoder: keys and values of the positions before, float32, (rows, heads, positions, head size)."""
PRESENT: Final = tuple(name.replace("past", "present") for name in PAST)
"""Outputs of the decoder: the same with the new positions."""
CROSS: Final = tuple(name.replace("past", "cross") for name in PAST)
"""Keys and values of the audio, for all rows: float32, shape (1, heads, frames, head size)."""

# Two numbers of the stream are some ten times as great as the others ("massive activations", Sun et al. 2024). Each
# position is rounded by its greatest number, so that they would cost the others three bits. Divided by this, with their
# weights multiplied by it, they halve the error of the layers that read the stream (SmoothQuant, Xiao et al. 2023).
_MASSIVE, _REDUCTION = [33, 282], 4

ROTATED: Final = 32
"""Numbers of each head that are rotated by their position; the others stay."""
SCALE: Final = HEAD_SIZE**-0.5


def cross_attention(graph: GraphBuilder, file: OrtFile, states: str) -> None:
    """Add the outputs `CROSS` to the encoder's graph; `states`: what it computes, shape (1, frames, width).

    Raises:
        ValueError: the file is not the expected network.
    """
    blocks = [(layer, f"encoder_attn/{kind[0]}_proj") for layer in range(LAYERS) for kind in _KINDS]
    projected = graph.linear_of_all(states, *(file.linear(_name(layer, block)) for layer, block in blocks))
    shape = graph.ints(1, -1, HEADS, HEAD_SIZE)
    for name, part in zip(CROSS, graph.split(projected, len(CROSS)), strict=True):
        graph.add("Transpose", graph.add("Reshape", part, shape), name=name, perm=[0, 2, 1, 3])
        graph.output(name, [1, HEADS, "frames", HEAD_SIZE])


def decoder_graph(file: OrtFile) -> bytes:
    """Graph that appends positions to texts of equal length, one a row, for one audio.

    Inputs: `tokens`, int64, shape (rows, new positions); `position`, that of the first of them, int64, shape (1,);
    `skipped`, how many of them are to have no logits, int64, shape (1,); `PAST` and `CROSS`. Outputs: `logits`,
    float32, shape (rows, new positions - skipped, vocabulary); `attention`, that of the head which follows the words,
    float32, shape (1, rows * new positions, frames); `PRESENT`.

    Raises:
        ValueError: the file is not the expected network.
    """
    return _DecoderGraph(file).build()


class _DecoderGraph:
    # The stream of values between layers has the shape (1, rows * new positions, width): only self-attention tells rows
    # from positions.

    def __init__(self, file: OrtFile) -> None:
        self._file = file
        graph = self._graph = GraphBuilder()
        self._tokens = graph.input("tokens", np.int64, ["rows", "new"])
        self._position = graph.input("position", np.int64, [1])
        self._skipped = graph.input("skipped", np.int64, [1])
        for past, cross in zip(PAST, CROSS, strict=True):
            graph.input(past, np.float32, ["rows", HEADS, "past", HEAD_SIZE])
            graph.input(cross, np.float32, [1, HEADS, "frames", HEAD_SIZE])
        self._by_row = graph.add("Concat", graph.add("Shape", self._tokens), graph.ints(-1), axis=0)
        self._flat = graph.ints(1, -1, WIDTH)
        frequencies = file.tensor("onnx::Expand_219").reshape(1, ROTATED // 2)
        angles = np.arange(MAX_TOKENS, dtype=np.float32)[:, None] * frequencies
        self._cosines, self._sines = graph.weights(np.cos(angles)), graph.weights(np.sin(angles))

    def build(self) -> bytes:
        graph = self._graph
        stream = graph.add("Reshape", self._embedding(), self._flat)
        for layer in range(LAYERS):
            stream = graph.add("Add", stream, self._self_attention(layer, self._normalised(layer, "input", stream)))
            query = self._normalised(layer, "post_attention", stream)
            stream = graph.add("Add", stream, self._cross_attention(layer, query))
            stream = graph.add("Add", stream, self._feed_forward(layer, self._normalised(layer, "final", stream)))
        self._logits(graph.layer_norm(stream, self._file.vector("/model/decoder/norm/LayerNormalization_output_0")))
        for name in PRESENT:
            graph.output(name, ["rows", HEADS, "all", HEAD_SIZE])
        return graph.model()

    def _embedding(self) -> str:
        # The embeddings are the columns of the projection to logits.
        layer, graph = self._file.linear("logits"), self._graph
        zero = -int(layer.weights.min())
        table = graph.weights((layer.weights.T + zero).astype(np.uint8))
        scale = graph.number(np.float32, float(layer.scales[0]))
        found = graph.add("Gather", table, self._tokens, axis=0)
        return graph.add("DequantizeLinear", found, scale, graph.number(np.uint8, zero))

    def _self_attention(self, layer: int, value: str) -> str:
        graph = self._graph
        projected = graph.linear(value, *(self._reading(_name(layer, f"self_attn/{kind}_proj")) for kind in "qkv"))
        query, key, new = graph.split(graph.add("Reshape", projected, self._by_row), 3)
        attended, _, _ = graph.add_outputs(
            "MultiHeadAttention",
            [self._rotated(query), self._rotated(key), new, "", "", "", *PAST[2 * layer : 2 * layer + 2]],
            [f"attended.{layer}", *PRESENT[2 * layer : 2 * layer + 2]],
            num_heads=HEADS,
            scale=SCALE,
            unidirectional=1,
        )
        flat = graph.add("Reshape", attended, self._flat)
        return graph.linear(flat, self._file.linear(_name(layer, "self_attn/o_proj")))

    def _cross_attention(self, layer: int, value: str) -> str:
        graph = self._graph
        query = graph.linear(value, self._reading(_name(layer, "encoder_attn/q_proj")))
        key, content = CROSS[2 * layer : 2 * layer + 2]
        if layer == _LAYER:
            self._alignment(query, key)
        attended = graph.add("MultiHeadAttention", query, key, content, num_heads=HEADS, scale=SCALE)
        return graph.linear(attended, self._file.linear(_name(layer, "encoder_attn/o_proj")))

    def _alignment(self, query: str, key: str) -> None:
        # The attention that the fused node computes is not an output of it.
        graph = self._graph
        first, end = graph.ints(_HEAD * HEAD_SIZE), graph.ints((_HEAD + 1) * HEAD_SIZE)
        queries = graph.add("Slice", query, first, end, graph.ints(-1))
        keys = graph.add("Gather", key, graph.number(np.int64, _HEAD), axis=1)
        scores = graph.add("FusedMatMul", queries, keys, transB=1, alpha=SCALE)
        graph.add("Softmax", scores, name="attention", axis=-1)
        graph.output("attention", [1, "rows*new", "frames"])

    def _feed_forward(self, layer: int, value: str) -> str:
        graph = self._graph
        hidden, gate = graph.split(graph.linear(value, self._reading(_name(layer, "mlp/fc1", "Add"))), 2)
        gated = graph.add("Mul", graph.add("QuickGelu", gate, alpha=1.0), hidden)
        return graph.linear(gated, self._file.linear(_name(layer, "mlp/fc2", "Add")))

    def _logits(self, value: str) -> None:
        graph = self._graph
        wanted = graph.rows(graph.add("Reshape", value, self._by_row), self._skipped, axis=1)
        graph.linear(wanted, self._file.linear("logits"), name="logits")
        graph.output("logits", ["rows", "wanted", VOCABULARY])

    def _normalised(self, layer: int, kind: str, value: str) -> str:
        scale = self._file.vector(_name(layer, f"{kind}_layernorm", "LayerNormalization")).copy()
        scale[_MASSIVE] /= _REDUCTION
        return self._graph.layer_norm(value, scale)

    def _reading(self, output: str) -> Linear:
        # The layer that computes `output` from the normalised stream.
        layer = self._file.linear(output)
        layer.weights[_MASSIVE] *= _REDUCTION
        return layer

    def _rotated(self, value: str) -> str:
        tables = self._position, self._cosines, self._sines
        return self._graph.rotated(value, *tables, heads=HEADS, numbers=ROTATED)


def _name(layer: int, block: str, node: str = "MatMul") -> str:
    # The output of a block in the file.
    return f"/model/decoder/layers.{layer}/{block}/{node}_output_0"
