"""Diarization of recordings with synthetic speakers: each is a direction, each window a little off it."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from caesura.pipeline.batch_diarization import assign_speakers, speaker_confidence
from caesura.pipeline.recording import RecognizedSegment
from caesura.speech.embedder import DIMENSIONS
from caesura.speech.embedding import PackedEmbeddings, SpeakerEmbedding
from caesura.words import Word

RANDOM = np.random.default_rng(7)
PEOPLE = np.linalg.qr(RANDOM.normal(size=(DIMENSIONS, 6)))[0].T.astype(np.float32)


def voice(
    person: int, start: float, length: float = 1.5, *, with_: int | None = None, off: float = 1.0
) -> SpeakerEmbedding:
    """A window of `person`, about 0.7 from the true direction; half of another one's with `with_`."""
    direction = PEOPLE[person] if with_ is None else PEOPLE[person] + PEOPLE[with_]
    noise = RANDOM.normal(size=DIMENSIONS).astype(np.float32)
    vector = direction / np.linalg.norm(direction) + off * noise / np.linalg.norm(noise)
    return SpeakerEmbedding(start, start + length, (vector / np.linalg.norm(vector)).astype(np.float32))


def segment(at: float, *turns: int, seconds: float = 4.0) -> RecognizedSegment:
    """So many seconds of each of these people without a pause, a word each half second."""
    voices: list[SpeakerEmbedding] = []
    middle = 0.75
    while middle < len(turns) * seconds - 0.5:
        # Who is in the first and in the last third of the window.
        first, last = (turns[int(max(middle + side, 0.0) // seconds)] for side in (-0.5, 0.5))
        voices.append(voice(first, middle - 0.75, with_=None if first == last else last))
        middle += 0.5
    words = tuple(
        Word(f"w{person}", at + each / 2, at + each / 2 + 0.4, 0.9) for each, person in _spoken(turns, seconds)
    )
    return RecognizedSegment(at, at + len(turns) * seconds, words, None, PackedEmbeddings.packed(voices, at))


def _spoken(turns: tuple[int, ...], seconds: float) -> list[tuple[int, int]]:
    return [(each, turns[int(each / 2 // seconds)]) for each in range(int(len(turns) * seconds * 2))]


def numbers(words: list[Word]) -> dict[str, set[int | None]]:
    """The speakers that each person's words were given to."""
    return {text: {word.speaker for word in words if word.text == text} for text in sorted({w.text for w in words})}


def test_speakers_are_numbered_in_the_order_of_their_first_words() -> None:
    segments = [segment(at * 10.0, person) for at, person in enumerate((3, 1, 3, 5, 1, 3))]
    words = assign_speakers(segments)
    assert numbers(words) == {"w3": {0}, "w1": {1}, "w5": {2}}
    assert [word.start for word in words] == [word.start for each in segments for word in each.words]


def test_two_people_without_a_pause_are_distinguished() -> None:
    words = assign_speakers([segment(0.0, 0, 1, 0), segment(20.0, 1)])
    wrong = [word for word in words if word.speaker != int(word.text[1])]
    # Only words at a change may go to the wrong one.
    assert all(abs(word.start % 4 - 2) >= 1.5 for word in wrong)
    assert len(wrong) <= 2


def test_later_audio_shows_who_spoke_before() -> None:
    """The first segment alone would be one person's: it is a mixture for the most part."""
    first = segment(0.0, 0, 1, seconds=1.5)
    assert {word.speaker for word in assign_speakers([first])} == {0}
    words = assign_speakers([first, segment(10.0, 0), segment(20.0, 1)])
    assert [word.speaker for word in words[:6]] == [0, 0, 0, 1, 1, 1]


def test_a_moment_of_another_sound_is_no_speaker_where_much_is_spoken() -> None:
    plain = [segment(at * 10.0, at % 2) for at in range(12)]
    odd = RecognizedSegment(
        200.0, 201.5, (Word("w", 200.2, 200.9, 0.9),), None, PackedEmbeddings.packed([voice(4, 0.0)], 200.0)
    )
    assert {word.speaker for word in assign_speakers([*plain, odd])} == {0, 1}


def test_two_short_turns_are_two_speakers() -> None:
    assert numbers(assign_speakers([segment(0.0, 0, seconds=2.0), segment(5.0, 1, seconds=2.0)])) == {
        "w0": {0},
        "w1": {1},
    }


def test_one_speaker_is_one_however_long() -> None:
    words = assign_speakers([segment(at * 10.0, 2, 2) for at in range(40)])
    assert {word.speaker for word in words} == {0}


def test_confidence_grows_with_the_margin_and_is_a_probability() -> None:
    margins = [-2.0, -0.3, 0.0, 0.1, 0.3, 2.0]
    found = [speaker_confidence(margin) for margin in margins]
    assert found == sorted(set(found))
    assert all(0 < each <= 1 for each in found)
    # As often as such words were right in the conversations to which the curve was fitted.
    assert [round(each, 2) for each in found[1:5]] == [0.16, 0.65, 0.79, 0.95]


def test_confidence_is_low_where_it_could_be_another_speaker_and_near_one_where_it_could_not() -> None:
    people = [segment(at * 10.0, at % 2) for at in range(8)]
    both = RecognizedSegment(
        100.0, 101.5, (Word("?", 100.5, 101.0, 0.9),), None, PackedEmbeddings.packed([voice(0, 0.0, with_=1)], 100.0)
    )
    stranger = RecognizedSegment(
        110.0, 111.5, (Word("!", 110.5, 111.0, 0.9),), None, PackedEmbeddings.packed([voice(5, 0.0)], 110.0)
    )
    *clear, mixed, strange = assign_speakers([*people, both, stranger])
    confidences = [word.speaker_confidence for word in clear]
    assert all(each is not None and 0.9 < each <= 1 for each in confidences)
    assert mixed.speaker_confidence is not None
    assert strange.speaker_confidence is not None
    assert 0.6 <= mixed.speaker_confidence < 0.85
    assert strange.speaker_confidence < 0.6
    alone = assign_speakers([segment(0.0, 3)])
    assert all(each.speaker_confidence is not None and each.speaker_confidence > 0.9 for each in alone)


def test_scraps_alone_are_one_speaker() -> None:
    scraps = [
        RecognizedSegment(
            at, at + 0.5, (Word("w", at, at + 0.3, 0.9),), None, PackedEmbeddings.packed([voice(0, 0.0, 0.4)], at)
        )
        for at in (0.0, 2.0, 4.0)
    ]
    assert [word.speaker for word in assign_speakers(scraps)] == [0, 0, 0]


def test_segments_without_embeddings_or_words_change_nothing() -> None:
    mute = RecognizedSegment(50.0, 51.0, (), "en")
    plain = RecognizedSegment(60.0, 61.0, (Word("w", 60.0, 60.5, 0.9),), "en")
    words = assign_speakers([mute, segment(0.0, 1), plain])
    assert words[-1] == plain.words[0]
    assert {word.speaker for word in words[:-1]} == {0}
    assert assign_speakers([mute]) == []
    assert assign_speakers([plain]) == list(plain.words)
    assert assign_speakers([]) == []


@pytest.mark.slow
def test_hours_take_little_more_memory_than_their_embeddings() -> None:
    people = [[segment(0.0, person, seconds=10.0) for person in range(6)] for _ in range(3)]
    several = [each for row in people for each in row]
    segments = [
        RecognizedSegment(
            at * 12.0,
            at * 12.0 + 10,
            tuple(word.shifted(at * 12.0) for word in several[at % 18].words),
            None,
            PackedEmbeddings(several[at % 18].embeddings.spans + at * 12.0, several[at % 18].embeddings.vectors.copy()),  # type: ignore[union-attr]
        )
        for at in range(525)
    ]
    tracemalloc.start()
    words = assign_speakers(segments)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(words) == 10_500
    assert numbers(words) == {f"w{person}": {person} for person in range(6)}
    # 10,000 windows are 10 MiB; their matrix of each with each would be 0.4 GiB.
    assert peak < 10 * 2**20
