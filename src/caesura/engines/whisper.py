"""Whisper engine: any Whisper model on faster-whisper, up to a hundred languages, with word times."""

from __future__ import annotations

import zlib
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from caesura.engines.base import SAMPLE_RATE, EngineInfo, Hypothesis, Samples, SegmentJob, Term
from caesura.engines.hallucination import remove_loop
from caesura.engines.models.catalogue import CATALOGUE, DEFAULT_MODEL, WHISPER, subtag, whisper_code
from caesura.engines.models.model_ref import ModelRef, check_complete, parse_model_ref
from caesura.engines.models.runtime import LIBRARY, library_version, not_installed
from caesura.engines.models.store import languages_of, read_manifest
from caesura.engines.whisper_hallucination import (
    CLOSING_PUNCTUATION,
    COMPRESSION_RATIO_THRESHOLD,
    OPENING_PUNCTUATION,
    DecoderOutput,
    is_speech,
)
from caesura.errors import EngineError
from caesura.words import Word, raw

WINDOW_S: Final = 30.0
"""Length of Whisper's window; a shorter segment is padded to it and costs the encoder as much."""

MIN_AUDIO_S: Final = 0.1
"""Shortest audio, in seconds, that is decoded: no word fits into less."""

BEAMS: Final = 5
"""Beam size of a final; an interim is decoded greedily."""

TOKENS_PER_SECOND: Final = 25
SPARE_TOKENS: Final = 20
"""Limit of the decoder: so many tokens for each second of audio, and these. Scripts that Whisper's vocabulary writes in
bytes need three tokens for a letter."""

MAX_TOKENS: Final = 448
"""Tokens that Whisper's decoder holds, prompt included; half of them are for the text."""

MAX_TERM_TOKENS: Final = 223
"""Most tokens of the prompt that terms may take: Whisper was trained with prompts up to this length."""

NO_REPEAT_NGRAM: Final = 3
"""A final that was a loop is decoded again with no sequence of this many tokens occurring twice."""

MOST_WORDS: Final = 20
"""Most words in a term to be avoided; in scripts without blanks, most letters."""

AVOIDANCES: Final = 3
"""Most times that a job is decoded again because a term to be avoided was written."""


def info(text: str) -> EngineInfo:
    """Properties of the engine that `whisper:TEXT` names; only a folder must exist already.

    Raises:
        UsageError: no such model.
        EngineError: the folder does not exist or contains no model, or faster-whisper is not installed.
    """
    return _info(parse_model_ref(text))


def with_model_folder(text: str, models: Path) -> str:
    """Replace a model's name in `text` by its folder under `models`, for processes to which `models` is not passed.

    Raises:
        UsageError: no such model.
        EngineError: faster-whisper is not installed, or the model is missing or incomplete; the sentence says what
            to do.
    """
    ref = parse_model_ref(text, models)
    library_version(WHISPER, LIBRARY)
    check_complete(ref)
    return ref.text


def load(text: str) -> WhisperEngine:
    """Load the model that `whisper:TEXT` names; never downloads anything. Takes seconds.

    Raises:
        UsageError: no such model.
        EngineError: it is missing, incomplete, or cannot be loaded; the sentence says what to do.
    """
    ref = parse_model_ref(text)
    check_complete(ref)
    engine_info = _info(ref)
    try:
        import ctranslate2  # type: ignore[import-untyped]
        from faster_whisper import WhisperModel
    except ImportError as error:
        raise not_installed(WHISPER, error.name or LIBRARY) from error
    if ref.device == "cuda" and not ctranslate2.get_cuda_device_count():
        raise EngineError(
            f"engine {engine_info.name}: CTranslate2 finds no CUDA device here; leave @cuda out for the CPU"
        )
    try:
        model = WhisperModel(
            str(ref.folder),
            device=ref.device,
            compute_type="float16" if ref.device == "cuda" else "int8",
            # One thread: the machine is used fully by worker processes, not by threads.
            cpu_threads=1,
            num_workers=1,
            local_files_only=True,
        )
    except Exception as error:
        raise EngineError(f"engine {engine_info.name} could not read its files in {ref.folder}: {error}") from error
    return WhisperEngine(model, engine_info)


