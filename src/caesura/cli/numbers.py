"""Parsers for numeric options, with bounds and error messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer


def whole(low: int, high: int | None = None) -> Any:
    """Return a parser for whole numbers from `low` to `high`."""
    return _bounded(int, f"a whole number {_bounds(low, high)}", lambda number: _within(number, low, high))


def seconds(low: float, high: float | None = None) -> Any:
    """Return a parser for durations from `low` to `high` seconds."""
    return _bounded(float, f"a number of seconds {_bounds(low, high)}", lambda number: _within(number, low, high))


def seconds_above_zero(text: Any) -> float:
    """Parse a duration in seconds that is not zero. Raises BadParameter."""
    parse = _bounded(float, "a number of seconds above 0", lambda number: 0 < number < float("inf"))
    return float(parse(text))


def _bounded(kind: Callable[[Any], Any], right: str, fits: Callable[[Any], bool]) -> Callable[[Any], Any]:
    def parse(text: Any) -> Any:
        try:
            number = kind(text)
        except ValueError:
            number = None
        if number is None or not fits(number):
            raise typer.BadParameter(f"{text} is not {right}.")
        return number

    return parse


def _within(number: float, low: float, high: float | None) -> bool:
    return low <= number < float("inf") and (high is None or number <= high)


def _bounds(low: float, high: float | None) -> str:
    return f"from {low:g}" if high is None else f"from {low:g} to {high:g}"
