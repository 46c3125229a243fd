"""Bar charts with intervals as SVG, written without a plotting library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

COLORS = ("#1f5f99", "#6fa8dc", "#9a9a9a", "#c26a3d")
LABELS, PLOT, VALUES = 200, 440, 120
"""Widths in pixels: names of the groups, bars, and numbers behind them."""
BAR, GAP, HEAD, FOOT = 13, 12, 64, 26
TICKS = 5


@dataclass(frozen=True, slots=True)
class Bar:
    """A value with its interval, where it has one."""

    value: float
    low: float | None = None
    high: float | None = None


def bar_chart(title: str, unit: str, series: Sequence[str], groups: Mapping[str, Sequence[Bar]]) -> str:
    """A chart with a group of horizontal bars for each name in `groups`, one bar for each of the `series`."""
    top = _axis_end(max((bar.high or bar.value for bars in groups.values() for bar in bars), default=1.0))
    body, y = [_legend(series)], HEAD
    for name, bars in groups.items():
        body.append(_text(LABELS - 8, y + len(bars) * BAR / 2 + 4, name, anchor="end"))
        for at, bar in enumerate(bars):
            body += _bar(bar, y + at * BAR, COLORS[at % len(COLORS)], top)
        y += len(bars) * BAR + GAP
    axis = [part for tick in range(TICKS + 1) for part in _tick(top * tick / TICKS, top, y)]
    width, height = LABELS + PLOT + VALUES, y + FOOT
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            'font-family="sans-serif" font-size="11" fill="#222">',
            f"<title>{escape(title)}</title>",
            f'<rect class="background" width="{width}" height="{height}" fill="#fff"/>',
            _text(8, 20, f"{title}, {unit}", size=14),
            *axis,
            *body,
            "</svg>\n",
        ]
    )


def _axis_end(largest: float) -> float:
    """The next number above that divides into round ticks."""
    step: float = 10.0 ** math.floor(math.log10(max(largest, 1e-9) / TICKS))
    return next(TICKS * step * factor for factor in (1, 2, 5, 10) if TICKS * step * factor >= largest)


def _bar(bar: Bar, y: float, color: str, top: float) -> list[str]:
    scale = PLOT / top
    middle = y + (BAR - 2) / 2
    size = f'width="{bar.value * scale:.1f}" height="{BAR - 2}"'
    parts = [f'<rect class="bar" x="{LABELS}" y="{y:.1f}" {size} fill="{color}"/>']
    end = bar.value
    if bar.low is not None and bar.high is not None:
        end = bar.high
        first, last = LABELS + bar.low * scale, LABELS + bar.high * scale
        path = f"M{first:.1f} {middle:.1f}H{last:.1f}" + "".join(f"M{x:.1f} {middle - 3:.1f}v6" for x in (first, last))
        parts.append(f'<path class="interval" d="{path}" stroke="#222" fill="none"/>')
    parts.append(_text(LABELS + end * scale + 6, middle + 4, f"{bar.value:.1f}", size=10))
    return parts


def _tick(value: float, top: float, bottom: float) -> list[str]:
    x = LABELS + value * PLOT / top
    line = f'<path class="tick" d="M{x:.1f} {HEAD - 6}V{bottom:.1f}" stroke="#ddd" fill="none"/>'
    return [line, _text(x, bottom + 14, f"{value:g}", anchor="middle", size=10)]


def _legend(series: Sequence[str]) -> str:
    parts, x = [], LABELS
    for at, name in enumerate(series):
        parts.append(f'<rect class="key" x="{x}" y="34" width="10" height="10" fill="{COLORS[at % len(COLORS)]}"/>')
        parts.append(_text(x + 14, 43, name))
        x += 30 + 7 * len(name)
    return "\n".join(parts)


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 11) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(text)}</text>'
