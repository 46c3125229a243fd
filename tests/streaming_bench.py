"""Test bench of a streaming recognizer: takes voice activity by frames, and feeds simulated workers that may die."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from caesura.engines.base import SAMPLE_RATE, Hypothesis
from caesura.engines.streaming import FeedJob, StreamingEngine
from caesura.pipeline.recognizer import RecognitionConfig
from caesura.pipeline.streaming import TAIL, StreamingRecognizer
from caesura.speech.diarizer import Diarizer
from caesura.workers.state_host import StateHost
from caesura.workers.states import StateTable
from tests.recognizer_bench import LiveBench
from tests.streaming_engines import ChainEngine

OWNER = "stream"


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


class StreamingBench(LiveBench[FeedJob]):
    """A streaming recognizer and its workers; the window is ten frames by default."""

    tail_s = TAIL / SAMPLE_RATE

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
        config = RecognitionConfig(
            endpointing_s,
            interim_s,
            gap_s,
            longest_s,
            language=language,
            detectable_languages=detectable_languages,
            diarize=diarizer is not None,
        )
        super().__init__(StreamingRecognizer(0, config, diarizer), config, prompt=prompt)

    def answer(self, hypothesis: Hypothesis | None = None) -> StreamingBench:
        """Do the job that is out; `hypothesis` stands in for what the worker returns."""
        assert self.out is not None, "nothing is out"
        result = self.result(self.out)
        return self.receive(hypothesis or result)

    def check(self, job: FeedJob) -> None:
        assert job.offset == 0
        assert len(job.audio) <= round((self.longest_s + self.tail_s) * SAMPLE_RATE)
        before = self.jobs[-1] if self.jobs else None
        if before is not None and before.state == job.state:
            assert before.at == job.at
            assert len(before.audio) <= len(job.audio), "a state goes backwards"
        elif before is not None:
            assert before.state < job.state

    def result(self, job: FeedJob) -> Hypothesis:
        return self.workers.run(job)

    @property
    def words(self) -> list[list[str]]:
        """The words of each final."""
        return [[each.text for each in final.words] for final in self.finals]
