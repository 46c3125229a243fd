"""Makes tiny ONNX models in the layouts that onnx-asr reads: with random weights, or ones that output a given script.

Nothing is downloaded. Each has the inputs, outputs and files of a NeMo export: CTC (`model.onnx`), transducer with
durations (`encoder-model.onnx`, `decoder_joint-model.onnx`) and attention decoder (`encoder-model.onnx`,
`decoder-model.onnx`), with `vocab.txt` and `config.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

MELS = 80
SUBSAMPLING = 8
FRAME_S = SUBSAMPLING * 0.01
"""Seconds of audio for each output of an encoder."""

WIDTH = 16
STATE = 8
DURATIONS = 5
MOST_FRAMES = 400

PIECES = ("<unk>", "▁hello", "▁th", "ere", ",", "▁world", ".", "▁no", "▁", "a")
BLANK = len(PIECES)
SPECIAL = (
    *("<|startofcontext|>", "<|startoftranscript|>", "<|emo:undefined|>", "<|en|>", "<|de|>", "<|pnc|>", "<|noitn|>"),
    *("<|notimestamp|>", "<|nodiarize|>", "<|endoftext|>"),
)
CERTAIN = 20.0
"""Logit of a scripted piece, above those of all others."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Script:
    """The output of a scripted model, whatever the audio: pieces by the encoder's frame at which they begin."""

    pieces: Mapping[int, str]
    certain: float = CERTAIN


GREETING = Script({2: "▁hello", 5: "▁th", 6: "ere", 8: ",", 12: "▁world", 15: "."})


def make_ctc(folder: Path, script: Script | None = None, *, int8: bool = False, seed: int = 7) -> Path:
    """A CTC model in `folder`, with the file name of a quantised one if `int8`. Returns the folder."""
    graph = _Graph()
    graph.inputs(audio_signal=("float", ["batch", MELS, "frames"]), length=("int64", ["batch"]))
    graph.convolution("audio_signal", "encoded", _weights(seed, BLANK + 1, MELS, SUBSAMPLING, scale=0.02))
    if script is None:
        graph.node("Transpose", ["encoded"], ["logits"], perm=[0, 2, 1])
    else:
        graph.play(_table(script), "encoded", "logits")
    graph.node("LogSoftmax", ["logits"], ["logprobs"], axis=-1)
    graph.outputs(logprobs=("float", ["batch", "steps", BLANK + 1]))
    graph.save(_folder(folder, "nemo-conformer-ctc") / f"model{'.int8' if int8 else ''}.onnx")
    return folder


def make_tdt(folder: Path, script: Script | None = None, *, int8: bool = False, seed: int = 7) -> Path:
    """A transducer with durations in `folder`. Returns the folder."""
    suffix = ".int8" if int8 else ""
    width = BLANK + 1 + DURATIONS
    encoder = _Graph()
    encoder.inputs(audio_signal=("float", ["batch", MELS, "frames"]), length=("int64", ["batch"]))
    encoder.convolution("audio_signal", "encoded", _weights(seed, width, MELS, SUBSAMPLING, scale=0.02))
    if script is None:
        encoder.node("Identity", ["encoded"], ["outputs"])
    else:
        encoder.play(_table(script, durations=True), "encoded", "played")
        encoder.node("Transpose", ["played"], ["outputs"], perm=[0, 2, 1])
    encoder.shorten("length", "encoded_lengths")
    encoder.outputs(outputs=("float", ["batch", width, "steps"]), encoded_lengths=("int64", ["batch"]))
    encoder.save(_folder(folder, "nemo-conformer-tdt") / f"encoder-model{suffix}.onnx")
    _joint(width, scripted=script is not None, seed=seed).save(folder / f"decoder_joint-model{suffix}.onnx")
    return folder


