"""The distribution's name: the command that installs an extra, and every place in the repository that spells it."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement

import caesura
from caesura.distribution import DISTRIBUTION, install_command, requirement
from tests.source_tree import ROOT, expect_none

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = frozenset(PROJECT["optional-dependencies"])


def came_from(monkeypatch: pytest.MonkeyPatch, record: object) -> None:
    """Pretend that the installer wrote `record` down as direct_url.json; None: it wrote none."""
    text = None if record is None else json.dumps(record)
    pretended = SimpleNamespace(read_text=lambda name: {"direct_url.json": text}[name])
    monkeypatch.setattr("importlib.metadata.distribution", lambda name: {DISTRIBUTION: pretended}[name])


# ---- the command ----


def test_pyproject_has_the_same_name_and_takes_the_version_from_the_code() -> None:
    """`make setup` installs anew when `caesura.__version__` changes."""
    assert (PROJECT["name"], PROJECT["dynamic"]) == (DISTRIBUTION, ["version"])
    assert "version" not in PROJECT


def test_the_installed_package_has_that_name() -> None:
    """What looks up metadata by DISTRIBUTION finds this package."""
    assert version(DISTRIBUTION) == caesura.__version__
    assert set(distribution(DISTRIBUTION).metadata.get_all("Provides-Extra") or ()) == EXTRAS


def test_an_install_from_an_index_is_completed_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    came_from(monkeypatch, None)
    assert install_command("server") == "pip install 'caesura-stt[server]'"


@pytest.mark.parametrize(
    ("record", "url"),
    [
        ({"url": "file:///home/me/clone%20two", "dir_info": {}}, "file:///home/me/clone%20two"),
        ({"url": "file:///tmp/c-0.1-py3-none-any.whl", "archive_info": {}}, "file:///tmp/c-0.1-py3-none-any.whl"),
        (
            {"url": "https://git.example/c.git", "vcs_info": {"vcs": "git", "commit_id": "0a1b"}},
            "git+https://git.example/c.git@0a1b",
        ),
    ],
    ids=["clone", "wheel", "repository"],
)
def test_an_install_from_elsewhere_is_completed_from_there(
    monkeypatch: pytest.MonkeyPatch, record: object, url: str
) -> None:
    """No index is asked: pip gets one requirement, which names the place."""
    came_from(monkeypatch, record)
    (argument,) = shlex.split(requirement("mic"))
    parsed = Requirement(argument)
    assert (parsed.name, parsed.extras, parsed.url) == (DISTRIBUTION, {"mic"}, url)


def test_an_editable_install_stays_editable(monkeypatch: pytest.MonkeyPatch) -> None:
    came_from(monkeypatch, {"url": "file:///home/me/clone%20two", "dir_info": {"editable": True}})
    assert shlex.split(install_command("audio")) == ["pip", "install", "-e", "/home/me/clone two[audio]"]


def test_a_folder_of_sources_that_was_never_installed_has_a_command_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.distribution", missing)
    assert install_command("mic") == "pip install 'caesura-stt[mic]'"


# ---- every place that spells it ----

SPELLED = re.compile(r"(?<![\w/-])(caesura[\w-]*|\.)\[([a-z][a-z, ]*)\]")
INSTALLED = re.compile(
    r"(?:pip|pipx|uv tool|npm) install((?: +[^\s`;&]+)+)|\b(?:uv add|uvx|pipx run)((?: +[^\s`;&]+)+)"
)
SUFFIXES = {".md", ".py", ".toml", ".txt", ".sh", ".js", ".html", ".json"}


def pages() -> list[Path]:
    """Every text that a user may copy a command from."""
    found = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", "pyproject.toml")]
    for folder in ("src", "docs", "examples", "bench"):
        found += (path for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES)
    return sorted(path for path in found if "node_modules" not in path.parts)


def misspelled(text: str) -> Iterator[tuple[int, str]]:
    """Spellings of another project's name, extras that do not exist, and installs of ours from an index; with the line.

    Until the first release nothing of ours is on an index, so the texts install from the repository.
    """
    for match in SPELLED.finditer(text):
        extras = {extra.strip() for extra in match[2].split(",")}
        if match[1] not in (DISTRIBUTION, ".") or not extras <= EXTRAS:
            yield text.count("\n", 0, match.start()) + 1, match[0]
    for match in INSTALLED.finditer(text):
        for argument in (match[1] or match[2]).split():
            if argument.strip("'\"(,.").startswith("caesura"):
                yield text.count("\n", 0, match.start()) + 1, match[0]


def test_no_text_names_the_package_of_a_stranger() -> None:
    expect_none(f"{page}:{line}: {found}" for page in pages() for line, found in misspelled(page.read_text()))


@pytest.mark.parametrize(
    "text",
    [
        "`pip install caesura` is all",
        "pip install --upgrade 'caesura[server]'",
        "    $ pip install ./here caesura",
        'pip install "caesura-stt[server]"',
        "uv add caesura",
        "npm install caesura",
        "comes with `caesura[mic]`",
        'dependencies = ["caesura-stt[serve]"]',
        "pip install '.[servers]'",
    ],
)
def test_a_wrong_spelling_is_found(text: str) -> None:
    assert list(misspelled(text))


@pytest.mark.parametrize(
    "text",
    [
        "pip install '.[server,postgres]'; caesura serve",
        'dependencies = ["caesura-stt[server]"]',
        "`pip install deepgram-sdk`, then `caesura listen`",
    ],
)
def test_a_right_spelling_is_let_through(text: str) -> None:
    assert not list(misspelled(text))


def test_the_texts_that_install_something_are_among_the_pages() -> None:
    """Guards the search itself: these are known to hold an install of an extra."""
    spelling = {page for page in pages() if "pip install '.[" in page.read_text()}
    assert {ROOT / "README.md", ROOT / "docs" / "client.md", ROOT / "docs" / "ledger.md"} <= spelling
