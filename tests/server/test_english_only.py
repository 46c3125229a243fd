"""A server without the extra `whisper`: English works, and errors name what Whisper needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

import caesura.sync
from caesura.distribution import install_command
from tests.engines.models.without_whisper import HIDDEN, children_without_library
from tests.recordings import recording
from tests.server_process import start_server

pytestmark = pytest.mark.slow

SAMPLES = recording("lv-0880").samples


@pytest.fixture(autouse=True)
def hidden(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    children_without_library(monkeypatch, tmp_path)


@pytest.mark.parametrize("module", HIDDEN)
def test_children_cannot_import_what_only_whisper_needs(module: str) -> None:
    """Otherwise the tests below would prove nothing."""
    done = subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, text=True, check=False)
    assert f"No module named '{module}'" in done.stderr


def test_a_stream_and_a_recording_are_transcribed_with_speakers_and_formatting() -> None:
    pcm = (SAMPLES * 32_767).astype("<i2").tobytes()
    asked: dict[str, Any] = {"smart_format": "true", "diarize": "true"}
    with start_server(engine="moonshine") as server:
        with caesura.sync.connect(server.url, live=False, sample_rate=16_000, **asked) as line:
            line.send(pcm)
            live = line.finish().words
        answer = httpx2.post(
            f"{server.url.replace('ws', 'http', 1)}/v1/listen",
            params={**asked, "encoding": "linear16", "sample_rate": "16000"},
            content=pcm,
            timeout=60,
        )
    (channel,) = answer.raise_for_status().json()["results"]["channels"]
    whole = channel["alternatives"][0]["words"]
    assert len(live) > 5
    assert len(whole) > 5
    assert all(word.speaker == 0 for word in live)
    assert all(word["speaker"] == 0 for word in whole)


def test_serving_whisper_without_the_extra_names_what_to_install(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "caesura", "serve", "--port", "0", "--engine", "whisper:tiny"],
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert f"engine whisper needs the package faster-whisper: `{install_command('whisper')}`" in done.stderr