class WhisperEngine:
    """Transcribes the languages of its model. Made by `load()`; used by one thread; keeps no state between jobs.

    One window and one pass of the encoder for each job. faster-whisper's own `transcribe` is not used: it would encode
    twice where the language has to be detected, decode the end of a segment again where its last word seems to end
    before it, and sample at random where it is uncertain. Here the same audio always gets the same hypothesis.
    """

    def __init__(self, model: Any, engine_info: EngineInfo) -> None:
        """Use `model`, a loaded `faster_whisper.WhisperModel`."""
        self._model = model
        self._info = engine_info
        self._language_decoders: dict[str, _LanguageDecoder] = {}

    def transcribe(self, jobs: Sequence[SegmentJob]) -> list[Hypothesis]:
        """Transcribe each job, in order.

        Terms with a positive weight go into the prompt, heavier ones first, as many as fit into `MAX_TERM_TOKENS`. If a
        term with a negative weight is written all the same, it is forbidden and the job decoded again, up to
        `AVOIDANCES` times. Drafts are ignored.

        Raises:
            EngineError: the network failed, or the job has a language that the engine does not know, or more audio
                than one window.
        """
        return [self._transcribe_one(job) for job in jobs]

    def _transcribe_one(self, job: SegmentJob) -> Hypothesis:
        audio = np.nan_to_num(np.asarray(job.audio, dtype=np.float32), nan=0.0, posinf=1.0, neginf=-1.0)
        name, languages = self._info.name, self._info.languages
        for language in (job.language, *job.detectable_languages):
            if language is not None and language not in languages:
                raise EngineError(f"engine {name} does not know the language {language!r}")
        if audio.size > WINDOW_S * SAMPLE_RATE:
            raise EngineError(
                f"engine {name} was given {audio.size / SAMPLE_RATE:.1f} s; it takes {WINDOW_S:g} s at most"
            )
        if audio.size < MIN_AUDIO_S * SAMPLE_RATE:
            return Hypothesis()
        try:
            return self._decode(audio, job)
        except Exception as error:
            raise EngineError(f"engine {name} failed on {audio.size} samples: {error}") from error

    def _decode(self, audio: Samples, job: SegmentJob) -> Hypothesis:
        features: NDArray[np.float32] = self._model.feature_extractor(audio)
        frames = features.shape[-1] - 1  # the last one is padding
        states = self._model.encode(_window(features))
        code, confidence = self._language(states, job)
        language_decoder = self._language_decoder(code)
        prompt = language_decoder.prompt(job.terms)
        limit = int(audio.size / SAMPLE_RATE * TOKENS_PER_SECOND) + SPARE_TOKENS
        limit = min(limit, MAX_TOKENS // 2, MAX_TOKENS - len(prompt))
        decoder = _WindowDecoder(self._model.model, states, prompt, limit, BEAMS if job.final else 1)
        output = _decode_window(decoder, language_decoder, job.terms)
        tokens = language_decoder.text_tokens(remove_loop(output.tokens, finished=output.finished))
        language = subtag(language_decoder.code)
        words = tuple(clean_words(self._words(tokens, states, frames, language_decoder), audio.size / SAMPLE_RATE))
        if not is_speech(words, output, job.terms):
            return Hypothesis(language=language, language_confidence=confidence, withheld=len(words))
        return Hypothesis(words, language=language, language_confidence=confidence)

    def _language(self, states: Any, job: SegmentJob) -> tuple[str, float | None]:
        # Whisper's code of the requested language, or of the likeliest one that may be detected, with its probability.
        if job.language is not None:
            return whisper_code(job.language), None
        if not self._info.detects_language:
            return whisper_code(self._info.languages[0]), None
        detectable = {f"<|{whisper_code(language)}|>" for language in job.detectable_languages}
        (likeliest_first,) = self._model.model.detect_language(states)
        token, probability = next(each for each in likeliest_first if not detectable or each[0] in detectable)
        return str(token).strip("<|>"), min(float(probability), 1.0)

    def _language_decoder(self, code: str) -> _LanguageDecoder:
        # Made once for each language: it costs some hundred calls of the tokenizer.
        if code not in self._language_decoders:
            self._language_decoders[code] = _LanguageDecoder(self._model, code)
        return self._language_decoders[code]

    def _words(
        self, tokens: Sequence[int], states: Any, frames: int, language_decoder: _LanguageDecoder
    ) -> list[dict[str, Any]]:
        # Word times come from the decoder's cross-attention, in a pass over the tokens that it wrote.
        if not tokens:
            return []
        segment: dict[str, Any] = {"seek": 0, "start": 0.0, "end": frames / 100, "tokens": list(tokens)}
        self._model.add_word_timestamps(
            [[segment]], language_decoder.tokenizer, states, frames, OPENING_PUNCTUATION, CLOSING_PUNCTUATION, 0.0
        )
        words: list[dict[str, Any]] = segment["words"]
        return words


class _WindowDecoder:
    # Runs the decoder over one encoded window; `beams` is above 1 for a final.

    def __init__(self, network: Any, states: Any, prompt: list[int], limit: int, beams: int) -> None:
        self._network = network
        self._states = states
        self._prompt = prompt
        self._limit = limit
        self._beams = beams
        self.final = beams > 1

    def run(self, suppressed: frozenset[int], no_repeat_ngram: int = 0) -> DecoderOutput:
        (found,) = self._network.generate(
            self._states,
            [self._prompt],
            beam_size=self._beams,
            no_repeat_ngram_size=no_repeat_ngram,
            # CTranslate2 gives the text half of this, or what the prompt leaves of it where that is less.
            max_length=self._limit + max(self._limit, len(self._prompt)),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=sorted(suppressed),
        )
        tokens = tuple(found.sequences_ids[0])
        count = len(tokens)
        logprob = found.scores[0] * count / (count + 1)
        return DecoderOutput(tokens, count < self._limit, logprob, found.no_speech_prob)


def _decode_window(decoder: _WindowDecoder, language_decoder: _LanguageDecoder, terms: Sequence[Term]) -> DecoderOutput:
    # Decodes a window, again where the text holds terms to be avoided, or is a loop.
    suppressed = language_decoder.suppressed
    output = decoder.run(suppressed)
    for _ in range(AVOIDANCES):
        avoided = language_decoder.to_avoid(terms, output.tokens)
        if not avoided:
            break
        suppressed |= avoided
        output = decoder.run(suppressed)
    if decoder.final and language_decoder.is_loop(output):
        again = decoder.run(suppressed, no_repeat_ngram=NO_REPEAT_NGRAM)
        output = again if again.finished else output
    return output


class _LanguageDecoder:
    # The decoder's prompts in one language, and the text of its tokens.

    def __init__(self, model: Any, code: str) -> None:
        from faster_whisper.tokenizer import Tokenizer
        from faster_whisper.transcribe import get_suppressed_tokens

        self.code = code
        self.tokenizer = Tokenizer(model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=code)
        self.suppressed = frozenset(get_suppressed_tokens(self.tokenizer, [-1]))

    def prompt(self, terms: Sequence[Term]) -> list[int]:
        preferred: list[int] = []
        for term in sorted(terms, key=lambda term: -term.weight):
            tokens = self.tokenizer.encode(f"{',' if preferred else ''} {term.text.strip()}")
            if term.weight > 0 and len(preferred) + len(tokens) <= MAX_TERM_TOKENS:
                preferred += tokens
        start = [*self.tokenizer.sot_sequence, self.tokenizer.no_timestamps]
        return [self.tokenizer.sot_prev, *preferred, *start] if preferred else start

    def text_tokens(self, tokens: Iterable[int]) -> list[int]:
        # Without timestamp tokens, which the decoder may write in spite of the prompt.
        return [token for token in tokens if token < self.tokenizer.eot]

    def to_avoid(self, terms: Sequence[Term], tokens: Iterable[int]) -> frozenset[int]:
        # The longest token of each unwanted term in the text: the one that the fewest other words need.
        unwanted = {raw(term.text.strip()) for term in terms if term.weight < 0}
        if not unwanted:
            return frozenset()
        words, pieces = self.tokenizer.split_to_word_tokens(self.text_tokens(tokens))
        found = (pieces[first:last] for first, last in _runs(words, unwanted))
        return frozenset(max(chain.from_iterable(run), key=self._length) for run in found)

    def _length(self, token: int) -> int:
        return len(self.tokenizer.decode([token]).strip())

    def is_loop(self, output: DecoderOutput) -> bool:
        if len(remove_loop(output.tokens, finished=output.finished)) < len(output.tokens):
            return True
        text = self.tokenizer.decode(output.tokens).strip().encode()
        return len(text) / len(zlib.compress(text)) > COMPRESSION_RATIO_THRESHOLD


def _runs(words: Sequence[str], wanted: Container[str]) -> Iterator[tuple[int, int]]:
    # Ranges of neighbouring words, blanks included, that spell one of `wanted`.
    for first in range(len(words)):
        text = ""
        for last in range(first, min(first + MOST_WORDS, len(words))):
            text += words[last]
            if raw(text.strip()) in wanted:
                yield first, last + 1
                break


def clean_words(found: Iterable[dict[str, Any]], seconds: float) -> Iterator[Word]:
    """The words in order, inside the audio, without blanks; punctuation that stands alone joins the word before it."""
    last: Word | None = None
    for each in found:
        text = str(each["word"]).strip()
        start = min(max(float(each["start"]), last.end if last is not None else 0.0), seconds)
        end = min(max(float(each["end"]), start), seconds)
        confidence = min(max(float(each["probability"]), 0.0), 1.0)
        if last is not None and text and not any(letter.isalnum() for letter in text):
            last = replace(last, text=last.text + text, end=end)
        elif text:
            if last is not None:
                yield last
            last = Word(text, start, end, confidence)
    if last is not None:
        yield last


def _window(features: NDArray[np.float32]) -> NDArray[np.float32]:
    from faster_whisper.audio import pad_or_trim

    window: NDArray[np.float32] = pad_or_trim(features)
    return window


def _info(ref: ModelRef) -> EngineInfo:
    manifest = read_manifest(ref.folder) if ref.folder.is_dir() else None
    if ref.entry is not None and ref.entry.languages:
        languages = ref.entry.languages
    else:
        check_complete(ref)
        languages = languages_of(ref.folder)
    version = library_version(WHISPER, LIBRARY) if manifest is None else manifest.revision[:12]
    return _engine_info(ref.name, version, languages)


def _engine_info(name: str, version: str, languages: tuple[str, ...]) -> EngineInfo:
    return EngineInfo(
        name=f"whisper-{name}",
        version=version,
        arch="whisper",
        languages=languages,
        min_endpointing_s=0.35,
        # Well within the window, with room for the padding around a segment.
        max_segment_s=20.0,
        biases=True,
        detects_language=len(languages) > 1,
    )


INFO: Final = _engine_info(DEFAULT_MODEL, "", CATALOGUE[DEFAULT_MODEL].languages)
"""Properties of the default model, known without its files; `info` returns those of any model."""
