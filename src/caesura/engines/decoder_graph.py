"""Adds the cross-attention of one layer to the outputs of the Moonshine decoder's network."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

CROSS_ATTENTION = "cross_attention"
"""Name of the added output; float32, shape (batch, heads, positions, encoder frames)."""


def with_cross_attention(onnxruntime: Any, path: Path, *, layer: int) -> bytes:
    """Read the network at `path` as an ONNX model with the added output `CROSS_ATTENTION`.

    The file is in the runtime's own format, which holds a graph that only the runtime can write out as ONNX: that takes
    about a second, and 30 MB in a temporary folder meanwhile. The graph branches on whether there is a cache; both
    branches compute the same attention, so both get the output.

    Raises:
        ValueError: the file is not the expected network.
        Exception: whatever the runtime raises for a file that it cannot read.
    """
    import onnx

    model = _as_onnx(onnxruntime, path)
    branching = [node for node in model.graph.node if node.op_type == "If"]
    if len(branching) != 1:
        raise ValueError(f"{path.name}: {len(branching)} branching nodes, expected 1")
    attention = f"/model/decoder/layers.{layer}/encoder_attn/Softmax_output_0"
    for branch in branching[0].attribute:
        if not any(attention in node.output for node in branch.g.node):
            raise ValueError(f"{path.name}: its {branch.name} has no {attention}")
        # The runtime writes the branches without names, but requires names when it reads them.
        branch.g.name = branch.name
        branch.g.output.append(onnx.ValueInfoProto(name=attention))
    branching[0].output.append(CROSS_ATTENTION)
    added = onnx.helper.make_tensor_value_info(CROSS_ATTENTION, onnx.TensorProto.FLOAT, None)
    model.graph.output.append(added)
    model.graph.name = path.stem
    data: bytes = model.SerializeToString()
    return data


def _as_onnx(onnxruntime: Any, path: Path) -> Any:
    import onnx

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = False
    # Without optimisation: the network must compute exactly what the file computes, to the bit.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.save_model_format", "ONNX")
    with TemporaryDirectory(prefix="caesura-") as folder:
        written = Path(folder) / "decoder.onnx"
        options.optimized_model_filepath = str(written)
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return onnx.load(str(written))
