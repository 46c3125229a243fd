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
from caesura.engines.bias import MAX_ROWS, DecodedPath, Logits
from caesura.engines.decoder_graph import CROSS_ATTENTION, with_cross_attention

TOKENS_PER_SECOND = 6.5
SPARE_TOKENS = 3
"""Token limit of the decoder: this many per second of audio, plus a constant; speech has 2 to 4.5 tokens a second."""

# The head of the decoder whose attention follows the words most closely. Chosen on three readers and thirty telephone
# sentences by the starts of an alignment with a hidden Markov model; on others (505 words) its own starts lie 24 ms
# from those (median; p90 74 ms, p95 94 ms). No mean of heads was better.
_LAYER, _HEAD = 4, 6
FRAME_S = 384 / SAMPLE_RATE
"""Length of one frame of the encoder, and of a column of `GreedyOutput.attention`, in seconds."""
LAG_S = 0.026
"""How far the attention of a word's first token has its peak behind the start of the word, in seconds."""
END = 2
"""The token that ends a text."""
_FIRST = 1
_TOKENS = 32_768
# Caches of the decoder: self-attention (its own tokens) and cross-attention (the audio).
_SELF_CACHE = [f"past_key_values.{layer}.decoder.{kind}" for layer in range(6) for kind in ("key", "value")]
_CROSS_CACHE = [name.replace("decoder", "encoder") for name in _SELF_CACHE]
_EMPTY_CACHE = np.zeros((1, 8, 0, 36), dtype=np.float32)


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

        def session(network: str | bytes) -> Any:
            return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])

        self._encoder = session(str(folder / "encoder_model.ort"))
        decoder = with_cross_attention(onnxruntime, folder / "decoder_model_merged.ort", layer=_LAYER)
        # The file is optimised already; optimising it again would only change its rounding.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._decoder = session(decoder)

    def decode(self, audio: Samples, draft: Sequence[int], *, keep: bool, prefix: Sequence[int] = ()) -> GreedyOutput:
        """Decode greedily; `draft` is accepted as far as one pass of the decoder yields the same tokens.

        Args:
            audio: float32 in -1..1, shape (n,), 16 kHz mono.
            draft: tokens that may follow the prefix; anything may be given.
            keep: whether the output is to have its `path`.
            prefix: tokens that the audio begins with, which are taken as they are; the output has those after them.
        """
        prefix = _valid_prefix(prefix)
        limit = max(token_limit(audio) - len(prefix), SPARE_TOKENS)
        mask = np.ones((1, audio.size), dtype=np.int64)
        (states,) = self._encoder.run(None, {"input_values": audio[None], "attention_mask": mask})
        run = DecoderRun(self._decoder, states, mask, prefix)
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


