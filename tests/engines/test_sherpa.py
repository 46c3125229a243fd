"""The sherpa engine on a streaming zipformer with random weights: shapes, state, batches, recovery, and its files."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from caesura.engines import sherpa
from caesura.engines.base import SAMPLE_RATE, Hypothesis, Priority, Samples, SegmentJob
from caesura.engines.registry import engine_info, load_any_engine
from caesura.engines.sherpa import SherpaEngine, model_files
from caesura.engines.streaming import FeedJob, SegmentsByStreaming, StateFeed, StateStart, StreamingEngine
from caesura.errors import EngineError
from caesura.workers.base import JobLost
from caesura.workers.pool import EnginePool
from tests.engines.tiny_zipformer import METADATA, write_zipformer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model for all tests of this file."""
    return write_zipformer(tmp_path_factory.mktemp("sherpa") / "tiny")


@pytest.fixture(scope="module")
def engine(folder: Path) -> SherpaEngine:
    pytest.importorskip("sherpa_onnx", reason="sherpa-onnx is not installed")
    loaded = load_any_engine(f"sherpa:{folder}@en")
    assert isinstance(loaded, SherpaEngine)
    return loaded


def noise(seed: int, seconds: float = 4.0) -> Samples:
    """Noise that changes its loudness each tenth of a second: the model hears tokens in it."""
    rng = np.random.default_rng(seed)
    loudness = np.repeat(rng.random(int(10 * seconds)), SAMPLE_RATE // 10)
    return (rng.normal(0, 0.1, len(loudness)) * loudness).astype(np.float32)


def run(engine: SherpaEngine, audio: Samples, step: int) -> Hypothesis:
    state = engine.open(StateStart(0.0))
    for at in range(0, len(audio), step):
        engine.feed([StateFeed(state, audio[at : at + step], at + step >= len(audio))])
    found = engine.results(state)
    engine.close(state)
    return found


def test_words_come_with_times_and_confidences(engine: SherpaEngine) -> None:
    words = run(engine, noise(1), 4_096).words
    assert len(words) > 3
    times = [time for word in words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[-1] <= 4.0
    assert all(0.0 < word.confidence < 1.0 for word in words)
    assert all(word.text and not word.text.startswith((" ", "▁")) for word in words)


@pytest.mark.parametrize("step", [800, 5_000, 64_000])
def test_the_words_of_a_state_do_not_depend_on_how_it_is_fed(engine: SherpaEngine, step: int) -> None:
    assert run(engine, noise(2), step) == run(engine, noise(2), 4_096)


def test_the_state_is_what_was_fed(engine: SherpaEngine) -> None:
    """Other audio before makes other words of the same audio behind."""
    before, behind = noise(3, 1.0), noise(4, 2.0)
    with_it = run(engine, np.concatenate((before, behind)), 4_096)
    late = [word.text for word in with_it.words if word.start > 1.0]
    assert late != [word.text for word in run(engine, behind, 4_096).words]


def test_states_that_are_fed_together_do_not_mix(engine: SherpaEngine) -> None:
    """They are fed in one call, at different places, and one ends before the other."""
    audio = [noise(seed, seconds) for seed, seconds in ((5, 2.0), (6, 3.0), (7, 4.0))]
    states = [engine.open(StateStart(0.0)) for _ in audio]
    for at in range(0, SAMPLE_RATE * 4, 4_000):
        engine.feed(
            [
                StateFeed(state, samples[at : at + 4_000], at + 4_000 >= len(samples))
                for state, samples in zip(states, audio, strict=True)
                if at < len(samples)
            ]
        )
    for state, samples in zip(states, audio, strict=True):
        assert engine.results(state) == run(engine, samples, 4_096)


def test_words_come_before_the_end_and_stay(engine: SherpaEngine) -> None:
    state, audio = engine.open(StateStart(0.0)), noise(1)
    engine.feed([StateFeed(state, audio[:32_000], last=False)])
    early = [word.text for word in engine.results(state).words]
    engine.feed([StateFeed(state, audio[32_000:], last=True)])
    late = [word.text for word in engine.results(state).words]
    assert len(early) > 1
    assert late[: len(early) - 1] == early[:-1]
    assert len(late) > len(early)


def test_a_recording_goes_through_it_in_segments(engine: SherpaEngine) -> None:
    jobs = [SegmentJob(noise(seed), 0.0, Priority.RECORDING) for seed in (1, 2)]
    found = SegmentsByStreaming(engine).transcribe(jobs)
    assert found == [run(engine, job.audio, 4_096) for job in jobs]


def test_audio_that_is_no_number_and_no_audio_at_all_do_no_harm(engine: SherpaEngine) -> None:
    assert run(engine, np.full(8_000, np.nan, np.float32), 4_096) == run(engine, np.zeros(8_000, np.float32), 4_096)
    state = engine.open(StateStart(0.0))
    engine.feed([StateFeed(state, np.empty(0, np.float32), last=True)])
    assert all(word.end == 0.0 for word in engine.results(state).words)


@pytest.mark.slow
def test_a_worker_process_that_is_killed_in_mid_utterance_costs_no_word(folder: Path, engine: SherpaEngine) -> None:
    audio = noise(9, 3.0)

    async def main() -> list[Hypothesis | JobLost]:
        results: list[Hypothesis | JobLost] = []
        pool = EnginePool(f"sherpa:{folder}@en", workers=1, max_jobs=4)
        await pool.start()
        try:
            for end in (16_000, 32_000, 48_000):
                done: asyncio.Future[Hypothesis | JobLost] = asyncio.get_running_loop().create_future()
                priority = Priority.FINAL if end == 48_000 else Priority.INTERIM
                pool.feed("a", FeedJob(0, audio[:end], 0.0, priority), done.set_result)
                results.append(await done)
                for name in pool.ready_workers if end == 16_000 else ():
                    os.kill(int(name), signal.SIGKILL)
            assert pool.restarts == 1
        finally:
            await pool.stop()
        return results

    assert asyncio.run(asyncio.wait_for(main(), 100))[-1] == run(engine, audio, 4_096)


# ---- tokens ----


@dataclass
class Result:
    """As sherpa-onnx returns it."""

    tokens: list[str]
    timestamps: list[float] = field(default_factory=list)
    ys_probs: list[float] = field(default_factory=list)


class Recognizer:
    """Takes any audio, and returns a given result."""

    def __init__(self, result: Result) -> None:
        self.result = result

    def create_stream(self) -> Any:
        """A stream that takes anything."""
        return self

    def accept_waveform(self, rate: int, audio: Samples) -> None:
        assert rate == SAMPLE_RATE
        assert audio.dtype == np.float32

    def is_ready(self, stream: Any) -> bool:
        return False

    def get_result_all(self, stream: Any) -> Result:
        return self.result


def words_of(result: Result) -> list[tuple[str, float, float]]:
    engine = SherpaEngine(Recognizer(result), chunk=45)
    state = engine.open(StateStart(0.0))
    engine.feed([StateFeed(state, np.zeros(2 * SAMPLE_RATE, np.float32), last=False)])
    found = engine.results(state).words
    return [(word.text, round(word.start, 3), round(word.confidence, 3)) for word in found]


def test_it_is_a_streaming_engine() -> None:
    assert isinstance(SherpaEngine(Recognizer(Result([])), chunk=45), StreamingEngine)


def test_tokens_are_joined_to_words_at_blanks() -> None:
    half = float(np.log(0.5))
    result = Result([" he", "llo", "▁wor", "ld"], [0.1, 0.2, 0.5, 0.6], [half, half, 0.0, 0.0])
    assert words_of(result) == [("hello", 0.1, 0.5), ("world", 0.5, 1.0)]


def test_each_sign_of_a_script_without_blanks_is_a_word() -> None:
    assert [text for text, *_ in words_of(Result(list("你好ok"), [0.0, 0.2, 0.4, 0.6]))] == ["你", "好ok"]
    assert [text for text, *_ in words_of(Result(["안", "녕", " 하"], [0.0, 0.2, 0.4]))] == ["안녕", "하"]


def test_bytes_are_joined_to_letters() -> None:
    result = Result([" caf", "<0xC3>", "<0xA9>", " x", "<0xFF>", "y"], [0.0, 0.1, 0.2, 0.5, 0.6, 0.7])
    assert [text for text, *_ in words_of(result)] == ["café", "xy"]


def test_tokens_without_times_are_spread_over_the_audio() -> None:
    assert [(text, start) for text, start, _ in words_of(Result([" a", " b"]))] == [("a", 0.0), ("b", 1.0)]


# ---- files ----


@pytest.fixture
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sherpa, "library_version", lambda engine, package: "2.0.1")


@pytest.mark.usefixtures("_installed")
def test_a_folder_with_a_model_is_an_engine(folder: Path, tmp_path: Path) -> None:
    info = engine_info(f"sherpa:{folder}@en")
    assert (info.name, info.languages, info.streaming, info.version) == ("sherpa-tiny", ("en",), True, "2.0.1")
    assert sherpa.with_model_folder(f"{folder}@en", tmp_path) == f"{folder}@en"


@pytest.mark.usefixtures("_installed")
def test_a_model_of_the_catalogue_is_named_and_has_its_languages(tmp_path: Path) -> None:
    """Before it was pulled the sentence names the command."""
    with pytest.raises(EngineError, match="`caesura models pull zipformer-en` downloads it"):
        sherpa.with_model_folder("zipformer-en", tmp_path)
    pulled = tmp_path / "sherpa" / "zipformer-en"
    pulled.mkdir(parents=True)
    write_zipformer(pulled)
    assert sherpa.with_model_folder("zipformer-en", tmp_path) == f"{pulled}@en"
    assert sherpa.with_model_folder("", tmp_path) == f"{pulled}@en"
    assert engine_info(f"sherpa:{pulled}@en").languages == ("en",)


def test_the_smaller_file_is_taken_where_there_are_two(folder: Path, tmp_path: Path) -> None:
    write_zipformer(tmp_path)
    (tmp_path / "encoder-epoch-1.int8.onnx").write_bytes((tmp_path / "encoder-epoch-1.onnx").read_bytes())
    files = model_files(tmp_path)
    assert files.constructor == "from_transducer"
    assert files.network.name == "encoder-epoch-1.int8.onnx"
    assert files.parts["joiner"].name == "joiner-epoch-1.onnx"


def test_encoder_and_decoder_alone_are_a_paraformer(tmp_path: Path) -> None:
    for name in ("encoder.int8.onnx", "decoder.int8.onnx", "tokens.txt"):
        (tmp_path / name).touch()
    assert model_files(tmp_path).constructor == "from_paraformer"


@pytest.mark.parametrize(
    ("kind", "constructor"),
    [
        ("zipformer2", "from_zipformer2_ctc"),
        ("wenet_ctc", "from_wenet_ctc"),
        ("EncDecCTCModelBPE", "from_nemo_ctc"),
        ("EncDecHybridRNNTCTCBPEModel", "from_nemo_ctc"),
    ],
)
def test_a_model_of_one_file_is_known_by_its_metadata(tmp_path: Path, kind: str, constructor: str) -> None:
    _one_file(tmp_path, model_type=kind)
    assert model_files(tmp_path).constructor == constructor


def _one_file(folder: Path, **metadata: str) -> None:
    model = onnx.helper.make_model(onnx.helper.make_graph([], "none", [], []))
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, folder / "model.int8.onnx")
    (folder / "tokens.txt").touch()


