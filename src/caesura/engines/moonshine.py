"""The default engine, Moonshine tiny-en: segments of English speech in, words with times and confidence out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from caesura.engines.base import SAMPLE_RATE, EngineInfo, Hypothesis, Samples, SegmentJob
from caesura.engines.doubt import geometric_mean, is_music, is_speech, without_loop
from caesura.engines.tokens import PrintedWord, Vocabulary
from caesura.errors import EngineError
from caesura.words import Word

if TYPE_CHECKING:
    from caesura.engines.align import Aligner

INFO = EngineInfo(
    name="moonshine-tiny-en",
    version="0.0.59",
    arch="moonshine",
    languages=("en",),
    min_endpointing_s=0.35,
    max_segment_s=12.0,
)

SHORTEST_S = 0.1
"""Audio shorter than this says nothing."""

TOKENS_PER_SECOND = 6.5
SPARE_TOKENS = 3
"""The decoder is stopped when it wrote as many per second, and these; speech gives 2 to 4.5 a second."""

SOFT_END = int(0.05 * SAMPLE_RATE)
"""Silence behind audio that breaks off: at half a word the decoder stammers, and whole words before it get lost.
Measured on speech cut every 1.3 s and every 2.5 s: word errors 45.9 to 39.2 % and 20.3 to 16.2 %."""

_FIRST, _END = 1, 2
_TOKENS = 32_768
_FILES = ("encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin")
# What the decoder remembers of its own tokens, and of the audio.
_OWN = [f"past_key_values.{layer}.decoder.{kind}" for layer in range(6) for kind in ("key", "value")]
_HEARD = [name.replace("decoder", "encoder") for name in _OWN]
_NOTHING = np.zeros((1, 8, 0, 36), dtype=np.float32)
_INSTALL = '`pip install "caesura[server]"` installs it'


def load() -> MoonshineEngine:
    """Loads networks, vocabulary and aligner: about 0.5 s and 130 MiB.

    Raises:
        EngineError: a package or model file is missing or cannot be read; the message says what to install.
    """
    try:
        import onnxruntime

        from caesura.engines.align import Aligner
    except ImportError as error:
        raise EngineError(f"engine {INFO.name} needs the package {error.name}: {_INSTALL}") from error
    folder = _assets()
    try:
        network = _Network(onnxruntime, folder)
        vocabulary = Vocabulary.parse((folder / "tokenizer.bin").read_bytes())
        aligner = Aligner.bundled()
    except EngineError:
        raise
    except Exception as error:
        raise EngineError(f"engine {INFO.name} could not read its files in {folder}: {error}") from error
    return MoonshineEngine(network, vocabulary, aligner)


class MoonshineEngine:
    """Hears English. Made by `load()`; used by one thread; remembers nothing of a job but spelled-out words."""

    def __init__(self, network: _Network, vocabulary: Vocabulary, aligner: Aligner) -> None:
        self._network = network
        self._vocabulary = vocabulary
        self._aligner = aligner

    def transcribe(self, jobs: Sequence[SegmentJob]) -> list[Hypothesis]:
        """One hypothesis for each job, in order.

        An interim job's draft is verified in one pass of the decoder and continued from the first
        difference. The networks round their numbers to 8 bits over all positions of a pass together, so where
        two tokens are nearly as likely this may choose the other one, and word times may differ by some
        10 ms. A final job is therefore heard from its audio alone: neither its text nor its times depend on
        the interims before it.

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
            reading = self._network.read(audio, draft.tokens)
        except Exception as error:
            raise EngineError(f"engine {INFO.name} failed on {audio.size} samples: {error}") from error
        tokens = without_loop(reading.tokens, finished=reading.finished)
        probabilities = reading.probabilities[: len(tokens)]
        printed = [word for word in self._vocabulary.words(tokens) if not is_music(word.text)]
        texts = [word.text for word in printed]
        if not is_speech(texts, probabilities, finished=reading.finished):
            return Hypothesis()
        spans = self._aligner.align(texts, audio, draft.words)
        words = tuple(
            Word(word.text, start, end, _confidence(word, probabilities))
            for word, (start, end) in zip(printed, spans, strict=True)
        )
        return Hypothesis(words=words, tokens=tokens)


def _confidence(word: PrintedWord, probabilities: Sequence[float]) -> float:
    return geometric_mean([probabilities[position] for position in word.tokens])


@dataclass(frozen=True, slots=True)
class _Reading:
    tokens: tuple[int, ...]
    probabilities: tuple[float, ...]
    finished: bool


