"""Rules of the code base: imports, places of tests, where the environment is read, names of files and classes."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "caesura"
MODULES = sorted(path.relative_to(SOURCE) for path in SOURCE.rglob("*.py"))

# What the pure part may import. An allow-list, because a list of forbidden names would miss new ones.
PURE_IMPORTS = {
    "__future__",
    "base64",
    "bisect",
    "caesura",
    "collections",
    "dataclasses",
    "decimal",
    "enum",
    "functools",
    "hashlib",
    "heapq",
    "itertools",
    "json",
    "math",
    "re",
    "struct",
    "types",
    "typing",
    "urllib",
    "uuid",
    "warnings",
}
PURE_FROM_CAESURA = {"containers", "protocol", "events", "words", "errors", "timeline"}

# Modules without a test file, each with its reason.
UNTESTED = {
    Path("__main__.py"): "two lines; every test that starts `python -m caesura` runs them",
    Path("errors.py"): "names only; tested where they are raised",
    Path("events.py"): "plain values; tested where they are made and read",
    Path("words.py"): "plain values; tested where they are made and read",
    Path("engines/base.py"): "the engine seam; a Protocol and plain values",
    Path("client/events.py"): "plain values; tested where they are made and read",
    Path("client/line_settings.py"): "plain values; tested where they are set and obeyed",
    Path("ledger/schema.py"): "tables; tests/ledger/test_database.py holds them against the migrations",
    Path("ledger/migrations/env.py"): "runs inside Alembic; tests/ledger/test_migration.py has it run",
    **{
        step.relative_to(SOURCE): "one step; tests/ledger/test_migration.py takes every one"
        for step in (SOURCE / "ledger" / "migrations" / "versions").glob("v*.py")
    },
    Path("sync.py"): "hands two names on; tests/client/test_sync.py and tests/test_public_names.py use them",
    Path("server/settings.py"): "plain values; tested where they are set and obeyed",
}

VAGUE_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}


def imports(path: Path) -> Iterator[str]:
    """Full names of everything that a file imports, at any place in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield from (f"{module}.{alias.name}" for alias in names)


def is_pure(module: Path) -> bool:
    """Whether a module is part of the protocol or of the shared values."""
    return module.parts[0] in {"containers", "protocol"} or str(module) in {
        "events.py",
        "words.py",
        "errors.py",
        "timeline.py",
    }


def test_the_import_contracts_hold() -> None:
    """import-linter keeps every contract in pyproject.toml."""
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-logo"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("module", [module for module in MODULES if is_pure(module)], ids=str)
def test_pure_modules_import_only_what_is_allowed(module: Path) -> None:
    """The pure part has no clock, no I/O, no third party and no unknown name."""
    for name in imports(SOURCE / module):
        top, _, rest = name.partition(".")
        assert top in PURE_IMPORTS, f"{module} imports {name}"
        assert top != "caesura" or rest.split(".")[0] in PURE_FROM_CAESURA, f"{module} imports {name}"


@pytest.mark.parametrize(
    "module",
    [path for path in MODULES if path.name != "__init__.py" and path not in UNTESTED],
    ids=str,
)
def test_each_module_has_its_test_file(module: Path) -> None:
    """tests/ mirrors src/caesura file by file."""
    expected = ROOT / "tests" / module.with_name(f"test_{module.name}")
    assert expected.is_file(), f"{expected.relative_to(ROOT)} is missing"


def test_the_modules_without_a_test_file_exist() -> None:
    """The list of modules without a test file names only modules that exist and still have none."""
    for module in UNTESTED:
        assert module in MODULES, f"{module} is gone"
        assert not (ROOT / "tests" / module.with_name(f"test_{module.name}")).exists(), f"{module} has tests now"


@pytest.mark.parametrize("module", [path for path in MODULES if path.parts[0] != "cli"], ids=str)
def test_the_environment_is_read_only_in_cli(module: Path) -> None:
    """All other modules are given settings as values."""
    tree = ast.parse((SOURCE / module).read_text())
    read = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} | set(imports(SOURCE / module))
    assert not read & {"environ", "getenv", "environb", "os.environ", "os.getenv", "os.environb"}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_no_file_has_a_vague_name(module: Path) -> None:
    """A file is named for its contents."""
    assert not {part.removesuffix(".py") for part in module.parts} & VAGUE_NAMES


def test_every_concrete_engine_is_in_the_contracts() -> None:
    """An engine is a module with an INFO; only the registry may import it, and no other engine."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = {contract["id"]: contract for contract in project["tool"]["importlinter"]["contracts"]}
    engines = {f"caesura.engines.{path.stem}" for path in (SOURCE / "engines").glob("*.py") if defines_info(path)}
    assert set(contracts["engines-by-name"]["protected_modules"]) == engines
    assert set(contracts["engines-apart"]["modules"]) == engines


def defines_info(path: Path) -> bool:
    """Whether a module assigns to INFO at its top level."""
    return any(
        isinstance(target, ast.Name) and target.id == "INFO"
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    )