def test_a_model_of_another_type_is_named(tmp_path: Path) -> None:
    _one_file(tmp_path, model_type="whisper")
    with pytest.raises(EngineError, match="is of the type 'whisper'; the streaming types of one file are zipformer2"):
        model_files(tmp_path)


@pytest.mark.parametrize(
    ("there", "sentence"),
    [
        ((), "lacks encoder.onnx, decoder.onnx and joiner.onnx"),
        (("encoder.onnx", "tokens.txt"), "lacks decoder.onnx and joiner.onnx"),
        (("encoder.onnx", "decoder.onnx", "joiner.onnx"), "lacks tokens.txt"),
    ],
)
def test_what_a_folder_lacks_is_named(tmp_path: Path, there: tuple[str, ...], sentence: str) -> None:
    for name in there:
        (tmp_path / name).touch()
    with pytest.raises(EngineError, match=sentence):
        model_files(tmp_path)


@pytest.mark.usefixtures("_installed")
def test_a_model_for_whole_segments_is_refused_before_sherpa_ends_the_process(tmp_path: Path) -> None:
    write_zipformer(tmp_path)
    model = onnx.load(tmp_path / "encoder-epoch-1.onnx")
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {key: value for key, value in METADATA.items() if key != "T"})
    onnx.save(model, tmp_path / "encoder-epoch-1.onnx")
    with pytest.raises(EngineError, match="is no streaming model"):
        sherpa.load(f"{tmp_path}@en")
