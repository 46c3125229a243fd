"""The second engine, any Whisper model on faster-whisper: speech in a hundred languages in, words with times out."""

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
from caesura.engines.doubt import without_loop
from caesura.engines.models.catalogue import CATALOGUE, DEFAULT_MODEL, subtag, whisper_code
from caesura.engines.models.model_ref import ModelRef, check_complete, parse_model_ref
from caesura.engines.models.runtime import LIBRARY, library_version, not_installed
from caesura.engines.models.store import languages_of, read_manifest
from caesura.engines.quiet import CLOSING, MOST_REPETITIVE, OPENING, Reading, is_speech
from caesura.errors import EngineError
from caesura.words import Word, raw

WINDOW_S: Final = 30.0
"""Whisper hears in windows of this length; a shorter segment is filled up and costs the encoder as much."""

SHORTEST_S: Final = 0.1
"""Audio shorter than this says nothing."""

BEAMS: Final = 5
"""Of a final; an interim follows the likeliest token alone."""

TOKENS_PER_SECOND: Final = 25
SPARE_TOKENS: Final = 20
"""The decoder is stopped when it wrote as many per second, and these. Scripts of which Whisper's vocabulary knows
little more than the bytes need three tokens for a letter."""

MAX_TOKENS: Final = 448
"""What Whisper's decoder holds, prompt included; half of it is for the text."""

MAX_TERM_TOKENS: Final = 223
"""How much of that terms may take: Whisper was trained with prompts up to this length."""

UNREPEATED: Final = 3
"""No run of so many tokens may come twice when a final that was a loop is heard again."""

MOST_WORDS: Final = 20
"""Of a term to be avoided; of its letters, in scripts without blanks."""

AVOIDANCES: Final = 3
"""How many times a job is heard again because a word was written that is to be avoided."""


def info(text: str) -> EngineInfo:
    """What the engine is that `whisper:TEXT` names; the model needs not be there unless it is named by its folder.

    Raises:
        UsageError: no such model.
        EngineError: the folder is not there, or holds no model; faster-whisper is not installed.
    """
    return _info(parse_model_ref(text))


def placed(text: str, models: Path) -> str:
    """`text` with the folder under `models` in place of a model's name, for processes that know nothing of `models`.

    Raises:
        UsageError: no such model.
        EngineError: faster-whisper is not installed, or the model is missing or incomplete; the sentence says what
            to do.
    """
    ref = parse_model_ref(text, models)
    library_version()
    check_complete(ref)
    return ref.text


def load(text: str) -> WhisperEngine:
    """Loads the model that `whisper:TEXT` names; never downloads anything. Takes seconds.

    Raises:
        UsageError: no such model.
        EngineError: it is missing, incomplete, or cannot be loaded; the sentence says what to do.
    """
    ref = parse_model_ref(text)
    check_complete(ref)
    about = _info(ref)
    try:
        import ctranslate2  # type: ignore[import-untyped]
        from faster_whisper import WhisperModel
    except ImportError as error:
        raise not_installed(error.name or LIBRARY) from error
    if ref.device == "cuda" and not ctranslate2.get_cuda_device_count():
        raise EngineError(f"engine {about.name}: CTranslate2 finds no CUDA device here; leave @cuda out for the CPU")
    try:
        model = WhisperModel(
            str(ref.folder),
            device=ref.device,
            compute_type="float16" if ref.device == "cuda" else "int8",
            # Processes, not threads, fill the machine.
            cpu_threads=1,
            num_workers=1,
            local_files_only=True,
        )
    except Exception as error:
        raise EngineError(f"engine {about.name} could not read its files in {ref.folder}: {error}") from error
    return WhisperEngine(model, about)


