"""Settings in; the servers that the tests of this folder share out, each started once and only when asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.speech import WINDOW_S, WIRE_WINDOW_S
from tests.serving import Served, start_server

KEY = "k-5f1d0c7e-conformance"


@pytest.fixture(scope="session")
def scripted() -> Iterator[Served]:
    """Plays the script, lets everybody in, waits `WINDOW_S` for a silent client."""
    with start_server(idle_timeout_s=WINDOW_S) as served:
        yield served


@pytest.fixture(scope="session")
def moonshine() -> Iterator[Served]:
    """The default engine, otherwise as `scripted`."""
    with start_server(engine="moonshine", idle_timeout_s=WINDOW_S) as served:
        yield served


@pytest.fixture(scope="session")
def quick() -> Iterator[Served]:
    """Waits only `WIRE_WINDOW_S` for a silent client."""
    with start_server(idle_timeout_s=WIRE_WINDOW_S) as served:
        yield served


@pytest.fixture(scope="session")
def keyed() -> Iterator[Served]:
    """Lets in only who knows `KEY`."""
    with start_server(keys=[KEY]) as served:
        yield served


@pytest.fixture(scope="session")
def key() -> str:
    """The key that `keyed` knows."""
    return KEY
