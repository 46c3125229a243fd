"""Engines by name: those that ship, those that other packages declare, and unknown names."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from caesura.distribution import install_command
from caesura.engines import registry
from caesura.engines.base import Engine, EngineInfo, Hypothesis, Priority, SegmentJob
from caesura.engines.registry import (
    ENGINES,
    FAMILIES,
    GROUP,
    EngineSpec,
    declared,
    engine_info,
    engine_spec,
    load_any_engine,
    load_engine,
    with_model_folder,
)
from caesura.engines.scripted import ScriptedEngine
from caesura.errors import EngineError, UsageError
from tests.recognizer_bench import sound
from tests.streaming_engines import ChainEngine, chained

OWN_INFO = EngineInfo("own", "3", "none", ("de",), 0.1, 5.0)


class Deaf:
    """An engine that recognizes nothing."""

    def transcribe(self, jobs: Sequence[SegmentJob]) -> list[Hypothesis]:
        """Nothing for each job."""
        return [Hypothesis() for _ in jobs]


def broken() -> Engine:
    """A `load` that fails with an unexpected exception."""
    raise FileNotFoundError("weights.bin")


def refusing() -> Engine:
    """A load that fails with its own sentence."""
    raise EngineError("the weights are for another machine")


@pytest.fixture
def plugged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module as a third party would install it; returns its name."""
    module = ModuleType("somebodys_engine")
    vars(module).update(
        spec=EngineSpec(OWN_INFO, Deaf),
        broken=EngineSpec(OWN_INFO, broken),
        refusing=EngineSpec(OWN_INFO, refusing),
        streaming=EngineSpec(replace(OWN_INFO, streaming=True), ChainEngine),
        modest=EngineSpec(OWN_INFO, ChainEngine),
        boastful=EngineSpec(replace(OWN_INFO, streaming=True), Deaf),
        number=7,
    )
    monkeypatch.setitem(sys.modules, module.__name__, module)
    (tmp_path / "somebodys_breaking_engine.py").write_text("raise RuntimeError('no licence')")
    monkeypatch.syspath_prepend(str(tmp_path))
    return module.__name__


def test_the_scripted_engine_loads_by_name() -> None:
    """Info and engine belong together."""
    assert engine_info("scripted").name == "scripted"
    assert isinstance(load_engine("scripted"), ScriptedEngine)


def test_the_default_engine_is_in_the_table() -> None:
    """The name that settings default to exists."""
    assert set(ENGINES) == {"moonshine", "scripted"}


def test_whisper_is_a_family_of_which_a_model_is_chosen_behind_the_colon() -> None:
    """Known without its files; `whisper` alone is the usual model."""
    assert set(FAMILIES) == {"onnx-asr", "sherpa", "vosk", "whisper"}
    assert engine_info("whisper") == engine_info("whisper:small")
    assert engine_info("whisper:tiny.en").name == "whisper-tiny.en"
    with pytest.raises(UsageError, match="no Whisper model is called 'smal'"):
        engine_info("whisper:smal")


def test_onnx_asr_is_a_family_too(tmp_path: Path) -> None:
    """Its models have names of their own."""
    assert engine_info("onnx-asr").name == engine_info("onnx-asr:parakeet-v3").name == "parakeet-tdt-0.6b-v3"
    with pytest.raises(UsageError, match="no model of onnx-asr is called 'small'"):
        engine_info("onnx-asr:small")
    with pytest.raises(EngineError, match="caesura models pull canary-1b-v2"):
        with_model_folder("onnx-asr:canary-1b-v2", tmp_path)


def test_a_model_is_placed_and_an_engine_without_one_stays(tmp_path: Path) -> None:
    """What goes to other processes names the folder."""
    assert with_model_folder("moonshine", tmp_path) == "moonshine"
    with pytest.raises(EngineError, match="caesura models pull tiny"):
        with_model_folder("whisper:tiny", tmp_path)
    folder = tmp_path / "whisper" / "tiny"
    folder.mkdir(parents=True)
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"):
        (folder / name).touch()
    name = with_model_folder("whisper:tiny", tmp_path)
    assert name == f"whisper:{folder}@cpu"
    assert with_model_folder(name, Path("/elsewhere")) == name


def test_an_unknown_name_lists_those_there_are() -> None:
    """The sentence names the field, the value and what would be right."""
    names = "moonshine, onnx-asr, scripted, sherpa, vosk, whisper"
    with pytest.raises(UsageError, match=f"engine: .*'whispr'; choose one of {names}, or"):
        engine_info("whispr")


@pytest.mark.parametrize("name", ["", ":", "module:", ":spec"])
def test_half_a_path_is_an_unknown_name(name: str) -> None:
    """Both the module and the attribute are needed."""
    with pytest.raises(UsageError, match="no engine is called"):
        engine_spec(name)


