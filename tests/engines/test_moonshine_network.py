"""The networks of Moonshine on a real recording: greedy decoding with and without drafts, and its attention."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from caesura.engines.base import SAMPLE_RATE, Samples
from caesura.engines.moonshine import _assets
from caesura.engines.moonshine_network import FRAME_S, MoonshineNetwork, token_limit
from tests.recordings import names, recording


@pytest.fixture(scope="module")
def network() -> MoonshineNetwork:
    return MoonshineNetwork(onnxruntime, Path(_assets()))


@pytest.fixture(scope="module")
def audio() -> Samples:
    return recording(next(iter(names()))).samples


def test_the_token_limit_grows_with_the_audio_and_leaves_room_in_the_shortest() -> None:
    assert token_limit(np.zeros(0, np.float32)) == 3
    assert token_limit(np.zeros(10 * SAMPLE_RATE, np.float32)) == 68


@pytest.mark.slow
def test_the_attention_has_a_row_for_each_token_and_a_column_for_each_frame(
    network: MoonshineNetwork, audio: Samples
) -> None:
    output = network.decode(audio, (), keep=False)
    assert output.finished
    assert len(output.probabilities) == len(output.tokens)
    tokens, frames = output.attention.shape
    assert tokens == len(output.tokens)
    assert frames == pytest.approx(audio.size / SAMPLE_RATE / FRAME_S, abs=2)
    np.testing.assert_allclose(output.attention.sum(axis=1), 1.0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("draft", [(40_000, 5), (0, 1, 2), (7, 7, 7, 7)])
def test_a_draft_that_is_wrong_is_only_a_loss_of_time(
    network: MoonshineNetwork, audio: Samples, draft: tuple[int, ...]
) -> None:
    output = network.decode(audio, (), keep=False)
    assert network.decode(audio, draft, keep=False).tokens == output.tokens


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.25, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("name", names())
def test_a_draft_does_not_change_the_output(network: MoonshineNetwork, name: str, share: float) -> None:
    """Drafts are what is decoded from a part of the audio, as interims are."""
    audio = recording(name).samples
    draft = network.decode(audio[: int(share * audio.size)], (), keep=False).tokens
    alone, verified = network.decode(audio, (), keep=False), network.decode(audio, draft, keep=False)
    assert verified.tokens == alone.tokens
    assert verified.probabilities == pytest.approx(alone.probabilities, abs=0.03)
    np.testing.assert_allclose(verified.attention, alone.attention, atol=0.03)


@pytest.mark.slow
def test_a_path_is_kept_only_on_request_and_ends_with_the_end_token(network: MoonshineNetwork, audio: Samples) -> None:
    assert network.decode(audio, (), keep=False).path is None
    output = network.decode(audio, (), keep=True)
    assert output.path is not None
    assert output.path.tokens == (*output.tokens, 2)
    assert len(output.path.logits) == len(output.path.logs) == len(output.path.tokens)
