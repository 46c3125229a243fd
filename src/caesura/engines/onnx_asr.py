"""Engine for ONNX models that the package onnx-asr runs: Parakeet, Canary, GigaAM and others, without PyTorch."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from caesura.engines.base import SAMPLE_RATE, EngineInfo, Hypothesis, Samples, SegmentJob
from caesura.engines.models.model_ref import ModelRef, check_complete, parse_model_ref
from caesura.engines.models.onnx_catalogue import ONNX_ASR, ONNX_ASR_CATALOGUE, ONNX_ASR_DEFAULT
from caesura.engines.models.runtime import library_version, not_installed
from caesura.engines.models.store import read_manifest
from caesura.engines.timed_tokens import TimedToken, spread_words, timed_words
from caesura.errors import EngineError
from caesura.words import Word

_LIBRARY: Final = "onnx-asr"
MIN_AUDIO_S: Final = 0.1
"""Shortest audio, in seconds, that is decoded: no word fits into less."""

UNKNOWN_CONFIDENCE: Final = 0.5
"""Confidence of the words of a model that gives no probabilities."""

QUANTIZATION: Final = "int8"
"""Quantised networks are used where a folder has them: on a CPU they take a quarter of the memory."""


def info(text: str) -> EngineInfo:
    """Properties of the engine that `onnx-asr:TEXT` names; only a folder must exist already.

    Raises:
        UsageError: no such model.
        EngineError: the folder does not exist or contains no model, or onnx-asr is not installed.
    """
    return _info(parse_model_ref(text, family=ONNX_ASR))


def with_model_folder(text: str, models: Path) -> str:
    """Replace a model's name in `text` by its folder under `models`, for processes to which `models` is not passed.

    Raises:
        UsageError: no such model.
        EngineError: onnx-asr is not installed, or the model is missing or incomplete; the sentence says what to do.
    """
    ref = parse_model_ref(text, models, ONNX_ASR)
    library_version(ONNX_ASR, _LIBRARY)
    check_complete(ref)
    return ref.text


def load(text: str) -> OnnxAsrEngine:
    """Load the model that `onnx-asr:TEXT` names; never downloads anything. Takes seconds.

    Raises:
        UsageError: no such model.
        EngineError: it is missing, incomplete, or cannot be loaded; the sentence says what to do.
    """
    ref = parse_model_ref(text, family=ONNX_ASR)
    check_complete(ref)
    engine_info = _info(ref)
    try:
        import onnx_asr
        import onnxruntime
    except ImportError as error:
        raise not_installed(ONNX_ASR, error.name or _LIBRARY) from error
    options = onnxruntime.SessionOptions()
    # One thread: the machine is used fully by worker processes, not by threads.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Otherwise a worker keeps the memory of its longest segment so far.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    try:
        model = onnx_asr.load_model(
            engine_info.arch,
            ref.folder,
            quantization=QUANTIZATION if any(ref.folder.glob(f"*{QUANTIZATION}.onnx")) else None,
            sess_options=options,
            providers=["CPUExecutionProvider"],
        )
    except Exception as error:
        raise EngineError(f"engine {engine_info.name} could not read its files in {ref.folder}: {error}") from error
    return OnnxAsrEngine(model.with_timestamps(), engine_info)


class _Result(Protocol):
    # The part of `onnx_asr.asr.TimestampedResult` that is used; lists are None where a model does not have them.
    text: str
    timestamps: list[float] | None
    tokens: list[str] | None
    logprobs: list[float] | None


class OnnxAsrEngine:
    """Transcribes the languages of its model. Made by `load()`; used by one thread; keeps no state between jobs."""

    def __init__(self, model: Any, engine_info: EngineInfo) -> None:
        """Use `model`, an `onnx_asr.adapters.TimestampedResultsAsrAdapter`."""
        self._model = model
        self._info = engine_info

    def transcribe(self, jobs: Sequence[SegmentJob]) -> list[Hypothesis]:
        """Transcribe each job, in order, each alone.

        A batch would be padded to its longest job, which costs a CPU more and changes results in near ties. Drafts
        and terms are ignored. The language is passed to models that take one (Canary, Whisper); the others recognise
        whichever of their languages is spoken.

        Raises:
            EngineError: the network failed, or the job has a language that the engine does not know.
        """
        return [self._transcribe_one(job) for job in jobs]

    def _transcribe_one(self, job: SegmentJob) -> Hypothesis:
        audio = np.nan_to_num(np.asarray(job.audio, dtype=np.float32), nan=0.0, posinf=1.0, neginf=-1.0)
        name, languages = self._info.name, self._info.languages
        if job.language is not None and job.language not in languages:
            raise EngineError(f"engine {name} does not know the language {job.language!r}")
        if audio.size < MIN_AUDIO_S * SAMPLE_RATE:
            return Hypothesis()
        try:
            return Hypothesis(self._words(audio, job.language or languages[0]))
        except Exception as error:
            raise EngineError(f"engine {name} failed on {audio.size} samples: {error}") from error

    def _words(self, audio: Samples, language: str) -> tuple[Word, ...]:
        result: _Result = self._model.recognize(audio, sample_rate=SAMPLE_RATE, language=language)
        seconds = audio.size / SAMPLE_RATE
        probabilities = [math.exp(min(logprob, 0.0)) for logprob in result.logprobs or ()]
        if result.timestamps is None or result.tokens is None:
            mean = sum(probabilities) / len(probabilities) if probabilities else UNKNOWN_CONFIDENCE
            return spread_words(result.text, seconds, mean)
        probabilities = probabilities or [UNKNOWN_CONFIDENCE] * len(result.tokens)
        tokens = map(TimedToken, result.tokens, result.timestamps, probabilities)
        return timed_words(tokens, seconds)


@dataclass(frozen=True, slots=True)
class _ModelConfig:
    # What a model's config.json says of it: its architecture as onnx-asr calls it, and its languages.
    kind: str
    languages: tuple[str, ...]


def _info(ref: ModelRef) -> EngineInfo:
    config = _config(ref)
    manifest = read_manifest(ref.folder) if ref.folder.is_dir() else None
    version = library_version(ONNX_ASR, _LIBRARY) if manifest is None else manifest.revision[:12]
    return _engine_info(ref.name, version, config)


def _engine_info(name: str, version: str, config: _ModelConfig) -> EngineInfo:
    return EngineInfo(
        name=name,
        version=version,
        arch=config.kind,
        languages=config.languages,
        min_endpointing_s=0.35,
        # Most of these models were trained on pieces of up to 20 or 30 s.
        max_segment_s=20.0,
    )


def _config(ref: ModelRef) -> _ModelConfig:
    if ref.entry is not None:
        return _ModelConfig(ref.entry.kind, ref.entry.languages)
    check_complete(ref)
    path = ref.folder / "config.json"
    try:
        fields: Any = json.loads(path.read_text("utf-8"))
        return _ModelConfig(str(fields["model_type"]), tuple(map(str, fields.get("languages", ["en"]))))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineError(
            f"{path} cannot be read ({error!r}): it must name the architecture, as onnx-asr calls it, "
            'for example {"model_type": "nemo-conformer-tdt", "languages": ["en"]}'
        ) from error


_DEFAULT: Final = ONNX_ASR_CATALOGUE[ONNX_ASR_DEFAULT]
INFO: Final = _engine_info(_DEFAULT.name, "", _ModelConfig(_DEFAULT.kind, _DEFAULT.languages))
"""Properties of the default model, known without its files; `info` returns those of any model."""
