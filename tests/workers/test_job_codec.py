"""Jobs and hypotheses survive encoding and decoding, and values that cannot be one are rejected."""

from __future__ import annotations

import json
import math
from dataclasses import astuple, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.engines.base import Hypothesis, Priority, SegmentJob, Term
from caesura.engines.streaming import FeedJob
from caesura.errors import InternalError
from caesura.speech.embedding import SpeakerEmbedding
from caesura.words import Word
from caesura.workers.job_codec import (
    Arrays,
    feed_from_json,
    feed_to_json,
    hypothesis_from_json,
    hypothesis_to_json,
    job_from_json,
    job_to_json,
)

SECONDS = st.floats(0, 1e6)
SHARES = st.floats(0, 1)
LANGUAGES = st.none() | st.text(max_size=5)
DETECTABLE = st.lists(st.text(max_size=5), max_size=3).map(tuple)
TEXTS = st.text(st.characters(), max_size=20)


@st.composite
def words(draw: st.DrawFn) -> Word:
    start, end = sorted([draw(SECONDS), draw(SECONDS)])
    speaker = draw(st.none() | st.integers(0, 40))
    share = st.none() | SHARES
    return Word(draw(TEXTS), start, end, draw(SHARES), speaker, draw(share), draw(LANGUAGES), draw(share))


@st.composite
def voices(draw: st.DrawFn) -> SpeakerEmbedding:
    start, end = sorted([draw(SECONDS), draw(SECONDS)])
    return SpeakerEmbedding(start, end, np.array(draw(st.lists(st.floats(-1, 1, width=32), max_size=6)), np.float32))


HYPOTHESES = st.builds(
    Hypothesis,
    st.lists(words(), max_size=4).map(tuple),
    st.lists(st.integers(-(2**63), 2**63), max_size=9).map(tuple),
    LANGUAGES,
    st.lists(voices(), max_size=3).map(tuple),
    st.integers(0, 2**63),
    st.none() | SHARES,
)
TERMS = st.builds(Term, TEXTS, st.floats(-100, 100))
JOBS = st.builds(
    SegmentJob,
    st.lists(st.floats(-1, 1, width=32), max_size=20).map(lambda found: np.array(found, np.float32)),
    SECONDS,
    st.sampled_from(Priority),
    st.none() | HYPOTHESES,
    TEXTS,
    SECONDS,
    LANGUAGES,
    st.lists(TERMS, max_size=3).map(tuple),
    st.booleans(),
    DETECTABLE,
)
FEEDS = st.builds(
    FeedJob,
    st.integers(0, 2**53),
    st.lists(st.floats(-1, 1, width=32), max_size=20).map(lambda found: np.array(found, np.float32)),
    SECONDS,
    st.sampled_from(Priority),
    st.integers(0, 2**53),
    LANGUAGES,
    st.lists(TERMS, max_size=3).map(tuple),
    st.booleans(),
    DETECTABLE,
)
WORD = Word("secret", 0.1, 0.4, 0.9, 1, 0.5, "en")
HEARD = Hypothesis((WORD,), (1, 2), "en", (SpeakerEmbedding(0.0, 1.5, np.ones(3, np.float32)),))
JOB = SegmentJob(
    np.ones(5, np.float32), 1.5, Priority.RECORDING, HEARD, "before", 0.5, "en", (Term("term", 2.0),), True
)


FEED = FeedJob(7, np.ones(5, np.float32), 1.5, Priority.INTERIM, 320, "en", (Term("term", 2.0),), True)


def travelled(value: Any, arrays: list[Any]) -> tuple[Any, Arrays]:
    """Through JSON and bytes."""
    return json.loads(json.dumps(value)), Arrays(b"".join(array.tobytes() for array in arrays), 0)


def same(one: Hypothesis | None, other: Hypothesis | None) -> bool:
    if one is None or other is None:
        return one is other
    there = [(each.start, each.end, each.vector.tolist()) for each in one.speaker_embeddings]
    here = [(each.start, each.end, each.vector.tolist()) for each in other.speaker_embeddings]
    return there == here and replace(one, speaker_embeddings=()) == replace(other, speaker_embeddings=())


@given(HYPOTHESES)
def test_a_hypothesis_survives_encoding(sent: Hypothesis) -> None:
    kept: list[Any] = []
    value, arrays = travelled(hypothesis_to_json(sent, kept), kept)
    assert same(hypothesis_from_json(value, arrays), sent)
    arrays.finish()


@given(JOBS)
def test_a_job_survives_encoding(sent: SegmentJob) -> None:
    kept: list[Any] = []
    value, arrays = travelled(job_to_json(sent, kept), kept)
    got = job_from_json(value, arrays)
    arrays.finish()
    assert got.audio.dtype == np.float32
    assert got.audio.tolist() == sent.audio.tolist()
    assert same(got.draft, sent.draft)
    assert (got.at, got.priority, got.prefix, got.prefix_s) == (sent.at, sent.priority, sent.prefix, sent.prefix_s)
    assert (got.language, got.terms, got.embed_speakers) == (sent.language, sent.terms, sent.embed_speakers)
    assert got.detectable_languages == sent.detectable_languages


@given(FEEDS)
def test_a_job_that_feeds_a_state_survives_encoding(sent: FeedJob) -> None:
    kept: list[Any] = []
    value, arrays = travelled(feed_to_json(sent, kept), kept)
    got = feed_from_json(value, arrays)
    arrays.finish()
    assert got.audio.dtype == np.float32
    assert got.audio.tolist() == sent.audio.tolist()
    assert (got.state, got.at, got.priority, got.offset) == (sent.state, sent.at, sent.priority, sent.offset)
    assert (got.language, got.terms, got.embed_speakers) == (sent.language, sent.terms, sent.embed_speakers)
    assert got.detectable_languages == sent.detectable_languages


