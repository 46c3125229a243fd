"""Cuts finals into cues of SRT or WebVTT, as text that can be written while finals still arrive. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap

from caesura.client.events import Final, TimedWord

LINE = 42
"""Most characters in a line, by broadcasting convention; only a single word may be longer."""
LINES = 2
"""Most lines in a cue."""
LONGEST_S = 6.0
"""Longest time that a cue is shown."""
BREAK_S = 1.0
"""A silence this long between two words begins a new cue."""
SHORTEST_S = 1.0
"""A cue that is delayed by the one before it is shown for this long or its own length, whichever is shorter."""


@dataclass(frozen=True, slots=True)
class CaptionCue:
    """Text shown from `start` to `end`, in source seconds."""

    start: float
    end: float
    text: str


class Captions:
    """Writes cues in one of the two formats. Times are source times, so there are no cues during a pause."""

    def __init__(self, *, vtt: bool) -> None:
        self._vtt = vtt
        self._count = 0
        self._until_ms = 0
        """End of the last cue."""

    def opening(self) -> str:
        """Text before the first cue."""
        return "WEBVTT\n" if self._vtt else ""

    def write(self, final: Final) -> Iterator[str]:
        """Cues of a final, separated by empty lines as the format requires. No two overlap."""
        for cue in cues(final.words):
            self._count += 1
            start, end = map(self._stamp, self._placed(cue))
            text = "\n".join(_lines(cue.text))
            yield (
                f"\n{start} --> {end}\n{_escaped(text)}\n"
                if self._vtt
                else f"{self._count}\n{start} --> {end}\n{text}\n\n"
            )

    def _placed(self, cue: CaptionCue) -> tuple[int, int]:
        """Start and end in ms: after the end of the last cue, even if two channels speak at once."""
        first_ms, last_ms = round(cue.start * 1000), round(cue.end * 1000)
        start = max(first_ms, self._until_ms)
        self._until_ms = max(last_ms, start + min(max(last_ms - first_ms, 1), round(SHORTEST_S * 1000)))
        return start, self._until_ms

    def _stamp(self, ms: int) -> str:
        point = "." if self._vtt else ","
        return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}{point}{ms % 1000:03}"


def cues(words: Sequence[TimedWord]) -> Iterator[CaptionCue]:
    """Cut words into cues where one would be too long to read, or at a silence."""
    held: list[TimedWord] = []
    for word in words:
        if held and _starts_new_cue(held, word):
            yield _cue(held)
            held = []
        held.append(word)
    if held:
        yield _cue(held)


def _starts_new_cue(held: Sequence[TimedWord], word: TimedWord) -> bool:
    late = _end(word) - _start(held[0]) > LONGEST_S or _start(word) - _end(held[-1]) >= BREAK_S
    return late or len(_lines(_text([*held, word]))) > LINES


def _cue(held: Sequence[TimedWord]) -> CaptionCue:
    return CaptionCue(_start(held[0]), _end(held[-1]), _text(held))


def _text(words: Sequence[TimedWord]) -> str:
    return " ".join(word.text for word in words)


def _lines(text: str) -> list[str]:
    return wrap(text, LINE, break_long_words=False, break_on_hyphens=False)


def _start(word: TimedWord) -> float:
    return word.stream_start if word.source_start is None else word.source_start


def _end(word: TimedWord) -> float:
    return word.stream_end if word.source_end is None else word.source_end


def _escaped(text: str) -> str:
    """WebVTT (W3C, section 4.1) reads "<" and "&" as markup, and "-->" may not be in a cue at all."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
