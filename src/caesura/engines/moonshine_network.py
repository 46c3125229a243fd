"""Networks of Moonshine on onnxruntime: encodes the audio of one segment, and decodes it greedily to tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from math import log
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caesura.engines.base import SAMPLE_RATE, Samples
from caesura.engines.bias import DecodedPath, Logits
from caesura.engines.decoder_graph import (
    CROSS,
    HEAD_SIZE,
    HEADS,
    PAST,
    PRESENT,
    VOCABULARY,
    decoder_graph,
)
from caesura.engines.encoder_graph import encoder_graph
from caesura.engines.ort_file import OrtFile

TOKENS_PER_SECOND = 6.5
SPARE_TOKENS = 3
"""Token limit of the decoder: this many per second of audio, plus a constant; speech has 2 to 4.5 tokens a second."""

FRAME_S = 384 / SAMPLE_RATE
"""Length of one frame of the encoder, and of a column of `GreedyOutput.attention`, in seconds."""
LAG_S = 0.026
"""How far the attention of a word's first token has its peak behind the start of the word, in seconds."""
END = 2
"""The token that ends a text."""
_FIRST = 1
_EMPTY = np.zeros((1, HEADS, 0, HEAD_SIZE), dtype=np.float32)

_Caches = dict[str, NDArray[np.float32]]


def token_limit(audio: Samples) -> int:
    """The most tokens that are decoded from `audio`, the end token included."""
    return int(audio.size / SAMPLE_RATE * TOKENS_PER_SECOND) + SPARE_TOKENS


@dataclass(frozen=True, slots=True)
class GreedyOutput:
    """What the decoder wrote, without the end token.

    `probabilities`: of each token, in 0..1. `attention`: the cross-attention of each token, float32, shape (tokens,
    frames). `run`: the run that wrote it. `finished`: it ended by itself, not at the token limit. `path`: set if it was
    requested and the decoder ended by itself.
    """

    tokens: tuple[int, ...]
    probabilities: tuple[float, ...]
    attention: NDArray[np.float32]
    run: DecoderRun
    finished: bool
    path: DecodedPath | None


class MoonshineNetwork:
    """The loaded networks; to be used by one thread.

    Encoder and decoder run on one thread each: the machine is used fully by worker processes, not by threads.
    """

    def __init__(self, onnxruntime: Any, folder: Path) -> None:
        """Load both networks from `folder`. Raises whatever the runtime raises for a file that it cannot read."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        # Otherwise a worker keeps the memory of its longest segment so far (130 MiB after one of 30 s).
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = False

        def session(network: bytes) -> Any:
            return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])

        # The graphs are built as they are to run: the runtime would fuse additions with normalisations, to its loss.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        decoder = OrtFile(folder / "decoder_model_merged.ort")
        self._encoder = session(encoder_graph(OrtFile(folder / "encoder_model.ort"), decoder))
        self._decoder = session(decoder_graph(decoder))

    def decode(self, audio: Samples, draft: Sequence[int], *, keep: bool, prefix: Sequence[int] = ()) -> GreedyOutput:
        """Decode greedily; `draft` is accepted as far as one pass of the decoder yields the same tokens.

        The output is that of decoding without a draft, to the bit.

        Args:
            audio: float32 in -1..1, shape (n,), 16 kHz mono.
            draft: tokens that may follow the prefix; anything may be given.
            keep: whether the output is to have its `path`.
            prefix: tokens that the audio begins with, which are taken as they are; the output has those after them.
        """
        prefix = _valid_prefix(prefix)
        limit = max(token_limit(audio) - len(prefix), SPARE_TOKENS)
        run = DecoderRun(self._decoder, self._encode(audio), prefix)
        logits = run.begin(_valid_prefix(draft)[: limit - 1])
        tokens = [int(row.argmax()) for row in logits]
        probabilities = [_probability(row, token) for row, token in zip(logits, tokens, strict=True)]
        kept = logits if keep else []
        while tokens[-1] != END and len(tokens) < limit:
            row = run.step(tokens[-1])
            tokens.append(int(row.argmax()))
            probabilities.append(_probability(row, tokens[-1]))
            if keep:
                kept.append(row)
        finished = tokens[-1] == END
        written = len(tokens) - finished
        path = _path(tokens, probabilities, kept, run.cache()) if keep and finished else None
        attention = np.concatenate(run.attention)[:written]
        return GreedyOutput(tuple(tokens[:written]), tuple(probabilities[:written]), attention, run, finished, path)

    def _encode(self, audio: Samples) -> _Caches:
        return dict(zip(CROSS, self._encoder.run(list(CROSS), {"audio": audio[None]}), strict=True))


class DecoderRun:
    """One run of the decoder for one segment: all positions of a draft at once, then token by token.

    A pass has two positions at least: for one the runtime takes the sums of attention in another order, so that a step
    would not give to the bit what a pass over a draft gives. It costs a tenth, as a step waits for the weights.
    """

    def __init__(self, decoder: Any, cross: _Caches, prefix: Sequence[int]) -> None:
        """Decode nothing yet; `prefix` are the tokens before the first one that is to be decoded."""
        self._start = [_FIRST, *prefix]
        self._cache = _OnnxDecoderCache(decoder, cross, dict.fromkeys(PAST, _EMPTY), len(self._start))
        self._last = self._start[-1]
        self.attention: list[NDArray[np.float32]] = []
        """Cross-attention of the positions decoded so far, arrays of shape (positions, frames)."""

    def begin(self, draft: Sequence[int]) -> list[Logits]:
        """Decode the draft in one pass; returns the logits of its accepted part and of one token more."""
        given = len(self._start) - 1
        text = [*self._start, *draft]
        logits, attention, cache = self._cache.run([text if len(text) > 1 else [*text, END]], skipped=given)
        best = logits[0].argmax(axis=-1)
        accepted = 0
        while accepted < len(draft) and best[accepted] == draft[accepted]:
            accepted += 1
        self.attention.append(attention[given : given + accepted + 1])
        self._cache, self._last = cache.truncate(accepted), text[given + accepted]
        return list(logits[0, : accepted + 1])

    def step(self, token: int) -> Logits:
        """Append `token`; returns the logits of the token after it."""
        logits, attention, self._cache = self._cache.without_last().run([[self._last, token]], skipped=1)
        self._last = token
        self.attention.append(attention[1:])
        row: Logits = logits[0, 0]
        return row

    def attend(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Cross-attention of other tokens over the same audio, in one pass: float32, shape (tokens, frames)."""
        text = [*self._start, *tokens[:-1]]
        _, attention, _ = self._cache.empty().run([text], skipped=len(text) - 1)
        return attention[len(self._start) - 1 :]

    def cache(self) -> _OnnxDecoderCache:
        """The cache of all tokens so far."""
        return self._cache


