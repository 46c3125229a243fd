"""Captions of finals: format, where cues are cut, and that no two are shown at once."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.cli.captions import LINE, Captions, cues
from caesura.client.events import Final, TimedWord
from tests.cli.finals import final, word


def written(*finals: Final, vtt: bool) -> str:
    captions = Captions(vtt=vtt)
    return captions.opening() + "".join(cue for each in finals for cue in captions.write(each))


HELLO = final(word("Good", 0.0, 0.3), word("morning.", 0.4, 1.25))
BYE = final(word("Good", 3661.5, 3661.8), word("night.", 3661.9, 3662.0))


def test_srt_numbers_its_cues_from_one_through_all_finals() -> None:
    assert written(HELLO, BYE, vtt=False) == (
        "1\n00:00:00,000 --> 00:00:01,250\nGood morning.\n\n2\n01:01:01,500 --> 01:01:02,000\nGood night.\n\n"
    )


def test_webvtt_begins_with_its_name_and_has_points_in_its_times() -> None:
    assert written(HELLO, BYE, vtt=True) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.250\nGood morning.\n\n01:01:01.500 --> 01:01:02.000\nGood night.\n"
    )


def test_a_webvtt_without_words_is_a_whole_file_all_the_same() -> None:
    assert written(final(), vtt=True) == "WEBVTT\n"
    assert written(final(), vtt=False) == ""


def test_markup_in_words_is_text_in_webvtt_and_stays_as_it_is_in_srt() -> None:
    said = final(word("a<b>", 0.0, 0.3), word("&amp;", 0.4, 0.6), word("-->", 0.7, 0.9))
    assert "\na&lt;b&gt; &amp;amp; --&gt;\n" in written(said, vtt=True)
    assert "\na<b> &amp; -->\n" in written(said, vtt=False)


def test_a_silence_of_a_second_begins_a_new_cue() -> None:
    said = [word("one", 0.0, 0.5), word("two", 1.4, 1.6), word("three", 2.6, 3.0)]
    assert [cue.text for cue in cues(said)] == ["one two", "three"]


def test_a_cue_stays_six_seconds_at_most() -> None:
    said = [word(str(number), number * 0.5, number * 0.5 + 0.4) for number in range(20)]
    assert [(cue.start, cue.end) for cue in cues(said)] == [(0.0, 5.9), (6.0, 9.9)]


def test_a_cue_has_two_lines_even_when_its_words_are_packed_badly() -> None:
    """84 letters may need three lines of 42."""
    said = [word("a" * 30, 0.0, 0.3), word("b" * 30, 0.3, 0.6), word("c" * 20, 0.6, 0.9)]
    assert [cue.text for cue in cues(said)] == [f"{'a' * 30} {'b' * 30}", "c" * 20]


def test_lines_are_cut_between_words_only() -> None:
    said = final(word("x" * 50, 0.0, 0.2), word("y" * 36, 0.3, 0.5), word("well-known", 0.6, 0.9))
    blocks = [block.splitlines() for block in written(said, vtt=False).split("\n\n")[:-1]]
    assert [line for _, _, *lines in blocks for line in lines] == ["x" * 50, "y" * 36, "well-known"]


def test_times_are_those_of_the_source_so_nothing_is_shown_in_a_pause() -> None:
    before = final(word("before", 1.0, 2.0))
    after = final(word("after", 2.0, 3.0, source=60.0))
    assert re.findall(r"\S+ --> \S+", written(before, after, vtt=True)) == [
        "00:00:01.000 --> 00:00:02.000",
        "00:01:02.000 --> 00:01:03.000",
    ]


def test_without_source_times_stream_times_are_used() -> None:
    assert "00:00:01.000 --> 00:00:02.000" in written(final(word("one", 1.0, 2.0, source=None)), vtt=True)


def test_a_word_of_no_length_is_shown_all_the_same() -> None:
    assert "00:00:01,000 --> 00:00:01,001" in written(final(word("one", 1.0, 1.0)), vtt=False)


def test_two_channels_that_speak_at_once_are_shown_one_after_the_other() -> None:
    left = final(word("Left", 0.0, 2.0), word("speaks.", 2.1, 4.0), channels=2)
    right = final(word("Right", 1.0, 1.5), word("too.", 1.6, 3.5), channel=1, channels=2)
    assert re.findall(r"\S+ --> \S+", written(left, right, vtt=True)) == [
        "00:00:00.000 --> 00:00:04.000",
        "00:00:04.000 --> 00:00:05.000",
    ]


# ---- properties for any words ----


@st.composite
def speech(draw: st.DrawFn) -> list[Final]:
    """Finals in the order in which they come; those of another channel begin at any time before."""
    finals, ends = [], {0: 0.0, 1: 0.0}
    for channel in draw(st.lists(st.sampled_from([0, 1]), max_size=5)):
        words: list[TimedWord] = []
        for text in draw(st.lists(st.text("ab-<&>.", min_size=1, max_size=50), max_size=25)):
            start = ends[channel] + draw(st.floats(0, 2))
            ends[channel] = start + draw(st.floats(0, 2))
            words.append(word(text, start, ends[channel]))
        finals.append(final(*words, channel=channel, channels=2))
    return finals


def milliseconds(stamp: str) -> int:
    hours, minutes, seconds, ms = map(int, re.split("[:,]", stamp))
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms


@given(speech())
def test_every_word_is_in_one_cue_and_no_two_cues_overlap(finals: list[Final]) -> None:
    blocks = [block.splitlines() for block in written(*finals, vtt=False).split("\n\n")[:-1]]
    assert [number for number, *_ in blocks] == [str(number + 1) for number in range(len(blocks))]
    shown = [tuple(map(milliseconds, times.split(" --> "))) for _, times, *_ in blocks]
    assert all(start < end for start, end in shown)
    assert all(before[1] <= after[0] for before, after in pairwise(shown))
    lines = [lines for _, _, *lines in blocks]
    assert all(1 <= len(each) <= 2 for each in lines)
    assert all(len(line) <= LINE or " " not in line for each in lines for line in each)
    said = [each.text for one in finals for each in one.words]
    assert " ".join(" ".join(each) for each in lines).split() == said


@pytest.mark.parametrize("vtt", [True, False])
def test_blocks_are_parted_by_one_empty_line(vtt: bool) -> None:
    text = written(HELLO, BYE, vtt=vtt)
    assert "\n\n\n" not in text
    assert text.count("\n\n") == 2
