"""Simulated recording conditions for the accuracy bench, and synthetic sounds without speech."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import soxr
from load import RATE, Pcm
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Condition = Callable[[Samples], Samples]

TELEPHONE_RATE = 8000
TELEPHONE_HZ = (300.0, 3400.0)
TELEPHONE_PEAK = 0.5
FULL_SCALE = 32768.0
MU = 255.0


def conditions(voices: Sequence[Pcm]) -> Mapping[str, Condition]:
    """The conditions by name, identical in every run; babble is a mix of all `voices`."""
    babble = _babble(voices)
    return {
        "telephone": _telephone,
        "telephone, noise 15 dB": lambda samples: _telephone(_noisy(samples, _white(samples.size), 15)),
        "-40 dBFS": lambda samples: _at_level(samples, -40),
        "pink noise 10 dB": lambda samples: _noisy(samples, _pink(samples.size), 10),
        "babble 10 dB": lambda samples: _noisy(samples, babble, 10),
        "room 0.4 s": lambda samples: _room(samples, 0.4),
    }


def apply(condition: Condition, pcm: Pcm) -> Pcm:
    """Apply a condition to a recording."""
    return _as_pcm(condition(pcm.astype(np.float32) / np.float32(FULL_SCALE)))


def sounds_without_speech(seconds: float) -> Mapping[str, Pcm]:
    """Synthetic sounds without speech by name, identical in every run."""
    size = round(seconds * RATE)
    at = np.arange(size) / RATE
    hum = sum(np.sin(2 * np.pi * 50 * harmonic * at) / harmonic for harmonic in (1, 2, 3, 5))
    breath = _pink(size) * np.maximum(np.sin(2 * np.pi * at / 4), 0) ** 2
    sounds = {
        "silence": np.zeros(size),
        "room tone": 0.0001 * _white(size),
        "pink noise": _loud(_pink(size), -30),
        "mains hum": _loud(np.asarray(hum), -30),
        "breathing": _loud(breath, -35),
        "clicks": _loud(_clicks(size), -40),
        "chords": _loud(_chords(at), -25),
    }
    return {name: _as_pcm(np.asarray(samples, np.float32)) for name, samples in sounds.items()}


def _as_pcm(samples: Samples) -> Pcm:
    return np.clip(np.round(samples * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def _loud(samples: NDArray[Any], dbfs: float) -> NDArray[np.float64]:
    return np.asarray(samples / np.sqrt(np.square(samples).mean()) * 10 ** (dbfs / 20), np.float64)


def _clicks(size: int) -> NDArray[np.float64]:
    """Keystrokes: bursts of 15 ms at random times, about six per second."""
    rng = np.random.default_rng(11)
    burst = np.exp(-np.arange(round(0.015 * RATE)) / (0.003 * RATE))
    sound = np.zeros(size + burst.size)
    for place in rng.integers(size, size=6 * size // RATE + 1):
        sound[place : place + burst.size] += rng.normal(size=burst.size) * burst * rng.uniform(0.3, 1.0)
    return sound[:size]


def _chords(at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Music on hold: decaying chords of three notes with harmonics, a new one each second."""
    roots = np.asarray([220.0, 174.6, 261.6, 196.0])[at.astype(int) % 4]
    notes = [roots * ratio * harmonic for ratio in (1.0, 1.26, 1.498) for harmonic in (1, 2, 3)]
    loudness = np.exp(-2 * (at % 1.0)) * np.minimum(1.0, (at % 1.0) / 0.01)
    return np.asarray(sum(np.sin(2 * np.pi * note * at) * 200.0 / note for note in notes) * loudness)


def _speech_level(samples: Samples) -> float:
    """Root mean square of the louder half of all 20 ms frames, so that pauses do not count."""
    frames = samples[: samples.size // 320 * 320].reshape(-1, 320)
    energy = np.sort(np.square(frames).mean(axis=1))
    return float(np.sqrt(energy[energy.size // 2 :].mean()))


def _at_level(samples: Samples, dbfs: float) -> Samples:
    return np.asarray(samples / _speech_level(samples) * 10 ** (dbfs / 20), np.float32)


def _noisy(samples: Samples, noise: Samples, below_db: float) -> Samples:
    noise = np.resize(noise, samples.size)
    noise = noise / np.sqrt(np.square(noise).mean()) * _speech_level(samples) * 10 ** (-below_db / 20)
    return np.asarray(samples + noise, np.float32)


def _white(size: int) -> Samples:
    return np.random.default_rng(9).normal(size=size).astype(np.float32)


def _pink(size: int) -> Samples:
    spectrum = np.fft.rfft(np.random.default_rng(5).normal(size=size))
    return np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(spectrum.size), 1)), size).astype(np.float32)


def _babble(voices: Sequence[Pcm]) -> Samples:
    """A mix of all voices at equal level, repeated for a minute."""
    spoken = [voice.astype(np.float32) for voice in voices]
    turned = [np.resize(np.roll(voice / _speech_level(voice), 7919 * at), 60 * RATE) for at, voice in enumerate(spoken)]
    return np.asarray(np.sum(turned, axis=0), np.float32)


def _telephone(samples: Samples) -> Samples:
    """Narrow band of 300 to 3400 Hz, 8 kHz, mu-law with half of its range used."""
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(samples.size, 1 / RATE)
    spectrum[(hertz < TELEPHONE_HZ[0]) | (hertz > TELEPHONE_HZ[1])] = 0
    narrow = soxr.resample(np.fft.irfft(spectrum, samples.size), RATE, TELEPHONE_RATE)
    narrow *= TELEPHONE_PEAK / max(float(np.abs(narrow).max()), 1e-6)
    coded = np.sign(narrow) * np.log1p(MU * np.abs(narrow)) / np.log1p(MU)
    coded = np.round((coded + 1) / 2 * MU) / MU * 2 - 1
    decoded = np.sign(coded) * np.expm1(np.abs(coded) * np.log1p(MU)) / MU
    return np.asarray(soxr.resample(decoded, TELEPHONE_RATE, RATE), np.float32)


def _room(samples: Samples, decay_s: float) -> Samples:
    """Reverberation that falls by 60 dB in `decay_s`, and has more energy than the direct sound."""
    size = round(decay_s * RATE)
    response = np.random.default_rng(3).normal(size=size) * np.exp(-6.9 * np.arange(size) / size)
    response[: round(0.003 * RATE)] = 0.0
    response /= np.sqrt(np.square(response).sum())
    response[0] = 0.6
    length = samples.size + size
    wet = np.fft.irfft(np.fft.rfft(samples, length) * np.fft.rfft(response, length), length)
    return np.asarray(0.7 * wet[: samples.size], np.float32)
