from __future__ import annotations

import numpy as np
from conditions import apply, conditions, sounds_without_speech
from load import BUNDLED, recordings


def test_every_condition_keeps_the_length_and_changes_the_sound() -> None:
    [pcm] = [each.pcm for each in recordings(BUNDLED) if each.name == "LJ001-0002.wav"]
    for name, condition in conditions([pcm]).items():
        made = apply(condition, pcm)
        assert abs(made.size - pcm.size) <= 1, name
        assert not np.array_equal(made, pcm), name


def test_sounds_without_speech_repeat_and_are_not_clipped() -> None:
    sounds = sounds_without_speech(2.0)
    for name, again in sounds_without_speech(2.0).items():
        assert np.array_equal(sounds[name], again), name
        assert again.size == 32_000
        assert np.abs(again.astype(int)).max() < 32_767, name
    assert not sounds["silence"].any()
