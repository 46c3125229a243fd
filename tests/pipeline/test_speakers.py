"""Voices into speakers, on made-up voices: each person is a direction, each window a little off it."""

from __future__ import annotations

import numpy as np
import pytest

from caesura.pipeline.speakers import Speakers
from caesura.speech.voice import Voice
from caesura.speech.voices import DIMENSIONS
from caesura.words import Word

RANDOM = np.random.default_rng(4)
PEOPLE = np.linalg.qr(RANDOM.normal(size=(DIMENSIONS, 6)))[0].T.astype(np.float32)


def voice(person: int, start: float, length: float = 1.5, *, off: float = 1.2, with_: int | None = None) -> Voice:
    """A window of `person`, about 0.64 from the true direction; half of another one's with `with_`."""
    direction = PEOPLE[person] if with_ is None else PEOPLE[person] + PEOPLE[with_]
    noise = RANDOM.normal(size=DIMENSIONS).astype(np.float32)
    vector = direction / np.linalg.norm(direction) + off * noise / np.linalg.norm(noise)
    return Voice(start, start + length, (vector / np.linalg.norm(vector)).astype(np.float32))


def turn(person: int, start: float, windows: int = 4) -> list[Voice]:
    return [voice(person, start + 0.5 * index) for index in range(windows)]


def word(start: float) -> Word:
    return Word("word", start, start + 0.2, 0.9)


def told(speakers: Speakers, voices: list[Voice]) -> list[int | None]:
    """The speaker in the middle of each window."""
    words = [word((each.start + each.end) / 2 - 0.1) for each in voices]
    return [each.speaker for each in speakers.label(words, voices)]


def test_speakers_are_numbered_as_they_come_and_known_again() -> None:
    speakers = Speakers()
    for person, number in ((3, 0), (1, 1), (3, 0), (5, 2), (1, 1), (3, 0)):
        voices = turn(person, 0.0)
        assert told(speakers, voices) == [number] * 4
        speakers.learn(voices)


def test_to_look_changes_nothing() -> None:
    speakers = Speakers()
    speakers.learn(turn(0, 0.0))
    assert told(speakers, turn(1, 0.0)) == [1] * 4
    assert told(speakers, turn(2, 0.0)) == [1] * 4


def test_two_people_in_one_stretch_are_told_apart() -> None:
    speakers = Speakers()
    voices = [*turn(0, 0.0), voice(0, 2.0, with_=1), *turn(1, 2.5)]
    found = told(speakers, voices)
    assert found[:4] == [0] * 4
    assert found[5:] == [1] * 4
    speakers.learn(voices)
    assert told(speakers, turn(1, 0.0)) == [1] * 4


def test_a_scrap_is_nobody_new() -> None:
    speakers = Speakers()
    speakers.learn(turn(0, 0.0))
    assert told(speakers, [voice(1, 0.0, 0.4)]) == [0]
    assert told(Speakers(), [voice(1, 0.0, 0.4)]) == [0]


def test_a_short_answer_of_somebody_new_is_somebody_new() -> None:
    speakers = Speakers()
    speakers.learn(turn(0, 0.0))
    assert told(speakers, [voice(1, 0.0, 1.0)]) == [1]


def test_a_moment_of_another_sound_within_speech_is_nobody_new() -> None:
    speakers = Speakers()
    speakers.learn(turn(0, 0.0))
    assert told(speakers, [*turn(0, 0.0), voice(4, 2.0), voice(4, 2.5), *turn(0, 3.0)]) == [0] * 10


def test_words_belong_to_the_window_that_is_nearest() -> None:
    speakers = Speakers()
    voices = [*turn(0, 0.0), *turn(1, 3.0)]
    words = speakers.label([word(0.0), word(1.4), word(3.9), word(9.0)], voices)
    assert [each.speaker for each in words] == [0, 0, 1, 1]
    assert [each.start for each in words] == [0.0, 1.4, 3.9, 9.0]


def test_without_voices_nobody_is_named() -> None:
    assert Speakers().label([word(0.0)], []) == (word(0.0),)


@pytest.mark.parametrize("count", [1, 3, 64])
def test_the_number_of_speakers_is_bounded(count: int) -> None:
    speakers = Speakers()
    for _ in range(count * 3):
        vector = RANDOM.normal(size=DIMENSIONS).astype(np.float32)
        speakers.learn([Voice(0.0, 1.5, vector / np.linalg.norm(vector))])
    vector = RANDOM.normal(size=DIMENSIONS).astype(np.float32)
    (last,) = told(speakers, [Voice(0.0, 1.5, vector / np.linalg.norm(vector))])
    assert last is not None
    assert last <= 64
