"""The libraries that run models: found without loading them, and the error where one is missing."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys

import pytest

from caesura.distribution import install_command
from caesura.engines.models.families import CATALOGUES
from caesura.engines.models.runtime import LIBRARY, library_version
from caesura.errors import EngineError
from tests.engines.models.without_whisper import without_library


def test_the_version_is_found_without_loading_the_library() -> None:
    code = (
        "import sys; from caesura.engines.models.runtime import LIBRARY, library_version;"
        "print(library_version('whisper', LIBRARY));"
        "sys.exit(any(name in sys.modules for name in ('numpy', 'ctranslate2', 'faster_whisper')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == importlib.metadata.version("faster-whisper")


def test_where_it_is_missing_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    without_library(monkeypatch)
    wanted = f"engine whisper needs the package faster-whisper: `{install_command('whisper')}` installs it"
    with pytest.raises(EngineError, match=re.escape(wanted)):
        library_version("whisper", LIBRARY)


def test_each_family_names_its_own_library_and_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    library = CATALOGUES["onnx-asr"].library
    assert library_version("onnx-asr", library) == importlib.metadata.version("onnx-asr")
    without_library(monkeypatch)
    wanted = f"engine onnx-asr needs the package onnx-asr: `{install_command('onnx-asr')}` installs it"
    with pytest.raises(EngineError, match=re.escape(wanted)):
        library_version("onnx-asr", library)


def test_a_library_that_is_missing_is_named_with_its_extra() -> None:
    assert library_version("server", "numpy")
    sentence = f"engine vosk needs the package no-such-package: `{install_command('vosk')}` installs it"
    with pytest.raises(EngineError, match=re.escape(sentence)):
        library_version("vosk", "no-such-package")