def make_aed(folder: Path, said: Sequence[str], *, certain: float = CERTAIN) -> Path:
    """A model with an attention decoder in `folder`, which writes `said`. Returns the folder."""
    _folder(folder, "nemo-conformer-aed", (" ", *PIECES[1:], *SPECIAL))
    encoder = _Graph()
    encoder.inputs(audio_signal=("float", ["batch", MELS, "frames"]), length=("int64", ["batch"]))
    encoder.convolution("audio_signal", "encoded", _weights(7, WIDTH, MELS, SUBSAMPLING, scale=0.02))
    encoder.node("Transpose", ["encoded"], ["encoder_embeddings"], perm=[0, 2, 1])
    encoder.node("ReduceMax", ["encoder_embeddings"], ["peaks"], axes=[2], keepdims=0)
    encoder.node("Cast", ["peaks"], ["whole"], to=TensorProto.INT64)
    encoder.node("Mul", ["whole", encoder.constant("zero", np.int64(0))], ["nothing"])
    encoder.node("Add", ["nothing", encoder.constant("one", np.int64(1))], ["encoder_mask"])
    encoder.outputs(encoder_embeddings=("float", ["batch", "steps", WIDTH]), encoder_mask=("int64", ["batch", "steps"]))
    encoder.save(folder / "encoder-model.onnx")
    _attention_decoder((" ", *PIECES[1:], *SPECIAL), said, certain).save(folder / "decoder-model.onnx")
    return folder


def _folder(folder: Path, kind: str, tokens: Sequence[str] = (*PIECES, "<blk>")) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lines = (f"{'▁' if token == ' ' else token} {number}" for number, token in enumerate(tokens))
    (folder / "vocab.txt").write_text("\n".join(lines) + "\n", "utf-8")
    config = {"model_type": kind, "features_size": MELS, "subsampling_factor": SUBSAMPLING}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def _weights(seed: int, *shape: int, scale: float) -> Array:
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def _table(script: Script, *, durations: bool = False) -> Array:
    # Logits for each frame of the encoder: the piece that begins there, or the blank.
    width = BLANK + 1
    table = np.zeros((MOST_FRAMES, width + (DURATIONS if durations else 0)), np.float32)
    for frame in range(MOST_FRAMES):
        piece = script.pieces.get(frame)
        table[frame, BLANK if piece is None else PIECES.index(piece)] = CERTAIN if piece is None else script.certain
        if durations:
            table[frame, width + 1] = CERTAIN  # one frame on
    return table


def _joint(width: int, *, scripted: bool, seed: int) -> _Graph:
    joint = _Graph()
    joint.inputs(
        encoder_outputs=("float", [1, width, 1]),
        targets=("int32", [1, 1]),
        target_length=("int32", [1]),
        input_states_1=("float", [1, "batch", STATE]),
        input_states_2=("float", [1, "batch", STATE]),
    )
    embedding = joint.constant("embedding", _weights(seed + 1, BLANK + 1, STATE, scale=0.5))
    joint.node("Gather", [embedding, "targets"], ["embedded"], axis=0)
    joint.node("Add", ["embedded", "input_states_1"], ["moved"])
    joint.node("Tanh", ["moved"], ["output_states_1"])
    joint.node("Identity", ["input_states_2"], ["output_states_2"])
    projection = joint.constant("projection", _weights(seed + 2, STATE, width, scale=0.0 if scripted else 0.5))
    joint.node("MatMul", ["output_states_1", projection], ["predicted"])
    joint.node("Transpose", ["encoder_outputs"], ["frame"], perm=[0, 2, 1])
    joint.node("Add", ["frame", "predicted"], ["joined"])
    joint.node("Unsqueeze", ["joined", joint.constant("axis", np.array([1]))], ["outputs"])
    joint.outputs(
        outputs=("float", [1, 1, 1, width]),
        output_states_1=("float", [1, "batch", STATE]),
        output_states_2=("float", [1, "batch", STATE]),
    )
    return joint


