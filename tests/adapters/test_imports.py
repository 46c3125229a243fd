"""The error for an adapter whose stack is not installed."""

from __future__ import annotations

import importlib
import sys

import pytest


@pytest.mark.parametrize(
    ("adapter", "stack", "package"),
    [
        ("deepgram", "deepgram", "deepgram-sdk>=6,<8"),
        ("pipecat", "pipecat", "pipecat-ai>=1.14"),
        ("livekit", "livekit", "livekit-agents>=1.8"),
    ],
)
def test_a_missing_stack_is_named_with_what_to_install(
    adapter: str, stack: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in tuple(sys.modules):
        if name == stack or name.startswith(f"{stack}."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, stack, None)
    monkeypatch.delitem(sys.modules, f"caesura.adapters.{adapter}", raising=False)
    with pytest.raises(ImportError, match=f"pip install '{package}'"):
        importlib.import_module(f"caesura.adapters.{adapter}")


def test_the_adapters_package_needs_nothing() -> None:
    importlib.import_module("caesura.adapters")
    importlib.import_module("caesura.adapters.captured_line")
