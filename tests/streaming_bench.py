"""Test bench of a streaming recognizer: takes voice activity by frames, and feeds simulated workers that may die."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from caesura.engines.base import SAMPLE_RATE, Hypothesis, Samples
from caesura.engines.streaming import FeedJob, StreamingEngine
from caesura.events import SpeechBegan, TranscriptSegment, UtteranceEnded
from caesura.pipeline.recognizer import RecognitionConfig, RecognizerEvent
from caesura.pipeline.streaming import TAIL, StreamingRecognizer
from caesura.speech.diarizer import Diarizer
from caesura.speech.vad import FRAME
from caesura.workers.state_host import StateHost
from caesura.workers.states import StateTable
from tests.recognizer_bench import SILENCE, VOICE
from tests.streaming_engines import ChainEngine

OWNER = "stream"


def sound(first: int, last: int) -> Samples:
    """The samples of a stream from one position to another; all differ."""
    return np.arange(first, last, dtype=np.float32) / np.float32(2**24)


class Workers:
    """Two workers that do a job when they are told to, and the table of their states, as a pool has it."""

    def __init__(self, new_engine: Callable[[], StreamingEngine[Any]]) -> None:
        self._new_engine = new_engine
        self.hosts = [StateHost(new_engine()) for _ in range(2)]
        self.table: StateTable[int] = StateTable(4)
        self.deaths = 0

    def run(self, job: FeedJob) -> Hypothesis:
        """Do a job where its state is, or else on the first worker."""
        place = self.table.place(OWNER, job) or 0
        sent = self.table.begin(OWNER, job, place)
        self._close()
        (hypothesis,) = self.hosts[place].feed([sent])
        self.table.done(OWNER, sent)
        return hypothesis

    def die(self) -> None:
        """The worker that has a state ends, and another takes its place."""
        place = 0 if self.table.count(0) else 1
        self.deaths += self.table.count(place)
        self.table.lose(place)
        self.hosts[place] = StateHost(self._new_engine())

    def end(self) -> int:
        """The stream has ended: returns how many states the workers have left."""
        self.table.drop(OWNER)
        self._close()
        return sum(map(len, self.hosts))

    def _close(self) -> None:
        for place, number in self.table.closed():
            self.hosts[place].close([number])


class StreamingBench:
    """One streaming recognizer. Voice is given in frames of 32 ms; the window here is ten of them by default."""

    def __init__(
        self,
        new_engine: Callable[[], StreamingEngine[Any]] = ChainEngine,
        *,
        endpointing_s: float | None = 0.32,
        interim_s: float | None = None,
        gap_s: float | None = None,
        longest_s: float = 10.0,
        prompt: bool = False,
        language: str | None = "en",
        detectable_languages: tuple[str, ...] = (),
        diarizer: Diarizer | None = None,
    ) -> None:
        self.workers = Workers(new_engine)
        self.events: list[RecognizerEvent] = []
        self.longest_s = longest_s
        self.gap_s = gap_s
        self.prompt = prompt
        """Whether jobs are done at once after each call."""
        self.jobs: list[FeedJob] = []
        self.out: FeedJob | None = None
        self.replaced: list[tuple[FeedJob, Hypothesis]] = []
        """Jobs that were done in vain, with their results."""
        self.position = 0
        config = RecognitionConfig(
            endpointing_s,
            interim_s,
            gap_s,
            longest_s,
            language=language,
            detectable_languages=detectable_languages,
            diarize=diarizer is not None,
        )
        self.recognizer = StreamingRecognizer(0, config, diarizer)

    def samples(self, count: int, voice: Sequence[float] = ()) -> StreamingBench:
        """One piece of audio of `count` samples that completes frames of the given probabilities."""
        self.recognizer.feed(sound(self.position, self.position + count), voice)
        self.position += count
        return self._settle()

    def speak(self, frames: int, probability: float = VOICE) -> StreamingBench:
        """Speech, a frame at a time."""
        for _ in range(frames):
            self.samples(FRAME, [probability])
        return self

    def rest(self, frames: int) -> StreamingBench:
        """Silence, a frame at a time."""
        return self.speak(frames, SILENCE)

    def flush(self) -> StreamingBench:
        self.recognizer.flush()
        return self._settle()

    def end(self) -> StreamingBench:
        self.recognizer.end()
        return self._settle()

    def answer(self, hypothesis: Hypothesis | None = None) -> StreamingBench:
        """Do the job that is out; `hypothesis` stands in for what the worker returns."""
        assert self.out is not None, "nothing is out"
        job, self.out = self.out, None
        result = self.workers.run(job)
        self.recognizer.receive(job, hypothesis or result)
        return self._settle()

    def answer_in_vain(self) -> None:
        """A worker does the job that is out, and its result is dropped: a newer one has taken its place."""
        if self.out is not None:
            self.replaced.append((self.out, self.workers.run(self.out)))

    def _settle(self) -> StreamingBench:
        self.events += self.recognizer.events()
        job = self.recognizer.next_job()
        if job is not None:
            self._check(job)
            self.jobs.append(job)
            self.out = job
        while self.prompt and self.out is not None:
            self.answer()
        return self

    def _check(self, job: FeedJob) -> None:
        assert job.offset == 0
        first = round(job.at * SAMPLE_RATE)
        assert np.array_equal(job.audio, sound(first, first + len(job.audio)))
        assert len(job.audio) <= round(self.longest_s * SAMPLE_RATE) + TAIL
        before = self.jobs[-1] if self.jobs else None
        if before is not None and before.state == job.state:
            assert before.at == job.at
            assert len(before.audio) <= len(job.audio), "a state goes backwards"
        elif before is not None:
            assert before.state < job.state

    @property
    def requests(self) -> list[tuple[int, int, bool]]:
        """First sample of the state, sample after the last, and whether it is the state's last: of every job so far."""
        firsts = [round(job.at * SAMPLE_RATE) for job in self.jobs]
        return [(first, first + len(job.audio), job.final) for first, job in zip(firsts, self.jobs, strict=True)]

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
    def texts(self) -> list[list[str]]:
        """The words of each final."""
        return [[each.text for each in final.words] for final in self.finals]
