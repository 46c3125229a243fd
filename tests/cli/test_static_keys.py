"""Which keys a server takes from flags and variables, and that a client's own key is not one of them."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest

from caesura.cli.static_keys import static_keys
from caesura.errors import UsageError
from caesura.ledger.keys import NewKey
from tests.server.outside import Outside
from tests.waiting import wait_until


@pytest.fixture
def outside(tmp_path: Path) -> Outside:
    return Outside(tmp_path / "ledger.db")


@pytest.fixture
def known(outside: Outside) -> NewKey:
    return outside.key()


def test_without_the_variable_of_clients_the_keys_are_those_given(outside: Outside) -> None:
    assert static_keys(["a b", "b,c"], str(outside.path)) == ("a", "b", "c")
    assert static_keys([], str(outside.path)) == ()
    assert not outside.path.exists()


@pytest.mark.parametrize("ledger", ["missing", "without the key"])
def test_a_clients_key_that_is_not_in_the_ledger_is_refused(
    ledger: str, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence explains the variable and what to do, but does not contain the key."""
    if ledger != "missing":
        outside.key()
    monkeypatch.setenv("CAESURA_KEY", "very-secret")
    with pytest.raises(UsageError, match=r"CAESURA_KEY is set.*unset it.*CAESURA_STATIC_KEYS") as caught:
        static_keys([], str(outside.path))
    assert "very-secret" not in str(caught.value)
    assert outside.path.exists() is (ledger != "missing")


def test_one_unknown_key_among_known_ones_is_refused(
    outside: Outside, known: NewKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAESURA_KEY", f"{known.secret},unknown")
    with pytest.raises(UsageError, match="CAESURA_STATIC_KEYS"):
        static_keys([], str(outside.path))


@pytest.mark.parametrize("revoked", [False, True])
def test_a_clients_key_that_is_in_the_ledger_is_ignored_with_a_note(
    revoked: bool, outside: Outside, known: NewKey, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if revoked:
        outside.revoke(known)
    monkeypatch.setenv("CAESURA_KEY", known.secret)
    with caplog.at_level(logging.INFO, "caesura.server"):
        assert static_keys([], str(outside.path)) == ()
    assert len(caplog.messages) == 1
    assert "CAESURA_KEY is ignored" in caplog.text
    assert known.secret not in caplog.text


def test_beside_static_keys_a_clients_key_is_ignored(
    outside: Outside, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CAESURA_KEY", "mine")
    with caplog.at_level(logging.INFO, "caesura.server"):
        assert static_keys(["theirs"], str(outside.path)) == ("theirs",)
    assert "CAESURA_KEY is ignored" in caplog.text


def test_keys_are_looked_up_in_the_ledger_of_the_server(
    outside: Outside, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a name, the usual place."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    usual = Outside(tmp_path / "caesura" / "ledger.db")
    usual.path.parent.mkdir()
    monkeypatch.setenv("CAESURA_KEY", usual.key(now=datetime.now(UTC)).secret)
    assert static_keys([], None) == ()
    with pytest.raises(UsageError):
        static_keys([], str(outside.path))


@pytest.mark.slow
def test_a_server_that_inherits_a_clients_key_refuses_it_once_it_is_revoked(outside: Outside, known: NewKey) -> None:
    with serving_with(CAESURA_KEY=known.secret, CAESURA_DATABASE=str(outside.path)) as url:
        assert status_of(url, known.secret) != 401
        outside.revoke(known)
        wait_until(lambda: status_of(url, known.secret) == 401)
        assert status_of(url, None) == 401


@contextmanager
def serving_with(**variables: str) -> Iterator[str]:
    """`caesura serve` in a process of its own with these variables; the address of its recordings."""
    command = [sys.executable, "-m", "caesura", "serve", "--engine", "scripted", "--workers", "1", "--port", "0"]
    with subprocess.Popen(command, env=os.environ | variables, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            yield child.stdout.readline().split()[-1].replace("ws://", "http://")
        finally:
            child.terminate()


def status_of(url: str, key: str | None) -> int:
    headers = {} if key is None else {"Authorization": f"Token {key}"}
    return httpx2.post(url, headers=headers, content=b"").status_code
