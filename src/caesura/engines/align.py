"""Word alignment: start and end times of the words that a decoder wrote, from its cross-attention and the audio."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from caesura.engines.base import SAMPLE_RATE, Samples

WordTimes = tuple[float, float]
"""Start and end of one word, in seconds from the first sample."""

_LEVEL_S: Final = 0.01
# A word ends with the last 10 ms before the next word whose level is above this share of the range between the audio's
# quiet and loud parts. Measured against a hidden Markov model's alignment: ends within 30 ms, p90 130 ms; without it a
# word extends over the pause after it.
_LOUD_SHARE: Final = 0.15
_QUIET_PERCENTILE, _LOUD_PERCENTILE = 10, 95
# Floor for the attention of a frame, so that one wrong peak does not displace all words after it.
_FLOOR: Final = 1e-3
_SHORTEST_S: Final = 0.1


def align(attention: NDArray[np.float32], audio: Samples, *, frame_s: float, lag_s: float) -> list[WordTimes]:
    """Time each word by where the decoder attended to the audio when it began to write the word.

    The starts are the likeliest ascending sequence of frames (dynamic programming over log-attention); a word ends
    where the audio falls quiet behind it, or where the next one starts.

    Args:
        attention: one row for each word: the weights, which sum to 1, that the decoder gave to the frames of the audio
            when it wrote the word's first token; float32, shape (words, frames).
        audio: float32 in -1..1, shape (samples,), 16 kHz.
        frame_s: length of a frame in seconds.
        lag_s: how far behind the start of a word its weights have their peak, in seconds.

    Returns:
        Start and end of each word: ascending, without overlap, within the audio.
    """
    words, frames = attention.shape
    length = audio.size / SAMPLE_RATE
    if words > frames:
        return _even(words, length)
    starts = _ascending_peaks(np.log(_smoothed(attention) + _FLOOR)) * frame_s - lag_s
    starts = np.clip(starts, 0.0, length)
    return _with_ends(starts, audio, length)


def _smoothed(attention: NDArray[np.float32]) -> NDArray[np.float32]:
    padded = np.pad(attention, ((0, 0), (1, 1)))
    return np.asarray((padded[:, :-2] + 2 * attention + padded[:, 2:]) / 4, dtype=np.float32)


def _ascending_peaks(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    # One frame for each row, each behind the one before, with the highest sum of scores (Viterbi).
    words, frames = scores.shape
    best = scores[0].astype(np.float64)
    came_from = np.zeros((words, frames), np.intp)
    for word in range(1, words):
        reached: NDArray[np.float64] = np.maximum.accumulate(best)
        at = np.maximum.accumulate(np.where(best == reached, np.arange(frames), 0))
        came_from[word, 1:] = at[:-1]
        best = np.concatenate((np.array([-np.inf]), reached[:-1])) + scores[word]
    path = [int(best.argmax())]
    for word in range(words - 1, 0, -1):
        path.append(int(came_from[word, path[-1]]))
    return np.array(path[::-1], np.float64)


def _with_ends(starts: NDArray[np.float64], audio: Samples, length: float) -> list[WordTimes]:
    step = round(_LEVEL_S * SAMPLE_RATE)
    level = np.sqrt(np.square(audio[: audio.size // step * step].reshape(-1, step)).mean(axis=1))
    quiet, loud = np.percentile(level, (_QUIET_PERCENTILE, _LOUD_PERCENTILE)) if level.size else (0.0, 0.0)
    is_loud = level > quiet + (loud - quiet) * _LOUD_SHARE
    spans: list[WordTimes] = []
    for start, limit in zip(starts, [*starts[1:], length], strict=True):
        first = int(start / _LEVEL_S)
        loud_levels = np.flatnonzero(is_loud[first : max(int(limit / _LEVEL_S), first + 1)])
        end = (first + int(loud_levels[-1]) + 1) * _LEVEL_S if loud_levels.size else float(start) + _SHORTEST_S
        spans.append((float(start), float(min(max(end, start), limit))))
    return spans


def _even(words: int, length: float) -> list[WordTimes]:
    edges = np.linspace(0.0, length, words + 1)
    return [(float(edges[at]), float(edges[at + 1])) for at in range(words)]
