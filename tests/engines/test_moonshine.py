"""The default engine on real recordings: text, confidence and times, with and without drafts, and silence."""

from __future__ import annotations

import importlib.metadata
import re
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from caesura.engines import moonshine
from caesura.engines.base import Hypothesis, Samples, SegmentJob
from caesura.engines.moonshine import INFO, MoonshineEngine, load
from caesura.errors import EngineError
from tests.recordings import names, recording


@pytest.fixture(scope="module")
def engine() -> MoonshineEngine:
    return load()


def hear(engine: MoonshineEngine, audio: Samples, draft: Hypothesis | None = None, *, final: bool = True) -> Hypothesis:
    (heard,) = engine.transcribe([SegmentJob(audio, 0.0, final, draft)])
    return heard


def plain(heard: Hypothesis) -> list[str]:
    return re.findall("[a-z']+", " ".join(word.text for word in heard.words).lower())


def test_version_is_the_one_of_the_package() -> None:
    assert importlib.metadata.version("moonshine-voice") == INFO.version


@pytest.mark.parametrize("found", [None, SimpleNamespace(origin=None), "empty"])
def test_missing_model_files_say_what_to_install(
    found: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = SimpleNamespace(origin=str(tmp_path / "__init__.py")) if found == "empty" else found
    monkeypatch.setattr(moonshine, "find_spec", lambda name: spec)
    with pytest.raises(EngineError, match=r"moonshine-voice.*pip install"):
        load()


@pytest.mark.slow
def test_recordings_are_understood(engine: MoonshineEngine) -> None:
    """At most one word in twenty of the bundled recordings is wrong."""
    wrong = total = 0
    for name in names():
        said = recording(name)
        reference = said.text.lower().split()
        heard = plain(hear(engine, said.samples))
        wrong += len(set(reference) ^ set(heard))
        total += len(reference)
    assert wrong <= total / 20 + 1


@pytest.mark.slow
def test_words_have_case_punctuation_confidence_and_times(engine: MoonshineEngine) -> None:
    audio = recording("jfk").samples
    words = hear(engine, audio).words
    assert " ".join(word.text for word in words).startswith("And so my fellow Americans")
    assert words[-1].text == "country."
    assert all(0.0 < word.confidence <= 1.0 for word in words)
    assert all(word.start < word.end for word in words)
    assert all(before.end <= after.start for before, after in pairwise(words))
    assert words[-1].end <= audio.size / 16_000


@pytest.mark.slow
def test_a_final_does_not_depend_on_its_draft(engine: MoonshineEngine) -> None:
    """Over prefixes that grow by 0.7 s, with each one's interim as the draft of the next."""
    for name in names():
        audio, draft = recording(name).samples, None
        for end in range(11_200, audio.size, 11_200):
            draft = hear(engine, audio[:end], draft, final=False)
        assert hear(engine, audio, draft) == hear(engine, audio)


@pytest.mark.slow
def test_interims_with_drafts_are_the_interims_without(engine: MoonshineEngine) -> None:
    """But for near ties, which the networks' 8-bit numbers leave open: one in four interims or fewer."""
    same = total = 0
    for name in names():
        audio, draft = recording(name).samples, None
        for end in range(16_000, audio.size, 16_000):
            draft = hear(engine, audio[:end], draft, final=False)
            same += draft.tokens == hear(engine, audio[:end], final=False).tokens
            total += 1
    assert total > 15
    assert same / total >= 3 / 4


@pytest.mark.slow
def test_a_draft_that_is_wrong_is_overruled(engine: MoonshineEngine) -> None:
    audio = recording("lv-0880").samples
    alone = hear(engine, audio, final=False)
    other = hear(engine, recording("jfk").samples)
    assert plain(hear(engine, audio, other, final=False)) == plain(alone)
    nonsense = Hypothesis(tokens=(9_999,) * 400)
    assert plain(hear(engine, audio, nonsense, final=False)) == plain(alone)


@pytest.mark.slow
def test_a_draft_outside_the_vocabulary_is_not_believed(engine: MoonshineEngine) -> None:
    audio = recording("lv-0880").samples
    foreign = Hypothesis(tokens=(-5, 70_000, 2))
    assert hear(engine, audio, foreign, final=False).tokens == hear(engine, audio, final=False).tokens


@pytest.mark.slow
@pytest.mark.parametrize("samples", [0, 1, 1_599])
def test_scraps_say_nothing(engine: MoonshineEngine, samples: int) -> None:
    assert hear(engine, recording("jfk").samples[16_000 : 16_000 + samples]) == Hypothesis()


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("level", [0.0, 0.001, 0.03, 0.3])
def test_silence_noise_hum_and_clicks_say_nothing(engine: MoonshineEngine, seconds: float, level: float) -> None:
    rng = np.random.default_rng(7)
    time = np.arange(int(seconds * 16_000)) / 16_000
    noise = rng.standard_normal(time.size)
    hum = np.sin(2 * np.pi * 50 * time) + 0.5 * np.sin(2 * np.pi * 150 * time)
    clicks = np.where(time % 0.3 < 0.005, noise, 0.0)
    for sound in (noise, hum, clicks):
        assert hear(engine, (level * sound).astype(np.float32)) == Hypothesis()


@pytest.mark.slow
def test_broken_samples_are_heard_as_silence(engine: MoonshineEngine) -> None:
    audio = recording("lv-0880").samples.copy()
    audio[100:200] = np.nan
    audio[200:300] = np.inf
    assert plain(hear(engine, audio))[-1] == "man"


@pytest.mark.slow
def test_thirty_seconds_are_heard_whole(engine: MoonshineEngine) -> None:
    audio = np.concatenate([recording(name).samples for name in ("jfk", "lv-0880", "lv-0890", "jfk")])[: 30 * 16_000]
    heard = hear(engine, audio)
    assert len(heard.words) > 50
    assert heard.words[-1].end <= 30.0


@pytest.mark.slow
def test_jobs_are_answered_in_order(engine: MoonshineEngine) -> None:
    jobs = [SegmentJob(recording(name).samples, 0.0, True) for name in ("LJ001-0002", "lv-0880")]
    first, second = engine.transcribe(jobs)
    assert plain(first)[-1] == "modern"
    assert plain(second)[-1] == "man"


@pytest.mark.slow
def test_audio_that_breaks_off_in_a_word_keeps_the_words_before_it(engine: MoonshineEngine) -> None:
    """At half a word the decoder stammers, and without an end the guard drops all of it."""
    audio = recording("LJ001-0002").samples[: int(1.248 * 16_000)]
    assert hear(engine, audio).words == ()
    [heard] = engine.transcribe([SegmentJob(audio, 0.0, True, breaks_off=True)])
    assert plain(heard)[:2] == ["in", "being"]
    assert heard.words[-1].end <= 1.3
