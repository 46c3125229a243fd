"""Sizes of installed distributions and of running processes, in bytes."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import caesura
from caesura.distribution import DISTRIBUTION

MEGABYTE = 1_000_000
INSTALLED_LIMIT = 600 * MEGABYTE
FRONT_LIMIT = 250 * MEGABYTE
WORKER_LIMIT = 350 * MEGABYTE


@dataclass(frozen=True, slots=True)
class Process:
    """One running process with its resident memory in bytes."""

    pid: int
    parent: int
    resident: int


def extra_closure(extra: str, of: str = DISTRIBUTION) -> dict[str, Distribution | None]:
    """All distributions that `pip install of[extra]` installs, by name; the value is None for those that are missing.

    Requirements of other packages that hold only on other platforms count if they are installed.
    """
    found: dict[str, Distribution | None] = {}
    waiting = [(name, True) for name in _required(distribution(of), extra)]
    while waiting:
        name, needed = waiting.pop()
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            if needed:
                found[name] = None
            continue
        waiting += [(further, False) for further in _required(distribution(name), None)]
    return found


def _required(package: Distribution, extra: str | None) -> Iterator[str]:
    for requirement in package.requires or ():
        text, _, marker = requirement.partition(";")
        of_extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", marker)
        elsewhere = "win32" in marker and os.name != "nt" and "!=" not in marker
        if (of_extra is None or of_extra[1] == extra) and not elsewhere:
            name = re.match(r"[A-Za-z0-9._-]+", text.strip())
            if name:
                yield re.sub(r"[-_.]+", "-", name[0]).lower()


def installed_bytes(packages: Iterator[Distribution] | list[Distribution]) -> int:
    """Size of all files of `packages`, and of this package itself."""
    ours = sum(path.stat().st_size for path in Path(caesura.__file__).parent.rglob("*") if path.is_file())
    return ours + sum(_bytes_of(package) for package in packages)


def added_bytes(extra: str, to: str) -> int:
    """Size of the files that installing `extra` adds to an install of the extra `to`."""
    there = extra_closure(to)
    added = (package for name, package in extra_closure(extra).items() if name not in there)
    return sum(_bytes_of(package) for package in added if package is not None)


def _bytes_of(package: Distribution) -> int:
    paths = (Path(str(file.locate())) for file in package.files or ())
    return sum(path.stat().st_size for path in paths if path.is_file())


def family(pid: int) -> list[Process]:
    """The process `pid`, then all its descendants."""
    running = _from_proc() if Path("/proc/self/stat").exists() else _from_ps()
    wanted = [process for process in running if process.pid == pid]
    for process in wanted:  # the list grows while it is iterated
        wanted += [child for child in running if child.parent == process.pid]
    return wanted


def _from_proc() -> list[Process]:
    page = os.sysconf("SC_PAGE_SIZE")
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # The name in parentheses may contain blanks, so fields are counted after it.
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            resident = int((entry / "statm").read_text().split()[1]) * page
        except (OSError, IndexError):
            continue  # the process has ended meanwhile
        found.append(Process(int(entry.name), int(fields[1]), resident))
    return found


def _from_ps() -> list[Process]:
    lines = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,rss="], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    rows = [[int(field) for field in line.split()] for line in lines]
    return [Process(pid, parent, kilobytes * 1024) for pid, parent, kilobytes in rows]
