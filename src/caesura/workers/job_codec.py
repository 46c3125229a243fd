"""Encoding of jobs and hypotheses as JSON values and arrays, for the frames between server and worker.

Everything that comes from the other process is checked: types, ranges, and that all bytes it refers to are there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from caesura.engines.base import Hypothesis, Priority, SegmentJob, Term
from caesura.engines.streaming import FeedJob
from caesura.errors import InternalError
from caesura.speech.embedding import SpeakerEmbedding
from caesura.words import Word

ITEM: Final = 4
"""Bytes of a number in an array: float32, little endian."""
_ROUNDING: Final = 1e-6
_MOST: Final = 1e12
_MOST_TOKEN: Final = 2**63
_MOST_STATE: Final = 2**53

Json = Any
"""What `json.loads` returns, before it is checked."""
Floats = NDArray[np.float32]
T = TypeVar("T")


class Arrays:
    """The arrays behind a frame's head, one after the other."""

    def __init__(self, body: bytes | bytearray, at: int) -> None:
        """`at`: where in `body` the first one begins."""
        self._body = body
        self._at = at

    def take(self, length: Json) -> Floats:
        """The next array, a view of the frame. Raises InternalError when there are not so many numbers left."""
        count = _whole(length, "length of an array", 0, (len(self._body) - self._at) // ITEM)
        self._at += count * ITEM
        return np.frombuffer(self._body, "<f4", count, self._at - count * ITEM)

    def finish(self) -> None:
        """Raises InternalError when bytes are left."""
        if self._at != len(self._body):
            raise InternalError(f"a frame has {len(self._body) - self._at} bytes behind its last array")


def job_to_json(job: SegmentJob, arrays: list[Floats]) -> Json:
    """The job without its audio, which is added to `arrays`. Raises InternalError for what cannot be sent."""
    audio = np.ascontiguousarray(job.audio, "<f4")
    arrays.append(audio)
    return [
        len(audio),
        _number(job.at, "at", 0.0),
        job.priority.value,
        None if job.draft is None else hypothesis_to_json(job.draft, arrays),
        _text(job.prefix, "prefix"),
        _number(job.prefix_s, "prefix_s", 0.0),
        _optional_text(job.language, "language"),
        _terms_to_json(job.terms),
        bool(job.embed_speakers),
        _languages_to_json(job.detectable_languages),
    ]


def job_from_json(value: Json, arrays: Arrays) -> SegmentJob:
    """The job; its audio is a view of the frame. Raises InternalError."""
    audio, at, priority, draft, prefix, prefix_s, language, terms, embed_speakers, detectable = _row(value, "job", 10)
    return SegmentJob(
        audio=arrays.take(audio),
        at=_number(at, "at", 0.0),
        priority=_priority(priority),
        draft=None if draft is None else hypothesis_from_json(draft, arrays),
        prefix=_text(prefix, "prefix"),
        prefix_s=_number(prefix_s, "prefix_s", 0.0),
        language=_optional_text(language, "language"),
        terms=tuple(_each(_term, terms, "terms")),
        embed_speakers=_flag(embed_speakers, "embed_speakers"),
        detectable_languages=_languages(detectable),
    )


def feed_to_json(job: FeedJob, arrays: list[Floats]) -> Json:
    """The job without its audio, which is added to `arrays`. Raises InternalError for what cannot be sent."""
    audio = np.ascontiguousarray(job.audio, "<f4")
    arrays.append(audio)
    return [
        _whole(job.state, "state", 0, _MOST_STATE),
        len(audio),
        _number(job.at, "at", 0.0),
        job.priority.value,
        _whole(job.offset, "offset", 0, _MOST_STATE),
        _optional_text(job.language, "language"),
        _terms_to_json(job.terms),
        bool(job.embed_speakers),
        _languages_to_json(job.detectable_languages),
    ]


def feed_from_json(value: Json, arrays: Arrays) -> FeedJob:
    """The job; its audio is a view of the frame. Raises InternalError."""
    state, audio, at, priority, offset, language, terms, embed_speakers, detectable = _row(value, "feed", 9)
    return FeedJob(
        state=_whole(state, "state", 0, _MOST_STATE),
        audio=arrays.take(audio),
        at=_number(at, "at", 0.0),
        priority=_priority(priority),
        offset=_whole(offset, "offset", 0, _MOST_STATE),
        language=_optional_text(language, "language"),
        terms=tuple(_each(_term, terms, "terms")),
        embed_speakers=_flag(embed_speakers, "embed_speakers"),
        detectable_languages=_languages(detectable),
    )


def hypothesis_to_json(hypothesis: Hypothesis, arrays: list[Floats]) -> Json:
    """The hypothesis without the vectors of its embeddings, which are added to `arrays`.

    Raises InternalError for what no engine may return: a confidence or time that is no number, a word that ends
    before it begins. The sentence quotes nothing of the transcript.
    """
    embeddings = []
    for embedding in hypothesis.speaker_embeddings:
        vector = np.ascontiguousarray(embedding.vector, "<f4")
        arrays.append(vector)
        embeddings.append([*_span(embedding.start, embedding.end), len(vector)])
    return [
        [_word_to_json(word) for word in hypothesis.words],
        [_whole(int(token), "token", -_MOST_TOKEN, _MOST_TOKEN) for token in hypothesis.tokens],
        _optional_text(hypothesis.language, "language"),
        embeddings,
        _whole(hypothesis.withheld, "withheld", 0, _MOST_TOKEN),
        _optional_probability(hypothesis.language_confidence, "language_confidence"),
    ]


def hypothesis_from_json(value: Json, arrays: Arrays) -> Hypothesis:
    """The hypothesis. Raises InternalError."""
    words, tokens, language, embeddings, withheld, language_confidence = _row(value, "hypothesis", 6)
    return Hypothesis(
        words=tuple(_each(_word, words, "words")),
        tokens=tuple(_whole(token, "token", -_MOST_TOKEN, _MOST_TOKEN) for token in _list(tokens, "tokens")),
        language=_optional_text(language, "language"),
        speaker_embeddings=tuple(_embedding(each, arrays) for each in _list(embeddings, "speaker_embeddings")),
        withheld=_whole(withheld, "withheld", 0, _MOST_TOKEN),
        language_confidence=_optional_probability(language_confidence, "language_confidence"),
    )


def _word_to_json(word: Word) -> Json:
    return [
        _text(word.text, "text"),
        *_span(word.start, word.end),
        _probability(word.confidence, "confidence"),
        _optional_index(word.speaker, "speaker"),
        _optional_probability(word.speaker_confidence, "speaker_confidence"),
        _optional_text(word.language, "language"),
        _optional_probability(word.language_confidence, "language_confidence"),
    ]


def _word(value: Json) -> Word:
    text, start, end, confidence, speaker, speaker_confidence, language, language_confidence = _row(value, "word", 8)
    return Word(
        _text(text, "text"),
        *_span(start, end),
        _probability(confidence, "confidence"),
        _optional_index(speaker, "speaker"),
        _optional_probability(speaker_confidence, "speaker_confidence"),
        _optional_text(language, "language"),
        _optional_probability(language_confidence, "language_confidence"),
    )


def _embedding(value: Json, arrays: Arrays) -> SpeakerEmbedding:
    start, end, length = _row(value, "embedding", 3)
    # A copy: embeddings are kept, and would keep the whole frame.
    return SpeakerEmbedding(*_span(start, end), arrays.take(length).copy())


def _priority(value: Json) -> Priority:
    try:
        return Priority(_text(value, "priority"))
    except ValueError:
        known = ", ".join(each.value for each in Priority)
        raise InternalError(f"a priority in a frame is none of {known}") from None


def _terms_to_json(terms: tuple[Term, ...]) -> Json:
    return [[_text(term.text, "term"), _number(term.weight, "weight")] for term in terms]


def _term(value: Json) -> Term:
    text, weight = _row(value, "term", 2)
    return Term(_text(text, "term"), _number(weight, "weight"))


def _languages_to_json(languages: tuple[str, ...]) -> Json:
    return [_text(language, "detectable_languages") for language in languages]


def _languages(value: Json) -> tuple[str, ...]:
    return tuple(_text(language, "detectable_languages") for language in _list(value, "detectable_languages"))


# ---- checks ----


def _list(value: Json, name: str) -> list[Json]:
    if type(value) is not list:
        raise InternalError(f"{name} of type {type(value).__name__} in a frame: must be a list")
    return value


def _row(value: Json, name: str, length: int) -> list[Json]:
    if len(_list(value, name)) != length:
        raise InternalError(f"{name} of {len(value)} fields in a frame: must be {length}")
    return _list(value, name)


def _each(read: Callable[[Json], T], value: Json, name: str) -> Iterator[T]:
    return map(read, _list(value, name))


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise InternalError(f"{name} of type {type(value).__name__} in a frame: must be a string")
    return value


def _flag(value: Json, name: str) -> bool:
    if not isinstance(value, bool):
        raise InternalError(f"{name} of type {type(value).__name__} in a frame: must be true or false")
    return value


def _whole(value: Any, name: str, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        shown = value if isinstance(value, int) else f"of type {type(value).__name__}"
        raise InternalError(f"{name} {shown} in a frame: must be a whole number from {least} to {most}")
    return value


def _optional_text(value: Any, name: str) -> str | None:
    return None if value is None else _text(value, name)


def _optional_index(value: Any, name: str) -> int | None:
    return None if value is None else _whole(value, name, 0, _MOST_TOKEN)


def _optional_probability(value: Any, name: str) -> float | None:
    return None if value is None else _probability(value, name)


def _number(value: Any, name: str, least: float = -_MOST, most: float = _MOST) -> float:
    number: float = value if type(value) is float else _converted(value, name)
    if not least <= number <= most:
        raise InternalError(f"{name} {number} in a frame: must be from {least} to {most}")
    return number


def _converted(value: Any, name: str) -> float:
    # Engines return numpy's numbers as well, which differ from text by having `__float__`.
    if isinstance(value, bool | str | bytes | list) or not hasattr(value, "__float__"):
        raise InternalError(f"{name} of type {type(value).__name__} in a frame: must be a number")
    try:
        return float(value)
    except (OverflowError, ValueError, TypeError):
        return math.nan


def _probability(value: Any, name: str) -> float:
    number = _number(value, name, -_ROUNDING, 1.0 + _ROUNDING)
    return number if 0.0 <= number <= 1.0 else float(round(number))


def _span(start: Any, end: Any) -> tuple[float, float]:
    first, last = _number(start, "start"), _number(end, "end")
    if last < first:
        if last < first - _ROUNDING:
            raise InternalError(f"start {first} and end {last} in a frame: must not end before it begins")
        last = first
    return first, last
