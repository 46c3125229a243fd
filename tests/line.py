"""A channel on a test bench: voice by frames and answers by hand go in, everything it asked and told comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from caesura.engines.base import SAMPLE_RATE, Hypothesis, SegmentJob
from caesura.events import Heard, SpeechBegan, UtteranceEnded
from caesura.pipeline.channel import Channel, ChannelEvent, Hearing
from caesura.speech.vad import FRAME
from caesura.words import Word

FRAME_S = FRAME / SAMPLE_RATE
VOICE = 0.9
SILENCE = 0.05
SLACK_S = 0.25 / SAMPLE_RATE

Answer = Callable[[Hypothesis], None]
Place = tuple[str, float, float]
"""A word's text, start and end on the stream clock, rounded far below a sample."""


def word(text: str, start: float, end: float) -> Word:
    return Word(text, start, end, 0.9)


def places(words: Sequence[Word]) -> list[Place]:
    return [(each.text, round(each.start, 7), round(each.end, 7)) for each in words]


def spoken(track: Sequence[Word], job: SegmentJob) -> Hypothesis:
    """The words of `track` wholly inside `job`; its tokens name the samples that it was."""
    end = job.at + len(job.audio) / SAMPLE_RATE
    inside = [each for each in track if each.start >= job.at - SLACK_S and each.end <= end + SLACK_S]
    return Hypothesis(tuple(each.shifted(-job.at) for each in inside), tokens_of(job))


def tokens_of(job: SegmentJob) -> tuple[int, ...]:
    first = round(job.at * SAMPLE_RATE)
    return (first, first + len(job.audio))


@dataclass
class Desk:
    """A transcriber that keeps what it was asked until the test has it answered; allows one job at a time."""

    track: tuple[Word, ...] = ()
    jobs: list[SegmentJob] = field(default_factory=list)
    cancelled: list[tuple[SegmentJob, Answer]] = field(default_factory=list)
    out: tuple[SegmentJob, Answer] | None = None

    def submit(self, job: SegmentJob, answer: Answer) -> None:
        assert self.out is None, "a second job while one is out"
        assert len(job.audio) > 0, "a job without audio"
        # Each sample holds its own place on the stream, so a job shows which ones it was given.
        first = round(job.at * SAMPLE_RATE)
        assert job.audio[0] == first
        assert job.audio[-1] == first + len(job.audio) - 1
        if job.draft is not None:
            assert job.draft.tokens[0] == first, "a draft of other audio"
            assert job.draft.tokens[1] <= first + len(job.audio), "a draft of more audio"
        self.jobs.append(job)
        self.out = (job, answer)

    def cancel(self) -> None:
        assert self.out is not None, "nothing is out"
        self.cancelled.append(self.out)
        self.out = None

    def answer(self, *words: Word, language: str | None = None) -> None:
        """Answer the job that is out: with `words`, or else with what the track has there."""
        assert self.out is not None, "nothing is out"
        job, answer = self.out
        self.out = None
        hypothesis = spoken(self.track, job)
        if words:
            hypothesis = Hypothesis(tuple(each.shifted(-job.at) for each in words), hypothesis.tokens)
        answer(replace(hypothesis, language=language))

    def answer_nothing(self) -> None:
        """Answer the job that is out as an engine does that hears no word in it."""
        assert self.out is not None, "nothing is out"
        job, answer = self.out
        self.out = None
        answer(Hypothesis((), tokens_of(job)))

    @property
    def asked(self) -> list[tuple[int, int, bool]]:
        """First sample, sample after the last, and whether it was final: of every job so far."""
        return [(tokens_of(job)[0], tokens_of(job)[1], job.final) for job in self.jobs]


class Line:
    """One channel with its desk. Voice is given in frames of 32 ms; the window here is ten of them unless told."""

    def __init__(
        self,
        *track: Word,
        endpointing_s: float | None = 0.32,
        interim_s: float | None = None,
        gap_s: float | None = None,
        longest_s: float = 10.0,
        prompt: bool = False,
        language: str | None = "en",
    ) -> None:
        self.desk = Desk(track)
        self.told: list[ChannelEvent] = []
        self.longest_s = longest_s
        self.prompt = prompt
        """Whether jobs are answered at once after each call."""
        self.heard = 0
        hearing = Hearing(endpointing_s, interim_s, gap_s, longest_s, language=language)
        self.channel = Channel(0, hearing, self.desk, self.told.append)

    def batch(self, *runs: tuple[int, float]) -> Line:
        """One piece of audio: runs of frames with the same probability of voice."""
        voice = [probability for frames, probability in runs for _ in range(frames)]
        return self.samples(FRAME * len(voice), voice)

    def samples(self, count: int, voice: Sequence[float] = ()) -> Line:
        """One piece of audio of `count` samples that completes frames of the given probabilities."""
        self.channel.hear(np.arange(self.heard, self.heard + count, dtype=np.float32), voice)
        self.heard += count
        return self._settle()

    def speak(self, frames: int, probability: float = VOICE) -> Line:
        """Speech, a frame at a time."""
        for _ in range(frames):
            self.batch((1, probability))
        return self

    def rest(self, frames: int) -> Line:
        """Silence, a frame at a time."""
        return self.speak(frames, SILENCE)

    def flush(self) -> Line:
        self.channel.flush()
        return self._settle()

    def end(self) -> Line:
        self.channel.end()
        return self._settle()

    def answer(self, *words: Word) -> Line:
        self.desk.answer(*words)
        return self._settle()

    def answer_all(self) -> Line:
        while self.desk.out is not None:
            self.desk.answer()
        return self

    def _settle(self) -> Line:
        return self.answer_all() if self.prompt else self

    def drained(self) -> bool:
        return self.channel.drained

    @property
    def finals(self) -> list[Heard]:
        return [each for each in self.told if isinstance(each, Heard) and each.final]

    @property
    def interims(self) -> list[Heard]:
        return [each for each in self.told if isinstance(each, Heard) and not each.final]

    @property
    def began(self) -> list[float]:
        return [each.at for each in self.told if isinstance(each, SpeechBegan)]

    @property
    def gaps(self) -> list[float | None]:
        ends = [each.last_word_end for each in self.told if isinstance(each, UtteranceEnded)]
        return [None if end is None else round(end, 7) for end in ends]

    @property
    def spans(self) -> list[tuple[float, float]]:
        """Where each final starts and ends."""
        return [(each.start, each.end) for each in self.finals]

    @property
    def texts(self) -> list[str]:
        """What each final says."""
        return [" ".join(each.text for each in final.words) for final in self.finals]
