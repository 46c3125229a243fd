"""Streaming engines for tests: words that give away each sample that was fed, a script, and the loudness of audio."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from caesura.engines.base import SAMPLE_RATE, EngineInfo, Hypothesis, Priority, Samples, SegmentJob
from caesura.engines.registry import EngineSpec
from caesura.engines.scripted import INFO, ScriptedEngine
from caesura.engines.streaming import StateFeed, StateStart
from caesura.words import Word

STEP = SAMPLE_RATE // 10
"""Samples of a word of the chain engine."""
LATE = 3 * STEP
"""Samples after a word without which neither engine returns it, unless the state has ended."""


@dataclass
class ChainState:
    """What the chain engine keeps: how often it was fed, the audio behind its last word, and the checksum so far."""

    begun: StateStart
    fed: int = 0
    rest: bytes = b""
    checksum: int = 0
    words: list[Word] = field(default_factory=list)
    last: bool = False
    closed: bool = False


class ChainEngine:
    """Returns a word for each tenth of a second, whose text is the checksum of all samples of the state up to there.

    So a sample that is missing, fed twice, or fed to another state shows in every later word.
    """

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        """How many samples each state was fed in each call."""
        self.states: list[ChainState] = []

    def open(self, start: StateStart) -> ChainState:
        """A state that knows nothing yet."""
        self.states.append(ChainState(start))
        return self.states[-1]

    def feed(self, feeds: Sequence[StateFeed[ChainState]]) -> None:
        """Take the audio."""
        self.calls.append([len(feed.audio) for feed in feeds])
        assert len({id(feed.state) for feed in feeds}) == len(feeds), "a state twice in one call"
        for feed in feeds:
            assert not feed.state.last, "fed after its last audio"
            assert not feed.state.closed, "fed after it was closed"
            _chain(feed)

    def results(self, state: ChainState) -> Hypothesis:
        """The words that are far enough back, or all of them once the state has ended."""
        assert not state.closed
        until = state.fed if state.last else state.fed - LATE
        return Hypothesis(tuple(word for word in state.words if round(word.end * SAMPLE_RATE) <= until))

    def close(self, state: ChainState) -> None:
        """Free nothing, but keep count."""
        assert not state.closed, "closed twice"
        state.closed = True

    @property
    def open_states(self) -> int:
        """How many states are not closed."""
        return sum(not state.closed for state in self.states)


def _chain(feed: StateFeed[ChainState]) -> None:
    state = feed.state
    data = state.rest + feed.audio.astype("<f4").tobytes()
    state.fed += len(feed.audio)
    state.last = feed.last
    size = 4 * STEP
    while len(data) >= size or (data and feed.last):
        piece, data = data[:size], data[size:]
        state.checksum = zlib.crc32(piece, state.checksum)
        start = len(state.words) * STEP
        state.words.append(
            Word(f"{state.checksum:08x}", start / SAMPLE_RATE, (start + len(piece) // 4) / SAMPLE_RATE, 0.9)
        )
    state.rest = data


def chained(audio: Samples) -> list[str]:
    """The words that the chain engine returns for this audio in the end."""
    engine = ChainEngine()
    state = engine.open(StateStart(0.0))
    engine.feed([StateFeed(state, audio, last=True)])
    return [word.text for word in engine.results(state).words]


@dataclass
class ScriptedState:
    """How much of its script a state has played."""

    at: float
    fed: int = 0
    last: bool = False


class ScriptedStreamingEngine:
    """Plays the script of a scripted engine, a little late."""

    def __init__(self, engine: ScriptedEngine | None = None) -> None:
        self._engine = engine or ScriptedEngine()

    def open(self, start: StateStart) -> ScriptedState:
        """A state at its place in the script."""
        return ScriptedState(start.at)

    def feed(self, feeds: Sequence[StateFeed[ScriptedState]]) -> None:
        """Go on in the script."""
        for feed in feeds:
            feed.state.fed += len(feed.audio)
            feed.state.last = feed.last

    def results(self, state: ScriptedState) -> Hypothesis:
        """The words so far."""
        count = state.fed if state.last else max(state.fed - LATE, 0)
        return self._engine.transcribe([SegmentJob(_silence(count), state.at, Priority.FINAL)])[0]

    def close(self, state: ScriptedState) -> None:
        """Nothing to free."""


def _silence(count: int) -> Samples:
    return np.zeros(count, np.float32)


class LoudEngine:
    """A segment engine that returns a word for each tenth of a second that is loud, named for its loudness."""

    def transcribe(self, jobs: Sequence[SegmentJob]) -> list[Hypothesis]:
        """Each job alone."""
        return [Hypothesis(tuple(_loud_words(job.audio))) for job in jobs]


@dataclass
class LoudState:
    """All that the state was fed."""

    audio: list[Samples] = field(default_factory=list)


class LoudStreamingEngine:
    """The same words from a state."""

    def open(self, start: StateStart) -> LoudState:
        """A state without audio."""
        return LoudState()

    def feed(self, feeds: Sequence[StateFeed[LoudState]]) -> None:
        """Keep the audio."""
        for feed in feeds:
            feed.state.audio.append(feed.audio)

    def results(self, state: LoudState) -> Hypothesis:
        """The words so far."""
        return Hypothesis(tuple(_loud_words(np.concatenate(state.audio))))

    def close(self, state: LoudState) -> None:
        """Free the audio."""
        state.audio.clear()


def _loud_words(audio: Samples) -> Iterator[Word]:
    for at in range(0, len(audio) - STEP + 1, STEP):
        loudness = float(np.abs(audio[at : at + STEP]).max())
        if loudness > 0.05:
            yield Word(f"w{loudness:.4f}"[3:], at / SAMPLE_RATE, (at + STEP) / SAMPLE_RATE, 0.9)


CHAIN_INFO = EngineInfo("chain", "1", "checksum", ("en",), 0.01, 10.0, max_jobs=8, streaming=True, max_states=4)
LOUD_INFO = replace(INFO, name="loud")
chain = EngineSpec(CHAIN_INFO, ChainEngine)
loud = EngineSpec(LOUD_INFO, LoudEngine)
loud_streaming = EngineSpec(replace(LOUD_INFO, name="loud-streaming", streaming=True, max_jobs=8), LoudStreamingEngine)
