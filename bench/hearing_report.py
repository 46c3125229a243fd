"""Tables and chart of the accuracy bench."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from hearing_rows import PATHS, Run, SetRow, correct
from report import RESULTS, console, percentile
from rich.table import Table
from scoring import Interval
from svg import Bar, bar_chart

NAMES = {"live": "live", "whole": "whole file", "alone": "engine alone"}


def tables(run: Run) -> list[Table]:
    """The tables of a run, without empty ones."""
    made = [
        word_error_table(run),
        single_word_table(run),
        start_table(run),
        hallucination_table(run),
        realtime_table(run),
        cpu_table(run),
    ]
    return [table for table in made if table.row_count]


def show(run: Run, runs: Sequence[Run]) -> None:
    """Print the tables of one run, and the range of all runs."""
    for table in tables(run):
        console.print(table)
    if len(runs) > 1:
        rates = sorted(each.total("live").percent for each in runs)
        console.print(f"Live WER over {len(runs)} runs: {rates[0]:.2f} to {rates[-1]:.2f} %; above is the median run.")


def markdown(table: Table) -> str:
    """A table as Markdown, for the documentation."""
    columns = [[str(column.header), *map(str, column.cells)] for column in table.columns]
    head, *rows = (
        "| " + " | ".join(cell.replace("\n", "<br>") for cell in cells) + " |" for cells in zip(*columns, strict=True)
    )
    return "\n".join([f"{table.title}:", "", head, "|---" * len(columns) + "|", *rows, ""])


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first)
    for column in others:
        table.add_column(column, justify="right")
    return table


def word_error_table(run: Run) -> Table:
    """Word error rates with intervals; below each its deletions, substitutions and insertions, in percent too."""
    title = f"{run.engine}: word errors, % (95 % interval); deletions, substitutions, insertions"
    table = _table(title, "set", "words", *NAMES.values(), "live - whole", "live - alone")
    rows = [row for row in run.sets if row.spoken]
    for row in [*rows, run.everything] if len(rows) > 1 else rows:
        cells = [f"{_rate(row, path)}\n{kinds(row, path)}" for path in PATHS]
        differences = [_difference(row, other) for other in ("whole", "alone")]
        table.add_row(row.name, str(row.errors("live").words), *cells, *differences)
    return table


def kinds(row: SetRow, path: str) -> str:
    """Deletions, substitutions and insertions in percent of the words."""
    errors = row.errors(path)
    counts = (errors.deletions, errors.substitutions, errors.insertions)
    return " ".join(f"{100 * count / errors.words:.1f}" for count in counts)


def _rate(row: SetRow, path: str) -> str:
    return f"{row.errors(path).percent:.1f} {_shown(row.interval(path))}".rstrip()


def _shown(interval: Interval | None, form: str = ".1f") -> str:
    return f"({interval.low:{form}} to {interval.high:{form}})" if interval else ""


def _difference(row: SetRow, other: str) -> str:
    value, interval = row.difference("live", other)
    return f"{value:+.1f}\n{_shown(interval, '+.1f')}".rstrip()


def single_word_table(run: Run) -> Table:
    """Recordings of one word: how many are transcribed correctly by each path."""
    columns = [f"{name} correct" for name in NAMES.values()]
    table = _table(
        f"{run.engine}: recordings of one word", "set", "recordings", *columns, "live, of the engine alone's"
    )
    for row in run.sets:
        known = correct(row.single_words, "alone")
        if known:
            kept = len(correct(known, "live"))
            counts = (len(correct(row.single_words, path)) for path in PATHS)
            share = f"{kept} ({100 * kept / len(known):.0f} %)"
            table.add_row(row.name, str(len(row.single_words)), *map(str, counts), share)
    return table


def start_table(run: Run) -> Table:
    """Word start errors of the sets whose manifests have word times."""
    columns = [f"{NAMES[path]} {figure}" for path in PATHS for figure in ("median", "p90")]
    table = _table(f"{run.engine}: word start errors, ms", "set", *columns)
    for row in run.sets:
        if any(clip.start_errors[path] for clip in row.spoken for path in PATHS):
            values = [1000 * row.start_error_s(path, share) for path in PATHS for share in (0.5, 0.9)]
            table.add_row(row.name, *(f"{value:.0f}" for value in values))
    return table


def hallucination_table(run: Run) -> Table:
    """Words recognized in recordings without speech."""
    table = _table(
        f"{run.engine}: hallucinated words per minute without speech", "recording", "seconds", *NAMES.values()
    )
    for clip in (clip for row in run.sets for clip in row.silent):
        rates = [60 * clip.errors[path].insertions / clip.seconds for path in PATHS]
        table.add_row(clip.name, f"{clip.seconds:.0f}", *(f"{rate:.1f}" for rate in rates))
    return table


def realtime_table(run: Run) -> Table:
    """Latency and CPU of real-time streams."""
    title = f"{run.engine}: one real-time stream; CPU seconds per second of audio"
    columns = ("interims", "median, p95 s", "finals", "median, p95 ms", "CPU front", "CPU workers")
    table = _table(title, "set", "seconds", *columns)
    for row in run.realtime:
        cursor = ", ".join(f"{percentile(row.cursor, share):.2f}" for share in (0.5, 0.95))
        final = ", ".join(f"{1000 * percentile(row.final, share):.0f}" for share in (0.5, 0.95))
        counts = str(len(row.cursor)), str(len(row.final))
        cpu = f"{row.front_cpu:.3f}", f"{row.workers_cpu:.3f}"
        table.add_row(row.name, f"{row.seconds:.0f}", counts[0], cursor, counts[1], final, *cpu)
    return table


def cpu_table(run: Run) -> Table:
    """CPU of all paths at full speed: of the server's processes, or of the engine alone."""
    table = _table(f"{run.engine}: CPU seconds per second of audio, at full speed", "set", *NAMES.values())
    for row in (*run.sets, run.everything):
        table.add_row(row.name, *(f"{row.cpu[path]:.3f}" for path in PATHS))
    return table


def picture(run: Run) -> str:
    """A chart of the error rates of all sets in SVG."""
    groups = {}
    for row in [each for each in (*run.sets, run.everything) if each.spoken]:
        words = row.errors("live").words
        groups[f"{row.name} ({words})"] = [_bar(row, path) for path in PATHS]
    return bar_chart(f"Word errors by set (words), {run.engine}", "%", list(NAMES.values()), groups)


def _bar(row: SetRow, path: str) -> Bar:
    interval = row.interval(path)
    value = row.errors(path).percent
    return Bar(value, interval.low, interval.high) if interval else Bar(value)


def write_documents(run: Run, pictures: Path) -> None:
    """Write the tables as Markdown into bench/results and the chart as SVG into a folder, by the engine's name."""
    stem = "hearing-" + re.sub(r"[^a-z0-9.]+", "-", run.engine.lower())
    _write(RESULTS / f"{stem}.md", "\n".join(map(markdown, tables(run))))
    _write(pictures / f"{stem}.svg", picture(run))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    console.print(f"Written to {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
