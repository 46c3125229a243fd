"""The bundled recording is what its README says."""

from __future__ import annotations

import array
import math

from caesura.bundled_recording import PAUSE_AT_S, TEXT, bundled_recording


def loudness(pcm: bytes) -> float:
    samples = array.array("h", pcm)
    return math.sqrt(sum(sample * sample for sample in samples) / len(samples))


def test_it_is_twelve_seconds_of_16_khz_mono() -> None:
    recording = bundled_recording()
    assert (recording.sample_rate, recording.samples, recording.seconds) == (16_000, 198_400, 12.4)


def test_the_demo_pauses_in_silence() -> None:
    recording = bundled_recording()
    middle = 2 * round(PAUSE_AT_S * recording.sample_rate)
    reach = 2 * round(0.1 * recording.sample_rate)
    assert loudness(recording.pcm[middle - reach : middle + reach]) < 0.1 * loudness(recording.pcm)


def test_the_text_has_no_case_and_no_punctuation() -> None:
    assert len(TEXT.split()) == 36
    assert all(letter.islower() or letter == " " for letter in TEXT)
