"""A streaming zipformer transducer with random weights in the shapes that sherpa-onnx demands, made in a moment.

One layer: its encoder takes chunks of 45 frames and moves on by 32, keeps all the caches of a real one, and lets what
came before fade slowly, so that every word depends on everything that was fed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TOKENS = ("<blk>", "<sos/eos>", "<unk>", "▁the", "▁a", "s", "▁line", "▁go", "es", "▁on", "▁pau", "se")
DIM, KEY, LEFT, FRAMES = 16, 8, 4, 8
STATES: dict[str, tuple[list[int | str], int]] = {
    "cached_key_0": ([LEFT, "N", KEY], TensorProto.FLOAT),
    "cached_nonlin_attn_0": ([1, "N", LEFT, 3 * DIM // 4], TensorProto.FLOAT),
    "cached_val1_0": ([LEFT, "N", KEY], TensorProto.FLOAT),
    "cached_val2_0": ([LEFT, "N", KEY], TensorProto.FLOAT),
    "cached_conv1_0": (["N", DIM, 2], TensorProto.FLOAT),
    "cached_conv2_0": (["N", DIM, 2], TensorProto.FLOAT),
    "embed_states": (["N", 128, 3, 19], TensorProto.FLOAT),
    "processed_lens": (["N"], TensorProto.INT64),
}
METADATA = {
    "model_type": "zipformer2",
    "version": "1",
    "comment": "random weights",
    "encoder_dims": f"{DIM}",
    "query_head_dims": "4",
    "value_head_dims": "4",
    "num_heads": "2",
    "num_encoder_layers": "1",
    "cnn_module_kernels": "5",
    "left_context_len": f"{LEFT}",
    "T": "45",
    "decode_chunk_len": "32",
}


def write_zipformer(folder: Path, seed: int = 7) -> Path:
    """Write the model's files into `folder`; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    onnx.save(_encoder(rng), folder / "encoder-epoch-1.onnx")
    onnx.save(_decoder(rng), folder / "decoder-epoch-1.onnx")
    onnx.save(_joiner(rng), folder / "joiner-epoch-1.onnx")
    (folder / "tokens.txt").write_text("".join(f"{token} {at}\n" for at, token in enumerate(TOKENS)))
    return folder


def _weights(rng: np.random.Generator, name: str, shape: Sequence[int], scale: float) -> Any:
    return numpy_helper.from_array(rng.normal(0, scale, shape).astype(np.float32), name)


def _ints(name: str, *values: int) -> Any:
    return numpy_helper.from_array(np.array(values, np.int64), name)


def _value(name: str, shape: Sequence[int | str], kind: int = TensorProto.FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def _model(nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: list[Any], **metadata: str) -> Any:
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, metadata)
    return model


def _encoder(rng: np.random.Generator) -> Any:
    node = helper.make_node
    nodes = [
        node("Slice", ["x", "zero", "chunk", "one"], ["frames"]),
        node("Reshape", ["frames", "stacked_shape"], ["stacked"]),
        node("MatMul", ["stacked", "project"], ["projected"]),
        node("ReduceMean", ["cached_key_0"], ["past"], axes=[0], keepdims=0),
        node("MatMul", ["past", "remember"], ["remembered"]),
        node("Unsqueeze", ["remembered", "one"], ["broadcast"]),
        node("Add", ["projected", "broadcast"], ["summed"]),
        node("Tanh", ["summed"], ["encoder_out"]),
        node("Slice", ["encoder_out", "tail_starts", "tail_ends", "tail_axes"], ["tail"]),
        node("Transpose", ["tail"], ["newest"], perm=[1, 0, 2]),
        node("Mul", ["cached_key_0", "fade"], ["faded"]),
        node("Add", ["newest", "faded"], ["new_cached_key_0"]),
        node("Add", ["processed_lens", "chunk"], ["new_processed_lens"]),
    ]
    kept = [name for name in STATES if name not in {"cached_key_0", "processed_lens"}]
    nodes += [node("Identity", [name], [f"new_{name}"]) for name in kept]
    constants = [
        *(_ints("zero", 0), _ints("one", 1), _ints("chunk", 32), _ints("stacked_shape", -1, FRAMES, 320)),
        *(_ints("tail_starts", FRAMES - LEFT, 0), _ints("tail_ends", FRAMES, KEY), _ints("tail_axes", 1, 2)),
        _weights(rng, "project", (320, DIM), 0.02),
        _weights(rng, "remember", (KEY, DIM), 1.0),
        numpy_helper.from_array(np.float32(0.7).reshape(1), "fade"),
    ]
    inputs = [_value("x", ["N", 45, 80]), *(_value(name, *shape) for name, shape in STATES.items())]
    outputs = [
        _value("encoder_out", ["N", FRAMES, DIM]),
        *(_value(f"new_{name}", *shape) for name, shape in STATES.items()),
    ]
    return _model(nodes, inputs, outputs, constants, **METADATA)


def _decoder(rng: np.random.Generator) -> Any:
    nodes = [
        helper.make_node("Gather", ["embedding", "y"], ["embedded"], axis=0),
        helper.make_node("ReduceMean", ["embedded"], ["decoder_out"], axes=[1], keepdims=0),
    ]
    constants = [_weights(rng, "embedding", (len(TOKENS), DIM), 1.0)]
    return _model(
        nodes,
        [_value("y", ["N", 2], TensorProto.INT64)],
        [_value("decoder_out", ["N", DIM])],
        constants,
        vocab_size=f"{len(TOKENS)}",
        context_size="2",
    )


def _joiner(rng: np.random.Generator) -> Any:
    nodes = [
        helper.make_node("Add", ["encoder_out", "decoder_out"], ["both"]),
        helper.make_node("Tanh", ["both"], ["bent"]),
        helper.make_node("MatMul", ["bent", "output"], ["logit"]),
    ]
    inputs = [_value("encoder_out", ["N", DIM]), _value("decoder_out", ["N", DIM])]
    return _model(
        nodes,
        inputs,
        [_value("logit", ["N", len(TOKENS)])],
        [_weights(rng, "output", (DIM, len(TOKENS)), 1.0)],
        joiner_dim=f"{DIM}",
    )
