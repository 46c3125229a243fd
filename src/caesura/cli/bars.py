"""Text bars of daily usage, of audio and of pauses, for `caesura usage`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

MOST_DAYS = 31
EIGHTHS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True, slots=True)
class Day:
    """Seconds of audio transcribed on a day, and seconds of pauses, in which nothing was sent."""

    audio: float = 0.0
    paused: float = 0.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One row: the day, then cells of audio and cells of pauses, on the scale of the longest bar."""

    day: date
    audio: str
    paused: str
    value: Day


def draw_days(days: Mapping[date, Day], *, width: int, ascii_only: bool = False) -> list[Bar]:
    """Draw a bar for each day between the first and the last one given, but at most the newest `MOST_DAYS`.

    Days between them without usage have empty bars. The longest bar is `width` cells.
    """
    if not days:
        return []
    last = max(days)
    first = max(min(days), last - timedelta(days=MOST_DAYS - 1))
    shown = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    longest = max((days.get(day, Day()).audio + days.get(day, Day()).paused for day in shown), default=0.0)
    scale = width / longest if longest > 0 else 0.0
    return [_bar(day, days.get(day, Day()), scale, ascii_only) for day in shown]


def _bar(day: date, value: Day, scale: float, ascii_only: bool) -> Bar:
    end = round((value.audio + value.paused) * scale)
    if ascii_only:
        audio = "#" * round(value.audio * scale)
        return Bar(day, audio, "." * (end - len(audio)), value)
    if value.paused > 0:
        # A partly filled cell between the two parts would look like a gap.
        audio = "█" * round(value.audio * scale)
        return Bar(day, audio, "░" * (end - len(audio)), value)
    eighths = round(value.audio * scale * 8)
    return Bar(day, "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip(), "", value)
