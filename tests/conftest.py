"""What every test runs under: Hypothesis without deadlines, because a shared machine has pauses of its own."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
# For `make check`, which looks at each law again with every change; `make test` looks longer.
settings.register_profile("fast", deadline=None, derandomize=True, max_examples=20)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(scope="session")
def nowhere(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A directory in place of the one for this user's data."""
    return str(tmp_path_factory.mktemp("data"))


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, nowhere: str) -> None:
    """A developer's own CAESURA_... variables and ledger must not decide a test, nor a test touch them."""
    monkeypatch.setenv("XDG_DATA_HOME", nowhere)
    for name in [name for name in os.environ if name.startswith("CAESURA_")]:
        monkeypatch.delenv(name)
