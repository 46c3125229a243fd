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
    context_s=6.0,
    biases=True,
)

MIN_AUDIO_S = 0.1
"""Shortest audio, in seconds, that is decoded: no word fits into less."""

SILENCE_BEFORE_S, SILENCE_AFTER_S = 0.1, 0.5
"""Digital silence that is put around all audio, in seconds: without it the decoder repeats and loses words at its ends,
even where 0.2 s of the silence around speech are in the audio. Chosen and judged: docs/decisions/0044."""

BIAS_CACHE_SIZE = 64
"""Number of prepared lists of terms that are cached: a stream sends the same list with each job."""

_FILES = ("encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin")


def load() -> MoonshineEngine:
    """Load networks and vocabulary: about 1.2 s of CPU and 190 MiB.

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

        A job's draft is verified in one pass of the decoder and continued from the first difference. That gives to the
        bit what decoding without a draft gives, so that neither the text of a final nor its times depend on the
        interims before it.

        Terms only decide between hypotheses: they change neither what counts as speech nor the confidence of a word. If
        no term wins, the hypothesis is the same as without terms. Its `tokens` are always those decoded without terms,
        so that terms do not affect drafts.

        Raises:
            EngineError: a network failed.
        """
        return [self._transcribe_one(job) for job in jobs]

    def _transcribe_one(self, job: SegmentJob) -> Hypothesis:
        given = np.nan_to_num(np.asarray(job.audio, dtype=np.float32), nan=0.0, posinf=1.0, neginf=-1.0)
        if given.size < MIN_AUDIO_S * SAMPLE_RATE:
            return Hypothesis()
        audio = _with_silence(given)
        draft = () if job.draft is None else self._draft_tokens(job.draft)
        prefix = self._vocabulary.encode(job.prefix)
        try:
            output = self._network.decode(audio, draft, keep=bool(job.terms), prefix=prefix)
        except Exception as error:
            raise EngineError(f"engine {INFO.name} failed on {audio.size} samples: {error}") from error
        tokens = remove_loop(output.tokens, finished=output.finished)
        probabilities = output.probabilities[: len(tokens)]
        printed = self._printed_words(tokens)
        if not is_speech([word.text for word in printed], probabilities, finished=output.finished):
            return Hypothesis(withheld=len(printed))
        attention = output.attention
        if output.path is not None:
            chosen = self._biased_path(output.path, job, token_limit(audio) - len(prefix))
            if chosen is not output.path:
                printed, probabilities = self._printed_words(chosen.tokens), tuple(map(exp, chosen.logs))
                attention = output.run.attend(chosen.tokens)
        spans = _spans(printed, attention, given, job.prefix_s)
        words = tuple(
            Word(word.text, start, end, _confidence(word, probabilities))
            for word, (start, end) in zip(printed, spans, strict=True)
        )
        return Hypothesis(words=words, tokens=tokens)

    def _draft_tokens(self, draft: Hypothesis) -> tuple[int, ...]:
        # Its words may be fewer than its tokens spell, or more, with those of earlier hypotheses before them.
        printed, words = self._printed_words(draft.tokens), draft.words
        if len(words) > len(printed):
            before = " ".join(word.text for word in words[: len(words) - len(printed)])
            return (*self._vocabulary.encode(before), *draft.tokens)
        return draft.tokens[printed[-len(words)].tokens[0] :] if words else ()

    def _printed_words(self, tokens: Sequence[int]) -> list[PrintedWord]:
        return [word for word in self._vocabulary.words(tokens) if not is_music(word.text)]

    def _biased_path(self, path: DecodedPath, job: SegmentJob, limit: int) -> DecodedPath:
        try:
            return BiasedSearch(self._bias(job.terms), end=END, limit=limit).best(path)
        except Exception as error:
            raise EngineError(f"engine {INFO.name} failed on {len(job.terms)} terms: {error}") from error


def _with_silence(audio: Samples) -> Samples:
    return np.pad(audio, (round(SILENCE_BEFORE_S * SAMPLE_RATE), round(SILENCE_AFTER_S * SAMPLE_RATE)))


def _spans(
    printed: Sequence[PrintedWord], attention: NDArray[np.float32], audio: Samples, prefix_s: float
) -> list[WordTimes]:
    # The attention covers the silence before the audio too, so its peaks lie that much later; and none of these words
    # was spoken where the prefix was.
    if not printed:
        return []
    first = int((SILENCE_BEFORE_S + prefix_s) / FRAME_S) if prefix_s else 0
    rows = attention[[word.tokens[0] for word in printed], first:]
    return align(rows, audio, frame_s=FRAME_S, lag_s=LAG_S + SILENCE_BEFORE_S - first * FRAME_S)


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
