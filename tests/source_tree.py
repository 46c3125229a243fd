"""The modules of src/caesura and their syntax trees, each parsed once, for tests that hold the code against a rule."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "caesura"
MODULES = sorted(path.relative_to(SOURCE) for path in SOURCE.rglob("*.py"))


@cache
def tree(module: Path) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse((SOURCE / module).read_text())


@cache
def nodes(module: Path) -> tuple[ast.AST, ...]:
    """All nodes of the syntax tree of a module."""
    return tuple(ast.walk(tree(module)))


def top_level(module: Path) -> list[ast.stmt]:
    """The statements of a module that stand in no function and no class."""
    return tree(module).body


def statements(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """These statements and all inside of them, with the handlers and cases that hold some; no expressions."""
    for node in body:
        yield node
        for name in ("body", "handlers", "orelse", "finalbody", "cases"):
            yield from statements(getattr(node, name, ()))


def imports(module: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a module imports, at any place in the file."""
    for node in statements(top_level(module)):
        match node:
            case ast.Import(names=names, lineno=line):
                yield from ((line, alias.name) for alias in names)
            case ast.ImportFrom(module=str(source), names=names, lineno=line):
                yield from ((line, f"{source}.{alias.name}") for alias in names)


def expect_none(found: Iterable[str]) -> None:
    """Fail with all that was found, a line for each; pytest cuts a long list short."""
    lines = list(found)
    assert not lines, "\n".join(lines)
