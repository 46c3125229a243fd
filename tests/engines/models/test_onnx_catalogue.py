"""The catalogue of ONNX models: names, pinned commits, files, and architectures that the library knows."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from onnx_asr.loader import AsrNames
from onnx_asr.resolver import model_repos

from caesura.engines.models.catalogue import CatalogueEntry, is_repo
from caesura.engines.models.onnx_catalogue import (
    ONNX_ASR,
    ONNX_ASR_ALIASES,
    ONNX_ASR_CATALOGUE,
    ONNX_ASR_DEFAULT,
    SHERPA,
    SHERPA_CATALOGUE,
    SHERPA_DEFAULT,
)

ENTRIES = [*ONNX_ASR_CATALOGUE.values(), *SHERPA_CATALOGUE.values()]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.family}:{entry.name}")
def test_an_entry_pins_a_commit_and_names_its_files(entry: CatalogueEntry) -> None:
    """Files of another commit may have other names."""
    assert re.fullmatch(r"[0-9a-f]{40}", entry.revision)
    assert is_repo(entry.repo)
    assert len(set(entry.files)) == len(entry.files) >= 4
    assert not [name for name in entry.files if "/" in name]
    assert entry.size is not None
    assert 50_000_000 < entry.size < 1_100_000_000
    assert entry.licence
    assert entry.cpu is not None
    assert len(set(entry.languages)) == len(entry.languages) > 0


def test_the_families_are_told_apart() -> None:
    assert {entry.family for entry in ONNX_ASR_CATALOGUE.values()} == {ONNX_ASR}
    assert {entry.family for entry in SHERPA_CATALOGUE.values()} == {SHERPA}
    assert not set(ONNX_ASR_CATALOGUE) & set(SHERPA_CATALOGUE)


def test_defaults_and_aliases_are_in_the_catalogue() -> None:
    assert ONNX_ASR_DEFAULT in ONNX_ASR_CATALOGUE
    assert SHERPA_DEFAULT in SHERPA_CATALOGUE
    assert set(ONNX_ASR_ALIASES.values()) <= set(ONNX_ASR_CATALOGUE)
    assert not set(ONNX_ASR_ALIASES) & {*ONNX_ASR_CATALOGUE, *SHERPA_CATALOGUE}


@pytest.mark.parametrize("entry", ONNX_ASR_CATALOGUE.values(), ids=lambda entry: str(entry.name))
def test_onnx_asr_knows_the_architectures_and_has_the_same_repositories(entry: CatalogueEntry) -> None:
    assert entry.kind in get_args(AsrNames)
    assert entry.repo == model_repos[entry.kind]
