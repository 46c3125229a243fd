"""The location of the ledger by default, and the error when there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from caesura.cli.database import default_database, ledger_at
from caesura.cli.errors import FAILED, MISUSED


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="a directory of XDG")
def test_the_default_is_in_the_users_data_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_database() == str(tmp_path / "caesura" / "ledger.db")
    monkeypatch.setenv("HOME", str(tmp_path))
    for nothing in ("", "relative"):
        monkeypatch.setenv("XDG_DATA_HOME", nothing)
        assert default_database() == str(tmp_path / ".local" / "share" / "caesura" / "ledger.db")


@pytest.mark.parametrize(
    ("platform", "expected"),
    [("darwin", "Library/Application Support/caesura/ledger.db"), ("win32", "AppData/Local/caesura/ledger.db")],
)
def test_other_systems_have_other_places(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, expected: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    assert default_database() == str(tmp_path / expected)


def test_commands_load_no_database_until_they_need_one() -> None:
    code = "import sys, caesura.cli.main; print(sorted({'sqlalchemy', 'alembic', 'jwt'} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"


def test_a_missing_ledger_ends_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as left, ledger_at(str(tmp_path / "gone.db")):
        pass
    assert left.value.exit_code == MISUSED
    assert "gone.db" in capsys.readouterr().err


def test_a_database_that_fails_ends_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ledger.db").write_text("no database " * 1000)
    with pytest.raises(typer.Exit) as left, ledger_at(str(tmp_path / "ledger.db")):
        pass
    assert left.value.exit_code == FAILED
    assert "file is not a database" in capsys.readouterr().err.replace("\n", " ")
