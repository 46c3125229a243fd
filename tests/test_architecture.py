"""Rules of the code base: imports, places of tests, where the environment is read, names of files and classes."""

from __future__ import annotations

import ast
import inspect
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from tests.source_tree import MODULES, ROOT, SOURCE, expect_none, imports, nodes, top_level

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


def is_allowed_in_pure(name: str) -> bool:
    """Whether the pure part may import this name."""
    top, _, rest = name.partition(".")
    return top in PURE_IMPORTS and (top != "caesura" or rest.split(".")[0] in PURE_FROM_CAESURA)


def test_pure_modules_import_only_what_is_allowed() -> None:
    """The pure part has no clock, no I/O, no third party and no unknown name."""
    pure = [module for module in MODULES if is_pure(module)]
    assert len(pure) > 20
    found = [(module, *each) for module in pure for each in imports(module)]
    expect_none(f"{module}:{line} imports {name}" for module, line, name in found if not is_allowed_in_pure(name))


@pytest.mark.parametrize("name", ["time", "numpy", "os.path", "asyncio.sleep", "caesura.server.app"])
def test_what_the_pure_part_may_not_import_is_found(name: str) -> None:
    assert not is_allowed_in_pure(name)


def test_each_module_has_its_test_file() -> None:
    """tests/ mirrors src/caesura file by file."""
    modules = [module for module in MODULES if module.name != "__init__.py" and module not in UNTESTED]
    expected = [Path("tests") / module.with_name(f"test_{module.name}") for module in modules]
    expect_none(f"{path} is missing" for path in expected if not (ROOT / path).is_file())


def test_the_modules_without_a_test_file_exist() -> None:
    """The list of modules without a test file names only modules that exist and still have none."""
    for module in UNTESTED:
        assert module in MODULES, f"{module} is gone"
        assert not (ROOT / "tests" / module.with_name(f"test_{module.name}")).exists(), f"{module} has tests now"


READERS = {"environ", "getenv", "environb"}


def environment_reads(tree: Iterable[ast.AST]) -> list[int]:
    """The lines that read the environment, or import what does."""
    return [
        node.lineno
        for node in tree
        if (isinstance(node, ast.Attribute) and node.attr in READERS)
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and READERS & {alias.name for alias in node.names})
    ]


def test_the_environment_is_read_only_in_cli() -> None:
    """All other modules are given settings as values."""
    modules = [module for module in MODULES if module.parts[0] != "cli"]
    # To parse them all takes two seconds, and few have one of these names in their text.
    named = [module for module in modules if re.search("|".join(READERS), (SOURCE / module).read_text())]
    expect_none(f"{module}:{line}" for module in named for line in environment_reads(nodes(module)))


@pytest.mark.parametrize(
    "line",
    ["from os import environ", "from os import getenv as get", "os.environ['A']", "import os as o; o.getenv('A')"],
)
def test_a_line_that_reads_the_environment_is_found(line: str) -> None:
    assert environment_reads(ast.walk(ast.parse(f"\n{line}\n"))) == [2]


def vague_names(modules: Iterable[Path]) -> list[str]:
    """The modules with a file or folder that is not named for its contents."""
    return [str(module) for module in modules if {part.removesuffix(".py") for part in module.parts} & VAGUE_NAMES]


def test_no_file_has_a_vague_name() -> None:
    """A file is named for its contents."""
    assert not vague_names(MODULES)
    assert vague_names([Path("client/utils.py"), Path("common/wav.py"), Path("wav.py")]) == [
        "client/utils.py",
        "common/wav.py",
    ]


def test_every_concrete_engine_is_in_the_contracts() -> None:
    """An engine is a module with an INFO; only the registry may import it, and no other engine."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = {contract["id"]: contract for contract in project["tool"]["importlinter"]["contracts"]}
    modules = [module for module in MODULES if module.parent == Path("engines")]
    engines = {f"caesura.engines.{module.stem}" for module in modules if defines_info(module)}
    assert set(contracts["engines-by-name"]["protected_modules"]) == engines
    assert set(contracts["engines-apart"]["modules"]) == engines


def defines_info(module: Path) -> bool:
    """Whether a module assigns to INFO at its top level."""
    return any(
        isinstance(target, ast.Name) and target.id == "INFO"
        for node in top_level(module)
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    )


# ---- the language ----

IN_AND_OUT = re.compile(r"\bin\b[^.;]*;.*\bout\b|\bin,.*\bout\b|\bin\b.*[,;] [^.;]*\bout\.|^Nothing in\b", re.DOTALL)
"""A pair of "... in" and "... out" in place of a sentence."""


def first_paragraph(source: str) -> str:
    """The first paragraph of a module's docstring; empty when there is none. The rest of the module is not read."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.STRING:
            return inspect.cleandoc(ast.literal_eval(token.string)).partition("\n\n")[0]
        if token.type not in {tokenize.COMMENT, tokenize.NL}:
            break
    return ""


