"""The hallucination filter: loops are cut, text made of silence and noise is dropped, speech stays."""

from __future__ import annotations

import pytest

from caesura.engines.hallucination import geometric_mean, is_music, is_speech, remove_loop


@pytest.mark.parametrize(
    ("tokens", "kept"),
    [
        ([5, 7, 7, 7, 7], (5, 7)),
        ([5, 7, 8, 7, 8, 7, 8, 7, 8], (5, 7, 8)),
        ([5, 7, 8, 9, 7, 8, 9, 7, 8, 9, 7, 8, 9, 7], (5, 7, 8, 9)),
        ([5, 7, 7, 7], (5, 7, 7, 7)),
        ([1, 2, 3, 4, 5, 6, 7, 8] * 4, (1, 2, 3, 4, 5, 6, 7, 8)),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9] * 4, (1, 2, 3, 4, 5, 6, 7, 8, 9) * 4),
        ([7, 7, 7, 7, 5], (7, 7, 7, 7, 5)),
        ([], ()),
    ],
)
def test_a_loop_at_the_end_is_cut_to_one_turn(tokens: list[int], kept: tuple[int, ...]) -> None:
    assert remove_loop(tokens, finished=False) == kept


def test_a_loop_that_the_decoder_left_by_itself_is_speech() -> None:
    assert remove_loop([7] * 6, finished=True) == (7,) * 6


@pytest.mark.parametrize(
    ("words", "confidence", "finished", "shown"),
    [
        (["Hello", "there."], 0.9, True, True),
        (["Hello", "there."], 0.3, True, False),
        (["Hello", "there."], 0.5, False, False),
        (["Hello", "there."], 0.7, False, True),
        (["You"], 0.95, True, False),
        (["You."], 0.95, True, True),
        (["You?"], 0.6, True, False),
        (["Thank", "you."], 0.6, True, False),
        (["Thank", "you."], 0.9, True, True),
        (["Thank", "you,", "John."], 0.6, True, True),
        (["--"], 0.99, True, False),
        (["\u0e15\u0e27\u0e1a\u0e19"], 0.9, True, False),
        (["Beyonc\u00e9"], 0.9, True, True),
        (["42"], 0.9, True, True),
        ([], 0.9, True, False),
    ],
)
def test_speech_is_distinguished_from_hallucinations(
    words: list[str], confidence: float, finished: bool, shown: bool
) -> None:
    assert is_speech(words, [confidence] * 3, finished=finished) is shown


def test_music_signs_are_no_words() -> None:
    assert is_music("\u266a\u266b")
    assert not is_music("la\u266a")


def test_geometric_mean_stays_between_0_and_1() -> None:
    assert geometric_mean([]) == 0.0
    assert geometric_mean([0.25, 1.0]) == pytest.approx(0.5)
    assert 0.0 < geometric_mean([0.0, 1.0]) < 1e-4
    assert geometric_mean([1.0000001]) == 1.0
