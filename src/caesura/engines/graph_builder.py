"""Builder of ONNX graphs for onnxruntime, with linear layers whose rounding does not depend on other rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caesura.engines.ort_file import Linear

_OPSET = 18
_IR_VERSION = 9
_CONTRIB = "com.microsoft"
_CONTRIB_KINDS = frozenset(
    {
        "DynamicQuantizeMatMul",
        "FusedMatMul",
        "Gelu",
        "MatMulIntegerToFloat",
        "MultiHeadAttention",
        "QuickGelu",
        "RotaryEmbedding",
    }
)
# Of the 8-bit numbers that a row is rounded to: the greatest distance from zero, and what stands for zero.
_LEVELS, _ZERO = 127, 128
# Processors with AVX2 but without VNNI add two products of 8 bits in 16 bits, and saturate. Two neighbouring weights
# with at most this sum, or one more after rounding, are safe: 255 * 128 < 2 ** 15.
_GREATEST_PAIR = 127
_INT64_MAX = 2**63 - 1


class GraphBuilder:
    """Collects the nodes of one graph. Values are known by their names, which the methods return."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._weights: dict[str, Any] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._small: dict[tuple[str, float], str] = {}

    def input(self, name: str, dtype: type, shape: Sequence[int | str]) -> str:
        """Declare an input; a string in `shape` is a length that may vary."""
        self._inputs.append(_value(name, dtype, shape))
        return name

    def output(self, name: str, shape: Sequence[int | str]) -> None:
        """Declare the value `name`, float32, to be an output."""
        self._outputs.append(_value(name, np.float32, shape))

    def weights(self, array: NDArray[Any]) -> str:
        """Add a constant."""
        import onnx

        name = f"weights_{len(self._weights)}"
        self._weights[name] = onnx.numpy_helper.from_array(np.asarray(array, order="C"), name)
        return name

    def ints(self, *numbers: int) -> str:
        """Add a constant of rank 1, int64: a shape, axes or a place."""
        return self.weights(np.array(numbers, np.int64))

    def number(self, dtype: type, number: float) -> str:
        """The scalar constant `number`, which is added once."""
        key = dtype.__name__, number
        if key not in self._small:
            self._small[key] = self.weights(np.array(number, dtype))
        return self._small[key]

    def add(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add a node with one output; returns the output, called `name` if that is given."""
        [output] = self.add_outputs(kind, inputs, [name or f"value_{len(self._nodes)}"], **attributes)
        return output

    def split(self, value: str, parts: int) -> list[str]:
        """Split `value` into parts of equal length along its last axis."""
        names = [f"value_{len(self._nodes)}_{part}" for part in range(parts)]
        return self.add_outputs("Split", [value], names, axis=-1, num_outputs=parts)

    def rows(self, value: str, first: str, *, axis: int) -> str:
        """Slice `value` along `axis` from position `first` on, a value of shape (1,)."""
        return self.add("Slice", value, first, self.ints(_INT64_MAX), self.ints(axis))

    def add_outputs(self, kind: str, inputs: Sequence[str], outputs: list[str], **attributes: Any) -> list[str]:
        """Add a node; returns its outputs. An empty string among `inputs` is one that is left out."""
        import onnx

        domain = _CONTRIB if kind in _CONTRIB_KINDS else ""
        self._nodes.append(onnx.helper.make_node(kind, list(inputs), outputs, domain=domain, **attributes))
        return outputs

    def rotated(self, value: str, position: str, cosines: str, sines: str, *, heads: int, numbers: int) -> str:
        """Rotate neighbouring pairs among the first `numbers` of each head by their position.

        `value` has shape (rows, positions, width); `position`, shape (1,), is the line of the tables for the first of
        its positions.
        """
        tables = position, cosines, sines
        return self.add(
            "RotaryEmbedding", value, *tables, interleaved=1, num_heads=heads, rotary_embedding_dim=numbers
        )  # fmt: skip

    def layer_norm(self, value: str, scale: NDArray[np.float32]) -> str:
        """Layer normalisation of the last axis, without bias."""
        return self.add("LayerNormalization", value, self.weights(scale), axis=-1, epsilon=1e-5)

    def linear(self, value: str, *layers: Linear, name: str = "") -> str:
        """Linear layers side by side, on the last axis; all of them or none have a bias.

        Each row is rounded to 8 bits on its own, by its greatest number, so that a row's result is the same whatever
        the other rows are, but for the order in which sums of float32 are taken.
        """
        greatest = self.add("ReduceMax", self.add("Abs", value), self.ints(-1), keepdims=1)
        step, zero = self.number(np.float32, 1 / _LEVELS), self.number(np.uint8, _ZERO)
        rounded = self.add("QuantizeLinear", self.add("Div", value, greatest), step, zero)
        weights, scales, zeros, bias = self._joined(layers)
        product = self.add("MatMulIntegerToFloat", rounded, weights, step, scales, zero, zeros)
        if not bias:
            return self.add("Mul", product, greatest, name=name)
        return self.add("Add", self.add("Mul", product, greatest), bias, name=name)

    def linear_of_all(self, value: str, *layers: Linear) -> str:
        """Linear layers side by side, on the last axis; all of them or none have a bias.

        All rows are rounded to 8 bits together: faster than `linear`, but a row's result depends on the other rows.
        """
        return self.add("DynamicQuantizeMatMul", value, *self._joined(layers))

    def _joined(self, layers: Sequence[Linear]) -> tuple[str, str, str, str]:
        # Weights, scales, zero points and bias, which is an empty string if there is none.
        signed = [without_saturation(layer) for layer in layers]
        weights = np.concatenate([weights for weights, _ in signed], axis=1)
        scales = np.concatenate([scales for _, scales in signed])
        biases = [layer.bias for layer in layers if layer.bias is not None]
        bias = self.weights(np.concatenate(biases)) if biases else ""
        return self.weights(weights), self.weights(scales), self.weights(np.zeros(len(scales), np.int8)), bias

    def model(self) -> bytes:
        """The graph as a serialised ONNX model."""
        from onnx import helper

        graph = helper.make_graph(self._nodes, "graph", self._inputs, self._outputs, list(self._weights.values()))
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_CONTRIB, 1)]
        data: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION).SerializeToString()
        return data


def without_saturation(layer: Linear) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Weights and scales of `layer` as signed bytes that no processor saturates.

    The weights of most outputs stay as they are. Where the sum of two neighbours is too great, those of that output are
    rounded to a coarser scale.
    """
    weights, scales = layer.weights, layer.scales.copy()
    magnitudes = np.abs(weights)
    pairs = (magnitudes[0::2] + magnitudes[1::2]).max(axis=0)
    coarse = np.flatnonzero(pairs > _GREATEST_PAIR)
    factors = (pairs[coarse] / _GREATEST_PAIR).astype(np.float32)
    scales[coarse] *= factors
    signed = weights.astype(np.int8)
    signed[:, coarse] = np.rint(weights[:, coarse] / factors)
    return signed, scales


def _value(name: str, dtype: type, shape: Sequence[int | str]) -> Any:
    import onnx

    return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
