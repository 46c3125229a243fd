"""Fixtures for tests with lines."""

from __future__ import annotations

from math import inf
from types import SimpleNamespace

import pytest

from caesura.client import lead, line


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines wait for their next attempt a fiftieth of the longest time, instead of a random part of it."""
    monkeypatch.setattr(line, "random", SimpleNamespace(random=lambda: 0.02))


@pytest.fixture
def all_is_live(monkeypatch: pytest.MonkeyPatch) -> None:
    """Audio is taken for live, however fast it comes: no test waits as long as it would take to speak."""
    monkeypatch.setattr(lead, "LEAD_S", inf)
