"""Test benches of recognizers: take voice activity by frames, keep jobs until they are answered, and events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Generic, Self

import numpy as np

from caesura.engines.base import SAMPLE_RATE, Hypothesis, Samples, SegmentJob
from caesura.engines.streaming import FeedJob
from caesura.events import SpeechBegan, TranscriptSegment, UtteranceEnded
from caesura.pipeline.live_recognizer import LiveRecognizer
from caesura.pipeline.recognizer import RecognitionConfig, RecognizerEvent
from caesura.pipeline.segment_jobs import J
from caesura.pipeline.segmented import SegmentedRecognizer
from caesura.speech.vad import FRAME
from caesura.words import Word

FRAME_S = FRAME / SAMPLE_RATE
VOICE = 0.9
SILENCE = 0.05
SLACK_S = 0.25 / SAMPLE_RATE

Place = tuple[str, float, float]
"""A word's text, start and end on the stream clock, rounded far below a sample."""


def word(text: str, start: float, end: float) -> Word:
    return Word(text, start, end, 0.9)


def places(words: Sequence[Word]) -> list[Place]:
    return [(each.text, round(each.start, 7), round(each.end, 7)) for each in words]


def sound(first: int, last: int) -> Samples:
    """The samples of a stream from one position to another; all differ."""
    return np.arange(first, last, dtype=np.float32) / np.float32(2**24)


def tokens_of(job: SegmentJob | FeedJob) -> tuple[int, int]:
    """First sample of a job, and the one after its last."""
    first = round(job.at * SAMPLE_RATE)
    return first, first + len(job.audio)


def spoken(track: Sequence[Word], job: SegmentJob) -> Hypothesis:
    """The words of `track` wholly inside `job` and behind its prefix; its tokens name the samples that it was."""
    start, end = job.at + job.prefix_s, job.at + len(job.audio) / SAMPLE_RATE
    inside = [each for each in track if each.start >= start - SLACK_S and each.end <= end + SLACK_S]
    return Hypothesis(tuple(each.shifted(-job.at) for each in inside), tokens_of(job))


