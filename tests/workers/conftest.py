"""Fixtures of the tests of workers."""

from __future__ import annotations

import pytest

from tests.workers import pool_engines


@pytest.fixture(autouse=True)
def _children_before() -> None:
    """Other tests may have left a server running, which does not count as a child of this test."""
    pool_engines.known.clear()
    pool_engines.known.update(pool_engines.children())