def test_numbers_of_numpy_travel_as_plain_ones() -> None:
    """Engines compute with them."""
    # numpy declares these as no float and no int, and they reach here all the same.
    word = Word("a", np.float32(0.5), np.float64(1.0), np.float32(1.0))  # type: ignore[arg-type]
    sent = Hypothesis((word,), (np.int64(7),))  # type: ignore[arg-type]
    value, arrays = travelled(hypothesis_to_json(sent, []), [])
    got = hypothesis_from_json(value, arrays)
    assert got == Hypothesis((Word("a", 0.5, 1.0, 1.0),), (7,))
    assert type(got.words[0].confidence) is float


def test_rounding_errors_of_times_and_confidences_are_corrected() -> None:
    word = Word("a", 0.5, 0.5 - 1e-9, 1.0 + 1e-9)
    value, arrays = travelled(hypothesis_to_json(Hypothesis((word, replace(word, confidence=-1e-9))), []), [])
    assert [astuple(each)[1:4] for each in hypothesis_from_json(value, arrays).words] == [
        (0.5, 0.5, 1.0),
        (0.5, 0.5, 0.0),
    ]


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        (replace(WORD, confidence=math.nan), "confidence nan in a frame: must be from"),
        (replace(WORD, confidence=1.5), "confidence 1.5"),
        (replace(WORD, start=math.inf), "start inf"),
        (replace(WORD, start=0.5), "start 0.5 and end 0.4 in a frame: must not end before it begins"),
        (replace(WORD, end="0.4"), "end of type str in a frame: must be a number"),  # type: ignore[arg-type]
        (replace(WORD, text=b"secret"), "text of type bytes in a frame: must be a string"),  # type: ignore[arg-type]
        (replace(WORD, speaker=-1), "speaker -1"),
        (replace(WORD, speaker=1.0), "speaker of type float"),  # type: ignore[arg-type]
        (replace(WORD, speaker_confidence=2), "speaker_confidence 2"),
        (replace(WORD, language=5), "language of type int"),  # type: ignore[arg-type]
        (replace(WORD, language_confidence=1.5), "language_confidence 1.5"),
    ],
)
def test_an_engine_cannot_answer_with_such_a_word_and_the_reason_does_not_quote_it(word: Word, sentence: str) -> None:
    with pytest.raises(InternalError, match=sentence) as restored:
        hypothesis_to_json(Hypothesis((word,)), [])
    assert "secret" not in str(restored.value)


def changed(value: Any, path: list[int], to: Any) -> Any:
    """The same JSON with another value at one place."""
    if not path:
        return to
    return [changed(each, path[1:], to) if at == path[0] else each for at, each in enumerate(value)]


@pytest.mark.parametrize(
    ("path", "to"),
    [
        ([], None),
        ([], {}),
        ([], [1, 2]),
        ([0], 6),
        ([0], -1),
        ([0], 5.0),
        ([0], True),
        ([1], -0.1),
        ([1], "1"),
        ([1], 10**400),
        ([1], True),
        ([2], 1),
        ([2], None),
        ([3], [[], [], None]),
        ([3, 0], None),
        ([3, 0], "words"),
        ([3, 0, 0], []),
        ([3, 0, 0, 0], 5),
        ([3, 0, 0, 1], 9.0),
        ([3, 0, 0, 3], 1.1),
        ([3, 0, 0, 4], 1.5),
        ([3, 1, 0], 1.5),
        ([3, 1, 0], 2**64),
        ([3, 2], 1),
        ([3, 0, 0, 7], 1.5),
        ([3, 5], -0.5),
        ([3, 5], "0.5"),
        ([3, 3, 0, 2], 10**9),
        ([3, 3, 0], [0.0, 1.0]),
        ([4], 5),
        ([5], -0.1),
        ([5], "0.5"),
        ([6], 5),
        ([7], None),
        ([7, 0], ["term"]),
        ([7, 0, 1], "heavy"),
        ([8], []),
        ([9], "en"),
        ([9], [None]),
    ],
)
def test_an_invalid_job_is_refused(path: list[int], to: Any) -> None:
    kept: list[Any] = []
    value = job_to_json(JOB, kept)
    value, arrays = travelled(changed(value, path, to), kept)
    with pytest.raises(InternalError, match="in a frame"):
        job_from_json(value, arrays)


@pytest.mark.parametrize(
    ("path", "to"),
    [
        ([], [1, 2]),
        ([0], -1),
        ([0], 2**54),
        ([0], 1.0),
        ([1], 6),
        ([2], -0.1),
        ([3], "urgent"),
        ([4], -1),
        ([4], True),
        ([5], 5),
        ([6, 0], ["term"]),
        ([7], None),
        ([8], None),
        ([8], [5]),
    ],
)
def test_an_invalid_job_that_feeds_a_state_is_refused(path: list[int], to: Any) -> None:
    kept: list[Any] = []
    value = feed_to_json(FEED, kept)
    value, arrays = travelled(changed(value, path, to), kept)
    with pytest.raises(InternalError, match="in a frame"):
        feed_from_json(value, arrays)


def test_bytes_behind_the_last_array_are_refused() -> None:
    with pytest.raises(InternalError, match="4 bytes behind its last array"):
        Arrays(bytes(4), 0).finish()