def test_a_third_party_engine_is_loaded_by_path(plugged: str) -> None:
    """The attribute is an EngineSpec."""
    assert engine_info(f"{plugged}:spec") is OWN_INFO
    assert load_engine(f"{plugged}:spec").transcribe([]) == []


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("no_such_module:spec", "cannot be imported: ModuleNotFoundError"),
        ("somebodys_engine:other", "cannot be imported: AttributeError"),
        ("somebodys_breaking_engine:spec", "cannot be imported: RuntimeError: no licence"),
        ("somebodys_engine:number", "is int; name a caesura.engines.registry.EngineSpec"),
    ],
)
def test_a_path_that_leads_to_no_spec_is_named(plugged: str, path: str, sentence: str) -> None:
    """The sentence names what was found there."""
    with pytest.raises(UsageError, match=f"{path}.*{sentence}"):
        engine_spec(path)


def declare(site: Path, package: str, **points: str) -> None:
    """Puts a package's metadata into `site`, as an installer would."""
    folder = site / f"{package}-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in points.items()]
    (folder / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines, ""]))


@pytest.fixture
def site(plugged: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder from which packages are importable."""
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return tmp_path / "site"


def test_a_package_declares_an_engine_by_a_name_of_its_own(site: Path) -> None:
    """An entry point leads to the EngineSpec, and the name is listed among those there are."""
    declare(site, "somebodys", theirs="somebodys_engine:spec")
    assert engine_info("theirs") is OWN_INFO
    assert load_engine("theirs").transcribe([]) == []
    assert declared()["theirs"] == "somebodys"
    with pytest.raises(UsageError, match=r"choose one of moonshine, onnx-asr, .*theirs, vosk, whisper, or"):
        engine_spec("thers")


def test_a_name_that_two_packages_declare_is_refused(site: Path) -> None:
    """The sentence names both packages, and the path by which each engine can be selected."""
    declare(site, "one", theirs="somebodys_engine:spec")
    declare(site, "two", theirs="somebodys_engine:other")
    with pytest.raises(UsageError) as caught:
        engine_spec("theirs")
    assert str(caught.value) == (
        "engine: 'theirs' is declared by one and two; "
        "name the one you mean by its path: somebodys_engine:other or somebodys_engine:spec"
    )


def test_no_package_takes_the_place_of_an_engine_that_ships(site: Path) -> None:
    """Whatever is installed, `moonshine` is ours."""
    declare(site, "thief", moonshine="somebodys_engine:spec", whisper="somebodys_engine:spec")
    assert engine_info("moonshine").name == "moonshine-tiny-en"
    assert engine_info("whisper").name == "whisper-small"
    assert not {"moonshine", "whisper"} & set(declared())


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("no_such_module:spec", "cannot be imported: ModuleNotFoundError"),
        ("somebodys_engine:other", "cannot be imported: AttributeError"),
        ("somebodys_breaking_engine:spec", "cannot be imported: RuntimeError: no licence"),
        ("somebodys_engine:number", "is int; name a caesura.engines.registry.EngineSpec"),
    ],
)
def test_a_declared_object_that_is_not_an_engine_is_named(site: Path, value: str, sentence: str) -> None:
    """As for a path, the sentence names what was found there."""
    declare(site, "somebodys", theirs=value)
    with pytest.raises(UsageError, match=f"engine: 'theirs' {sentence}"):
        engine_spec("theirs")


def test_an_engine_that_cannot_load_says_why(plugged: str) -> None:
    """Unforeseen errors are wrapped, an engine's own sentence passes."""
    with pytest.raises(EngineError, match=r"somebodys_engine:broken cannot be loaded: FileNotFoundError: weights\.bin"):
        load_engine(f"{plugged}:broken")
    with pytest.raises(EngineError, match=r"^the weights are for another machine$"):
        load_engine(f"{plugged}:refusing")


def test_a_streaming_engine_loads_as_one_and_for_whole_segments(plugged: str) -> None:
    name = f"{plugged}:streaming"
    assert isinstance(load_any_engine(name), ChainEngine)
    (found,) = load_engine(name).transcribe([SegmentJob(sound(0, 4_000), 0.0, Priority.FINAL)])
    assert [word.text for word in found.words] == chained(sound(0, 4_000))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("modest", "streaming is False, and what it loads has the methods of a streaming engine"),
        ("boastful", "streaming is True, and what it loads lacks open, feed, results or close"),
    ],
)
def test_an_engine_of_another_kind_than_it_says_is_refused(plugged: str, name: str, sentence: str) -> None:
    with pytest.raises(EngineError, match=sentence):
        load_any_engine(f"{plugged}:{name}")


def test_a_library_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A base install names the missing extra."""

    def missing() -> EngineSpec:
        raise ModuleNotFoundError("No module named 'onnxruntime'")

    monkeypatch.setattr(registry, "ENGINES", {"moonshine": missing})
    with pytest.raises(EngineError, match=re.escape(f"No module named 'onnxruntime'; {install_command('server')}")):
        engine_info("moonshine")


def test_the_registry_imports_no_engine_library(tmp_path: Path) -> None:
    """Looking up the scripted engine pulls neither a neural runtime nor an aligner into the process."""
    code = (
        "import sys; from caesura.engines.registry import load_engine; load_engine('scripted');"
        "heavy = ('onnxruntime', 'onnx_asr', 'pocketsphinx', 'caesura.engines.moonshine', 'caesura.engines.onnx_asr');"
        "sys.exit(any(name in sys.modules for name in heavy))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=tmp_path).returncode == 0