def is_in_and_out(source: str) -> bool:
    """Whether the docstring of a module lists what goes in and comes out in place of saying what the module is."""
    return IN_AND_OUT.search(first_paragraph(source)) is not None


def public_classes(body: Iterable[ast.stmt]) -> list[tuple[int, str]]:
    """Line and name of the public classes among these statements, the top level of a module."""
    return [
        (node.lineno, node.name) for node in body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]


CLASS = re.compile(r"^class (\w+)", re.MULTILINE)
"""The head of a class at the top level, or what looks like one in a docstring."""


def defined_twice(bodies: Mapping[str, Iterable[ast.stmt]]) -> dict[str, list[str]]:
    """The public class names that more than one module defines, with those places."""
    places: dict[str, list[str]] = {}
    for module, body in bodies.items():
        for line, name in public_classes(body):
            places.setdefault(name, []).append(f"{module}:{line}")
    return {name: modules for name, modules in places.items() if len(modules) > 1}


def missing_modules(page: str) -> set[str]:
    """The modules that a page names by their path below src/caesura and that do not exist."""
    named = set(re.findall(r"`((?:\w+/)*\w+\.py)`", page))
    return {name for name in named if not (SOURCE / name).is_file()}


def test_every_module_begins_with_what_it_is() -> None:
    """Not with what goes in and what comes out. Tests and benches are held to it too."""
    code = sorted(path for folder in ("src", "tests", "bench") for path in (ROOT / folder).rglob("*.py"))
    code = [path for path in code if "node_modules" not in path.parts]
    assert len(code) > len(MODULES) > 0
    sources = {path.relative_to(ROOT): path.read_text() for path in code}
    expect_none(f"{path}:1: {first_paragraph(source)}" for path, source in sources.items() if is_in_and_out(source))


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
        "Settings.\n    \n    More in; more out.",
        "",
    ],
)
def test_a_docstring_that_is_a_sentence_passes(docstring: str) -> None:
    assert not is_in_and_out(f'"""{docstring}"""\n')


@pytest.mark.parametrize("source", ["", "import os\n", "x = 'one in; another out'\n", "# one in; another out\n1\n"])
def test_what_is_no_docstring_is_not_read(source: str) -> None:
    assert not is_in_and_out(source)


def test_a_docstring_below_a_comment_is_read() -> None:
    assert is_in_and_out('#!/usr/bin/env python\n\n# A comment.\n"""Settings in;\na server out."""\nimport os\n')


def test_no_public_class_is_defined_in_two_modules() -> None:
    """A search for a name finds one definition."""
    named = Counter(name for module in MODULES for name in set(CLASS.findall((SOURCE / module).read_text())))
    assert len(named) > 400
    # To parse all modules takes a second, and few have a name in their text that another has too.
    suspect = [
        module for module in MODULES if any(named[name] > 1 for name in CLASS.findall((SOURCE / module).read_text()))
    ]
    assert not defined_twice({str(module): top_level(module) for module in suspect})


def test_a_class_that_is_defined_twice_is_found() -> None:
    sources = {
        "one.py": "class Reading: ...\nclass _Slot: ...\nclass Word:\n    class Inner: ...\n",
        "two.py": "class Reading: ...\nclass _Slot: ...\nclass Inner: ...\n",
    }
    bodies = {module: ast.parse(source).body for module, source in sources.items()}
    assert defined_twice(bodies) == {"Reading": ["one.py:1", "two.py:1"]}


def test_every_module_that_the_architecture_names_exists() -> None:
    assert not missing_modules((ROOT / "docs" / "architecture.md").read_text())


def test_a_module_that_does_not_exist_is_found() -> None:
    page = "`words.py` and `protocol/session.py` exist, `protocol/sessions.py` does not; `pyproject.toml` is no module."
    assert missing_modules(page) == {"protocol/sessions.py"}
