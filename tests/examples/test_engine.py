"""The worked example of docs/writing-an-engine.md: built, installed, and used by a worker and through a server."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import wave
import zipfile
from pathlib import Path

import numpy as np
import pytest

from caesura import connect
from caesura.engines.base import Hypothesis, Priority, SegmentJob
from caesura.engines.registry import declared, engine_info
from caesura.workers.base import JobLost
from caesura.workers.pool import EnginePool
from tests.server_process import start_server
from tests.waiting import until

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "engine"
RECORDING = ROOT / "tests" / "data" / "lv-0880.wav"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the example was installed: built into a wheel by its own build system, and unpacked as installers do."""
    folder = tmp_path_factory.mktemp("engine")
    source = shutil.copytree(EXAMPLE, folder / "source")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "wheel")]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    (wheel,) = (folder / "wheel").glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder / "site")
    return folder / "site"


@pytest.fixture
def plugged(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example is importable here, and in the processes that are started from here."""
    monkeypatch.syspath_prepend(str(installed))
    paths = [str(installed), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    return installed


def test_it_is_found_by_the_name_that_its_package_declares(plugged: Path) -> None:
    assert declared()["meter"] == "caesura-meter"
    assert engine_info("meter").name == "level-meter"


def test_a_worker_of_the_pool_transcribes_with_it(plugged: Path) -> None:
    """A sine of full scale has half its power, 3 dB less; a tenth of it 20 dB less; silence is at the floor."""
    time = np.arange(8_000) / 16_000
    tone = np.sin(2 * np.pi * 440 * time)
    audio = np.concatenate((tone, 0.1 * tone, np.zeros(4_000))).astype(np.float32)
    told: list[Hypothesis | JobLost] = []

    async def transcribe() -> None:
        pool = EnginePool("meter", workers=1)
        await pool.start()
        try:
            pool.submit("test", SegmentJob(audio, 0.0, Priority.FINAL), told.append)
            await until(lambda: told)
        finally:
            await pool.stop()

    asyncio.run(transcribe())
    (heard,) = told
    assert isinstance(heard, Hypothesis)
    assert [(word.text, word.start, word.end) for word in heard.words] == [
        ("-3dB", 0.0, 0.5),
        ("-23dB", 0.5, 1.0),
        ("-90dB", 1.0, 1.25),
    ]


def test_a_server_runs_it_for_any_client(plugged: Path) -> None:
    with wave.open(str(RECORDING)) as opened:
        rate, pcm = opened.getframerate(), opened.readframes(opened.getnframes())

    async def transcribe(url: str) -> list[str]:
        async with connect(url, live=False, sample_rate=rate) as line:
            async for _ in line.transcribe(pcm[at : at + 8_000] for at in range(0, len(pcm), 8_000)):
                pass
            return [word.text for word in (await line.finish()).words]

    with start_server(engine="meter") as server:
        heard = asyncio.run(transcribe(server.url))
    assert len(heard) >= 4
    assert all(re.fullmatch(r"-\d\ddb", word) for word in heard)


@pytest.mark.parametrize("file", ["pyproject.toml", "caesura_meter.py"])
def test_the_docs_show_the_example_as_it_is(file: str) -> None:
    assert f"\n{(EXAMPLE / file).read_text().strip()}\n```" in (ROOT / "docs" / "writing-an-engine.md").read_text()