class WhisperEngine:
    """Hears the languages of its model. Made by `load()`; used by one thread; remembers nothing of a job.

    One window and one pass of the encoder for each job. faster-whisper's own `transcribe` is not used: it would encode
    twice where the language is to be found out, listen to the end of a segment again where its last word seems to end
    before it, and draw lots where it doubts. Here the same audio has the same answer.
    """

    def __init__(self, model: Any, about: EngineInfo) -> None:
        """Takes over `model`, a loaded `faster_whisper.WhisperModel`."""
        self._model = model
        self._about = about
        self._tongues: dict[str, _Tongue] = {}

    def transcribe(self, jobs: Sequence[SegmentJob]) -> list[Hypothesis]:
        """One hypothesis for each job, in order.

        Terms with a positive weight stand in the prompt, heavier ones first, as many as fit into `MAX_TERM_TOKENS`.
        A term with a negative one that was heard all the same is forbidden, and the job heard again without it, up to
        `AVOIDANCES` times. Drafts play no part, nor does `breaks_off`: Whisper hears silence behind every segment.

        Raises:
            EngineError: the network failed, or the job asks for what the engine does not have: another language, or
                more audio than one window.
        """
        return [self._hear(job) for job in jobs]

    def _hear(self, job: SegmentJob) -> Hypothesis:
        audio = np.nan_to_num(np.asarray(job.audio, dtype=np.float32), nan=0.0, posinf=1.0, neginf=-1.0)
        name, languages = self._about.name, self._about.languages
        if job.language is not None and job.language not in languages:
            raise EngineError(f"engine {name} does not know the language {job.language!r}")
        if audio.size > WINDOW_S * SAMPLE_RATE:
            raise EngineError(
                f"engine {name} was given {audio.size / SAMPLE_RATE:.1f} s; it hears {WINDOW_S:g} at most"
            )
        if audio.size < SHORTEST_S * SAMPLE_RATE:
            return Hypothesis()
        try:
            return self._read(audio, job)
        except Exception as error:
            raise EngineError(f"engine {name} failed on {audio.size} samples: {error}") from error

    def _read(self, audio: Samples, job: SegmentJob) -> Hypothesis:
        features: NDArray[np.float32] = self._model.feature_extractor(audio)
        frames = features.shape[-1] - 1  # the last one is padding
        states = self._model.encode(_window(features))
        tongue = self._tongue(self._code(states, job.language))
        prompt = tongue.prompt(job.terms)
        limit = int(audio.size / SAMPLE_RATE * TOKENS_PER_SECOND) + SPARE_TOKENS
        limit = min(limit, MAX_TOKENS // 2, MAX_TOKENS - len(prompt))
        decoding = _Decoding(self._model.model, states, prompt, limit, BEAMS if job.final else 1)
        reading = _heard(decoding, tongue, job.terms)
        tokens = tongue.text_tokens(without_loop(reading.tokens, finished=reading.finished))
        language = subtag(tongue.code)
        words = tuple(_tidied(self._words(tokens, states, frames, tongue), audio.size / SAMPLE_RATE))
        if not is_speech(words, reading, job.terms):
            return Hypothesis(language=language)
        return Hypothesis(words, language=language)

    def _code(self, states: Any, language: str | None) -> str:
        # What Whisper calls the language: the one asked for, or the likeliest.
        if language is not None:
            return whisper_code(language)
        if not self._about.detects_language:
            return whisper_code(self._about.languages[0])
        (likeliest, *_), *_ = self._model.model.detect_language(states)
        return str(likeliest[0]).strip("<|>")

    def _tongue(self, code: str) -> _Tongue:
        # Made once for each language: it costs some hundred calls of the tokenizer.
        if code not in self._tongues:
            self._tongues[code] = _Tongue(self._model, code)
        return self._tongues[code]

    def _words(self, tokens: Sequence[int], states: Any, frames: int, tongue: _Tongue) -> list[dict[str, Any]]:
        # By the attention that the decoder paid to the audio while it wrote them.
        if not tokens:
            return []
        segment: dict[str, Any] = {"seek": 0, "start": 0.0, "end": frames / 100, "tokens": list(tokens)}
        self._model.add_word_timestamps([[segment]], tongue.tokenizer, states, frames, OPENING, CLOSING, 0.0)
        words: list[dict[str, Any]] = segment["words"]
        return words


class _Decoding:
    # Runs of the decoder over one window that has been encoded; `beams` above 1 for a final.

    def __init__(self, network: Any, states: Any, prompt: list[int], limit: int, beams: int) -> None:
        self._network = network
        self._states = states
        self._prompt = prompt
        self._limit = limit
        self._beams = beams
        self.final = beams > 1

    def run(self, suppressed: frozenset[int], unrepeated: int = 0) -> Reading:
        (found,) = self._network.generate(
            self._states,
            [self._prompt],
            beam_size=self._beams,
            no_repeat_ngram_size=unrepeated,
            max_length=2 * self._limit,  # of which CTranslate2 gives half to the text
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=sorted(suppressed),
        )
        tokens = tuple(found.sequences_ids[0])
        count = len(tokens)
        logprob = found.scores[0] * count / (count + 1)
        return Reading(tokens, count < self._limit, logprob, found.no_speech_prob)


def _heard(decoding: _Decoding, tongue: _Tongue, terms: Sequence[Term]) -> Reading:
    # What the decoder writes first, or, where that holds what it should not, what it writes instead.
    suppressed = tongue.suppressed
    reading = decoding.run(suppressed)
    for _ in range(AVOIDANCES):
        avoided = tongue.to_avoid(terms, reading.tokens)
        if not avoided:
            break
        suppressed |= avoided
        reading = decoding.run(suppressed)
    if decoding.final and tongue.is_loop(reading):
        again = decoding.run(suppressed, unrepeated=UNREPEATED)
        reading = again if again.finished else reading
    return reading


class _Tongue:
    # What the decoder needs to be told in one language, and how its tokens are read there.

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
        # Without marks of time, which the decoder may write though it is told not to.
        return [token for token in tokens if token < self.tokenizer.eot]

    def to_avoid(self, terms: Sequence[Term], tokens: Iterable[int]) -> frozenset[int]:
        # The longest token of each unwanted term that was written: the one that fewest other words need.
        unwanted = {raw(term.text.strip()) for term in terms if term.weight < 0}
        if not unwanted:
            return frozenset()
        words, pieces = self.tokenizer.split_to_word_tokens(self.text_tokens(tokens))
        found = (pieces[first:last] for first, last in _runs(words, unwanted))
        return frozenset(max(chain.from_iterable(run), key=self._length) for run in found)

    def _length(self, token: int) -> int:
        return len(self.tokenizer.decode([token]).strip())

    def is_loop(self, reading: Reading) -> bool:
        if len(without_loop(reading.tokens, finished=reading.finished)) < len(reading.tokens):
            return True
        text = self.tokenizer.decode(reading.tokens).strip().encode()
        return len(text) / len(zlib.compress(text)) > MOST_REPETITIVE


def _runs(words: Sequence[str], wanted: Container[str]) -> Iterator[tuple[int, int]]:
    # Where neighbouring words, which bring their blanks along, spell out one of `wanted`.
    for first in range(len(words)):
        text = ""
        for last in range(first, min(first + MOST_WORDS, len(words))):
            text += words[last]
            if raw(text.strip()) in wanted:
                yield first, last + 1
                break


def _tidied(found: Iterable[dict[str, Any]], seconds: float) -> Iterator[Word]:
    # In order, inside the audio, without blanks; signs that stand alone belong to the word before them.
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
    return _about(ref.name, manifest.revision[:12] if manifest is not None else library_version(), languages)


def _about(name: str, version: str, languages: tuple[str, ...]) -> EngineInfo:
    return EngineInfo(
        name=f"whisper-{name}",
        version=version,
        arch="whisper",
        languages=languages,
        min_endpointing_s=0.35,
        # Well within the window, with room for what is kept around a segment.
        max_segment_s=20.0,
        biases=True,
        detects_language=len(languages) > 1,
    )


INFO: Final = _about(DEFAULT_MODEL, "", CATALOGUE[DEFAULT_MODEL].languages)
"""The default model, as far as it is known without looking for it; `info` tells of any."""
