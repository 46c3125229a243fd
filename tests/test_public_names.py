"""Public names of `caesura` and `caesura.sync`, and the modules that importing them loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import caesura
import caesura.sync
from caesura import errors
from caesura.client import config, events, faults, line, microphone, recording, sync
from caesura.timeline import Timeline

ROOT = Path(caesura.__file__).parent

NAMES = {
    "Accepted": events,
    "Buffered": events,
    "Closed": events,
    "Dropped": events,
    "Event": events,
    "Final": events,
    "Gap": events,
    "Interim": events,
    "Notice": events,
    "Paused": events,
    "Reconnected": events,
    "Reconnecting": events,
    "Resumed": events,
    "Sent": events,
    "SpeechStarted": events,
    "Stats": events,
    "TimedWord": events,
    "Transcript": events,
    "UtteranceEnd": events,
    "Faults": faults,
    "Line": line,
    "connect": line,
    "microphone": microphone,
    "Tuning": config,
    "recording": recording,
    "BadAnswer": errors,
    "BadCredentials": errors,
    "CaesuraError": errors,
    "ReconnectFailed": errors,
    "ConnectionClosedByServer": errors,
    "LineError": errors,
    "PaymentRequired": errors,
    "PeerError": errors,
    "Refused": errors,
    "TooManyStreams": errors,
    "Unreachable": errors,
    "UsageError": errors,
    "Timeline": import_module("caesura.timeline"),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_the_object_it_names(name: str) -> None:
    assert getattr(caesura, name) is getattr(NAMES[name], name)


def test_these_are_all_public_names() -> None:
    """A name that is added here is a promise; removing one breaks users' programs."""
    assert set(caesura._HOMES) == set(NAMES)
    assert {*NAMES, "sync", "__version__"} <= set(dir(caesura))


def test_type_checkers_see_the_names_that_programs_get() -> None:
    tree = ast.parse((ROOT / "__init__.py").read_text())
    (checked,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        (alias.asname, node.module)
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if node.module != "caesura"
    }
    assert seen == set(caesura._HOMES.items())


def test_everything_that_a_line_hands_out_is_public() -> None:
    assert set(events.Event.__args__) <= {getattr(caesura, name) for name in NAMES}
    assert set(events.Sent.__args__) <= {getattr(caesura, name) for name in NAMES}
    assert caesura.Timeline is Timeline


@pytest.mark.parametrize(("old", "new"), [("GaveUp", "ReconnectFailed"), ("HungUp", "ConnectionClosedByServer")])
def test_a_name_that_changed_still_works_and_warns(old: str, new: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"caesura.{old} is now called caesura.{new}") as caught:
        assert getattr(caesura, old) is getattr(caesura, new)
    assert caught[0].filename == __file__
    with pytest.warns(DeprecationWarning, match=f"caesura.{old} is now called"):
        assert getattr(errors, old) is getattr(caesura, new)


def test_an_unknown_name_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="module 'caesura' has no attribute 'conect'"):
        _ = caesura.conect


def test_the_twin_has_its_own_line_and_connect() -> None:
    assert caesura.sync.__all__ == ["Line", "connect"]
    assert (caesura.sync.Line, caesura.sync.connect) == (sync.Line, sync.connect)
    assert issubclass(caesura.sync.Line, line.LineBase)
    assert issubclass(caesura.Line, line.LineBase)


def loaded_by(statement: str) -> set[str]:
    """The modules that a new interpreter has loaded behind a statement."""
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


@pytest.mark.slow
def test_importing_the_package_loads_neither_the_client_nor_the_server() -> None:
    loaded = {name for name in loaded_by("import caesura") if name.startswith("caesura")}
    assert loaded == {"caesura"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "statement", ["import caesura; caesura.connect", "import caesura.sync", "import caesura.testing"]
)
def test_the_client_loads_no_modules_of_the_server(statement: str) -> None:
    loaded = loaded_by(statement)
    assert "caesura.protocol.messages" in loaded
    assert not loaded & {"numpy", "onnxruntime", "starlette", "uvicorn", "av", "sounddevice", "caesura.server"}


@pytest.mark.slow
def test_caesura_sync_is_available_after_importing_caesura() -> None:
    assert "caesura.client.sync" in loaded_by("import caesura; caesura.sync.connect")
    assert "caesura.client.line" in loaded_by("from caesura import sync, connect")
