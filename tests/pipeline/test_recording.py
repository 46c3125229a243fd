"""Whole recordings on the scripted engine in this process: words, bounds, and ends of the work."""

from __future__ import annotations

import asyncio
import hashlib
import io
import itertools
import tempfile
import threading
import wave
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from caesura.audio.format import AudioFormat, Encoding
from caesura.engines.base import SAMPLE_RATE, Hypothesis, Priority, SegmentJob, Term
from caesura.engines.scripted import SCRIPT, load
from caesura.errors import BadAudio, EngineError, InternalError
from caesura.pipeline.byte_pipe import Cancelled
from caesura.pipeline.recording import (
    KEPT_ONE_IN,
    SPARE_JOBS,
    RecognizedSegment,
    RecordingConfig,
    RecordingTranscriber,
    RecordingTranscript,
    main_language,
)
from caesura.speech.embedding import SpeakerEmbedding
from caesura.speech.vad import load_silero
from caesura.words import Word
from caesura.workers.base import Deliver, JobLost
from tests.waiting import until

SPEECH = Path(__file__).parent.parent / "data" / "lv-0890.wav"
LIMIT_S = 100.0


def spool() -> io.BufferedIOBase:
    """A file that is deleted when it is closed."""
    return cast(io.BufferedIOBase, tempfile.TemporaryFile())


def pcm() -> bytes:
    with wave.open(str(SPEECH)) as opened:
        data: bytes = opened.readframes(opened.getnframes())
    return data


class SimulatedPool:
    """A pool that answers on command."""

    workers = 2
    interim_stretch = 1.0

    def __init__(
        self, recognize: Callable[[SegmentJob], Hypothesis | JobLost] | None = None, *, held: bool = False
    ) -> None:
        self._recognize = recognize or (lambda job: load().transcribe([job])[0])
        self._held = held
        self.jobs: list[SegmentJob] = []
        self.waiting: list[tuple[SegmentJob, Deliver]] = []
        self.most = 0
        self.cancelled = 0

    def submit(self, owner: Hashable, job: SegmentJob, answer: Deliver) -> None:
        assert job.priority is Priority.RECORDING
        self.jobs.append(job)
        self.waiting.append((job, answer))
        self.most = max(self.most, len(self.waiting))
        if not self._held:
            asyncio.get_running_loop().call_soon(self.answer)

    def answer(self, which: int = 0) -> None:
        if self.waiting:
            job, answer = self.waiting.pop(which)
            answer(self._recognize(job))

    def cancel(self, owner: Hashable) -> None:
        self.cancelled += 1
        self.waiting.clear()


def recording(
    pool: SimulatedPool, pieces: Iterable[bytes], listening: RecordingConfig | None = None, *, channels: int = 1
) -> RecordingTranscriber:
    return RecordingTranscriber(
        pieces,
        AudioFormat(Encoding.LINEAR16, 16_000, channels),
        listening or RecordingConfig(10.0, language="en"),
        vad=load_silero(),
        pool=pool,
        spool=spool,
    )


async def outcome(found: RecordingTranscriber) -> RecordingTranscript:
    found.start()
    try:
        return await asyncio.wait_for(found.outcome(), LIMIT_S)
    finally:
        found.close()


def transcribe(
    pool: SimulatedPool, pieces: Iterable[bytes], listening: RecordingConfig | None = None, *, channels: int = 1
) -> RecordingTranscript:
    async def main() -> RecordingTranscript:
        return await outcome(recording(pool, pieces, listening, channels=channels))

    return asyncio.run(main())


def test_words_have_their_places_on_the_recording() -> None:
    data = pcm() + bytes(32_000) + pcm()
    transcript = transcribe(SimulatedPool(), [data[at : at + 10_001] for at in range(0, len(data), 10_001)])
    assert transcript.seconds == len(data) / 32_000
    assert (transcript.sha256, transcript.size) == (hashlib.sha256(data).hexdigest(), len(data))
    (segments,) = transcript.channels
    assert len(segments) >= 2
    script = {round(word.start, 3): word.text for word in SCRIPT}
    words = [word for segment in segments for word in segment.words]
    assert len(words) > 15
    for word in words:
        assert word.text == script[round(word.start, 3)]
    for segment in segments:
        assert all(segment.start - 1e-6 <= word.start <= word.end <= segment.end + 1e-6 for word in segment.words)


def test_what_was_requested_is_in_every_job() -> None:
    pool = SimulatedPool()
    terms = (Term("caesura", 2.0),)
    transcribe(pool, [pcm()], RecordingConfig(10.0, language="de", terms=terms))
    assert {(job.language, job.terms) for job in pool.jobs} == {("de", terms)}


def test_jobs_have_the_languages_among_which_to_detect() -> None:
    pool = SimulatedPool()
    transcribe(pool, [pcm()], RecordingConfig(10.0, detectable_languages=("de", "en")))
    assert {(job.language, job.detectable_languages) for job in pool.jobs} == {(None, ("de", "en"))}


def sounding(job: SegmentJob) -> Hypothesis:
    """What the script says, with three embeddings a second, where they are requested."""
    hypothesis = load().transcribe([job])[0]
    count = int(len(job.audio) / SAMPLE_RATE * 3)
    voices = tuple(
        SpeakerEmbedding(at / 3, at / 3 + 1.5, np.eye(1, 512, at, dtype=np.float32)[0]) for at in range(count)
    )
    return replace(hypothesis, speaker_embeddings=voices) if job.embed_speakers and hypothesis.words else hypothesis


