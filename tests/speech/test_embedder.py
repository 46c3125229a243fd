"""Speaker embeddings of real speech: those of one person lie close together."""

from __future__ import annotations

import numpy as np
import pytest

from caesura.speech.embedder import DIMENSIONS, embedder_missing, load_embedder
from caesura.speech.embedding import Floats
from tests.recordings import recording


def test_the_network_is_here() -> None:
    assert embedder_missing() is None


@pytest.mark.slow
def test_one_reader_sounds_like_herself_and_not_like_another() -> None:
    model = load_embedder()

    def sound(name: str) -> Floats:
        samples = recording(name).samples
        voices = model.embed(samples, [(0.3, min(5.0, len(samples) / 16_000 - 0.3))])
        mean: Floats = np.mean([voice.vector for voice in voices], axis=0)
        return mean / np.linalg.norm(mean)

    reader, again, other = sound("lv-0890"), sound("lv-0880"), sound("jfk")
    assert reader.shape == (DIMENSIONS,)
    assert abs(float(reader @ reader) - 1) < 1e-5
    assert reader @ again > 0.25 > reader @ other


@pytest.mark.slow
def test_a_scrap_at_the_very_end_and_an_empty_recording_have_transcripts() -> None:
    model = load_embedder()
    speech = recording("lv-0890").samples[:16_000]
    for span in ((0.99, 1.0), (1.0, 1.0), (0.0, 0.0)):
        (voice,) = model.embed(speech, [span])
        assert np.isfinite(voice.vector).all()
