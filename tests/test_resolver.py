"""Dry runs of the resolver: ready-made wheels for all extras on every platform and Python version that we support.

`make resolve` runs them. They need uv and a package registry, download metadata only, and install nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement

pytestmark = [pytest.mark.slow, pytest.mark.registry]

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = {
    "Linux x86-64": "x86_64-manylinux_2_34",
    "Linux arm64": "aarch64-manylinux_2_34",
    "macOS arm64": "aarch64-apple-darwin",
    "Windows x86-64": "x86_64-pc-windows-msvc",
}
"""Oldest systems of each kind that the README names; glibc 2.34 is that of Ubuntu 22.04, Debian 12 and RHEL 9."""
MACOS = "15.0"
WITHOUT_WHEEL = "srt"
"""One pure module, needed by vosk, which pip builds in a second without a compiler."""


def unresolved(requirements: list[str], *, python: str, platform: str) -> str:
    """The error of uv if no set of wheels satisfies `requirements`; "" if one does."""
    uv = shutil.which("uv") or shutil.which(ROOT / ".tools" / "bin" / "uv")
    assert uv is not None, "uv is neither on the PATH nor in .tools; `make setup` fetches it"
    command = [
        uv,
        "pip",
        "compile",
        "--quiet",
        "--no-config",
        "--only-binary",
        ":all:",
        "--no-binary",
        WITHOUT_WHEEL,
        "-",
    ]
    command += ["--python-version", python, "--python-platform", platform]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "MACOSX_DEPLOYMENT_TARGET": MACOS},
        input="\n".join(requirements),
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stderr.strip() or f"uv left with {done.returncode}"


def lacking(requirements: list[str], **target: str) -> list[str]:
    """Every complaint about `requirements`, found by leaving out the one that each complaint names first."""
    complaints = []
    while said := unresolved(requirements, **target):
        complaints.append(said)
        places = {each: place(each, said) for each in requirements if place(each, said) is not None}
        if not places:
            break  # about something else, such as a registry that does not answer
        requirements = [each for each in requirements if each != min(places, key=lambda each: places[each] or 0)]
    return complaints


def place(requirement: str, said: str) -> int | None:
    """Position at which `said` first names the package of `requirement`."""
    found = re.search(rf"(?<![\w-]){re.escape(Requirement(requirement).name)}(?![\w-])", said)
    return found.start() if found else None


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_there_are_wheels_for_everything(platform: str, python: str) -> None:
    """All extras together: what satisfies them all satisfies each choice of them."""
    asked = [*PROJECT["dependencies"], *chain.from_iterable(PROJECT["optional-dependencies"].values())]
    complaints = lacking(sorted(set(asked)), python=python, platform=PLATFORMS[platform])
    if complaints:
        pytest.fail("\n\n".join(complaints), pytrace=False)


def test_each_missing_wheel_is_found() -> None:
    """pocketsphinx 5.0.4 has none for CPython 3.14, docopt 0.6.2 has none at all."""
    asked = ["pocketsphinx==5.0.4", "rich>=14", "docopt==0.6.2"]
    found = lacking(asked, python="3.14", platform=PLATFORMS["Linux x86-64"])
    assert len(found) == 2
    assert sorted(each for text in found for each in ("docopt", "pocketsphinx") if f"{each}==" in text) == [
        "docopt",
        "pocketsphinx",
    ]
