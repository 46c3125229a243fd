"""The default engine, Moonshine tiny-en: segments of English speech in, words with times and confidence out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from itertools import takewhile
from math import exp, log
from pathlib import Path as FilePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caesura.distribution import install_command
from caesura.engines.align import Span, align
from caesura.engines.base import SAMPLE_RATE, EngineInfo, Hypothesis, Samples, SegmentJob
from caesura.engines.bias import MOST_ROWS, Bias, Logits, Path, Search
from caesura.engines.decoder_graph import CROSS_ATTENTION, with_cross_attention
from caesura.engines.doubt import geometric_mean, is_music, is_speech, without_loop
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

SHORTEST_S = 0.1
"""Audio shorter than this says nothing."""

TOKENS_PER_SECOND = 6.5
SPARE_TOKENS = 3
"""The decoder is stopped when it wrote as many per second, and these; speech gives 2 to 4.5 a second."""

SOFT_END = int(0.05 * SAMPLE_RATE)
"""Silence behind audio that breaks off: at half a word the decoder stammers, and whole words before it get lost.
Measured on speech cut every 1.3 s and every 2.5 s: word errors 45.9 to 39.2 % and 20.3 to 16.2 %."""

PREPARED = 64
"""So many lists of terms are kept ready: a stream asks with the same ones each time."""

# The head of the decoder whose attention follows the words most closely. Chosen on three readers and thirty telephone
# sentences by the starts of an alignment with a hidden Markov model; on others (505 words) its own starts lie 24 ms
# from those (median; p90 74 ms, p95 94 ms). No mean of heads was better.
_LAYER, _HEAD = 4, 6
_FRAME_S = 384 / SAMPLE_RATE
_LAG_S = 0.026
_FIRST, _END = 1, 2
_TOKENS = 32_768
_FILES = ("encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin")
# What the decoder remembers of its own tokens, and of the audio.
_OWN = [f"past_key_values.{layer}.decoder.{kind}" for layer in range(6) for kind in ("key", "value")]
_HEARD = [name.replace("decoder", "encoder") for name in _OWN]
_NOTHING = np.zeros((1, 8, 0, 36), dtype=np.float32)


def load() -> MoonshineEngine:
    """Loads networks and vocabulary: about 2 s and 130 MiB.

    Raises:
        EngineError: a package or model file is missing or cannot be read; the message says what to install.
    """
    try:
        import onnx  # noqa: F401  # for the decoder's graph; told here if it is missing
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
    """Hears English. Made by `load()`; used by one thread; of a job it remembers only what its words are made of."""

    def __init__(self, network: _Network, vocabulary: Vocabulary) -> None:
        self._network = network
        self._vocabulary = vocabulary
        self._bias = lru_cache(PREPARED)(lambda terms: Bias(terms, vocabulary))

    def transcribe(self, jobs: Sequence[SegmentJob]) -> list[Hypothesis]:
        """One hypothesis for each job, in order.

        An interim job's draft is verified in one pass of the decoder and continued from the first
        difference. The networks round their numbers to 8 bits over all positions of a pass together, so where
        two tokens are nearly as likely this may choose the other one, and word times may differ by some
        10 ms. A final job is therefore heard from its audio alone: neither its text nor its times depend on
        the interims before it.

        Terms choose among readings of what is speech without them: they change neither what is taken for
        speech nor how sure a word is. Where none of them wins, a hypothesis is the same as without any. The
        tokens of a hypothesis are those read without terms, so that terms take nothing from drafts.

        Raises:
            EngineError: a network failed.
        """
        return [self._hear(job) for job in jobs]

    def _hear(self, job: SegmentJob) -> Hypothesis:
        audio = np.nan_to_num(np.asarray(job.audio, dtype=np.float32), nan=0.0, posinf=1.0, neginf=-1.0)
        if audio.size < SHORTEST_S * SAMPLE_RATE:
            return Hypothesis()
        if job.breaks_off:
            audio = np.concatenate((audio, np.zeros(SOFT_END, np.float32)))
        draft = job.draft if job.draft is not None and not job.final else Hypothesis()
        try:
            reading = self._network.read(audio, draft.tokens, keep=bool(job.terms))
        except Exception as error:
            raise EngineError(f"engine {INFO.name} failed on {audio.size} samples: {error}") from error
        tokens = without_loop(reading.tokens, finished=reading.finished)
        probabilities = reading.probabilities[: len(tokens)]
        printed = self._printed(tokens)
        if not is_speech([word.text for word in printed], probabilities, finished=reading.finished):
            return Hypothesis()
        attention = reading.attention
        if reading.path is not None:
            chosen = self._chosen(reading.path, job, _limit(audio))
            if chosen is not reading.path:
                printed, probabilities = self._printed(chosen.tokens), tuple(map(exp, chosen.logs))
                attention = reading.decoding.attend(chosen.tokens)
        spans = _spans(printed, attention, audio)
        words = tuple(
            Word(word.text, start, end, _confidence(word, probabilities))
            for word, (start, end) in zip(printed, spans, strict=True)
        )
        return Hypothesis(words=words, tokens=tokens)

    def _printed(self, tokens: Sequence[int]) -> list[PrintedWord]:
        return [word for word in self._vocabulary.words(tokens) if not is_music(word.text)]

    def _chosen(self, path: Path, job: SegmentJob, limit: int) -> Path:
        try:
            return Search(self._bias(job.terms), end=_END, limit=limit).best(path)
        except Exception as error:
            raise EngineError(f"engine {INFO.name} failed on {len(job.terms)} terms: {error}") from error


def _spans(printed: Sequence[PrintedWord], attention: NDArray[np.float32], audio: Samples) -> list[Span]:
    if not printed:
        return []
    return align(attention[[word.tokens[0] for word in printed]], audio, frame_s=_FRAME_S, lag_s=_LAG_S)


def _limit(audio: Samples) -> int:
    return int(audio.size / SAMPLE_RATE * TOKENS_PER_SECOND) + SPARE_TOKENS


def _confidence(word: PrintedWord, probabilities: Sequence[float]) -> float:
    return geometric_mean([probabilities[position] for position in word.tokens])


@dataclass(frozen=True, slots=True)
class _Reading:
    # `path` is there when it was asked for and the reading is finished. `attention`: where each token was read, shape
    # (tokens, frames).
    tokens: tuple[int, ...]
    probabilities: tuple[float, ...]
    attention: NDArray[np.float32]
    decoding: _Decoding
    finished: bool
    path: Path | None


class _Network:
    # The encoder and the decoder, each on one thread: processes, not threads, fill the machine.

    def __init__(self, onnxruntime: Any, folder: FilePath) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        # Without these a worker keeps the memory of the longest segment it ever heard (130 MiB after 30 s).
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = False

        def session(network: str | bytes) -> Any:
            return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])

        self._encoder = session(str(folder / "encoder_model.ort"))
        decoder = with_cross_attention(onnxruntime, folder / "decoder_model_merged.ort", layer=_LAYER)
        # It was optimised when it was made; doing that again would only round otherwise.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._decoder = session(decoder)

    def read(self, audio: Samples, draft: Sequence[int], *, keep: bool) -> _Reading:
        # Greedy. `draft` is believed as far as one pass of the decoder would have written the same.
        limit = _limit(audio)
        mask = np.ones((1, audio.size), dtype=np.int64)
        (states,) = self._encoder.run(None, {"input_values": audio[None], "attention_mask": mask})
        decoding = _Decoding(self._decoder, states, mask)
        logits = decoding.begin(_believable(draft)[: limit - 1])
        tokens = [int(row.argmax()) for row in logits]
        probabilities = [_probability(row, token) for row, token in zip(logits, tokens, strict=True)]
        kept = logits if keep else []
        while tokens[-1] != _END and len(tokens) < limit:
            row = decoding.step(tokens[-1])
            tokens.append(int(row.argmax()))
            probabilities.append(_probability(row, tokens[-1]))
            if keep:
                kept.append(row)
        finished = tokens[-1] == _END
        written = len(tokens) - finished
        path = _path(tokens, probabilities, kept, decoding.memory()) if keep and finished else None
        attention = np.concatenate(decoding.attention)[:written]
        return _Reading(tuple(tokens[:written]), tuple(probabilities[:written]), attention, decoding, finished, path)


class _Decoding:
    # One run of the decoder over one audio: first all positions of a draft at once, then token by token.

    def __init__(self, decoder: Any, states: NDArray[np.float32], mask: NDArray[np.int64]) -> None:
        self._decoder = decoder
        self._given: dict[str, NDArray[Any]] = {"encoder_hidden_states": states, "encoder_attention_mask": mask}
        self._cache: dict[str, NDArray[np.float32]] = dict.fromkeys(_OWN, _NOTHING)
        self.attention: list[NDArray[np.float32]] = []
        """Of the positions read so far, pieces of shape (positions, frames)."""

    def begin(self, draft: Sequence[int]) -> list[Logits]:
        # Of the accepted part of the draft and of one token more.
        fresh = self._given | dict.fromkeys(_HEARD, _NOTHING)
        logits = self._run(fresh, [_FIRST, *draft], _OWN + _HEARD)
        best = logits.argmax(axis=-1)
        accepted = 0
        while accepted < len(draft) and best[accepted] == draft[accepted]:
            accepted += 1
        self.attention[-1] = self.attention[-1][: accepted + 1]
        self._given |= {name: self._cache.pop(name) for name in _HEARD}
        self._cache = {name: cached[:, :, : accepted + 1] for name, cached in self._cache.items()}
        return list(logits[: accepted + 1])

    def step(self, token: int) -> Logits:
        logits: Logits = self._run(self._given, [token], _OWN)[0]
        return logits

    def attend(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        # The attention of other tokens over the same audio, in one pass: shape (tokens, frames).
        fresh = {name: each[:1] for name, each in self._given.items()} | dict.fromkeys(_HEARD, _NOTHING)
        self._cache = dict.fromkeys(_OWN, _NOTHING)
        self._run(fresh, [_FIRST, *tokens[:-1]], ())
        return self.attention[-1]

    def memory(self) -> _Memory:
        return _Memory(self._decoder, self._given, self._cache)

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


class _Memory:
    # Several beginnings over one audio, equally long. What was heard is the same for each, so it is laid out once.

    def __init__(self, decoder: Any, given: dict[str, NDArray[Any]], cache: dict[str, NDArray[np.float32]]) -> None:
        self._decoder = decoder
        self._given = given
        self._cache = cache

    def first(self, tokens: int) -> _Memory:
        return _Memory(
            self._decoder, self._given, {name: cached[:, :, : tokens + 1] for name, cached in self._cache.items()}
        )

    def take(self, rows: Sequence[int]) -> _Memory:
        return _Memory(self._decoder, self._given, {name: cached[rows] for name, cached in self._cache.items()})

    def read(self, tokens: Sequence[Sequence[int]]) -> tuple[Logits, _Memory]:
        if len(tokens) > len(self._given["encoder_hidden_states"]):
            self._given |= {name: np.repeat(each[:1], MOST_ROWS, axis=0) for name, each in self._given.items()}
        feed = {name: each[: len(tokens)] for name, each in self._given.items()} | self._cache
        feed["input_ids"] = np.array(tokens, dtype=np.int64)
        feed["use_cache_branch"] = np.array([True])
        logits, *cached = self._decoder.run(["logits", *map(_present, _OWN)], feed)
        return logits, _Memory(self._decoder, self._given, dict(zip(_OWN, cached, strict=True)))


def _believable(draft: Sequence[int]) -> list[int]:
    # Up to the first number that stands for no text: the decoder refuses numbers that it does not have.
    return list(takewhile(lambda token: _END < token < _TOKENS, draft))


def _present(name: str) -> str:
    return name.replace("past_key_values", "present")


def _path(tokens: Sequence[int], probabilities: Sequence[float], logits: Sequence[Logits], memory: _Memory) -> Path:
    return Path(tuple(tokens), tuple(map(log, probabilities)), tuple(logits), memory)


def _probability(logits: NDArray[np.float32], token: int) -> float:
    return float(1.0 / np.exp(logits - logits[token]).sum())


def _assets() -> FilePath:
    # The package is located, not imported: importing it would load a native library that is of no use here.
    spec = find_spec("moonshine_voice")
    if spec is None or spec.origin is None:
        raise EngineError(f"engine {INFO.name} needs the package moonshine-voice: {_install()}")
    folder = FilePath(spec.origin).parent / "assets" / "tiny-en"
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise EngineError(
            f"engine {INFO.name} needs {', '.join(missing)} in {folder}, which moonshine-voice {INFO.version} "
            f"brings with it and later versions do not: {_install()}"
        )
    return folder


def _install() -> str:
    return f"`{install_command('server')}` installs it"
