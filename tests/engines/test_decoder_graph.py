"""The decoder's graphs beside the model's own file: the same logits and attention, whatever is decoded together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from caesura.engines.decoder_graph import CROSS, PAST, PRESENT, cross_attention, decoder_graph
from caesura.engines.graph_builder import GraphBuilder
from caesura.engines.moonshine import _assets
from caesura.engines.ort_file import OrtFile
from tests.recordings import recording

DECODER = _assets() / "decoder_model_merged.ort"
TEXT = [1, 1126, 577, 590, 10404, 23035, 2244, 451, 825, 596]
AUDIO = recording("jfk").samples[: 6 * 16_000]
EMPTY = np.zeros((1, 8, 0, 36), np.float32)

Arrays = dict[str, NDArray[Any]]


def session(network: str | bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(network, options)


@pytest.fixture(scope="module")
def states() -> NDArray[np.float32]:
    """Those of a recording: for numbers by chance the network's own rounding decides what it computes."""
    network = session(str(DECODER.with_name("encoder_model.ort")))
    feed = {"input_values": AUDIO[None], "attention_mask": np.ones((1, AUDIO.size), np.int64)}
    return np.asarray(network.run(None, feed)[0])


@pytest.fixture(scope="module")
def decoder() -> Any:
    return session(decoder_graph(OrtFile(DECODER)))


@pytest.fixture(scope="module")
def cross(states: NDArray[np.float32]) -> Arrays:
    graph = GraphBuilder()
    cross_attention(graph, OrtFile(DECODER), graph.input("states", np.float32, [1, "frames", 288]))
    network = session(graph.model())
    return dict(zip(CROSS, network.run(list(CROSS), {"states": states}), strict=True))


@pytest.fixture(scope="module")
def original(states: NDArray[np.float32]) -> Arrays:
    """What the model's own file computes for TEXT in one pass, by the names of its outputs."""
    network = session(str(DECODER))
    feed = {
        "encoder_hidden_states": states,
        "encoder_attention_mask": np.ones((1, AUDIO.size), np.int64),
        "input_ids": np.array([TEXT], np.int64),
        "use_cache_branch": np.array([False]),
    }
    feed |= {node.name: EMPTY for node in network.get_inputs() if node.name.startswith("past_key_values")}
    names = [node.name for node in network.get_outputs()]
    return dict(zip(names, network.run(names, feed), strict=True))


def decode(decoder: Any, cross: Arrays, texts: list[list[int]], past: Arrays | None = None, skipped: int = 0) -> Arrays:
    past = past or dict.fromkeys(PAST, EMPTY[[0] * len(texts)])
    position = past[PAST[0]].shape[2]
    feed = {"tokens": np.array(texts), "position": np.array([position]), "skipped": np.array([skipped])}
    names = ["logits", "attention", *PRESENT]
    return dict(zip(names, decoder.run(names, feed | past | cross), strict=True))


def past_of(outputs: Arrays) -> Arrays:
    return dict(zip(PAST, (outputs[name] for name in PRESENT), strict=True))


def close(ours: NDArray[np.float32], other: NDArray[np.float32], share: float) -> bool:
    """Whether the root mean square of the difference is at most this share of that of `other`."""
    return bool(np.sqrt(np.square(ours - other).mean()) <= share * np.sqrt(np.square(other).mean()))


def same(ours: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Whether the logits are those of the same pass, and name the same tokens.

    Sums of float32 taken in another order may round a number to the next of its 255 levels.
    """
    return close(ours, other, 0.03) and bool((ours.argmax(-1) == other.argmax(-1)).all())


@pytest.mark.slow
def test_keys_and_values_of_the_audio_are_those_of_the_file(cross: Arrays, original: Arrays) -> None:
    for name in CROSS:
        _, layer, kind = name.split(".")
        assert close(cross[name], original[f"present.{layer}.encoder.{kind}"], 0.08)


@pytest.mark.slow
def test_logits_and_cache_are_those_of_the_file(decoder: Any, cross: Arrays, original: Arrays) -> None:
    """But for the rounding to 8 bits, in which two right graphs differ by some percent."""
    outputs = decode(decoder, cross, [TEXT])
    assert close(outputs["logits"], original["logits"], 0.05)
    assert (outputs["logits"].argmax(-1) == original["logits"].argmax(-1)).mean() >= 0.8
    for name in PRESENT:
        _, layer, kind = name.split(".")
        assert close(outputs[name], original[f"present.{layer}.decoder.{kind}"], 0.15)


@pytest.mark.slow
def test_one_pass_computes_what_as_many_steps_do(decoder: Any, cross: Arrays) -> None:
    whole = decode(decoder, cross, [TEXT])
    past = None
    for at, token in enumerate(TEXT):
        step = decode(decoder, cross, [[token]], past)
        past = past_of(step)
        assert same(step["logits"][0, 0], whole["logits"][0, at])
        np.testing.assert_allclose(step["attention"][0, 0], whole["attention"][0, at], atol=0.02)


@pytest.mark.slow
def test_several_positions_after_a_cache_see_only_those_before_them(decoder: Any, cross: Arrays) -> None:
    whole = decode(decoder, cross, [TEXT])
    rest = decode(decoder, cross, [TEXT[4:]], past_of(decode(decoder, cross, [TEXT[:4]])))
    assert same(rest["logits"][0], whole["logits"][0, 4:])


@pytest.mark.slow
def test_rows_do_not_depend_on_one_another(decoder: Any, cross: Arrays) -> None:
    other = [1, *reversed(TEXT[1:])]
    both = decode(decoder, cross, [TEXT, other])
    for row, text in enumerate((TEXT, other)):
        alone = decode(decoder, cross, [text])
        assert same(both["logits"][row], alone["logits"][0])
        attention = both["attention"][0].reshape(2, len(TEXT), -1)[row]
        np.testing.assert_allclose(attention, alone["attention"][0], atol=0.02)


@pytest.mark.slow
def test_skipped_positions_have_no_logits(decoder: Any, cross: Arrays) -> None:
    whole = decode(decoder, cross, [TEXT])
    rest = decode(decoder, cross, [TEXT], skipped=7)
    assert rest["logits"].shape == (1, 3, 32_768)
    assert same(rest["logits"][0], whole["logits"][0, 7:])


@pytest.mark.slow
def test_each_row_of_attention_has_the_weights_of_all_frames(decoder: Any, cross: Arrays) -> None:
    attention = decode(decoder, cross, [TEXT])["attention"]
    assert attention.shape == (1, len(TEXT), cross[CROSS[0]].shape[2])
    np.testing.assert_allclose(attention.sum(axis=-1), 1.0, atol=1e-4)


@pytest.mark.slow
def test_another_network_is_refused() -> None:
    with pytest.raises(ValueError, match=r"encoder_model\.ort: has no onnx::Expand_219"):
        decoder_graph(OrtFile(DECODER.with_name("encoder_model.ort")))


def test_a_file_that_is_not_a_network_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "decoder.ort"
    other.write_bytes(b"not a network")
    with pytest.raises(ValueError, match=r"decoder\.ort: not a network in the format of onnxruntime"):
        OrtFile(other)
