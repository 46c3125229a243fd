"""Draws a timeline with KeepAlives and words on the wall clock's axis, as rows of text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from textwrap import wrap

from caesura.client.events import TimedWord
from caesura.timeline import Timeline

LABEL_WIDTH = 13
STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
RULER_ROOM = 6
"""Width in cells of a number on a ruler."""

MAX_SENTENCE_ROWS = 6


@dataclass(frozen=True, slots=True)
class PictureRow:
    """One row of the picture: label, cells, and style."""

    label: str
    cells: str
    style: str

    def __str__(self) -> str:
        return f"{self.label:<{LABEL_WIDTH}}{self.cells}".rstrip()


@dataclass(frozen=True, slots=True)
class Marks:
    """Characters for the cells."""

    sent: str
    quiet: str
    held: str
    word: str
    more: str


UNICODE = Marks(sent="█", quiet="·", held="♥", word="╵", more="…")
ASCII = Marks(sent="#", quiet=".", held="K", word="'", more="~")


def draw(
    timeline: Timeline, held: Sequence[float], words: Sequence[TimedWord], *, width: int, marks: Marks = UNICODE
) -> list[PictureRow]:
    """The picture, no row wider than `width`.

    The axis is source time from 0 to the end of the last span. `held`: source seconds of the KeepAlives.
    Raises ValueError when nothing was sent.
    """
    if not timeline.spans:
        raise ValueError("nothing was sent, so there is nothing to draw")
    axis = _Axis(timeline.spans[-1].source_end / timeline.sample_rate, max(width - LABEL_WIDTH, RULER_ROOM))
    placed = [(word.source_start, word.text) for word in words if word.source_start is not None]
    return [
        PictureRow("wall clock", axis.ruler(lambda second: second), "bold"),
        PictureRow("audio sent", _sent(timeline, axis, marks), "green"),
        PictureRow("KeepAlive", axis.row((at, marks.held) for at in held), "magenta"),
        PictureRow("words", axis.row((at, marks.word) for at, _ in placed), "cyan"),
        *(PictureRow("", text, "cyan") for text in _sentences(timeline, placed, axis, marks)),
        PictureRow("stream time", _stream_time(timeline, axis, marks), "bold"),
    ]


@dataclass(frozen=True, slots=True)
class _Axis:
    seconds: float
    cells: int

    def cell(self, at: float) -> int:
        return min(int(at / self.seconds * self.cells), self.cells - 1)

    def row(self, texts: Iterable[tuple[float, str]]) -> str:
        """Each text at its time; texts that would overlap or not fit are left out."""
        row = ""
        for at, text in texts:
            cell = self.cell(at)
            if cell >= len(row) and cell + len(text.rstrip()) <= self.cells:
                row = row.ljust(cell) + text
        return row

    def ruler(self, place: Callable[[float], float]) -> str:
        """Round numbers, each at `place(number)`, far enough apart to be read."""
        return self.row((place(second), f"{second} ") for second in self.ticks(self.seconds)).rstrip()

    def ticks(self, until: float) -> range:
        wanted = self.seconds * RULER_ROOM / self.cells
        step = next((step for step in STEPS_S if step >= wanted), STEPS_S[-1])
        return range(0, int(until) + 1, step)


def _sent(timeline: Timeline, axis: _Axis, marks: Marks) -> str:
    cell_s = axis.seconds / axis.cells
    middles = ((cell + 0.5) * cell_s for cell in range(axis.cells))
    return "".join(marks.quiet if timeline.to_stream(at) is None else marks.sent for at in middles)


def _sentences(timeline: Timeline, placed: Sequence[tuple[float, str]], axis: _Axis, marks: Marks) -> list[str]:
    """Words of each span, from its first word to the next span, wrapped to a few rows."""
    rows = [""] * MAX_SENTENCE_ROWS
    borders = [axis.cell(span.source / timeline.sample_rate) for span in timeline.spans[1:]] + [axis.cells + 1]
    for span, border in zip(timeline.spans, borders, strict=True):
        first, last = span.source / timeline.sample_rate, span.source_end / timeline.sample_rate
        spoken = [(at, text) for at, text in placed if first <= at < last]
        cell = axis.cell(spoken[0][0]) if spoken else border
        if border - 1 - cell > 0:
            text = " ".join(text for _, text in spoken)
            lines = wrap(text, border - 1 - cell, max_lines=MAX_SENTENCE_ROWS, placeholder=marks.more)
            rows = [row.ljust(cell) + line for row, line in zip_longest(rows, lines, fillvalue="")]
    return [row.rstrip() for row in rows if row.strip()]


def _stream_time(timeline: Timeline, axis: _Axis, marks: Marks) -> str:
    """Ruler of the stream clock, with a note where it stands still between two spans."""
    row = ""
    for span, later in zip(timeline.spans, [*timeline.spans[1:], None], strict=True):
        begin, end = span.stream / timeline.sample_rate, span.stream_end / timeline.sample_rate
        stop = axis.cell(span.source_end / timeline.sample_rate) if later else axis.cells + 1
        for second in axis.ticks(end):
            cell = axis.cell(timeline.to_source(second))
            if begin <= second < end and cell >= len(row) and cell + len(f"{second} ") <= stop:
                row = row.ljust(cell) + f"{second} "
        if later:
            gap = axis.cell(later.source / timeline.sample_rate) - stop
            note = f" stands still at {end:g} s "
            row = row.ljust(stop) + (note if len(note) <= gap else "").center(gap, marks.quiet)
    return row.rstrip()
