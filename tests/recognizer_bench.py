"""Test bench of a recognizer: takes voice activity by frames and hypotheses, keeps its jobs and events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from caesura.engines.base import SAMPLE_RATE, Hypothesis, SegmentJob
from caesura.events import SpeechBegan, TranscriptSegment, UtteranceEnded
from caesura.pipeline.recognizer import RecognitionConfig, RecognizerEvent
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


def spoken(track: Sequence[Word], job: SegmentJob) -> Hypothesis:
    """The words of `track` wholly inside `job` and behind its prefix; its tokens name the samples that it was."""
    start, end = job.at + job.prefix_s, job.at + len(job.audio) / SAMPLE_RATE
    inside = [each for each in track if each.start >= start - SLACK_S and each.end <= end + SLACK_S]
    return Hypothesis(tuple(each.shifted(-job.at) for each in inside), tokens_of(job))


def tokens_of(job: SegmentJob) -> tuple[int, ...]:
    first = round(job.at * SAMPLE_RATE)
    return (first, first + len(job.audio))


@dataclass
class Engine:
    """Keeps the jobs that it is given until the test has them answered; one is out at a time."""

    receive: Callable[[SegmentJob, Hypothesis], None]
    track: tuple[Word, ...] = ()
    context: bool = False
    """Whether jobs may have context, so that a draft may be of audio that begins elsewhere."""
    jobs: list[SegmentJob] = field(default_factory=list)
    cancelled: list[SegmentJob] = field(default_factory=list)
    out: SegmentJob | None = None

    def submit(self, job: SegmentJob) -> None:
        """Take a job in place of the one that is out."""
        assert len(job.audio) > 0, "a job without audio"
        # Each sample holds its own place on the stream, so a job shows which ones it was given.
        first = round(job.at * SAMPLE_RATE)
        assert job.audio[0] == first
        assert job.audio[-1] == first + len(job.audio) - 1
        if job.draft is not None:
            assert self.context or job.draft.tokens[0] == first, "a draft of other audio"
            assert job.draft.tokens[1] <= first + len(job.audio), "a draft of more audio"
        if self.out is not None:
            self.cancelled.append(self.out)
        self.jobs.append(job)
        self.out = job

    def answer(self, *words: Word, language: str | None = None) -> None:
        """Answer the current job with `words`, or else with the words of the track."""
        job = self._taken()
        hypothesis = spoken(self.track, job)
        if words:
            hypothesis = Hypothesis(tuple(each.shifted(-job.at) for each in words), hypothesis.tokens)
        self.receive(job, replace(hypothesis, language=language))

    def answer_nothing(self) -> None:
        """Answer the job that is out as an engine does that recognizes no word in it."""
        job = self._taken()
        self.receive(job, Hypothesis((), tokens_of(job)))

    def answer_cancelled(self, hypothesis: Hypothesis) -> None:
        """Answer the job that was cancelled last, whose result is not needed."""
        self.receive(self.cancelled[-1], hypothesis)

    def _taken(self) -> SegmentJob:
        assert self.out is not None, "nothing is out"
        job, self.out = self.out, None
        return job

    @property
    def requests(self) -> list[tuple[int, int, bool]]:
        """First sample, sample after the last, and whether it was final: of every job so far."""
        return [(tokens_of(job)[0], tokens_of(job)[1], job.final) for job in self.jobs]


class Bench:
    """One recognizer and its engine. Voice is given in frames of 32 ms; the window here is ten of them by default."""

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
        self.engine = Engine(self._receive, track, context_s > 0)
        self.events: list[RecognizerEvent] = []
        self.longest_s = longest_s
        self.gap_s = gap_s
        self.prompt = prompt
        """Whether jobs are answered at once after each call."""
        self.position = 0
        config = RecognitionConfig(endpointing_s, interim_s, gap_s, longest_s, context_s, language=language)
        self.recognizer = SegmentedRecognizer(0, config)

    def _receive(self, job: SegmentJob, hypothesis: Hypothesis) -> None:
        self.recognizer.receive(job, hypothesis)
        self._drain()

    def _drain(self) -> None:
        self.events += self.recognizer.events()
        job = self.recognizer.next_job()
        if job is not None:
            self.engine.submit(job)

    def batch(self, *runs: tuple[int, float]) -> Bench:
        """One piece of audio: runs of frames with the same probability of voice."""
        voice = [probability for frames, probability in runs for _ in range(frames)]
        return self.samples(FRAME * len(voice), voice)

    def samples(self, count: int, voice: Sequence[float] = ()) -> Bench:
        """One piece of audio of `count` samples that completes frames of the given probabilities."""
        self.recognizer.feed(np.arange(self.position, self.position + count, dtype=np.float32), voice)
        self.position += count
        return self._settle()

    def speak(self, frames: int, probability: float = VOICE) -> Bench:
        """Speech, a frame at a time."""
        for _ in range(frames):
            self.batch((1, probability))
        return self

    def rest(self, frames: int) -> Bench:
        """Silence, a frame at a time."""
        return self.speak(frames, SILENCE)

    def flush(self) -> Bench:
        self.recognizer.flush()
        return self._settle()

    def end(self) -> Bench:
        self.recognizer.end()
        return self._settle()

    def answer(self, *words: Word) -> Bench:
        self.engine.answer(*words)
        return self._settle()

    def answer_all(self) -> Bench:
        while self.engine.out is not None:
            self.engine.answer()
        return self

    def _settle(self) -> Bench:
        self._drain()
        return self.answer_all() if self.prompt else self

    def drained(self) -> bool:
        return self.recognizer.drained

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
