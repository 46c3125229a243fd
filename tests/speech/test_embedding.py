"""Windows of speech, and packed embeddings."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from caesura.speech.embedding import HOP_S, WINDOW_S, PackedEmbeddings, SpeakerEmbedding, speech_spans, windows
from caesura.words import Word


@example(0.0, WINDOW_S + HOP_S / 2)
@given(st.floats(0, 1000), st.floats(0, 60))
def test_windows_cover_the_speech_but_for_a_scrap_at_its_beginning_and_stay_within_it(
    start: float, length: float
) -> None:
    found = windows(start, start + length)
    assert start <= found[0][0] <= start + HOP_S / 2 + 1e-6
    assert found[-1][1] == start + length
    for (first, _), (second, _) in itertools.pairwise(found):
        assert first < second <= first + 1.5 * HOP_S + 1e-6
    assert all(0 <= end - begin <= WINDOW_S + 1e-6 for begin, end in found)
    assert found == sorted(found)


@pytest.mark.parametrize(
    ("times", "spans"),
    [
        ([], []),
        ([(0.5, 1.0)], [(0.5, 1.0)]),
        ([(0.5, 1.0), (1.25, 1.5), (2.0, 2.5)], [(0.5, 2.5)]),
        ([(0.5, 1.0), (1.75, 2.0), (2.25, 3.0), (4.0, 4.5)], [(0.5, 1.0), (1.75, 3.0), (4.0, 4.5)]),
    ],
)
def test_no_stretch_of_speech_extends_over_a_longer_pause(
    times: list[tuple[float, float]], spans: list[tuple[float, float]]
) -> None:
    assert speech_spans([Word("w", start, end, 0.9) for start, end in times]) == spans


def test_voices_are_packed_on_another_clock() -> None:
    vectors = np.linalg.qr(np.random.default_rng(1).normal(size=(512, 2)))[0].T.astype(np.float32)
    packed = PackedEmbeddings.packed(
        [SpeakerEmbedding(0.25, 1.75, vectors[0]), SpeakerEmbedding(0.75, 2.25, vectors[1])], 10.0
    )
    assert packed.spans.tolist() == [[10.25, 11.75], [10.75, 12.25]]
    assert packed.vectors.nbytes == 2 * 1024
    assert np.abs(packed.vectors.astype(np.float32) - vectors).max() < 1e-4
