"""Servers that the conformance tests share, each started once and only when a test needs it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.speech import WINDOW_S, WIRE_WINDOW_S
from tests.server_process import ServerProcess, start_server

HERE = Path(__file__).parent
KEY = "k-5f1d0c7e-conformance"


@pytest.fixture(scope="session")
def scripted() -> Iterator[ServerProcess]:
    """Plays the script, lets everybody in, waits `WINDOW_S` for a silent client."""
    with start_server(idle_timeout_s=WINDOW_S) as served:
        yield served


@pytest.fixture(scope="session")
def moonshine() -> Iterator[ServerProcess]:
    """The default engine, otherwise as `scripted`."""
    with start_server(engine="moonshine", idle_timeout_s=WINDOW_S) as served:
        yield served


@pytest.fixture(scope="session")
def quick() -> Iterator[ServerProcess]:
    """Waits only `WIRE_WINDOW_S` for a silent client."""
    with start_server(idle_timeout_s=WIRE_WINDOW_S) as served:
        yield served


@pytest.fixture(scope="session")
def keyed() -> Iterator[ServerProcess]:
    """A server that requires `KEY`."""
    with start_server(keys=[KEY]) as served:
        yield served


@pytest.fixture(scope="session")
def key() -> str:
    """The key of the server `keyed`."""
    return KEY


@pytest.fixture(scope="session")
def node() -> str:
    """Node, with the SDK that the lock file pins; installed here unless `make` has done it."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found is None or npm is None:
        pytest.skip("node and npm are needed for the JavaScript SDK; install Node.js 20 or newer")
    stamp = HERE / "node_modules" / ".installed"
    if not stamp.exists() or stamp.stat().st_mtime < (HERE / "package-lock.json").stat().st_mtime:
        done = subprocess.run(
            [npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=HERE,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, f"npm ci failed:\n{done.stdout}{done.stderr}"
        stamp.touch()
    return found