class _OnnxDecoderCache:
    # Texts of equal length for one segment, one a row, which share the keys and values of the audio.

    def __init__(self, decoder: Any, cross: _Caches, past: _Caches, start: int) -> None:
        # `start`: how many tokens come before those of the text.
        self._decoder = decoder
        self._cross = cross
        self._past = past
        self._start = start

    def empty(self) -> _OnnxDecoderCache:
        return self._with(dict.fromkeys(PAST, _EMPTY))

    def truncate(self, tokens: int) -> _OnnxDecoderCache:
        return self._with({name: cached[:, :, : self._start + tokens] for name, cached in self._past.items()})

    def without_last(self) -> _OnnxDecoderCache:
        return self._with({name: cached[:, :, :-1] for name, cached in self._past.items()})

    def select(self, rows: Sequence[int]) -> _OnnxDecoderCache:
        return self._with({name: cached[rows] for name, cached in self._past.items()})

    def decode(self, tokens: Sequence[Sequence[int]]) -> tuple[Logits, _OnnxDecoderCache]:
        logits, _, cache = self.run(tokens)
        return logits, cache

    def run(
        self, tokens: Sequence[Sequence[int]], *, skipped: int = 0
    ) -> tuple[Logits, NDArray[np.float32], _OnnxDecoderCache]:
        # Logits of all positions but the skipped ones, (rows, positions, vocabulary), and attention, (rows * positions,
        # frames).
        position = self._past[PAST[0]].shape[2]
        feed = {
            "tokens": np.array(tokens, dtype=np.int64),
            "position": np.array([position]),
            "skipped": np.array([skipped]),
        }
        logits, attention, *present = self._decoder.run(
            ["logits", "attention", *PRESENT], feed | self._past | self._cross
        )
        return logits, attention[0], self._with(dict(zip(PAST, present, strict=True)))

    def _with(self, past: _Caches) -> _OnnxDecoderCache:
        return _OnnxDecoderCache(self._decoder, self._cross, past, self._start)


def _valid_prefix(draft: Sequence[int]) -> list[int]:
    # The draft up to the first token that is not text: the decoder fails on tokens outside its vocabulary.
    return list(takewhile(lambda token: END < token < VOCABULARY, draft))


def _path(
    tokens: Sequence[int], probabilities: Sequence[float], logits: Sequence[Logits], cache: _OnnxDecoderCache
) -> DecodedPath:
    return DecodedPath(tuple(tokens), tuple(map(log, probabilities)), tuple(logits), cache)


def _probability(logits: NDArray[np.float32], token: int) -> float:
    return float(1.0 / np.exp(logits - logits[token]).sum())