class _Network:
    # The encoder and the decoder, each on one thread: processes, not threads, fill the machine.

    def __init__(self, onnxruntime: Any, folder: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        # Without these a worker keeps the memory of the longest segment it ever heard (130 MiB after 30 s).
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = False

        def session(name: str) -> Any:
            return onnxruntime.InferenceSession(str(folder / name), options, providers=["CPUExecutionProvider"])

        self._encoder = session("encoder_model.ort")
        self._decoder = session("decoder_model_merged.ort")

    def read(self, audio: Samples, draft: Sequence[int]) -> _Reading:
        # Greedy. `draft` is believed as far as one pass of the decoder would have written the same.
        limit = int(audio.size / SAMPLE_RATE * TOKENS_PER_SECOND) + SPARE_TOKENS
        mask = np.ones((1, audio.size), dtype=np.int64)
        (states,) = self._encoder.run(None, {"input_values": audio[None], "attention_mask": mask})
        decoding = _Decoding(self._decoder, states, mask)
        tokens, probabilities = decoding.begin(_believable(draft)[: limit - 1])
        while tokens[-1] != _END and len(tokens) < limit:
            token, probability = decoding.step(tokens[-1])
            tokens.append(token)
            probabilities.append(probability)
        finished = tokens[-1] == _END
        written = len(tokens) - finished
        return _Reading(tuple(tokens[:written]), tuple(probabilities[:written]), finished)


class _Decoding:
    # One run of the decoder over one audio: first all positions of a draft at once, then token by token.

    def __init__(self, decoder: Any, states: NDArray[np.float32], mask: NDArray[np.int64]) -> None:
        self._decoder = decoder
        self._given: dict[str, NDArray[Any]] = {"encoder_hidden_states": states, "encoder_attention_mask": mask}
        self._cache: dict[str, NDArray[np.float32]] = dict.fromkeys(_OWN, _NOTHING)

    def begin(self, draft: Sequence[int]) -> tuple[list[int], list[float]]:
        # The accepted part of the draft and one token more, each with its probability.
        fresh = self._given | dict.fromkeys(_HEARD, _NOTHING)
        logits = self._run(fresh, [_FIRST, *draft], _OWN + _HEARD)
        best = logits.argmax(axis=-1)
        accepted = 0
        while accepted < len(draft) and best[accepted] == draft[accepted]:
            accepted += 1
        self._given |= {name: self._cache.pop(name) for name in _HEARD}
        self._cache = {name: cached[:, :, : accepted + 1] for name, cached in self._cache.items()}
        tokens = [int(token) for token in best[: accepted + 1]]
        return tokens, [_probability(logits[position], token) for position, token in enumerate(tokens)]

    def step(self, token: int) -> tuple[int, float]:
        (logits,) = self._run(self._given, [token], _OWN)
        best = int(logits.argmax())
        return best, _probability(logits, best)

    def _run(self, given: dict[str, NDArray[Any]], tokens: Sequence[int], kept: Sequence[str]) -> NDArray[np.float32]:
        feed = given | self._cache
        feed["input_ids"] = np.array([tokens], dtype=np.int64)
        feed["use_cache_branch"] = np.array([given is self._given])
        outputs = ["logits", *(name.replace("past_key_values", "present") for name in kept)]
        logits, *cached = self._decoder.run(outputs, feed)
        self._cache = dict(zip(kept, cached, strict=True))
        first: NDArray[np.float32] = logits[0]
        return first


def _believable(draft: Sequence[int]) -> list[int]:
    # Up to the first number that stands for no text: the decoder refuses numbers that it does not have.
    return list(takewhile(lambda token: _END < token < _TOKENS, draft))


def _probability(logits: NDArray[np.float32], token: int) -> float:
    return float(1.0 / np.exp(logits - logits[token]).sum())


def _assets() -> Path:
    # The package is located, not imported: importing it would load a native library that is of no use here.
    spec = find_spec("moonshine_voice")
    if spec is None or spec.origin is None:
        raise EngineError(f"engine {INFO.name} needs the package moonshine-voice: {_INSTALL}")
    folder = Path(spec.origin).parent / "assets" / "tiny-en"
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise EngineError(
            f"engine {INFO.name} needs {', '.join(missing)} in {folder}, which moonshine-voice {INFO.version} "
            f"brings with it and later versions do not: {_INSTALL}"
        )
    return folder
