"""Forced alignment on real recordings: where words lie, what is kept, and what happens when nothing fits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.engines.align import Aligner, Span, spread
from caesura.engines.base import Samples
from caesura.errors import EngineError
from caesura.words import Word
from tests.recordings import recording

JFK = "And so my fellow Americans ask not what your country can do for you, ask what you can do for your country."


@pytest.fixture(scope="module")
def aligner() -> Aligner:
    return Aligner.bundled()


@pytest.fixture(scope="module")
def jfk() -> Samples:
    return recording("jfk").samples


def assert_in_order(spans: list[Span], length: float) -> None:
    edges = [edge for span in spans for edge in span]
    assert edges == sorted(edges)
    assert not edges or (edges[0] >= 0.0 and edges[-1] <= length)


def test_words_lie_where_they_are_heard(aligner: Aligner, jfk: Samples) -> None:
    """Checked against the loudness of the recording: its long pauses stand before these words."""
    spans = dict(zip(JFK.split(), aligner.align(JFK.split(), jfk), strict=False))
    assert spans["Americans"] == pytest.approx((1.63, 2.16), abs=0.1)
    assert spans["not"] == pytest.approx((3.99, 4.30), abs=0.1)
    assert spans["country."] == pytest.approx((9.99, 10.46), abs=0.1)


def test_the_same_question_has_the_same_answer(aligner: Aligner, jfk: Samples) -> None:
    """Nothing of other calls, or of words that were added, shows in a later answer."""
    first = Aligner.bundled().align(JFK.split(), jfk)
    aligner.align(["unless", "to", "be", "rather", "cold-hearted"], recording("lv-0890").samples)
    assert aligner.align(JFK.split(), jfk) == first
    assert aligner.align(JFK.split(), jfk) == first


def test_numbers_are_timed_as_they_are_said(aligner: Aligner, jfk: Samples) -> None:
    """`4` sounds like `for`, and takes its place."""
    spelled = aligner.align(JFK.split(), jfk)
    digits = aligner.align(JFK.replace(" for ", " 4 ").split(), jfk)
    assert np.abs(np.subtract(spelled, digits)).max() < 0.06


def test_one_printed_word_spans_all_that_is_said_of_it(aligner: Aligner) -> None:
    audio = recording("lv-0890").samples
    apart = aligner.align(
        [
            "unless",
            "to",
            "be",
            "rather",
            "cold",
            "hearted",
            "and",
            "rather",
            "selfish",
            "is",
            "to",
            "be",
            "ill",
            "disposed",
        ],
        audio,
    )
    joined = aligner.align(
        ["unless", "to", "be", "rather", "cold-hearted", "and", "rather", "selfish", "is", "2", "B", "ill-disposed"],
        audio,
    )
    assert joined[4] == pytest.approx((apart[4][0], apart[5][1]), abs=0.02)
    assert joined[11] == pytest.approx((apart[12][0], apart[13][1]), abs=0.02)


def test_a_word_that_no_dictionary_has_is_timed_by_rule(aligner: Aligner) -> None:
    audio = recording("lv-0880").samples
    known = aligner.align(["he", "was", "not", "an", "ill", "disposed", "young", "man"], audio)
    unknown = aligner.align(["hee", "wuz", "nott", "an", "ill", "dispozed", "yung", "mann"], audio)
    assert np.median(np.abs(np.subtract(known, unknown))) < 0.05
    assert np.abs(np.subtract(known, unknown)).max() < 0.2


def test_what_is_not_said_lies_between_its_neighbours(aligner: Aligner) -> None:
    audio = recording("lv-0880").samples
    plain = aligner.align(["he", "was", "not", "an", "ill", "disposed", "young", "man"], audio)
    dashed = aligner.align(["♪", "he", "was", "not", "—", "an", "ill", "disposed", "young", "man", "ตว"], audio)
    assert [dashed[i] for i in (1, 2, 3, 5, 6, 7, 8, 9)] == plain
    assert plain[2][1] <= dashed[4][0] <= dashed[4][1] <= plain[3][0]
    assert_in_order(dashed, audio.size / 16_000)


def test_known_words_keep_their_times_and_only_the_end_moves(aligner: Aligner, jfk: Samples) -> None:
    """The words of 6 s of audio, two of them given impossible times, go into the alignment of 11 s."""
    words = JFK.split()
    early = aligner.align(words[:9], jfk[:96_000])
    known = [Word(text, *span, 1.0) for text, span in zip(words, early, strict=False)]
    known[0] = Word("And", 0.011, 0.012, 1.0)
    spans = aligner.align(words, jfk, known)
    assert spans[0] == (0.011, 0.012)
    whole = aligner.align(words, jfk)
    assert np.abs(np.subtract(spans, whole)[1:]).max() < 0.15


def test_changed_words_are_aligned_anew(aligner: Aligner) -> None:
    audio = recording("lv-0880").samples
    texts = ["he", "was", "not", "an", "ill", "disposed", "young", "man"]
    known = [
        Word(text, 0.1 * i, 0.1 * i + 0.1, 1.0)
        for i, text in enumerate(["she", "was", "not", "an", "old", "red", "man", "today"])
    ]
    assert aligner.align(texts, audio, known) == aligner.align(texts, audio)


def test_reuse_over_growing_audio_stays_near_a_new_alignment(aligner: Aligner, jfk: Samples) -> None:
    """Each half second the words so far are aligned on top of the times before."""
    words = JFK.split()
    whole = aligner.align(words, jfk)
    known: list[Word] = []
    for end in range(8_000, jfk.size, 8_000):
        texts = [word for word, span in zip(words, whole, strict=True) if span[1] <= end / 16_000]
        spans = aligner.align(texts, jfk[:end], known)
        known = [Word(text, *span, 1.0) for text, span in zip(texts, spans, strict=True)]
    shifts = [abs(word.start - span[0]) for word, span in zip(known, whole, strict=False)]
    assert len(shifts) == 22
    assert float(np.quantile(shifts, 0.9)) <= 0.05


def test_words_that_cannot_fit_are_spread_over_the_loud_part(aligner: Aligner) -> None:
    audio = np.zeros(32_000, np.float32)
    audio[8_000:16_000] = recording("lv-0880").samples[8_000:16_000]
    spans = aligner.align(["word"] * 60, audio)
    assert len(spans) == 60
    assert spans[0][0] >= 0.49
    assert spans[-1][1] <= 1.01
    assert_in_order(spans, 2.0)


@pytest.mark.parametrize("samples", [0, 1, 100, 1_600, 2_000])
def test_scraps_of_audio_take_their_words(aligner: Aligner, samples: int) -> None:
    spans = aligner.align(["hello", "there"], np.full(samples, 0.1, np.float32))
    assert len(spans) == 2
    assert_in_order(spans, samples / 16_000)


def test_spread_goes_by_letters() -> None:
    audio = np.full(16_000, 0.5, np.float32)
    assert spread(["a", "bcd"], audio) == [(0.0, 0.25), (0.25, 1.0)]


def test_no_words_have_no_times(aligner: Aligner) -> None:
    assert aligner.align([], np.ones(16_000, np.float32)) == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=8).map(str.strip), max_size=6))
def test_any_text_gets_times_in_order(aligner: Aligner, texts: list[str]) -> None:
    audio = recording("LJ001-0002").samples[:16_000]
    spans = aligner.align(texts, audio)
    assert len(spans) == len(texts)
    assert_in_order(spans, 1.0)


def test_a_missing_model_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="pip install pocketsphinx"):
        Aligner(tmp_path / "en-us")
