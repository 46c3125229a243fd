"""What every test runs under: Hypothesis without deadlines, because a shared machine has pauses of its own."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own CAESURA_... variables must not decide a test."""
    for name in [name for name in os.environ if name.startswith("CAESURA_")]:
        monkeypatch.delenv(name)
