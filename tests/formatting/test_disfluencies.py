"""Removal of filled pauses, and the punctuation that they leave to their neighbours."""

from __future__ import annotations

import pytest

from caesura.formatting.disfluencies import FILLERS, remove_fillers
from caesura.words import Word
from tests.spoken_words import text, words_of


@pytest.mark.parametrize("filler", sorted(FILLERS))
def test_a_hesitation_is_left_out(filler: str) -> None:
    assert text(remove_fillers(words_of(f"I {filler} think"))) == "I think"


@pytest.mark.parametrize(
    ("spoken", "kept"),
    [
        ("Um, I think, uh.", "I think."),
        ("Uh-huh, yes.", "Uh-huh, yes."),
        ("Well, um... maybe.", "Well... maybe."),
        ("Um, uh, yes.", "Yes."),
        ("Done. Um. yes", "Done. Yes"),
        ("Um.", ""),
    ],
)
def test_its_neighbours_get_its_stop_and_its_capital(spoken: str, kept: str) -> None:
    assert text(remove_fillers(words_of(spoken))) == kept


def test_the_speaker_and_the_times_stay() -> None:
    (word,) = remove_fillers(words_of("Um yes", speaker=1))
    assert word == Word("Yes", 0.5, 0.9, 0.9, 1)