class LiveBench(ABC, Generic[J]):
    """One recognizer. Voice is given in frames of 32 ms; one job is out at a time, until the test has it answered."""

    tail_s = 0.0
    """Silence behind speech that a job may hold beyond the longest segment and its padding."""

    def __init__(self, recognizer: LiveRecognizer[J], config: RecognitionConfig, *, prompt: bool) -> None:
        self.recognizer = recognizer
        self.longest_s = config.max_segment_s
        self.gap_s = config.utterance_gap_s
        self.prompt = prompt
        """Whether jobs are answered at once after each call."""
        self.position = 0
        self.events: list[RecognizerEvent] = []
        self.jobs: list[J] = []
        self.cancelled: list[J] = []
        self.out: J | None = None

    def batch(self, *runs: tuple[int, float]) -> Self:
        """One piece of audio: runs of frames with the same probability of voice."""
        voice = [probability for frames, probability in runs for _ in range(frames)]
        return self.samples(FRAME * len(voice), voice)

    def samples(self, count: int, voice: Sequence[float] = ()) -> Self:
        """One piece of audio of `count` samples that completes frames of the given probabilities."""
        self.recognizer.feed(sound(self.position, self.position + count), voice)
        self.position += count
        return self.settle()

    def speak(self, frames: int, probability: float = VOICE) -> Self:
        """Speech, a frame at a time."""
        for _ in range(frames):
            self.batch((1, probability))
        return self

    def rest(self, frames: int) -> Self:
        """Silence, a frame at a time."""
        return self.speak(frames, SILENCE)

    def flush(self) -> Self:
        self.recognizer.flush()
        return self.settle()

    def end(self) -> Self:
        self.recognizer.end()
        return self.settle()

    def stop(self) -> Self:
        """The stream is stopped."""
        self.recognizer.stop()
        return self.settle()

    def answer_all(self) -> Self:
        while self.out is not None:
            self.receive(self.result(self.out))
        return self

    def receive(self, hypothesis: Hypothesis) -> Self:
        """Answer the job that is out."""
        assert self.out is not None, "nothing is out"
        job, self.out = self.out, None
        self.recognizer.receive(job, hypothesis)
        return self.settle()

    def answer_in_vain(self) -> None:
        """Do the job that is out and drop its result, as when a newer job has taken its place."""
        if self.out is not None:
            self.result(self.out)

    def settle(self) -> Self:
        """Take what the recognizer has: events, and a job in place of the one that is out."""
        self.events += self.recognizer.events()
        job = self.recognizer.next_job()
        if job is not None:
            # Each sample gives away its own place on the stream, so a job shows which ones it was given.
            assert np.array_equal(job.audio, sound(*tokens_of(job)))
            self.check(job)
            if self.out is not None:
                self.cancelled.append(self.out)
            self.jobs.append(job)
            self.out = job
        return self.answer_all() if self.prompt else self

    @abstractmethod
    def check(self, job: J) -> None:
        """Fail if a recognizer may make no such job after those before."""

    @abstractmethod
    def result(self, job: J) -> Hypothesis:
        """What the engine returns for a job."""

    @property
    def requests(self) -> list[tuple[int, int, bool]]:
        """First sample, sample after the last, and whether it was final: of every job so far."""
        return [(*tokens_of(job), job.final) for job in self.jobs]

    @property
    def finals(self) -> list[TranscriptSegment]:
        return [each for each in self.events if isinstance(each, TranscriptSegment) and each.final]

    @property
    def interims(self) -> list[TranscriptSegment]:
        return [each for each in self.events if isinstance(each, TranscriptSegment) and not each.final]

    @property
    def began(self) -> list[float]:
        return [each.at for each in self.events if isinstance(each, SpeechBegan)]

    @property
    def gaps(self) -> list[float | None]:
        ends = [each.last_word_end for each in self.events if isinstance(each, UtteranceEnded)]
        return [None if end is None else round(end, 7) for end in ends]

    @property
    def spans(self) -> list[tuple[float, float]]:
        """Where each final starts and ends."""
        return [(each.start, each.end) for each in self.finals]

    @property
    def texts(self) -> list[str]:
        """The text of each final."""
        return [" ".join(each.text for each in final.words) for final in self.finals]


class Bench(LiveBench[SegmentJob]):
    """A segmented recognizer whose engine hears `track`; the window is ten frames by default."""

    def __init__(
        self,
        *track: Word,
        endpointing_s: float | None = 0.32,
        interim_s: float | None = None,
        gap_s: float | None = None,
        longest_s: float = 10.0,
        context_s: float = 0.0,
        prompt: bool = False,
        language: str | None = "en",
    ) -> None:
        self._track = track
        self._context = context_s > 0
        config = RecognitionConfig(endpointing_s, interim_s, gap_s, longest_s, context_s, language=language)
        super().__init__(SegmentedRecognizer(0, config), config, prompt=prompt)

    def answer(self, *words: Word, language: str | None = None) -> Bench:
        """Answer the job that is out with `words`, or else with the words of the track."""
        assert self.out is not None, "nothing is out"
        hypothesis = self.result(self.out)
        if words:
            hypothesis = Hypothesis(tuple(each.shifted(-self.out.at) for each in words), hypothesis.tokens)
        return self.receive(replace(hypothesis, language=language))

    def answer_nothing(self) -> None:
        """Answer the job that is out as an engine does that recognizes no word in it."""
        assert self.out is not None, "nothing is out"
        self.receive(Hypothesis((), tokens_of(self.out)))

    def answer_cancelled(self, hypothesis: Hypothesis) -> None:
        """Answer the job that was cancelled last, whose result is not needed."""
        self.recognizer.receive(self.cancelled[-1], hypothesis)
        self.settle()

    def check(self, job: SegmentJob) -> None:
        assert len(job.audio) > 0, "a job without audio"
        if job.draft is not None:
            first, last = tokens_of(job)
            # With context, a draft may be of audio that begins elsewhere.
            assert self._context or job.draft.tokens[0] == first, "a draft of other audio"
            assert job.draft.tokens[1] <= last, "a draft of more audio"

    def result(self, job: SegmentJob) -> Hypothesis:
        return spoken(self._track, job)
