"""Words and finals for tests of what a command prints."""

from __future__ import annotations

from datetime import UTC, datetime

from caesura.client.events import Final, TimedWord

NOON = datetime(2026, 5, 17, 12, 0, 0, 123_456, UTC)


def word(
    text: str,
    start: float,
    end: float,
    *,
    source: float | None = 0.0,
    wall: datetime | None = NOON,
    speaker: int | None = None,
) -> TimedWord:
    """A word at these stream seconds, `source` seconds later in the source; with None its source times are unknown."""
    first, last = (None, None) if source is None else (start + source, end + source)
    return TimedWord(text, text.lower().strip(".,?"), 0.987654, start, end, first, last, wall, wall, speaker)


def final(*words: TimedWord, channel: int = 0, channels: int = 1, epoch: int = 0) -> Final:
    """A final of these words."""
    start, end = (words[0].stream_start, words[-1].stream_end) if words else (0.0, 0.0)
    return Final(" ".join(each.text for each in words), words, channel, channels, start, end, epoch, True, False)
