"""Reader of network files in onnxruntime's own format: the weights of a layer, found by what the layer computes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Element types of tensors, numbered as in ONNX.
_DTYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 9: np.bool_}
_IDENTIFIER = b"ORTM"


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """Linear layer with 8-bit weights: `x @ (weights * scales) + bias`.

    `weights`: int16, shape (inputs, outputs), 0 for zero. `scales`: float32, one for each output. `bias`: float32, one
    for each output, or None.
    """

    weights: NDArray[np.int16]
    scales: NDArray[np.float32]
    bias: NDArray[np.float32] | None


class OrtFile:
    """Weights of the network in a file; those of a node that branches are included.

    Raises:
        ValueError: the file is not a network in this format.
    """

    def __init__(self, path: Path) -> None:
        self._name = path.name
        self._inputs: dict[str, list[str]] = {}
        self._tensors: dict[str, Any] = {}
        data = path.read_bytes()
        if data[4:8] != _IDENTIFIER:
            raise ValueError(f"{path.name}: not a network in the format of onnxruntime")
        try:
            for graph in _graphs(data):
                self._read(graph)
        except (struct.error, IndexError, AttributeError, TypeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path.name}: damaged: {error}") from error

    def linear(self, output: str) -> Linear:
        """The layer with 8-bit weights that computes `output`. Raises ValueError if there is none."""
        weights = self._input(output, "_quantized", 2)
        layer = weights.removesuffix("_quantized")
        zero_point = self.tensor(f"{layer}_zero_point").astype(np.int16)
        centred = self.tensor(weights).astype(np.int16) - zero_point
        scales = np.broadcast_to(self.tensor(f"{layer}_scale"), centred.shape[1:]).astype(np.float32)
        biases = [name for name in self._inputs[output] if ".bias" in name]
        return Linear(centred, scales, self.tensor(biases[0]) if biases else None)

    def vector(self, output: str) -> NDArray[np.float32]:
        """The first weights, one for each number, of the node that computes `output`. Raises ValueError if none."""
        return self.tensor(self._input(output, "", 1))

    def tensor(self, name: str) -> NDArray[Any]:
        """The tensor of this name. Raises ValueError if there is none."""
        if name not in self._tensors:
            raise ValueError(f"{self._name}: has no {name}")
        tensor = self._tensors[name]
        shape = [int(tensor.Dims(axis)) for axis in range(tensor.DimsLength())]
        return tensor.RawDataAsNumpy().view(_DTYPES[tensor.DataType()]).reshape(shape)  # type: ignore[no-any-return]

    def _input(self, output: str, suffix: str, rank: int) -> str:
        if output not in self._inputs:
            raise ValueError(f"{self._name}: nothing computes {output}")
        for name in self._inputs[output]:
            tensor = self._tensors.get(name)
            if tensor is not None and name.endswith(suffix) and tensor.DimsLength() == rank:
                return name
        raise ValueError(f"{self._name}: {output} is computed without weights of rank {rank}")

    def _read(self, graph: Any) -> None:
        for at in range(graph.InitializersLength()):
            tensor = graph.Initializers(at)
            self._tensors[tensor.Name().decode()] = tensor
        for at in range(graph.NodesLength()):
            node = graph.Nodes(at)
            inputs = [node.Inputs(each).decode() for each in range(node.InputsLength())]
            for each in range(node.OutputsLength()):
                self._inputs[node.Outputs(each).decode()] = inputs


def _graphs(data: bytes) -> Iterator[Any]:
    # The graph of the network, and those that its nodes choose from.
    from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs.InferenceSession import InferenceSession

    graphs = [InferenceSession.GetRootAs(data, 0).Model().Graph()]
    while graphs:
        graph = graphs.pop()
        yield graph
        for at in range(graph.NodesLength()):
            node = graph.Nodes(at)
            attributes = (node.Attributes(each) for each in range(node.AttributesLength()))
            graphs += [attribute.G() for attribute in attributes if attribute.G() is not None]
