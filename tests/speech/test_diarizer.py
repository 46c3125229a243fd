"""The live diarizer with synthetic speakers: each is a direction, each window a little off it."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from caesura.speech.diarizer import Diarizer, word_similarity
from caesura.speech.embedder import DIMENSIONS
from caesura.speech.embedding import SpeakerEmbedding
from caesura.words import Word

RANDOM = np.random.default_rng(4)
PEOPLE = np.linalg.qr(RANDOM.normal(size=(DIMENSIONS, 6)))[0].T.astype(np.float32)


def embedding(
    person: int, start: float, length: float = 1.5, *, off: float = 1.2, with_: int | None = None
) -> SpeakerEmbedding:
    """A window of `person`, about 0.64 from the true direction; half of another one's with `with_`."""
    direction = PEOPLE[person] if with_ is None else PEOPLE[person] + PEOPLE[with_]
    noise = RANDOM.normal(size=DIMENSIONS).astype(np.float32)
    vector = direction / np.linalg.norm(direction) + off * noise / np.linalg.norm(noise)
    return SpeakerEmbedding(start, start + length, (vector / np.linalg.norm(vector)).astype(np.float32))


def turn(person: int, start: float, windows: int = 4) -> list[SpeakerEmbedding]:
    return [embedding(person, start + 0.5 * index) for index in range(windows)]


def word(start: float) -> Word:
    return Word("word", start, start + 0.2, 0.9)


def words(embeddings: list[SpeakerEmbedding]) -> list[Word]:
    """One in the middle of each window."""
    return [word((each.start + each.end) / 2 - 0.1) for each in embeddings]


def speakers_of(speakers: Diarizer, embeddings: list[SpeakerEmbedding]) -> list[int | None]:
    """The speaker in the middle of each window."""
    return [each.speaker for each in speakers.label(words(embeddings), embeddings)]


def learn(speakers: Diarizer, embeddings: list[SpeakerEmbedding]) -> None:
    speakers.learn(words(embeddings), embeddings)


def test_speakers_are_numbered_in_order_and_recognised_again() -> None:
    speakers = Diarizer()
    for person, number in ((3, 0), (1, 1), (3, 0), (5, 2), (1, 1), (3, 0)):
        embeddings = turn(person, 0.0)
        assert speakers_of(speakers, embeddings) == [number] * 4
        learn(speakers, embeddings)


def test_to_look_changes_nothing() -> None:
    speakers = Diarizer()
    learn(speakers, turn(0, 0.0))
    assert speakers_of(speakers, turn(1, 0.0)) == [1] * 4
    assert speakers_of(speakers, turn(2, 0.0)) == [1] * 4


def test_two_speakers_in_one_stretch_are_distinguished() -> None:
    speakers = Diarizer()
    embeddings = [*turn(0, 0.0), embedding(0, 2.0, with_=1), *turn(1, 2.5)]
    found = speakers_of(speakers, embeddings)
    assert found[:4] == [0] * 4
    assert found[5:] == [1] * 4
    learn(speakers, embeddings)
    assert speakers_of(speakers, turn(1, 0.0)) == [1] * 4


def test_a_scrap_is_no_new_speaker() -> None:
    speakers = Diarizer()
    learn(speakers, turn(0, 0.0))
    assert speakers_of(speakers, [embedding(1, 0.0, 0.4)]) == [0]
    assert speakers_of(Diarizer(), [embedding(1, 0.0, 0.4)]) == [0]


def test_a_short_answer_of_a_new_speaker_is_a_new_speaker() -> None:
    speakers = Diarizer()
    learn(speakers, turn(0, 0.0))
    assert speakers_of(speakers, [embedding(1, 0.0, 1.0)]) == [1]


def test_a_short_other_sound_is_not_a_new_speaker_after_much_speech() -> None:
    speakers = Diarizer()
    for _ in range(15):
        learn(speakers, turn(0, 0.0))
    assert speakers_of(speakers, [*turn(0, 0.0), embedding(4, 2.0), *turn(0, 2.5)]) == [0] * 9
    # Before that it might be a new speaker.
    few = Diarizer()
    learn(few, turn(0, 0.0))
    assert speakers_of(few, [*turn(0, 0.0), embedding(4, 2.0), embedding(4, 2.5), *turn(0, 3.0)])[4:6] == [1, 1]


