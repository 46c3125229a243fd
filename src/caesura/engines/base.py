"""The interface of speech engines: the jobs they are given, the hypotheses they return, and their properties."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from caesura.speech.embedding import SpeakerEmbedding
from caesura.words import Word

SAMPLE_RATE = 16_000
"""Sample rate in Hz of all audio that an engine is given."""

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """Properties and limits of an engine, known without loading it."""

    name: str
    """Name of the engine in `model_info`, for example `moonshine-tiny-en`."""
    version: str
    arch: str
    languages: tuple[str, ...]
    """Primary BCP-47 subtags of its languages, for example `("en",)`."""
    min_endpointing_s: float
    """Shortest silence that may end a segment; below it accuracy suffers."""
    max_segment_s: float
    """Longest segment that it should be given."""
    context_s: float = 0.0
    """Length in seconds, at most, of a job's audio with audio before it whose words are `SegmentJob.prefix`.

    0: the engine does not know a prefix.
    """
    biases: bool = False
    """Whether it makes use of `SegmentJob.terms`."""
    detects_language: bool = False
    """Whether it can detect the language of a job by itself."""
    max_jobs: int = 1
    """How many jobs one call of `transcribe`, or states one call of `feed`, should be given at most; more than 1 where
    a batch costs less."""
    streaming: bool = False
    """Whether it is a `StreamingEngine`, which keeps a state for each stream, and no `Engine`."""
    max_states: int = 64
    """How many states of streams a worker may keep at once, if it is streaming."""


class Priority(enum.Enum):
    """Priority of a job: finals first, then interims, then recordings, whose results nobody awaits while speaking.

    A job of any priority but `INTERIM` is final: its hypothesis will not be revised.
    """

    FINAL = "final"
    INTERIM = "interim"
    RECORDING = "recording"


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The words that an engine recognized in one job.

    The times of `words` count from the first sample of the job's audio; words are in order, without overlap. `tokens`
    are private to the engine, which gets them back in `SegmentJob.draft`.
    """

    words: tuple[Word, ...] = ()
    tokens: tuple[int, ...] = ()
    language: str | None = None
    """Primary subtag of the language that was detected; None from engines that do not detect it."""
    speaker_embeddings: tuple[SpeakerEmbedding, ...] = ()
    """Embeddings of the speech, window by window, if the job has `embed_speakers`.

    The worker adds them; engines leave this empty.
    """
    withheld: int = 0
    """Number of words that the engine wrote and left out of `words`, because they were probably not spoken."""
    language_confidence: float | None = None
    """Probability, in 0..1, that the engine gave to the `language` it detected; None where it does not know one."""

    def in_its_language(self) -> Hypothesis:
        """The same hypothesis with `language` and `language_confidence` in each word."""
        language, confidence = self.language, self.language_confidence
        words = tuple(replace(word, language=language, language_confidence=confidence) for word in self.words)
        return replace(self, words=words)


@dataclass(frozen=True, slots=True)
class Term:
    """Words to prefer where they may have been spoken.

    The usual `weight` is 1; with a negative one they are avoided.
    """

    text: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class SegmentJob:
    """One stretch of speech to be transcribed.

    `audio`: float32 in -1..1, shape (n,), 16 kHz mono. `at`: stream seconds of its first sample (for engines that play
    a script, and for logs). `priority`: its place in the queue, and whether it is final. `draft`: an earlier hypothesis
    of audio that begins at the same sample and is a prefix of this audio, or equals it; an engine may verify it instead
    of starting anew. Its `words` may be fewer than its `tokens` spell, the last of them, or more, with words of earlier
    hypotheses before them; only their texts count. A final hypothesis must not depend on it; an interim may, in near
    ties. `prefix`: the text of the words with which the audio
    begins, and `prefix_s`: the seconds of audio that they take, for engines with `context_s`; the hypothesis has only
    the words after them. `language`: one of the engine's primary subtags, or None if the engine is to detect it.
    `terms`: words to prefer. `embed_speakers`: the host of the engine adds speaker embeddings to the hypothesis;
    engines can ignore it. `detectable_languages`: those of the engine's primary subtags among which it is to detect the
    language; empty: all of them.
    """

    audio: Samples
    at: float
    priority: Priority
    draft: Hypothesis | None = None
    prefix: str = ""
    prefix_s: float = 0.0
    language: str | None = None
    terms: tuple[Term, ...] = ()
    embed_speakers: bool = False
    detectable_languages: tuple[str, ...] = ()

    @property
    def final(self) -> bool:
        """Whether the hypothesis will not be revised."""
        return self.priority is not Priority.INTERIM


class Engine(Protocol):
    """A loaded engine. Used by one thread; stateless between calls, so a job can be sent again elsewhere."""

    def transcribe(self, jobs: Sequence[SegmentJob]) -> list[Hypothesis]:
        """Transcribe the jobs. Returns one hypothesis for each, in order. Raises EngineError."""
        ...
