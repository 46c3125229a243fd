"""Rules of the code base: imports, places of tests, where the environment is read, names of files and classes."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
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


# ---- the language ----

CODE = sorted(path for folder in ("src", "tests", "bench") for path in (ROOT / folder).rglob("*.py"))
CODE = [path for path in CODE if "node_modules" not in path.parts]
IN_AND_OUT = re.compile(r"\bin\b[^.;]*;.*\bout\b|\bin,.*\bout\b|\bin\b.*[,;] [^.;]*\bout\.|^Nothing in\b", re.DOTALL)
"""A pair of "... in" and "... out" in place of a sentence."""


def first_paragraph(source: str) -> str:
    """The first paragraph of the docstring of a module; empty when there is none."""
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n\n")[0]


def is_in_and_out(source: str) -> bool:
    """Whether the docstring of a module lists what goes in and comes out in place of saying what the module is."""
    return IN_AND_OUT.search(first_paragraph(source)) is not None


def public_classes(source: str) -> set[str]:
    """The public classes that a module defines at its top level."""
    classes = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    return {node.name for node in classes if not node.name.startswith("_")}


def defined_twice(sources: Mapping[str, str]) -> dict[str, list[str]]:
    """The public class names that more than one module defines, with those modules."""
    places: dict[str, list[str]] = {}
    for module, source in sources.items():
        for name in public_classes(source):
            places.setdefault(name, []).append(module)
    return {name: modules for name, modules in places.items() if len(modules) > 1}


def missing_modules(page: str) -> set[str]:
    """The modules that a page names by their path below src/caesura and that do not exist."""
    named = set(re.findall(r"`((?:\w+/)*\w+\.py)`", page))
    return {name for name in named if not (SOURCE / name).is_file()}


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_begins_with_what_it_is(path: Path) -> None:
    """Not with what goes in and what comes out."""
    assert not is_in_and_out(path.read_text()), first_paragraph(path.read_text())


@pytest.mark.parametrize(
    "docstring",
    [
        "Settings in; a real server out.",
        "Nothing in; the client's own event loop, on a thread that no user code runs on, out.",
        "Samples come in; the bytes that a client would send go out.",
        "A recording, wherever it is, in; the AudioSource that reads it, header and all, out.",
        "The text of a URL in; where to connect,\nand how to name it in a log out. Pure.\n\nMore of it.",
        "Messages in, deliveries to the URL that a client named out: in order, with patience.",
        "The main of a worker: frames with jobs in on a socket, frames with hypotheses out.",
    ],
)
def test_a_docstring_of_what_goes_in_and_out_is_found(docstring: str) -> None:
    assert is_in_and_out(f'"""{docstring}"""\n')


@pytest.mark.parametrize(
    "docstring",
    [
        "Forced alignment: word start and end times for a transcript and its audio.",
        "The send queue of a connection, in order; messages that nobody would read are dropped.",
        "Messages for a callback: delivered in order, retried, left out; never without end.",
        "Carries out the actions of a session.\n\nWhat comes in; what goes out.",
        "",
    ],
)
def test_a_docstring_that_is_a_sentence_passes(docstring: str) -> None:
    assert not is_in_and_out(f'"""{docstring}"""\n')


def test_no_public_class_is_defined_in_two_modules() -> None:
    """A search for a name finds one definition."""
    assert not defined_twice({str(module): (SOURCE / module).read_text() for module in MODULES})


def test_a_class_that_is_defined_twice_is_found() -> None:
    sources = {
        "one.py": "class Reading: ...\nclass _Slot: ...\nclass Word:\n    class Inner: ...\n",
        "two.py": "class Reading: ...\nclass _Slot: ...\nclass Inner: ...\n",
    }
    assert defined_twice(sources) == {"Reading": ["one.py", "two.py"]}


def test_every_module_that_the_architecture_names_exists() -> None:
    assert not missing_modules((ROOT / "docs" / "architecture.md").read_text())


def test_a_module_that_does_not_exist_is_found() -> None:
    page = "`words.py` and `protocol/session.py` exist, `protocol/sessions.py` does not; `pyproject.toml` is no module."
    assert missing_modules(page) == {"protocol/sessions.py"}
