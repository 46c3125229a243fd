"""Linear layers of built graphs: exact to their rounding, row by row, without saturation."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from caesura.engines.graph_builder import GraphBuilder, without_saturation
from caesura.engines.ort_file import Linear


def layer(*, outputs: int = 12, bias: bool = False, spread: float = 16.0) -> Linear:
    rng = np.random.default_rng(5)
    weights = np.clip(np.rint(rng.normal(0, spread, (32, outputs))), -147, 147).astype(np.int16)
    scales = np.full(outputs, 0.01, np.float32)
    return Linear(weights, scales, rng.normal(size=outputs).astype(np.float32) if bias else None)


def exact(value: NDArray[np.float32], given: Linear) -> NDArray[np.float32]:
    product = value @ (given.weights * given.scales)
    return np.asarray(product if given.bias is None else product + given.bias, np.float32)


def computed(value: NDArray[np.float32], *layers: Linear) -> NDArray[np.float32]:
    graph = GraphBuilder()
    graph.linear(graph.input("x", np.float32, ["rows", 32]), *layers, name="y")
    graph.output("y", ["rows", "outputs"])
    session: Any = onnxruntime.InferenceSession(graph.model())
    [result] = session.run(None, {"x": value})
    return np.asarray(result)


def rows(count: int) -> NDArray[np.float32]:
    return np.random.default_rng(6).normal(size=(count, 32)).astype(np.float32)


def test_a_linear_layer_is_exact_to_a_share_of_each_row() -> None:
    value = rows(4) * np.array([[1], [1e-3], [1e3], [1]], np.float32)
    given = layer()
    errors = np.abs(computed(value, given) - exact(value, given)).max(axis=1)
    assert (errors < 0.02 * np.abs(value).max(axis=1)).all()


def test_layers_side_by_side_are_their_results_one_behind_the_other() -> None:
    value, one, other = rows(3), layer(outputs=8, bias=True), layer(outputs=5, bias=True)
    expected = np.concatenate((computed(value, one), computed(value, other)), axis=1)
    np.testing.assert_allclose(computed(value, one, other), expected, rtol=1e-5)


def test_a_row_is_the_same_alone_as_among_others() -> None:
    value, given = rows(5), layer(bias=True)
    np.testing.assert_allclose(computed(value, given)[2:3], computed(value[2:3], given), rtol=1e-5)


def test_a_row_of_zeros_gives_the_bias() -> None:
    given = layer(bias=True)
    assert given.bias is not None
    np.testing.assert_array_equal(computed(np.zeros((1, 32), np.float32), given)[0], given.bias)


def test_great_weights_do_not_saturate() -> None:
    """The greatest numbers of a row meet the greatest weights, of the same sign."""
    given = Linear(np.full((32, 3), 147, np.int16), np.full(3, 0.01, np.float32), None)
    value = np.ones((2, 32), np.float32)
    np.testing.assert_allclose(computed(value, given), exact(value, given), rtol=0.01)


def test_only_outputs_with_great_neighbours_are_rounded_again() -> None:
    given = layer(spread=5.0)
    given.weights[4:6, 3] = 140, -30
    weights, scales = without_saturation(given)
    others = np.arange(12) != 3
    np.testing.assert_array_equal(weights[:, others], given.weights[:, others])
    np.testing.assert_array_equal(scales[others], given.scales[others])
    assert np.abs(weights[:, 3]).max() < 127
    np.testing.assert_allclose(weights[:, 3] * scales[3], given.weights[:, 3] * 0.01, atol=0.008)


def test_layers_rounded_over_all_rows_are_exact_to_a_share_of_the_greatest() -> None:
    value, given = rows(4), layer(bias=True)
    graph = GraphBuilder()
    result = graph.linear_of_all(graph.input("x", np.float32, ["rows", 32]), given)
    graph.output(result, ["rows", "outputs"])
    session: Any = onnxruntime.InferenceSession(graph.model())
    assert np.abs(session.run(None, {"x": value})[0] - exact(value, given)).max() < 0.02 * np.abs(value).max()
