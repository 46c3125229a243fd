"""Moonshine engine: the default, tiny-en on onnxruntime, English, with word times, confidence and biasing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from itertools import takewhile
from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caesura.distribution import install_command
from caesura.engines.align import WordTimes, align
from caesura.engines.base import SAMPLE_RATE, EngineInfo, Hypothesis, Samples, SegmentJob
from caesura.engines.bias import MAX_ROWS, Bias, BiasedSearch, DecodedPath, Logits
from caesura.engines.decoder_graph import CROSS_ATTENTION, with_cross_attention
from caesura.engines.hallucination import geometric_mean, is_music, is_speech, remove_loop
from caesura.engines.tokens import PrintedWord, Vocabulary
from caesura.errors import EngineError
from caesura.words import Word

INFO = EngineInfo(
    name="moonshine-tiny-en",
    version="0.0.59",
    arch="moonshine",
    languages=("en",),
    min_endpointing_s=0.35,
    max_segment_s=12.0,
    biases=True,
)

MIN_AUDIO_S = 0.1
"""Shortest audio, in seconds, that is decoded: no word fits into less."""

TOKENS_PER_SECOND = 6.5
SPARE_TOKENS = 3
"""Token limit of the decoder: this many per second of audio, plus a constant; speech has 2 to 4.5 tokens a second."""

TRAILING_SILENCE = int(0.05 * SAMPLE_RATE)
"""Samples of silence appended to audio that breaks off: at half a word the decoder repeats and loses words.
Measured on speech cut every 1.3 s and every 2.5 s: word errors 45.9 to 39.2 % and 20.3 to 16.2 %."""

BIAS_CACHE_SIZE = 64
"""Number of prepared lists of terms that are cached: a stream sends the same list with each job."""

# The head of the decoder whose attention follows the words most closely. Chosen on three readers and thirty telephone
# sentences by the starts of an alignment with a hidden Markov model; on others (505 words) its own starts lie 24 ms
# from those (median; p90 74 ms, p95 94 ms). No mean of heads was better.
_LAYER, _HEAD = 4, 6
_FRAME_S = 384 / SAMPLE_RATE
_LAG_S = 0.026
_FIRST, _END = 1, 2
_TOKENS = 32_768
_FILES = ("encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin")
# Caches of the decoder: self-attention (its own tokens) and cross-attention (the audio).
_SELF_CACHE = [f"past_key_values.{layer}.decoder.{kind}" for layer in range(6) for kind in ("key", "value")]
_CROSS_CACHE = [name.replace("decoder", "encoder") for name in _SELF_CACHE]
_EMPTY_CACHE = np.zeros((1, 8, 0, 36), dtype=np.float32)


def load() -> MoonshineEngine:
    """Load networks and vocabulary: about 2 s and 130 MiB.

    Raises:
        EngineError: a package or model file is missing or cannot be read; the message says what to install.
    """
    try:
        import onnx  # noqa: F401  # for the decoder's graph; missed here, not when the decoder is read
        import onnxruntime
    except ImportError as error:
        raise EngineError(f"engine {INFO.name} needs the package {error.name}: {_install()}") from error
    folder = _assets()
    try:
        network = _Network(onnxruntime, folder)
        vocabulary = Vocabulary.parse((folder / "tokenizer.bin").read_bytes())
    except Exception as error:
        raise EngineError(f"engine {INFO.name} could not read its files in {folder}: {error}") from error
    return MoonshineEngine(network, vocabulary)


class MoonshineEngine:
    """Transcribes English.

    Made by `load()` and used by one thread. It caches prepared lists of terms, and keeps nothing of a job.
    """

    def __init__(self, network: _Network, vocabulary: Vocabulary) -> None:
        self._network = network
        self._vocabulary = vocabulary
        self._bias = lru_cache(BIAS_CACHE_SIZE)(lambda terms: Bias(terms, vocabulary))

    def transcribe(self, jobs: Sequence[SegmentJob]) -> list[Hypothesis]:
        """Transcribe each job, in order.

        An interim job's draft is verified in one pass of the decoder and continued from the first
        difference. The networks round their numbers to 8 bits over all positions of a pass together, so where
        two tokens are nearly as likely this may choose the other one, and word times may differ by some
        10 ms. A final job is therefore decoded from its audio alone: neither its text nor its times depend on
        the interims before it.

        Terms only decide between hypotheses: they change neither what counts as speech nor the confidence of a word. If
        no term wins, the hypothesis is the same as without terms. Its `tokens` are always those decoded without terms,
        so that terms do not affect drafts.

        Raises:
            EngineError: a network failed.
        """
        return [self._transcribe_one(job) for job in jobs]

    def _transcribe_one(self, job: SegmentJob) -> Hypothesis:
        audio = np.nan_to_num(np.asarray(job.audio, dtype=np.float32), nan=0.0, posinf=1.0, neginf=-1.0)
        if audio.size < MIN_AUDIO_S * SAMPLE_RATE:
            return Hypothesis()
        if job.breaks_off:
            audio = np.concatenate((audio, np.zeros(TRAILING_SILENCE, np.float32)))
        draft = job.draft if job.draft is not None and not job.final else Hypothesis()
        try:
            output = self._network.decode(audio, draft.tokens, keep=bool(job.terms))
        except Exception as error:
            raise EngineError(f"engine {INFO.name} failed on {audio.size} samples: {error}") from error
        tokens = remove_loop(output.tokens, finished=output.finished)
        probabilities = output.probabilities[: len(tokens)]
        printed = self._printed_words(tokens)
        if not is_speech([word.text for word in printed], probabilities, finished=output.finished):
            return Hypothesis()
        attention = output.attention
        if output.path is not None:
            chosen = self._biased_path(output.path, job, _limit(audio))
            if chosen is not output.path:
                printed, probabilities = self._printed_words(chosen.tokens), tuple(map(exp, chosen.logs))
                attention = output.run.attend(chosen.tokens)
        spans = _spans(printed, attention, audio)
        words = tuple(
            Word(word.text, start, end, _confidence(word, probabilities))
            for word, (start, end) in zip(printed, spans, strict=True)
        )
        return Hypothesis(words=words, tokens=tokens)

    def _printed_words(self, tokens: Sequence[int]) -> list[PrintedWord]:
        return [word for word in self._vocabulary.words(tokens) if not is_music(word.text)]

    def _biased_path(self, path: DecodedPath, job: SegmentJob, limit: int) -> DecodedPath:
        try:
            return BiasedSearch(self._bias(job.terms), end=_END, limit=limit).best(path)
        except Exception as error:
            raise EngineError(f"engine {INFO.name} failed on {len(job.terms)} terms: {error}") from error


def _spans(printed: Sequence[PrintedWord], attention: NDArray[np.float32], audio: Samples) -> list[WordTimes]:
    if not printed:
        return []
    return align(attention[[word.tokens[0] for word in printed]], audio, frame_s=_FRAME_S, lag_s=_LAG_S)


def _limit(audio: Samples) -> int:
    return int(audio.size / SAMPLE_RATE * TOKENS_PER_SECOND) + SPARE_TOKENS


def _confidence(word: PrintedWord, probabilities: Sequence[float]) -> float:
    return geometric_mean([probabilities[position] for position in word.tokens])


@dataclass(frozen=True, slots=True)
class _DecoderOutput:
    # `path` is set if it was requested and the decoder ended by itself. `attention` is the cross-attention of each
    # token, shape (tokens, frames).
    tokens: tuple[int, ...]
    probabilities: tuple[float, ...]
    attention: NDArray[np.float32]
    run: _DecoderRun
    finished: bool
    path: DecodedPath | None


class _Network:
    # Encoder and decoder run on one thread each: the machine is used fully by worker processes, not by threads.

    def __init__(self, onnxruntime: Any, folder: Path) -> None:
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

    def decode(self, audio: Samples, draft: Sequence[int], *, keep: bool) -> _DecoderOutput:
        # Greedy decoding. The draft is accepted as far as one pass of the decoder yields the same tokens.
        limit = _limit(audio)
        mask = np.ones((1, audio.size), dtype=np.int64)
        (states,) = self._encoder.run(None, {"input_values": audio[None], "attention_mask": mask})
        run = _DecoderRun(self._decoder, states, mask)
        logits = run.begin(_valid_prefix(draft)[: limit - 1])
        tokens = [int(row.argmax()) for row in logits]
        probabilities = [_probability(row, token) for row, token in zip(logits, tokens, strict=True)]
        kept = logits if keep else []
        while tokens[-1] != _END and len(tokens) < limit:
            row = run.step(tokens[-1])
            tokens.append(int(row.argmax()))
            probabilities.append(_probability(row, tokens[-1]))
            if keep:
                kept.append(row)
        finished = tokens[-1] == _END
        written = len(tokens) - finished
        path = _path(tokens, probabilities, kept, run.cache()) if keep and finished else None
        attention = np.concatenate(run.attention)[:written]
        return _DecoderOutput(tuple(tokens[:written]), tuple(probabilities[:written]), attention, run, finished, path)


class _DecoderRun:
    # One run of the decoder for one segment: all positions of a draft at once, then token by token.

    def __init__(self, decoder: Any, states: NDArray[np.float32], mask: NDArray[np.int64]) -> None:
        self._decoder = decoder
        self._given: dict[str, NDArray[Any]] = {"encoder_hidden_states": states, "encoder_attention_mask": mask}
        self._cache: dict[str, NDArray[np.float32]] = dict.fromkeys(_SELF_CACHE, _EMPTY_CACHE)
        self.attention: list[NDArray[np.float32]] = []
        """Cross-attention of the positions decoded so far, arrays of shape (positions, frames)."""

    def begin(self, draft: Sequence[int]) -> list[Logits]:
        # Returns the logits of the accepted part of the draft and of one token more.
        fresh = self._given | dict.fromkeys(_CROSS_CACHE, _EMPTY_CACHE)
        logits = self._run(fresh, [_FIRST, *draft], _SELF_CACHE + _CROSS_CACHE)
        best = logits.argmax(axis=-1)
        accepted = 0
        while accepted < len(draft) and best[accepted] == draft[accepted]:
            accepted += 1
        self.attention[-1] = self.attention[-1][: accepted + 1]
        self._given |= {name: self._cache.pop(name) for name in _CROSS_CACHE}
        self._cache = {name: cached[:, :, : accepted + 1] for name, cached in self._cache.items()}
        return list(logits[: accepted + 1])

    def step(self, token: int) -> Logits:
        logits: Logits = self._run(self._given, [token], _SELF_CACHE)[0]
        return logits

    def attend(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        # Cross-attention of other tokens over the same audio, in one pass: shape (tokens, frames).
        fresh = {name: each[:1] for name, each in self._given.items()} | dict.fromkeys(_CROSS_CACHE, _EMPTY_CACHE)
        self._cache = dict.fromkeys(_SELF_CACHE, _EMPTY_CACHE)
        self._run(fresh, [_FIRST, *tokens[:-1]], ())
        return self.attention[-1]

    def cache(self) -> _OnnxDecoderCache:
        return _OnnxDecoderCache(self._decoder, self._given, self._cache)

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

    def __init__(self, decoder: Any, given: dict[str, NDArray[Any]], cache: dict[str, NDArray[np.float32]]) -> None:
        self._decoder = decoder
        self._given = given
        self._cache = cache

    def truncate(self, tokens: int) -> _OnnxDecoderCache:
        return _OnnxDecoderCache(
            self._decoder, self._given, {name: cached[:, :, : tokens + 1] for name, cached in self._cache.items()}
        )

    def select(self, rows: Sequence[int]) -> _OnnxDecoderCache:
        return _OnnxDecoderCache(
            self._decoder, self._given, {name: cached[rows] for name, cached in self._cache.items()}
        )

    def decode(self, tokens: Sequence[Sequence[int]]) -> tuple[Logits, _OnnxDecoderCache]:
        if len(tokens) > len(self._given["encoder_hidden_states"]):
            self._given |= {name: np.repeat(each[:1], MAX_ROWS, axis=0) for name, each in self._given.items()}
        feed = {name: each[: len(tokens)] for name, each in self._given.items()} | self._cache
        feed["input_ids"] = np.array(tokens, dtype=np.int64)
        feed["use_cache_branch"] = np.array([True])
        logits, *cached = self._decoder.run(["logits", *map(_present, _SELF_CACHE)], feed)
        return logits, _OnnxDecoderCache(self._decoder, self._given, dict(zip(_SELF_CACHE, cached, strict=True)))


def _valid_prefix(draft: Sequence[int]) -> list[int]:
    # The draft up to the first token that is not text: the decoder fails on tokens outside its vocabulary.
    return list(takewhile(lambda token: _END < token < _TOKENS, draft))


def _present(name: str) -> str:
    return name.replace("past_key_values", "present")


def _path(
    tokens: Sequence[int], probabilities: Sequence[float], logits: Sequence[Logits], cache: _OnnxDecoderCache
) -> DecodedPath:
    return DecodedPath(tuple(tokens), tuple(map(log, probabilities)), tuple(logits), cache)


def _probability(logits: NDArray[np.float32], token: int) -> float:
    return float(1.0 / np.exp(logits - logits[token]).sum())


def _assets() -> Path:
    # The package is located without importing it, which would load a native library that is not needed here.
    spec = find_spec("moonshine_voice")
    if spec is None or spec.origin is None:
        raise EngineError(f"engine {INFO.name} needs the package moonshine-voice: {_install()}")
    folder = Path(spec.origin).parent / "assets" / "tiny-en"
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise EngineError(
            f"engine {INFO.name} needs {', '.join(missing)} in {folder}, which moonshine-voice {INFO.version} "
            f"brings with it and later versions do not: {_install()}"
        )
    return folder


def _install() -> str:
    return f"`{install_command('server')}` installs it"
