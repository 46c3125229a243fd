"""Moonshine engine: the default, tiny-en on onnxruntime, English, with word times, confidence and biasing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from math import exp
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caesura.distribution import install_command
from caesura.engines.align import WordTimes, align
from caesura.engines.base import SAMPLE_RATE, EngineInfo, Hypothesis, Samples, SegmentJob
from caesura.engines.bias import Bias, BiasedSearch, DecodedPath
from caesura.engines.hallucination import geometric_mean, is_music, is_speech, remove_loop
from caesura.engines.moonshine_network import END, FRAME_S, LAG_S, MoonshineNetwork, token_limit
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

TRAILING_SILENCE = int(0.05 * SAMPLE_RATE)
"""Samples of silence appended to audio that breaks off: at half a word the decoder repeats and loses words.
Measured on speech cut every 1.3 s and every 2.5 s: word errors 45.9 to 39.2 % and 20.3 to 16.2 %."""

BIAS_CACHE_SIZE = 64
"""Number of prepared lists of terms that are cached: a stream sends the same list with each job."""

_FILES = ("encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin")


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
        network = MoonshineNetwork(onnxruntime, folder)
        vocabulary = Vocabulary.parse((folder / "tokenizer.bin").read_bytes())
    except Exception as error:
        raise EngineError(f"engine {INFO.name} could not read its files in {folder}: {error}") from error
    return MoonshineEngine(network, vocabulary)


class MoonshineEngine:
    """Transcribes English.

    Made by `load()` and used by one thread. It caches prepared lists of terms, and keeps nothing of a job.
    """

    def __init__(self, network: MoonshineNetwork, vocabulary: Vocabulary) -> None:
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
            chosen = self._biased_path(output.path, job, token_limit(audio))
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
            return BiasedSearch(self._bias(job.terms), end=END, limit=limit).best(path)
        except Exception as error:
            raise EngineError(f"engine {INFO.name} failed on {len(job.terms)} terms: {error}") from error


def _spans(printed: Sequence[PrintedWord], attention: NDArray[np.float32], audio: Samples) -> list[WordTimes]:
    if not printed:
        return []
    return align(attention[[word.tokens[0] for word in printed]], audio, frame_s=FRAME_S, lag_s=LAG_S)


def _confidence(word: PrintedWord, probabilities: Sequence[float]) -> float:
    return geometric_mean([probabilities[position] for position in word.tokens])


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
