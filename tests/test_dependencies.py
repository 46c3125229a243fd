"""Every third-party import of src/caesura, held against what pyproject.toml declares for that part of the package."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

from packaging.requirements import Requirement

from tests.source_tree import MODULES, ROOT, SOURCE, expect_none, imports

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

EXTRAS: dict[str, tuple[str, ...]] = {
    "audio": ("server",),
    "cli/checks.py": ("server", "whisper"),
    "cli/database.py": ("server",),
    "cli/usage.py": ("server",),
    "client/decode.py": ("audio",),
    "client/microphone.py": ("mic",),
    "engines": ("server",),
    "engines/models/download.py": ("whisper",),  # as `onnx-asr` has them
    "engines/onnx_asr.py": ("server", "onnx-asr"),
    "engines/sherpa.py": ("server", "sherpa"),
    "engines/vosk.py": ("server", "vosk"),
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


@cache
def declared(extra: str | None) -> set[str]:
    """Names of the distributions of an extra; of the base install for None."""
    asked = PROJECT["dependencies"] if extra is None else PROJECT["optional-dependencies"][extra]
    return {canonical(Requirement(each).name) for each in asked}


@cache
def third_parties(module: Path) -> tuple[tuple[int, str], ...]:
    """Line and top-level name of other packages that a module imports, wherever in the file."""
    tops = ((line, name.partition(".")[0]) for line, name in imports(module))
    return tuple((line, top) for line, top in tops if top != "caesura" and top not in sys.stdlib_module_names)


def extras(module: Path) -> tuple[str, ...]:
    places = [part for part in (module, *module.parents) if part.as_posix() in EXTRAS]
    return EXTRAS[places[0].as_posix()] if places else ()


@cache
def packages(name: str) -> frozenset[str]:
    """Top-level packages and modules of a distribution; none if it is not installed here."""
    try:
        record = distribution(name).read_text("RECORD") or ""
    except PackageNotFoundError:
        return frozenset()
    return frozenset(re.split(r"[/.,]", line, maxsplit=1)[0] for line in record.splitlines())


def distributions(top: str, names: set[str]) -> set[str]:
    """Those distributions that a package may come from; to read all that are installed would take three seconds."""
    return {name for name in names if top in packages(name)}


def undeclared(module: Path) -> Iterator[str]:
    """The imports of a module that are declared neither for its part of the package nor for the base install."""
    available = declared(None).union(*map(declared, extras(module)))
    for line, top in third_parties(module):
        if FRAMEWORKS.get(module.as_posix()) != top and not distributions(top, available):
            origin = packages_distributions().get(top, [])
            yield f"{module}:{line} imports {top} of {origin}; declared are {sorted(available)}"


def test_every_import_is_a_declared_dependency() -> None:
    """Not by way of another package, which may drop it in its next version."""
    expect_none(found for module in MODULES for found in undeclared(module))


def test_every_declared_dependency_is_imported() -> None:
    everything = declared(None).union(*map(declared, PROJECT["optional-dependencies"]))
    tops = {top for module in MODULES for _, top in third_parties(module)}
    imported = {name for top in tops for name in distributions(top, everything)}
    assert everything - imported == set(NOT_IMPORTED)


def test_every_named_part_exists() -> None:
    assert not [place for place in (*EXTRAS, *FRAMEWORKS) if not (SOURCE / place).exists()]
