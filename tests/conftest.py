"""Settings of every test: Hypothesis profiles, time limits, and an environment without the developer's own settings."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.mark_selection import GROUPS, certain_marks, is_in_slow_folder, may_select, possible_marks

# Nothing here depends on how long examples take: a shared machine has pauses of its own.
UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", UNTIMED)
settings.register_profile("ci", UNTIMED, derandomize=True, print_blob=True)
# For `make check`, which runs with every change. `make test` tries more examples, `make explore` new ones.
settings.register_profile("fast", UNTIMED, derandomize=True, max_examples=10, stateful_step_count=30)
settings.register_profile("explore", UNTIMED, max_examples=1000, stateful_step_count=100, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

SLOW_TIMEOUT_S = 600.0
"""Time limit of a slow test, fixtures included: it may load models, build programs or talk in real time."""


LONGEST = (
    "test_chaos.py",
    "test_examples.py",
    "test_shutdown.py",
    "test_encodings.py",
    "test_schemathesis.py",
    "test_demo.py",
    "test_bad_input.py",
    "test_python_sdk.py",
    "test_documented_examples.py",
    "test_moonshine.py",
    "test_management.py",
)
"""The longest files of slow tests: they are begun first, so that no process has one left when the others are done.

Only with `--no-loadscope-reorder`: otherwise xdist begins with the files that have the most tests.
"""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep what is collected out of garbage collections: it stays to the end, and each full one would go through it.

    Later ones are rarer than Python's usual 700 objects would have them, which cost a tenth of the time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000, 10, 10)
        gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no file that `-m` selects nothing from, unless it was named: half of the time of collecting."""
    if not collection_path.name.startswith("test_") or collection_path.suffix != ".py":
        return None
    named = {(config.invocation_params.dir / argument.partition("::")[0]).resolve() for argument in config.args}
    if collection_path in named:
        return None
    expression: str = config.option.markexpr
    return not may_select(expression, certain_marks(collection_path), possible_marks(collection_path)) or None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark tests of slow folders, and refuse marks that `pytest_ignore_collect` does not expect."""
    if is_in_slow_folder(item.path):
        item.add_marker("slow")
    marks = GROUPS & {mark.name for mark in item.iter_markers()}
    if not certain_marks(item.path) <= marks <= possible_marks(item.path):
        raise pytest.UsageError(f"{item.nodeid}: tests/mark_selection.py does not see the marks {sorted(marks)}")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, and give slow tests more time, unless they have a time limit of their own."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))
    for item in items:
        slow = any(item.get_closest_marker(name) for name in ("slow", "conformance"))
        if slow and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(SLOW_TIMEOUT_S))


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep a developer's own CAESURA_... variables and ledger out of tests, and tests out of them."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        for name in [name for name in os.environ if name.startswith("CAESURA_")]:
            monkeypatch.delenv(name)
        yield


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Address of a PostgreSQL server; the test is skipped where that is not installed."""
    from tests import postgres  # which cannot be imported on Windows

    if postgres.programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with postgres.running() as server:
        yield server.url