def test_speaker_embeddings_are_requested_and_timed_on_the_recording() -> None:
    data = pcm() + bytes(32_000) + pcm()
    plain = SimulatedPool(sounding)
    assert {segment.embeddings for segment in transcribe(plain, [data]).channels[0]} == {None}
    requested = SimulatedPool(sounding)
    (segments,) = transcribe(requested, [data], RecordingConfig(10.0, diarize=True)).channels
    assert not any(job.embed_speakers for job in plain.jobs)
    assert all(job.embed_speakers for job in requested.jobs)
    for segment in segments:
        assert segment.embeddings is not None
        assert segment.embeddings.spans[0].tolist() == pytest.approx([segment.start, segment.start + 1.5])
        assert len(segment.embeddings.spans) == int((segment.end - segment.start) * 3)
        # The order of the windows is kept.
        assert segment.embeddings.vectors.argmax(axis=1).tolist() == list(range(len(segment.embeddings.vectors)))


def test_of_very_many_speakers_few_are_kept_and_one_of_each_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caesura.pipeline.recording.MAX_EMBEDDINGS", 20)
    (segments,) = transcribe(
        SimulatedPool(sounding), [(pcm() + bytes(32_000)) * 8], RecordingConfig(10.0, diarize=True)
    ).channels
    kept = [len(segment.embeddings.vectors) for segment in segments if segment.embeddings is not None]
    assert len(kept) == len(segments) > 5
    assert sum(kept[:2]) > 20
    full = [int((segment.end - segment.start) * 3) for segment in segments]
    assert kept == full[:2] + [max(1, len(range(KEPT_ONE_IN // 2, count, KEPT_ONE_IN))) for count in full[2:]]


def test_channels_are_transcribed_separately() -> None:
    both = np.repeat(np.frombuffer(pcm(), "<i2"), 2).tobytes()
    apart = transcribe(SimulatedPool(), [both], RecordingConfig(10.0, split=True), channels=2)
    assert len(apart.channels) == 2
    assert apart.channels[0] == apart.channels[1]
    assert transcribe(SimulatedPool(), [both], RecordingConfig(10.0), channels=2).channels == (apart.channels[0],)


def test_silence_is_an_answer() -> None:
    transcript = transcribe(SimulatedPool(), [bytes(64_000)])
    assert (transcript.seconds, transcript.channels) == (2.0, ((),))


def test_few_jobs_are_out_and_few_bytes_are_taken_while_they_are() -> None:
    async def main() -> None:
        pool = SimulatedPool(held=True)
        taken = 0
        data = pcm() + bytes(32_000)

        def pieces() -> Iterator[bytes]:
            nonlocal taken
            for _ in range(12):
                taken += 1
                yield data

        found = recording(pool, pieces())
        found.start()
        most = pool.workers + SPARE_JOBS
        await until(lambda: len(pool.waiting) >= most)
        await asyncio.sleep(0.1)
        # Each piece has a segment at least, so one is complete and waits, and one more may have been taken.
        assert taken <= most + 2
        waiting = asyncio.create_task(found.outcome())
        while not waiting.done():
            # The newest first: words are in order all the same.
            pool.answer(-1)
            await asyncio.sleep(0)
        transcript = waiting.result()
        found.close()
        assert pool.most == most
        assert taken == 12
        starts = [segment.start for segment in transcript.channels[0]]
        assert starts == sorted(starts)
        assert len(starts) == len(pool.jobs)

    asyncio.run(asyncio.wait_for(main(), LIMIT_S))


def test_a_job_that_is_lost_fails_all() -> None:
    with pytest.raises(EngineError, match="three times"):
        transcribe(SimulatedPool(lambda _: JobLost("it failed three times")), [pcm()])


def test_bytes_that_are_no_audio_fail() -> None:
    async def main() -> None:
        found = RecordingTranscriber(
            [b"no audio at all" * 1000],
            AudioFormat(None, None),
            RecordingConfig(10.0),
            vad=load_silero(),
            pool=SimulatedPool(),
            spool=spool,
        )
        with pytest.raises(BadAudio, match="no known kind"):
            await outcome(found)

    asyncio.run(main())


def test_a_fault_of_ours_is_reported_without_its_message(caplog: pytest.LogCaptureFixture) -> None:
    def pieces() -> Iterator[bytes]:
        yield pcm()
        raise ValueError("the password is swordfish")

    with pytest.raises(InternalError, match=r"^ValueError in a recording$"):
        transcribe(SimulatedPool(), pieces())
    assert "a recording broke" in caplog.text


def test_closing_ends_the_thread_and_the_jobs() -> None:
    async def main() -> None:
        pool = SimulatedPool(held=True)
        found = recording(pool, itertools.repeat(pcm() + bytes(32_000)))
        found.start()
        await until(lambda: pool.waiting)
        found.close()
        with pytest.raises(Cancelled):
            await found.outcome()
        assert pool.cancelled
        jobs = len(pool.jobs)
        await until(lambda: all(thread.name != "caesura-recording" for thread in threading.enumerate()))
        assert len(pool.jobs) == jobs

    asyncio.run(asyncio.wait_for(main(), LIMIT_S))


def test_the_main_language_is_the_one_of_most_speech() -> None:
    word = (Word("ja", 0.0, 1.0, 1.0),)
    segments = [
        RecognizedSegment(0.0, 5.0, word, "en", language_confidence=0.3),
        RecognizedSegment(5.0, 8.0, word, "de", language_confidence=0.5),
        RecognizedSegment(8.0, 13.0, word, "de", language_confidence=0.9),
    ]
    found = main_language(segments)
    assert found is not None
    # 3 s of 0.5 and 5 s of 0.9.
    assert (found.language, found.confidence) == ("de", pytest.approx(0.75))
    assert main_language([RecognizedSegment(0.0, 99.0, (), "fr", language_confidence=0.1), *segments]) == found
    assert main_language([RecognizedSegment(0.0, 1.0, word, None)]) is None
