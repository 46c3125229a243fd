"""Rewrites the Silero network for batches: `python -m tests.speech.batched_vad_graph` writes the file in the package.

The file of `silero-vad` takes the frames of one stream in a row and runs its convolutions frame by frame, each time
over all weights. The rewritten graph has the same weights, but its convolutions are products of matrices over all rows
at once, and its recurrent layer takes several streams side by side: a quarter of the time a frame at forty streams,
half at one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from caesura.speech.vad import WEIGHTS

ORIGINAL: Final = Path(__file__).parent.parent / "data" / "silero_vad_16k_sequence.onnx"
"""`silero-vad` 6.2.3, unchanged."""
_BINS: Final = 129
_LSTM: Final = ("onnx::LSTM_209", "onnx::LSTM_210", "onnx::LSTM_211")


class _Graph:
    """Nodes and constants as they are added."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operator: str, *inputs: str, to: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, list(inputs), [to], **attributes))
        return to

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def steps(self, source: str, first: int, end: int, *, axis: int = 1, stride: int = 1) -> str:
        """A slice of one axis."""
        to = f"{source}[{axis}:{first}:{end}:{stride}]"
        bounds = {"start": first, "end": end, "axis": axis, "stride": stride}
        names = [self.constant(f"{to}.{name}", np.array([value])) for name, value in bounds.items()]
        return self.add("Slice", source, *names, to=to)

    def dense(self, source: str, weight: NDArray[Any], bias: NDArray[Any], *, to: str) -> str:
        """A convolution whose windows lie in the last axis of `source`, and its rectifier."""
        product = self.add("MatMul", source, self.constant(f"{to}.weight", weight), to=f"{to}.product")
        return self.add("Relu", self.add("Add", product, self.constant(f"{to}.bias", bias), to=f"{to}.sum"), to=to)

    def windows(self, source: str, steps: int, *, stride: int) -> str:
        """Windows of three time steps, a step of zeros on both sides, side by side in the last axis."""
        padded = self.add("Pad", source, "one step each side", to=f"{source}.padded")
        last = (steps - 1) * stride + 1
        parts = [self.steps(padded, shift, shift + last, stride=stride) for shift in range(3)]
        return self.add("Concat", *parts, to=f"{source}.windows", axis=2)


def batched(original: Path = ORIGINAL) -> bytes:
    """The rewritten network, as ONNX.

    Inputs: `rows` (n, 576), 64 samples of context and 512 new ones each, of all streams; `order` int64 (steps,
    streams), which row is each step of each stream; `lengths` int32 (streams,), how many steps each has; `h` and `c`
    (1, streams, 128). Outputs: `probabilities` (steps, streams), and the states after each stream's last step.
    """
    weights = {each.name: numpy_helper.to_array(each) for each in onnx.load(original).graph.initializer}
    graph = _Graph()
    _encode(graph, weights)
    graph.add("Gather", "encoded", "order", to="sequences", axis=0)
    lstm = [graph.constant(f"lstm.{name}", weights[name]) for name in _LSTM]
    graph.nodes.append(
        helper.make_node("LSTM", ["sequences", *lstm, "lengths", "h", "c"], ["steps", "hn", "cn"], hidden_size=128)
    )
    one = graph.constant("axis 1", np.array([1]))
    graph.add("Relu", graph.add("Squeeze", "steps", one, to="steps.squeezed"), to="recurrent")
    output = graph.constant("output.weight", weights["output.weight"][0])
    product = graph.add("MatMul", "recurrent", output, to="output.product")
    graph.add("Squeeze", product, graph.constant("axis 2", np.array([2])), to="output.squeezed")
    graph.add("Add", "output.squeezed", graph.constant("output.bias", weights["output.bias"]), to="output.sum")
    graph.add("Sigmoid", "output.sum", to="probabilities")
    return _model(graph)


def _encode(graph: _Graph, weights: dict[str, NDArray[Any]]) -> None:
    """Magnitudes of four short-time spectra a row, then four convolutions down to one vector."""
    graph.constant("one step each side", np.array([0, 1, 0, 0, 1, 0]))
    graph.add("Pad", "rows", graph.constant("64 behind", np.array([0, 0, 0, 64])), to="padded", mode="reflect")
    graph.add("Reshape", "padded", graph.constant("halves", np.array([-1, 5, 128])), to="half windows")
    halves = [graph.steps("half windows", first, first + 4) for first in (0, 1)]
    graph.add("Concat", *halves, to="spectrum windows", axis=2)
    basis = graph.constant("basis", weights["stft.forward_basis_buffer"][:, 0].T)
    spectrum = graph.add("MatMul", "spectrum windows", basis, to="spectrum")
    graph.add("Mul", spectrum, spectrum, to="squares")
    parts = [graph.steps("squares", first, first + _BINS, axis=2) for first in (0, _BINS)]
    graph.add("Sqrt", graph.add("Add", *parts, to="powers"), to="magnitudes")

    def kernel(layer: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Weights (3, inputs, outputs) and biases."""
        return weights[f"encoder.{layer}.weight"].transpose(2, 1, 0), weights[f"encoder.{layer}.bias"]

    weight, bias = kernel(0)
    graph.dense(graph.windows("magnitudes", 4, stride=1), weight.reshape(-1, 128), bias, to="encoder.0")
    weight, bias = kernel(1)
    graph.dense(graph.windows("encoder.0", 2, stride=2), weight.reshape(-1, 64), bias, to="encoder.1")
    # What is left are two steps, then one: the other taps of the kernels only ever see the zeros beside them.
    weight, bias = kernel(2)
    graph.add("Reshape", "encoder.1", graph.constant("both steps", np.array([-1, 128])), to="encoder.1.joined")
    graph.dense("encoder.1.joined", weight[1:].reshape(-1, 64), bias, to="encoder.2")
    weight, bias = kernel(3)
    graph.dense("encoder.2", weight[1], bias, to="encoded")


def _model(graph: _Graph) -> bytes:
    def value(name: str, kind: int, *shape: int | str) -> Any:
        return helper.make_tensor_value_info(name, kind, list(shape))

    real, state = TensorProto.FLOAT, (1, "streams", 128)
    inputs = [
        value("rows", real, "rows", 576),
        value("order", TensorProto.INT64, "steps", "streams"),
        value("lengths", TensorProto.INT32, "streams"),
        value("h", real, *state),
        value("c", real, *state),
    ]
    outputs = [value("probabilities", real, "steps", "streams"), value("hn", real, *state), value("cn", real, *state)]
    made = helper.make_graph(graph.nodes, "silero-vad-6.2.3-batched", inputs, outputs, graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 16)], ir_version=8, producer_name="caesura")
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    WEIGHTS.write_bytes(batched())
