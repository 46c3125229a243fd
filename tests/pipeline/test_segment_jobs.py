"""Which job is out, what it is made of, and which hypothesis counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from caesura.engines.base import Hypothesis, Priority, SegmentJob, Term
from caesura.pipeline.audio_buffer import AudioBuffer
from caesura.pipeline.segment_jobs import Decoded, JobKind, JobRequest, SegmentJobs
from caesura.pipeline.word_context import JobContext
from caesura.words import Word

WORDS = Hypothesis((Word("word", 0.0, 0.1, 0.9),))
NOTHING = Hypothesis()


def made(**changes: Any) -> SegmentJobs:
    """With a second of audio, each sample of which holds its position."""
    audio = AudioBuffer()
    audio.append(np.arange(16_000, dtype=np.float32))
    return SegmentJobs(audio, **{"language": "en", "terms": (), "embed_speakers": False, **changes})


def request(kind: JobKind, last: int, first: int = 1_600) -> JobRequest:
    return JobRequest(kind, first, last, last)


def requested(jobs: SegmentJobs, wanted: JobRequest) -> SegmentJob:
    jobs.request(wanted)
    job = jobs.next_job()
    assert job is not None
    return job


def test_a_job_has_the_samples_and_settings_that_were_requested() -> None:
    jobs = made(embed_speakers=True)
    jobs.terms = (Term("Caesura"),)
    job = requested(jobs, JobRequest(JobKind.FINAL, 1_600, 3_200, 4_800))
    assert list(job.audio) == list(range(1_600, 3_200))
    assert (job.at, job.priority, job.prefix, job.language) == (0.1, Priority.FINAL, "", "en")
    assert (job.terms, job.embed_speakers, job.draft) == ((Term("Caesura"),), True, None)
    assert jobs.is_out
    assert jobs.next_job() is None


def test_a_job_has_the_languages_among_which_to_detect() -> None:
    job = requested(made(language=None, detectable_languages=("de", "en")), request(JobKind.FINAL, 3_200))
    assert (job.language, job.detectable_languages) == (None, ("de", "en"))


def test_an_interim_has_its_priority() -> None:
    assert requested(made(), request(JobKind.INTERIM, 3_200)).priority is Priority.INTERIM


def test_a_job_with_context_has_its_audio_and_words_too() -> None:
    context = JobContext(800, "before it")
    jobs = made()
    job = requested(jobs, JobRequest(JobKind.FINAL, 1_600, 3_200, 4_800, context))
    assert list(job.audio) == list(range(800, 3_200))
    assert (job.at, job.prefix, job.prefix_s) == (0.05, "before it", 0.05)
    jobs.receive(job, Hypothesis((Word("word", 0.06, 0.1, 0.9),)))
    assert jobs.latest is not None
    (word,) = jobs.latest.words
    assert (word.start, word.end) == pytest.approx((0.11, 0.15))


def test_known_words_come_before_those_of_an_interim_and_leave_its_draft() -> None:
    """The draft's tokens stay: which of them spell the words that are left only the engine knows."""
    jobs = made()
    words = tuple(Word(text, at, at + 0.05, 0.9) for text, at in (("one", 0.0), ("two", 0.05), ("three", 0.1)))
    jobs.receive(requested(jobs, request(JobKind.INTERIM, 6_400)), Hypothesis(words, (7, 8, 9)))
    assert jobs.latest is not None
    known = jobs.latest.words[:2]
    wanted = JobRequest(JobKind.INTERIM, 1_600, 8_000, 8_000, JobContext(2_400, "two"), known)
    job = requested(jobs, wanted)
    assert job.draft is not None
    assert ([word.text for word in job.draft.words], job.draft.tokens) == (["three"], (7, 8, 9))
    assert job.prefix_s == pytest.approx(0.05)
    jobs.receive(job, Hypothesis((Word("four", 0.1, 0.2, 0.9),)))
    assert [word.text for word in jobs.latest.words] == ["one", "two", "four"]
    final = requested(jobs, JobRequest(JobKind.FINAL, 1_600, 9_600, 9_600))
    assert final.draft is not None
    assert [word.text for word in final.draft.words] == ["one", "two", "four"]


@pytest.mark.parametrize(
    ("out", "wanted", "replaces"),
    [
        (JobKind.INTERIM, request(JobKind.FINAL, 3_200), True),
        (JobKind.INTERIM, request(JobKind.INTERIM, 6_400), False),
        (JobKind.FINAL, request(JobKind.INTERIM, 6_400), False),
        (JobKind.FINAL, request(JobKind.FINAL, 3_200), False),
        (JobKind.FINAL, request(JobKind.FINAL, 6_400), True),
        (JobKind.CUT, request(JobKind.FINAL, 6_400), False),
        (JobKind.CUT, request(JobKind.FINAL, 6_400, first=3_200), True),
    ],
)
def test_a_job_that_is_out_is_replaced_unless_it_comes_first(out: JobKind, wanted: JobRequest, replaces: bool) -> None:
    jobs = made()
    first = requested(jobs, request(out, 3_200))
    jobs.request(wanted)
    assert (jobs.next_job() is not None) == replaces
    assert (jobs.receive(first, WORDS) is None) == replaces


def test_a_result_counts_until_it_is_forgotten() -> None:
    jobs = made()
    final = request(JobKind.FINAL, 3_200)
    assert jobs.receive(requested(jobs, final), WORDS) == final
    assert not jobs.is_out
    assert jobs.final(1_600, 3_200) == Decoded(final, WORDS)
    assert jobs.final(1_600, 4_800) is None
    jobs.forget()
    assert jobs.final(1_600, 3_200) is None


def test_the_result_of_an_interim_is_the_draft_of_a_longer_job_and_no_final() -> None:
    jobs = made()
    jobs.receive(requested(jobs, request(JobKind.INTERIM, 3_200)), WORDS)
    assert jobs.final(1_600, 3_200) is None
    draft = requested(jobs, request(JobKind.FINAL, 6_400)).draft
    assert draft is not None
    assert [word.text for word in draft.words] == ["word"]
    assert requested(jobs, request(JobKind.FINAL, 6_400, first=3_200)).draft is None


def test_words_lapse_only_when_a_second_interim_is_empty() -> None:
    jobs = made()
    for last, hypothesis in ((3_200, WORDS), (4_800, NOTHING)):
        jobs.receive(requested(jobs, request(JobKind.INTERIM, last)), hypothesis)
    assert jobs.latest is not None
    assert jobs.latest.hypothesis == WORDS
    jobs.receive(requested(jobs, request(JobKind.INTERIM, 6_400)), NOTHING)
    assert jobs.latest.hypothesis == NOTHING
