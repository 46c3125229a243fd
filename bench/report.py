"""Output of the benches (a table on the screen and JSON in bench/results), and their common arguments."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

N = TypeVar("N", int, float)
T = TypeVar("T")

RESULTS = Path(__file__).parent / "results"

Figures = Mapping[str, float]
"""Names to numbers; the name ends with the unit."""

console = Console()


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least a `share` (0..1) of all values do not exceed; nan if there are none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(round(share * len(ordered), 6)) - 1)]


def spread(name: str, unit: str, values: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and the largest of `values`."""
    figures = {f"{name} p{round(share * 100)} {unit}": percentile(values, share) for share in (0.5, 0.95, 0.99)}
    return figures | {f"{name} max {unit}": max(values, default=float("nan"))}


def progress_bar() -> Progress:
    """A progress bar that redraws seldom, because the measured processes share the machine."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        refresh_per_second=2,
    )


def common_arguments(parser: argparse.ArgumentParser, *, engine: str, several: bool = False) -> None:
    """The arguments that every bench with a running server has; `several`: --engine may be repeated, and is a list."""
    parser.add_argument("--url", help="a running server, as ws://127.0.0.1:8080; without it one is started")
    parser.add_argument("--pid", type=int, help="with --url: the server's process, to read its CPU and memory")
    if several:
        parser.add_argument("--engine", action="append", help=f"of the server; may be repeated (default: {engine})")
    else:
        parser.add_argument("--engine", default=engine, help="of the server that is started (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=0, help="of that server; 0: one for each core")
    parser.add_argument("--runs", type=above_zero(int), default=1, help="number of runs; the median is shown")


def above_zero(kind: Callable[[str], N]) -> Callable[[str], N]:
    """A parser for argparse: a number of this kind above 0."""

    def read(text: str) -> N:
        number = kind(text)
        if not number > 0:
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return number

    return read


def repeat(count: int, measure: Callable[[int], T]) -> list[T]:
    """Call `measure` for each run, with the number of the run, from 1."""
    return [measure(number) for number in range(1, count + 1)]


def publish(name: str, title: str, arguments: argparse.Namespace, runs: Sequence[Figures]) -> None:
    """Show the median of every figure, with minimum and maximum of several runs, and write all to JSON."""
    several = len(runs) > 1
    table = Table(title=title, title_justify="left")
    table.add_column("figure")
    for column in ["median", "min", "max"] if several else ["value"]:
        table.add_column(column, justify="right")
    medians: dict[str, float] = {}
    for figure in runs[0]:
        values = [run[figure] for run in runs]
        medians[figure] = statistics.median(values)
        shown = [medians[figure], min(values), max(values)] if several else [medians[figure]]
        table.add_row(figure, *(f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}" for value in shown))
    console.print(table)
    write(name, arguments, {"median": medians, "runs": [dict(run) for run in runs]})


def write(name: str, arguments: argparse.Namespace, measured: Mapping[str, object]) -> None:
    """Write bench/results/NAME.json with the arguments, the machine and the measurements."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    machine = {"cores": len(os.sched_getaffinity(0)), "cpu": _cpu(), "python": platform.python_version()}
    content = {"bench": name, "arguments": vars(arguments), "machine": machine, **measured}
    path.write_text(json.dumps(content, indent=1, default=str) + "\n")
    console.print(f"Written to {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
