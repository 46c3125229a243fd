"""onnx-asr on tiny models made here: scripted words come out with times, and random weights stay within bounds."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caesura import connect
from caesura.distribution import install_command
from caesura.engines.base import Hypothesis, Priority, Samples, SegmentJob, Term
from caesura.engines.models.store import Manifest, ModelFile, write_manifest
from caesura.engines.onnx_asr import INFO, UNKNOWN_CONFIDENCE, OnnxAsrEngine, info, load, with_model_folder
from caesura.engines.registry import engine_spec
from caesura.errors import EngineError, UsageError
from tests.engines.models.without_whisper import without_library
from tests.engines.tiny_onnx_asr import FRAME_S, GREETING, Script, make_aed, make_ctc, make_tdt
from tests.recordings import recording
from tests.server_process import start_server

Make = Callable[..., Path]
TRANSDUCERS = pytest.mark.parametrize("make", [make_ctc, make_tdt])


def noise(seconds: float, seed: int = 1) -> Samples:
    samples = np.random.default_rng(seed).standard_normal(round(seconds * 16_000)) * 0.1
    return samples.astype(np.float32)


def transcribe(engine: OnnxAsrEngine, audio: Samples | None = None, **job: Any) -> Hypothesis:
    given = noise(3.0) if audio is None else audio
    (hypothesis,) = engine.transcribe([SegmentJob(given, 0.0, Priority.FINAL, **job)])
    return hypothesis


def text(hypothesis: Hypothesis) -> str:
    return " ".join(word.text for word in hypothesis.words)


# ---- text, times, confidence ----


@pytest.mark.slow
@TRANSDUCERS
def test_words_begin_where_the_model_puts_their_tokens(make: Make, tmp_path: Path) -> None:
    hypothesis = transcribe(load(str(make(tmp_path / "model", GREETING))))
    assert text(hypothesis) == "hello there, world."
    starts = [word.start for word in hypothesis.words]
    assert starts == pytest.approx([2 * FRAME_S, 5 * FRAME_S, 12 * FRAME_S])
    ends = [word.end for word in hypothesis.words]
    assert ends == pytest.approx([5 * FRAME_S, 8 * FRAME_S + 0.24, 15 * FRAME_S + 0.24])
    assert all(word.confidence > 0.99 for word in hypothesis.words)


@pytest.mark.slow
@TRANSDUCERS
def test_an_uncertain_word_has_a_low_confidence(make: Make, tmp_path: Path) -> None:
    hypothesis = transcribe(load(str(make(tmp_path / "model", Script({3: "▁hello"}, certain=1.0)))))
    assert text(hypothesis) == "hello"
    assert 0.05 < hypothesis.words[0].confidence < 0.5


@pytest.mark.slow
@TRANSDUCERS
@pytest.mark.parametrize("seconds", [0.1, 0.11, 0.31, 1.0, 7.77, 20.0, 30.0])
def test_random_weights_give_words_in_order_inside_the_audio(make: Make, tmp_path: Path, seconds: float) -> None:
    engine = load(str(make(tmp_path / "model")))
    words = transcribe(engine, noise(seconds)).words
    assert all(0.0 <= word.start <= word.end <= seconds for word in words)
    assert all(before.end <= after.start for before, after in pairwise(words))
    assert all(0.0 <= word.confidence <= 1.0 and word.text == word.text.strip() != "" for word in words)
    assert transcribe(engine, noise(20.0)).words


@pytest.mark.slow
@TRANSDUCERS
def test_a_job_has_the_same_hypothesis_alone_and_among_others(make: Make, tmp_path: Path) -> None:
    """The engine is stateless, and a job is not padded to the length of another."""
    engine = load(str(make(tmp_path / "model")))
    jobs = [
        SegmentJob(noise(seconds, seed), 0.0, priority)
        for seed, (seconds, priority) in enumerate(
            ((4.0, Priority.FINAL), (0.05, Priority.FINAL), (11.3, Priority.INTERIM), (4.0, Priority.RECORDING))
        )
    ]
    together = engine.transcribe(jobs)
    assert together == [engine.transcribe([job])[0] for job in jobs]
    assert together[2].words
    assert together[1] == Hypothesis()


@pytest.mark.slow
@TRANSDUCERS
def test_drafts_and_terms_change_nothing(make: Make, tmp_path: Path) -> None:
    engine = load(str(make(tmp_path / "model")))
    plain = transcribe(engine, noise(8.0))
    assert transcribe(engine, noise(8.0), draft=plain, terms=(Term("hello"),)) == plain


@pytest.mark.slow
@pytest.mark.parametrize("samples", [0, 1, 1_599])
def test_audio_too_short_for_a_word_gives_no_words(tmp_path: Path, samples: int) -> None:
    engine = load(str(make_tdt(tmp_path / "model", GREETING)))
    assert transcribe(engine, np.ones(samples, np.float32)) == Hypothesis()


@pytest.mark.slow
def test_a_model_that_hears_only_blanks_gives_no_words(tmp_path: Path) -> None:
    for make in (make_ctc, make_tdt):
        engine = load(str(make(tmp_path / make.__name__, Script({}))))
        assert transcribe(engine, np.zeros(32_000, np.float32)) == Hypothesis()


@pytest.mark.slow
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, 1.0])
def test_any_samples_are_taken(tmp_path: Path, value: float) -> None:
    engine = load(str(make_tdt(tmp_path / "model", GREETING)))
    assert text(transcribe(engine, np.full(48_000, value, np.float32))) == "hello there, world."


@pytest.mark.slow
def test_words_of_a_model_without_times_are_spread_over_the_audio(tmp_path: Path) -> None:
    """Canary: the decoder gives no times, and its probabilities are those of the whole text."""
    engine = load(str(make_aed(tmp_path / "model", ("▁hello", "▁th", "ere", "▁world"))))
    hypothesis = transcribe(engine, noise(3.0))
    assert text(hypothesis) == "hello there world"
    assert [(word.start, word.end) for word in hypothesis.words] == [
        (pytest.approx(at), pytest.approx(at + 1)) for at in (0.0, 1.0, 2.0)
    ]
    assert all(0.99 < word.confidence <= 1.0 for word in hypothesis.words)


class Silent:
    """A loaded model that knows neither times nor probabilities, as those of Whisper."""

    def __init__(self) -> None:
        self.languages: list[object] = []

    def recognize(self, audio: Samples, **options: object) -> Any:
        self.languages.append(options["language"])
        return type("Result", (), {"text": "two words", "timestamps": None, "tokens": None, "logprobs": None})()


def test_the_language_reaches_the_model_and_an_unknown_confidence_is_a_half(tmp_path: Path) -> None:
    folder = make_ctc(tmp_path / "model")
    (folder / "config.json").write_text(json.dumps({"model_type": "nemo-conformer-ctc", "languages": ["fi", "sv"]}))
    model, engine_info = Silent(), info(str(folder))
    engine = OnnxAsrEngine(model, engine_info)
    assert engine_info.languages == ("fi", "sv")
    assert {word.confidence for word in transcribe(engine, language="sv").words} == {UNKNOWN_CONFIDENCE}
    transcribe(engine)
    assert model.languages == ["sv", "fi"]
    with pytest.raises(EngineError, match="engine model does not know the language 'de'"):
        transcribe(engine, language="de")


def test_an_error_of_the_library_is_the_engines(tmp_path: Path) -> None:
    class Broken:
        def recognize(self, *_: object, **__: object) -> Any:
            raise ValueError("bad shape")

    engine = OnnxAsrEngine(Broken(), info(str(make_ctc(tmp_path / "model"))))
    with pytest.raises(EngineError, match="engine model failed on 48000 samples: bad shape"):
        transcribe(engine)


# ---- models ----


def test_a_model_in_the_catalogue_is_known_without_its_files() -> None:
    known = info("parakeet-v3")
    assert (known.name, known.arch) == ("parakeet-tdt-0.6b-v3", "nemo-parakeet-tdt-0.6b-v3")
    assert len(known.languages) == 25
    assert known.languages[0] == "en"
    assert (known.biases, known.detects_language, known.max_jobs) == (False, False, 1)
    assert info("") == known
    assert (INFO.name, INFO.arch, INFO.languages) == (known.name, known.arch, known.languages)
    assert engine_spec("onnx-asr").info == known


def test_a_model_that_was_not_pulled_is_missing_with_the_command_that_pulls_it(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught:
        with_model_folder("parakeet-v2", tmp_path)
    assert str(caught.value) == (
        f"onnx-asr: the model parakeet-tdt-0.6b-v2 is not on this machine (looked in {tmp_path}/onnx-asr/"
        "parakeet-tdt-0.6b-v2). `caesura models pull parakeet-tdt-0.6b-v2` downloads it (661 MB). Without network "
        "here, pull it on another machine and copy that folder, with its caesura-model.json, to the same place here, "
        "or name it: --engine onnx-asr:/FOLDER"
    )


def test_other_names_and_devices_are_refused() -> None:
    with pytest.raises(UsageError, match=r"no model of onnx-asr is called 'parakit'; choose one of parakeet-tdt-0\.6b"):
        info("parakit")
    with pytest.raises(UsageError, match="no model of onnx-asr is called 'istupakov/parakeet'"):
        info("istupakov/parakeet")
    with pytest.raises(UsageError, match="onnx-asr does not run on cuda; leave @cuda out"):
        info("parakeet-v3@cuda")


@pytest.mark.slow
def test_a_pulled_model_is_loaded_by_the_name_of_its_architecture(tmp_path: Path) -> None:
    """Its folder is named by any process; the quantised networks are the ones that are used."""
    folder = make_tdt(tmp_path / "onnx-asr" / "parakeet-tdt-0.6b-v2", GREETING, int8=True)
    files = tuple(ModelFile(path.name, path.stat().st_size, "x") for path in folder.iterdir())
    write_manifest(folder, Manifest("parakeet-tdt-0.6b-v2", "r", "0123456789abcdef", "e", "CC-BY-4.0", files))
    name = with_model_folder("parakeet-v2", tmp_path)
    assert name == f"{folder}@cpu"
    assert (info(name).name, info(name).version) == ("parakeet-tdt-0.6b-v2", "0123456789ab")
    assert text(transcribe(load(name), language="en")) == "hello there, world."
    (folder / "vocab.txt").write_text("")
    with pytest.raises(EngineError, match=r"vocab\.txt has 0 bytes instead of \d+; `caesura models pull parakeet"):
        with_model_folder("parakeet-v2", tmp_path)


def test_a_folder_without_files_says_which_are_missing(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"onnx-asr: there is no folder .*/none; name a folder with an ONNX model"):
        with_model_folder(f"{tmp_path}/none", tmp_path)
    (tmp_path / "empty").mkdir()
    sentence = r"incomplete: \*\.onnx is missing, \*vocab\* is missing; it must be an ONNX model that onnx-asr runs"
    with pytest.raises(EngineError, match=sentence):
        with_model_folder(f"{tmp_path}/empty", tmp_path)


@pytest.mark.slow
def test_a_file_that_the_architecture_needs_is_named(tmp_path: Path) -> None:
    folder = make_tdt(tmp_path / "model")
    (folder / "decoder_joint-model.onnx").unlink()
    with pytest.raises(EngineError, match=r"engine model could not read .*decoder_joint-model\.onnx"):
        load(str(folder))
    (folder / "decoder_joint-model.onnx").write_bytes(b"not a network")
    with pytest.raises(EngineError, match="engine model could not read its files"):
        load(str(folder))


@pytest.mark.parametrize("config", ["", "{", "[]", "{}", '{"model_type": "x", "languages": 7}'])
def test_an_unreadable_config_says_what_it_must_hold(tmp_path: Path, config: str) -> None:
    folder = make_ctc(tmp_path / "model")
    (folder / "config.json").write_text(config)
    with pytest.raises(EngineError, match=r"config\.json cannot be read .* for example \{\"model_type\": \"nemo"):
        info(str(folder))


@pytest.mark.slow
def test_an_architecture_that_the_library_does_not_know_is_named(tmp_path: Path) -> None:
    folder = make_ctc(tmp_path / "model")
    (folder / "config.json").write_text('{"model_type": "telepathy"}')
    with pytest.raises(EngineError, match="'telepathy' not supported"):
        load(str(folder))


def test_without_the_library_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_ctc(tmp_path / "model")
    monkeypatch.setitem(sys.modules, "onnx_asr", None)
    wanted = re.escape(f"`{install_command('onnx-asr')}` installs it")
    with pytest.raises(EngineError, match=f"engine onnx-asr needs the package onnx_asr: {wanted}"):
        load(str(folder))
    without_library(monkeypatch)
    with pytest.raises(EngineError, match=f"engine onnx-asr needs the package onnx-asr: {wanted}"):
        with_model_folder(str(folder), tmp_path)


# ---- through the whole product ----


@pytest.mark.slow
def test_a_server_transcribes_with_it(tmp_path: Path) -> None:
    folder = make_tdt(tmp_path / "tiny-tdt", GREETING)

    async def transcript(url: str) -> str:
        async with connect(url, live=False, sample_rate=16_000, punctuate=True, model="tiny-tdt") as line:
            pcm = (recording("lv-0880").samples * 32_767).astype("<i2").tobytes()
            async for _ in line.transcribe(pcm[at : at + 8_000] for at in range(0, len(pcm), 8_000)):
                pass
            return " ".join(word.text for word in (await line.finish()).words)

    with start_server(engine=f"onnx-asr:{folder}") as server:
        assert "hello there, world." in asyncio.run(transcript(server.url))


REAL = os.environ.get("CAESURA_TEST_MODELS", "")


@pytest.mark.slow
@pytest.mark.skipif(not REAL, reason="CAESURA_TEST_MODELS names no folder of pulled models")
@pytest.mark.parametrize("folder", sorted(Path(REAL, "onnx-asr").glob("*/")) if REAL else [], ids=lambda it: it.name)
def test_a_real_model_transcribes_english(folder: Path) -> None:
    engine = load(str(folder))
    if "en" in info(str(folder)).languages:
        assert "country" in text(transcribe(engine, recording("jfk").samples, language="en")).lower()