def _attention_decoder(tokens: Sequence[str], said: Sequence[str], certain: float) -> _Graph:
    # The state counts the tokens that were decoded; that position's row of a table is the next token.
    prompt = 10
    table = np.zeros((prompt + len(said), len(tokens)), np.float32)
    for row, token in enumerate((*said, "<|endoftext|>"), start=prompt - 1):
        table[row, tokens.index(token)] = certain
    decoder = _Graph()
    decoder.inputs(
        input_ids=("int64", ["batch", "written"]),
        encoder_embeddings=("float", ["batch", "steps", WIDTH]),
        encoder_mask=("int64", ["batch", "steps"]),
        decoder_mems=("float", [1, "batch", "done", 1]),
    )
    decoder.node("Cast", ["input_ids"], ["ids"], to=TensorProto.FLOAT)
    decoder.node("Unsqueeze", ["ids", decoder.constant("ends", np.array([0, 3]))], ["news"])
    decoder.node("Concat", ["decoder_mems", "news"], ["decoder_hidden_states"], axis=2)
    decoder.node("Shape", ["decoder_hidden_states"], ["shape"])
    decoder.node("Gather", ["shape", decoder.constant("third", np.array([2]))], ["count"])
    decoder.node("Sub", ["count", decoder.constant("one", np.array([1]))], ["position"])
    decoder.node("Gather", [decoder.constant("table", table), "position"], ["row"])
    decoder.node("LogSoftmax", ["row"], ["scores"], axis=-1)
    decoder.node("Unsqueeze", ["scores", decoder.constant("first", np.array([0]))], ["logits"])
    decoder.outputs(
        logits=("float", ["batch", "new", len(tokens)]), decoder_hidden_states=("float", [1, "batch", "all", 1])
    )
    return decoder


_TYPES = {"float": TensorProto.FLOAT, "int32": TensorProto.INT32, "int64": TensorProto.INT64}


class _Graph:
    """An ONNX graph as it is put together."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def inputs(self, **shapes: tuple[str, list[Any]]) -> None:
        self._inputs = [helper.make_tensor_value_info(n, _TYPES[t], s) for n, (t, s) in shapes.items()]

    def outputs(self, **shapes: tuple[str, list[Any]]) -> None:
        self._outputs = [helper.make_tensor_value_info(n, _TYPES[t], s) for n, (t, s) in shapes.items()]

    def node(self, kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        self._nodes.append(helper.make_node(kind, inputs, outputs, **attributes))

    def constant(self, name: str, value: Any) -> str:
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def convolution(self, given: str, made: str, weights: Array) -> None:
        """Every `SUBSAMPLING` frames become one, and what is left over another."""
        name = self.constant(f"{made}_weights", weights)
        self.node("Conv", [given, name], [made], strides=[SUBSAMPLING], pads=[0, SUBSAMPLING - 1])

    def shorten(self, given: str, made: str) -> None:
        """The number of frames that a convolution makes of `given`."""
        one, factor = self.constant("a_frame", np.array([1])), self.constant("subsampling", np.array([SUBSAMPLING]))
        self.node("Sub", [given, one], ["but_one"])
        self.node("Div", ["but_one", factor], ["but_last"])
        self.node("Add", ["but_last", one], [made])

    def play(self, table: Array, encoded: str, made: str) -> None:
        """As many rows of `table` as `encoded` has frames, for a batch of one."""
        self.node("Shape", [encoded], ["encoded_shape"])
        self.node("Gather", ["encoded_shape", self.constant("last", np.array([2]))], ["steps"])
        start = self.constant("begin", np.array([0]))
        self.node("Slice", [self.constant("script", table), start, "steps"], ["rows"])
        self.node("Unsqueeze", ["rows", self.constant("front", np.array([0]))], [made])

    def save(self, path: Path) -> None:
        graph = helper.make_graph(self._nodes, path.stem, self._inputs, self._outputs, self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.checker.check_model(model)
        onnx.save(model, str(path))