def test_numbers_stay_when_later_audio_splits_or_joins_speakers() -> None:
    speakers = Diarizer()
    mixture = [embedding(0, 0.5 * index, with_=1) for index in range(3)]
    assert speakers_of(speakers, mixture) == [0] * 3
    learn(speakers, mixture)
    for person in (0, 1, 0, 1):
        learn(speakers, turn(person, 0.0))
    first, second = speakers_of(speakers, turn(0, 0.0))[0], speakers_of(speakers, turn(1, 0.0))[0]
    assert {first, second} == {0, 1}
    for _ in range(10):
        for person, number in ((0, first), (1, second)):
            assert speakers_of(speakers, turn(person, 0.0)) == [number] * 4
            learn(speakers, turn(person, 0.0))


def test_a_speaker_without_words_takes_no_number() -> None:
    speakers = Diarizer()
    embeddings = [*turn(0, 0.0), embedding(5, 40.0)]
    speakers.learn(words(embeddings[:4]), embeddings)
    assert speakers_of(speakers, turn(1, 0.0)) == [1] * 4


@pytest.mark.slow
def test_memory_is_bounded_and_frequent_speakers_are_recognised_after_hours() -> None:
    speakers = Diarizer()
    for index in range(200):
        learn(speakers, turn(index % 2, 0.0))
        # Noise that is like nothing else.
        vector = RANDOM.normal(size=DIMENSIONS).astype(np.float32)
        learn(speakers, [SpeakerEmbedding(0.0, 1.5, vector / np.linalg.norm(vector))])
    assert speakers_of(speakers, turn(0, 0.0)) == [0] * 4
    assert speakers_of(speakers, turn(1, 0.0)) == speakers_of(speakers, turn(1, 0.0))[:1] * 4
    kept = pickle.dumps(speakers)
    learn(speakers, turn(0, 0.0))
    assert len(kept) < 1_000_000
    assert len(pickle.dumps(speakers)) < 1_000_000


def test_words_belong_to_the_window_that_is_nearest() -> None:
    speakers = Diarizer()
    embeddings = [*turn(0, 0.0), *turn(1, 3.0)]
    words = speakers.label([word(0.0), word(1.4), word(3.9), word(9.0)], embeddings)
    assert [each.speaker for each in words] == [0, 0, 1, 1]
    assert [each.start for each in words] == [0.0, 1.4, 3.9, 9.0]


def test_without_embeddings_no_speaker_is_assigned() -> None:
    assert Diarizer().label([word(0.0)], []) == (word(0.0),)


def test_beyond_the_last_number_all_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caesura.speech.diarizer.MAX_SPEAKERS", 3)
    speakers = Diarizer()
    found = []
    for person in range(6):
        found.append(speakers_of(speakers, turn(person, 0.0)))
        learn(speakers, turn(person, 0.0))
    assert found == [[min(person, 2)] * 4 for person in range(6)]


def test_a_word_sounds_like_the_windows_around_it_the_nearer_the_more() -> None:
    spans = np.array([(0.0, 1.5), (0.5, 2.0), (1.0, 2.5)])
    likeness = np.array([(0.9, 0.0), (0.3, 0.3), (0.0, 0.6)], np.float32)
    found = word_similarity([word(0.65), word(0.9), word(1.15), word(9.0)], spans, likeness)
    # Middles 0.75, 1.0, 1.25, 9.1; those of the windows 0.75, 1.25, 1.75; a window counts up to 0.75 away.
    assert found[0] == pytest.approx([(3 * 0.9 + 0.3) / 4, 0.3 / 4])
    assert found[1] == pytest.approx([(2 * 0.9 + 2 * 0.3) / 4, 2 * 0.3 / 4])
    assert found[2] == pytest.approx([(0.9 + 3 * 0.3) / 5, (3 * 0.3 + 0.6) / 5])
    assert found[3] == pytest.approx([0.0, 0.6])
