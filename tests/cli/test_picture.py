"""The picture of a timeline on the wall clock's axis."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.cli.picture import ASCII, LABEL_WIDTH, draw
from caesura.client.events import TimedWord
from caesura.timeline import Timeline

RATE = 100


def paused() -> Timeline:
    timeline = Timeline(RATE)
    timeline.sent(8 * RATE, 0)
    timeline.sent(3 * RATE, 20 * RATE)
    return timeline


def timed(timeline: Timeline, text: str, start: float, end: float) -> TimedWord:
    """A word with its stream and source times, as in the client's events."""
    return TimedWord(text, text, 1.0, start, end, *timeline.place(start, end), None, None)


def test_the_whole_picture_is_as_drawn_here() -> None:
    """Audio, KeepAlives and words lie on one axis; the stream's own clock stands still in the pause."""
    times = [("Ask", 1.0, 1.3), ("not.", 4.0, 4.3), ("Ask", 8.0, 8.2), ("what.", 9.0, 9.2)]
    words = [timed(paused(), *each) for each in times]
    rows = draw(paused(), [12.0, 16.0], words, width=LABEL_WIDTH + 46, marks=ASCII)
    assert [str(row) for row in rows] == [
        "wall clock   0         5         10        15        20",
        "audio sent   ################........................######",
        "KeepAlive                            K       K",
        "words          '     '                               ' '",
        "               Ask not.                              Ask",
        "                                                     what.",
        "stream time  0         5     . stands still at 8 s ..    10",
    ]


def test_without_a_pause_both_clocks_are_the_same() -> None:
    timeline = Timeline(RATE)
    timeline.sent(10 * RATE, 0)
    rows = {row.label: row.cells for row in draw(timeline, [], [], width=60)}
    assert rows["wall clock"] == rows["stream time"]
    assert set(rows["audio sent"]) == {"█"}


def test_nothing_sent_is_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="nothing was sent"):
        draw(Timeline(RATE), [], [], width=80)


@given(
    st.lists(st.tuples(st.integers(1, 50_000), st.integers(0, 50_000)), min_size=1, max_size=12),
    st.lists(st.floats(0, 1), max_size=30),
    st.integers(LABEL_WIDTH + 6, 200),
)
def test_no_row_is_wider_than_requested(steps: list[tuple[int, int]], starts: list[float], width: int) -> None:
    """The picture fits whatever was sent and recognized."""
    timeline, source = Timeline(RATE), 0
    for samples, gap in steps:
        timeline.sent(samples, source + gap)
        source += samples + gap
    length = timeline.stream_samples / RATE
    words = [timed(timeline, "word", at * length, at * length) for at in sorted(starts)]
    held = [at * source / RATE for at in sorted(starts)]
    for row in draw(timeline, held, words, width=width):
        assert len(str(row)) <= width
