"""Errors as one sentence and an exit code."""

from __future__ import annotations

import pytest
import typer

from caesura.cli.errors import report_errors, require_server_extra
from caesura.distribution import install_command
from caesura.errors import CaesuraError, EngineError, UsageError


@pytest.mark.parametrize(("error", "code"), [(UsageError("do this"), 2), (EngineError("do this"), 1)])
def test_an_error_of_ours_is_a_sentence_on_stderr(
    error: CaesuraError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as left, report_errors():
        raise error
    assert left.value.exit_code == code
    assert capsys.readouterr() == ("", "do this\n")


def test_an_error_that_is_a_bug_stays_one() -> None:
    with pytest.raises(ZeroDivisionError), report_errors():
        _ = 1 / 0


def test_a_missing_package_of_the_extra_says_what_to_install(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as left, require_server_extra():
        raise ModuleNotFoundError("No module named 'uvicorn'", name="uvicorn")
    assert left.value.exit_code == 2
    assert install_command("server") in capsys.readouterr().err


def test_a_missing_module_of_this_package_is_not_reported_as_a_missing_extra() -> None:
    with pytest.raises(ModuleNotFoundError), require_server_extra():
        raise ModuleNotFoundError("No module named 'caesura.nothing'", name="caesura.nothing")
