"""An environment without the extras `whisper` and `onnx-asr`, for tests: in this process, and in those it starts."""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path

import pytest

HIDDEN = ("ctranslate2", "faster_whisper", "huggingface_hub", "onnx_asr", "tokenizers")
"""Import names of what only these extras install."""

_SITE = f"""
import importlib.metadata as metadata, sys
HIDDEN = {HIDDEN!r}
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hide())
found = metadata.Distribution.from_name.__func__
def from_name(cls, name):
    if name.replace("-", "_") in HIDDEN:
        raise metadata.PackageNotFoundError(name)
    return found(cls, name)
metadata.Distribution.from_name = classmethod(from_name)
"""


def without_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process neither faster-whisper nor onnx-asr can be found any more."""
    found = importlib.metadata.version

    def version(name: str) -> str:
        if name.replace("-", "_") in HIDDEN:
            raise importlib.metadata.PackageNotFoundError(name)
        return found(name)

    monkeypatch.setattr(importlib.metadata, "version", version)


def children_without_library(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Python processes that are started from now on have none of `HIDDEN`; `folder` holds what hides them."""
    (folder / "sitecustomize.py").write_text(_SITE)
    paths = (str(folder), os.environ.get("PYTHONPATH"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in paths if path))
