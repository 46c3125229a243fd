"""The jobs that feed a state: which one is out, which replaces it, and when another state begins."""

from __future__ import annotations

import numpy as np
import pytest

from caesura.engines.base import Hypothesis, Priority, Term
from caesura.pipeline.audio_buffer import AudioBuffer
from caesura.pipeline.feed_jobs import FeedJobs
from caesura.pipeline.segment_jobs import JobKind, JobRequest
from tests.recognizer_bench import sound, word

FOUND = Hypothesis((word("one", 0.1, 0.2),))


def jobs() -> FeedJobs:
    audio = AudioBuffer()
    audio.append(sound(0, 32_000))
    return FeedJobs(audio, language="en", terms=(Term("caesura"),))


def wanted(kind: JobKind, last: int = 16_000) -> JobRequest:
    return JobRequest(kind, 8_000, last, last)


def test_a_job_has_all_audio_of_its_state() -> None:
    found = jobs()
    found.request(wanted(JobKind.INTERIM))
    job = found.next_job()
    assert job is not None
    np.testing.assert_array_equal(job.audio, sound(8_000, 16_000))
    assert (job.at, job.priority, job.final, job.language, job.terms) == (
        0.5,
        Priority.INTERIM,
        False,
        "en",
        (Term("caesura"),),
    )
    assert found.is_out
    assert found.next_job() is None


def test_a_job_has_the_languages_among_which_to_detect() -> None:
    audio = AudioBuffer()
    audio.append(sound(0, 32_000))
    found = FeedJobs(audio, language=None, detectable_languages=("de", "en"), terms=())
    found.request(wanted(JobKind.INTERIM))
    job = found.next_job()
    assert job is not None
    assert (job.language, job.detectable_languages) == (None, ("de", "en"))


@pytest.mark.parametrize("kind", [JobKind.FINAL, JobKind.CUT])
def test_a_final_and_a_cut_end_the_state_and_take_the_place_of_an_interim(kind: JobKind) -> None:
    found = jobs()
    found.request(wanted(JobKind.INTERIM))
    before = found.next_job()
    found.request(wanted(kind, 20_000), embed_speakers=True)
    job = found.next_job()
    assert before is not None
    assert job is not None
    assert (job.final, job.priority, job.embed_speakers, len(job.audio)) == (True, Priority.FINAL, True, 12_000)
    assert found.receive(before, FOUND) is None
    assert found.receive(job, FOUND) == wanted(kind, 20_000)
    assert not found.is_out


@pytest.mark.parametrize("out", list(JobKind))
@pytest.mark.parametrize("later", list(JobKind))
def test_a_job_that_is_out_comes_first_unless_it_is_an_interims(out: JobKind, later: JobKind) -> None:
    found = jobs()
    found.request(wanted(out))
    found.next_job()
    found.request(wanted(later, 17_000))
    replaced = out is JobKind.INTERIM and later is not JobKind.INTERIM
    assert (found.next_job() is not None) is replaced
    assert found.requested == (17_000 if replaced else 16_000)


def test_the_state_is_known_to_be_fed_up_to_the_newest_job() -> None:
    found = jobs()
    assert found.requested is None
    found.request(wanted(JobKind.INTERIM))
    job = found.next_job()
    assert job is not None
    found.receive(job, FOUND)
    assert found.requested == 16_000
    assert found.latest is not None
    assert found.latest.hypothesis is FOUND
    found.forget()
    assert (found.requested, found.latest) == (None, None)


def test_a_state_that_was_fed_beyond_a_cut_is_done_with() -> None:
    found = jobs()
    found.request(wanted(JobKind.INTERIM))
    before = found.next_job()
    assert before is not None
    found.receive(before, FOUND)
    found.request(wanted(JobKind.CUT, 15_000))
    job = found.next_job()
    assert job is not None
    assert (job.state - before.state, found.latest, found.requested) == (1, None, 15_000)


def test_another_state_begins_with_another_number_and_the_terms_of_then() -> None:
    found = jobs()
    found.request(wanted(JobKind.FINAL))
    first = found.next_job()
    assert first is not None
    found.receive(first, FOUND)
    found.terms = ()
    found.forget()
    found.request(wanted(JobKind.INTERIM))
    second = found.next_job()
    assert second is not None
    assert (second.state - first.state, second.terms) == (1, ())


def test_only_the_final_of_exactly_these_samples_is_the_final() -> None:
    found = jobs()
    for kind in (JobKind.INTERIM, JobKind.FINAL):
        found.request(wanted(kind))
        job = found.next_job()
        assert job is not None
        found.receive(job, FOUND)
        decoded = found.final(8_000, 16_000)
        assert (decoded is not None) is (kind is JobKind.FINAL)
    assert found.final(8_000, 17_000) is None
    assert found.final(7_000, 16_000) is None
