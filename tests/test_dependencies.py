"""Every third-party import of src/caesura, held against what pyproject.toml declares for that part of the package."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "caesura"
MODULES = sorted(path.relative_to(SOURCE) for path in SOURCE.rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

EXTRAS: dict[str, tuple[str, ...]] = {
    "audio": ("server",),
    "cli/checks.py": ("server", "whisper"),
    "cli/database.py": ("server",),
    "cli/usage.py": ("server",),
    "client/decode.py": ("audio",),
    "client/microphone.py": ("mic",),
    "engines": ("server",),
    "engines/models/download.py": ("whisper",),
    "engines/whisper.py": ("server", "whisper"),
    "formatting": ("server",),
    "ledger": ("server",),
    "pipeline": ("server",),
    "workers": ("server",),
    "server": ("server",),
    "speech": ("server",),
}
"""The extras that a folder or module may import from; all others run on the base install. The longest entry counts."""

FRAMEWORKS = {
    "adapters/deepgram.py": "deepgram",
    "adapters/livekit.py": "livekit",
    "adapters/pipecat.py": "pipecat",
}
"""What an adapter is for: its user has it already."""

NOT_IMPORTED = {
    "moonshine-voice": "its model files are read, its code is not used",
    "psycopg": "SQLAlchemy's driver of PostgreSQL",
    "uvloop": "uvicorn runs on it where it is installed",
}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(extra: str | None) -> set[str]:
    """Names of the distributions of an extra; of the base install for None."""
    asked = PROJECT["dependencies"] if extra is None else PROJECT["optional-dependencies"][extra]
    return {canonical(Requirement(each).name) for each in asked}


def third_parties(module: Path) -> Iterator[str]:
    """Top-level names of other packages that a module imports, wherever in the file."""
    for node in ast.walk(ast.parse((SOURCE / module).read_text())):
        match node:
            case ast.Import(names=names):
                imported = [alias.name for alias in names]
            case ast.ImportFrom(module=str(name)):
                imported = [name]
            case _:
                continue
        tops = (name.partition(".")[0] for name in imported)
        yield from (top for top in tops if top != "caesura" and top not in sys.stdlib_module_names)


def extras(module: Path) -> tuple[str, ...]:
    places = [part for part in (module, *module.parents) if part.as_posix() in EXTRAS]
    return EXTRAS[places[0].as_posix()] if places else ()


DISTRIBUTIONS = packages_distributions()


@pytest.mark.parametrize("module", [module for module in MODULES if any(third_parties(module))], ids=str)
def test_every_import_is_a_declared_dependency(module: Path) -> None:
    """Not by way of another package, which may drop it in its next version."""
    available = declared(None).union(*map(declared, extras(module)))
    for top in third_parties(module):
        if FRAMEWORKS.get(module.as_posix()) != top:
            names = {canonical(name) for name in DISTRIBUTIONS[top]}
            assert names & available, f"{module} imports {top} of {names}; declared are {sorted(available)}"


def test_every_declared_dependency_is_imported() -> None:
    imported = {
        canonical(name) for module in MODULES for top in third_parties(module) for name in DISTRIBUTIONS.get(top, ())
    }
    everything = declared(None).union(*map(declared, PROJECT["optional-dependencies"]))
    assert everything - imported == set(NOT_IMPORTED)


@pytest.mark.parametrize("place", [*EXTRAS, *FRAMEWORKS])
def test_every_named_part_exists(place: str) -> None:
    assert (SOURCE / place).exists()