class DecoderRun:
    """One run of the decoder for one segment: all positions of a draft at once, then token by token."""

    def __init__(
        self, decoder: Any, states: NDArray[np.float32], mask: NDArray[np.int64], prefix: Sequence[int]
    ) -> None:
        """Starts nothing; `prefix` are the tokens before the first one that is to be decoded."""
        self._decoder = decoder
        self._start = [_FIRST, *prefix]
        self._given: dict[str, NDArray[Any]] = {"encoder_hidden_states": states, "encoder_attention_mask": mask}
        self._cache: dict[str, NDArray[np.float32]] = dict.fromkeys(_SELF_CACHE, _EMPTY_CACHE)
        self.attention: list[NDArray[np.float32]] = []
        """Cross-attention of the positions decoded so far, arrays of shape (positions, frames)."""

    def begin(self, draft: Sequence[int]) -> list[Logits]:
        """Decode the draft in one pass; returns the logits of its accepted part and of one token more."""
        fresh = self._given | dict.fromkeys(_CROSS_CACHE, _EMPTY_CACHE)
        given = len(self._start)
        logits = self._run(fresh, [*self._start, *draft], _SELF_CACHE + _CROSS_CACHE)[given - 1 :]
        best = logits.argmax(axis=-1)
        accepted = 0
        while accepted < len(draft) and best[accepted] == draft[accepted]:
            accepted += 1
        self.attention[-1] = self.attention[-1][given - 1 : given + accepted]
        self._given |= {name: self._cache.pop(name) for name in _CROSS_CACHE}
        self._cache = {name: cached[:, :, : given + accepted] for name, cached in self._cache.items()}
        return list(logits[: accepted + 1])

    def step(self, token: int) -> Logits:
        """Append `token`; returns the logits of the token after it."""
        logits: Logits = self._run(self._given, [token], _SELF_CACHE)[0]
        return logits

    def attend(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Cross-attention of other tokens over the same audio, in one pass: float32, shape (tokens, frames)."""
        fresh = {name: each[:1] for name, each in self._given.items()} | dict.fromkeys(_CROSS_CACHE, _EMPTY_CACHE)
        self._cache = dict.fromkeys(_SELF_CACHE, _EMPTY_CACHE)
        self._run(fresh, [*self._start, *tokens[:-1]], ())
        return self.attention[-1][len(self._start) - 1 :]

    def cache(self) -> _OnnxDecoderCache:
        """The cache of all tokens so far."""
        return _OnnxDecoderCache(self._decoder, self._given, self._cache, len(self._start))

    def _run(self, given: dict[str, NDArray[Any]], tokens: Sequence[int], kept: Sequence[str]) -> NDArray[np.float32]:
        feed = given | self._cache
        feed["input_ids"] = np.array([tokens], dtype=np.int64)
        feed["use_cache_branch"] = np.array([given is self._given])
        outputs = ["logits", CROSS_ATTENTION, *map(_present, kept)]
        logits, attention, *cached = self._decoder.run(outputs, feed)
        self._cache = dict(zip(kept, cached, strict=True))
        self.attention.append(attention[0, _HEAD])
        first: NDArray[np.float32] = logits[0]
        return first


class _OnnxDecoderCache:
    # Prefixes of equal length for one segment, which share the cross-attention cache.

    def __init__(
        self, decoder: Any, given: dict[str, NDArray[Any]], cache: dict[str, NDArray[np.float32]], start: int
    ) -> None:
        # `start`: how many tokens come before those of the text.
        self._decoder = decoder
        self._given = given
        self._cache = cache
        self._start = start

    def truncate(self, tokens: int) -> _OnnxDecoderCache:
        return self._with({name: cached[:, :, : self._start + tokens] for name, cached in self._cache.items()})

    def select(self, rows: Sequence[int]) -> _OnnxDecoderCache:
        return self._with({name: cached[rows] for name, cached in self._cache.items()})

    def decode(self, tokens: Sequence[Sequence[int]]) -> tuple[Logits, _OnnxDecoderCache]:
        if len(tokens) > len(self._given["encoder_hidden_states"]):
            self._given |= {name: np.repeat(each[:1], MAX_ROWS, axis=0) for name, each in self._given.items()}
        feed = {name: each[: len(tokens)] for name, each in self._given.items()} | self._cache
        feed["input_ids"] = np.array(tokens, dtype=np.int64)
        feed["use_cache_branch"] = np.array([True])
        logits, *cached = self._decoder.run(["logits", *map(_present, _SELF_CACHE)], feed)
        return logits, self._with(dict(zip(_SELF_CACHE, cached, strict=True)))

    def _with(self, cache: dict[str, NDArray[np.float32]]) -> _OnnxDecoderCache:
        return _OnnxDecoderCache(self._decoder, self._given, cache, self._start)


def _valid_prefix(draft: Sequence[int]) -> list[int]:
    # The draft up to the first token that is not text: the decoder fails on tokens outside its vocabulary.
    return list(takewhile(lambda token: END < token < _TOKENS, draft))


def _present(name: str) -> str:
    return name.replace("past_key_values", "present")


def _path(
    tokens: Sequence[int], probabilities: Sequence[float], logits: Sequence[Logits], cache: _OnnxDecoderCache
) -> DecodedPath:
    return DecodedPath(tuple(tokens), tuple(map(log, probabilities)), tuple(logits), cache)


def _probability(logits: NDArray[np.float32], token: int) -> float:
    return float(1.0 / np.exp(logits - logits[token]).sum())
