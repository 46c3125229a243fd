"""Fixtures for tests with lines."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from caesura.client import line


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines wait for their next attempt a fiftieth of the longest time, instead of a random part of it."""
    monkeypatch.setattr(line, "random", SimpleNamespace(random=lambda: 0.02))
