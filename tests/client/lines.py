"""Collects the events of a synchronous line on a thread, for tests to wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from caesura import sync
from caesura.client.events import Event, Final, TimedWord, Transcript
from caesura.testing import Voice

E = TypeVar("E")

VOICE = Voice(["good", "morning", "yes", "no", "please", "thank", "you"])
WORD_S, GAP_S = 0.3, 0.1
BEAT_S = WORD_S + GAP_S
"""How long a word and the silence behind it are."""
PATIENCE_S = 60.0
"""What does not come within so long will not come: much longer than a machine under load takes."""


class Listener(threading.Thread):
    """Takes a line's events; `error` is what the iteration ended with."""

    def __init__(self, line: sync.Line) -> None:
        super().__init__(daemon=True)
        self.events: list[Event] = []
        self.error: Exception | None = None
        self._line = line
        self._news = threading.Condition()

    def run(self) -> None:
        try:
            for event in self._line:
                with self._news:
                    self.events.append(event)
                    self._news.notify_all()
        except Exception as error:  # noqa: BLE001  # the test looks at it
            self.error = error

    def wait(self, condition: Callable[[], bool]) -> None:
        """Until it holds, which is looked at behind each event."""
        with self._news:
            assert self._news.wait_for(condition, PATIENCE_S), f"came so far: {self.events}"

    def next(self, kind: type[E], count: int = 1) -> E:
        """The `count`-th event of a kind, waited for."""
        self.wait(lambda: len(self.of(kind)) >= count)
        return self.of(kind)[count - 1]

    def of(self, kind: type[E]) -> list[E]:
        """Events of a kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    def heard(self, *words: str) -> None:
        """Wait until these words are final."""
        self.wait(lambda: [word.text for final in self.of(Final) for word in final.words][-len(words) :] == [*words])


@contextmanager
def listening(line: sync.Line) -> Iterator[Listener]:
    """Opens the line, takes its events, and finishes it; all its events have been taken then."""
    with line:
        listener = Listener(line)
        listener.start()
        yield listener
    listener.join(PATIENCE_S)
    assert not listener.is_alive()


def spoken(*words: str, start: float = 0.0) -> list[tuple[str, float, float]]:
    """`words` as VOICE says them one after the other: each with its start and end in source seconds."""
    starts = [start + index * BEAT_S for index in range(len(words))]
    return [(word, round(at, 3), round(at + WORD_S, 3)) for word, at in zip(words, starts, strict=True)]


def placed(result: Transcript | tuple[TimedWord, ...]) -> list[tuple[str, float, float]]:
    """Words with their places in the source, to the millisecond that the wire has."""
    words = result.words if isinstance(result, Transcript) else result
    return [(word.text, round(word.source_start or 0.0, 3), round(word.source_end or 0.0, 3)) for word in words]
