"""Conversations of the bench of diarization: how manifests are read, and how each is scored."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

import numpy as np
import pytest
from conversations import CONVENTIONS, Conversation, Score, find_conversations, score
from diarization import DiarizationErrors, FoundWord, Turn
from load import RATE, Recording
from scoring import WordErrors
from speakers import conversation
from speakers_report import content, show, totals

TURNS = (Turn("A", 0.0, 2.0), Turn("B", 2.0, 4.0))


def talk(group: str = "calls", **known: object) -> Conversation:
    return Conversation("one", group, "en", lambda: np.zeros(RATE, np.int16), **known)  # type: ignore[arg-type]


def said(text: str, speaker: int, start: float, end: float, confidence: float | None = None) -> FoundWord:
    return FoundWord(text, start, end, speaker, confidence)


WORDS = [
    said("good", 4, 0.0, 1.0, 0.9),
    said("morning", 4, 1.0, 2.0, 0.8),
    said("good", 4, 2.0, 3.0, 0.6),
    said("day", 0, 3.0, 4.0, 0.9),
]


def test_conversations_have_turns_or_texts_with_speakers(tmp_path: Path) -> None:
    lines = [
        {"file": "a/one.flac", "set": "meetings", "speaker_turns": [[1.5, 2.0, "A"], [4, 1, "B"]]},
        {"file": "two.flac", "language": "de", "speaker_texts": [["A", "Guten Tag"], ["B", "Tag"]]},
        {"file": "three.flac", "text": "nobody knows who says this"},
    ]
    (tmp_path / "manifest.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    one, two = find_conversations(tmp_path)
    assert (one.name, one.group, one.language, one.turns) == (
        "one",
        "meetings",
        "en",
        (Turn("A", 1.5, 3.5), Turn("B", 4, 5)),
    )
    assert (two.group, two.language, two.spoken) == (tmp_path.name, "de", (("A", "Guten Tag"), ("B", "Tag")))
    assert one.people == two.people == {"A", "B"}


@pytest.mark.parametrize(("lines", "error"), [(None, "is not there"), ('{"file": "a.wav"}', "lists no conversation")])
def test_a_folder_without_conversations_is_refused(tmp_path: Path, lines: str | None, error: str) -> None:
    if lines is not None:
        (tmp_path / "manifest.jsonl").write_text(lines)
    with pytest.raises(SystemExit, match=error):
        find_conversations(tmp_path)


def test_with_turns_errors_are_counted_by_time_and_words_judged_by_their_middle() -> None:
    found = score(talk(turns=TURNS), "recorded", WORDS)
    assert (found.people, found.found) == (2, 2)
    assert found.errors["no collar"] == DiarizationErrors(4, 0, 0, 1)
    assert found.errors["collar"] == DiarizationErrors(3, 0, 0, 0.75)
    assert found.judged == ((0.9, True), (0.8, True), (0.6, False), (0.9, True))
    assert found.concatenated.words == 0


def test_with_texts_alone_correct_words_are_judged_and_nothing_by_time() -> None:
    found = score(talk(spoken=(("A", "Good morning."), ("B", "Good day!"))), "live", WORDS)
    assert found.errors == {}
    assert [right for _, right in found.judged] == [True, True, False, True]
    assert found.concatenated == WordErrors(4, deletions=1, insertions=1)
    assert found.unattributed == WordErrors(4)


def test_totals_add_up_each_group_and_path() -> None:
    scores = [
        score(talk("meetings", turns=TURNS), "recorded", WORDS),
        score(talk("meetings", turns=TURNS), "recorded", WORDS[:2]),
        score(talk("meetings", turns=TURNS), "live", WORDS),
        score(talk(spoken=(("A", "good morning"), ("B", "good day"))), "live", WORDS),
    ]
    live, recorded, calls = totals(scores)
    assert (live.group, live.path, recorded.path, calls.group) == ("meetings", "live", "recorded", "calls")
    assert (recorded.conversations, recorded.as_many, recorded.more, recorded.fewer) == (2, 1, 0, 1)
    assert recorded.errors["no collar"] == DiarizationErrors(8, 2, 0, 1)
    assert recorded.errors.keys() == CONVENTIONS.keys()
    assert (recorded.judged, round(recorded.right)) == (6, 83)
    assert (calls.errors, calls.concatenated.words) == ({}, 4)


def test_the_tables_have_a_row_for_each_group_and_path(capsys: pytest.CaptureFixture[str]) -> None:
    show([score(talk("meetings", turns=TURNS), path, WORDS) for path in ("recorded", "live")])
    printed = capsys.readouterr().out
    assert [line.count("meetings") for line in printed.splitlines() if "25.0" in line] == [1, 1]
    assert "1, 0, 0" in printed
    assert "expected calibration error" in " ".join(printed.split())


def test_the_json_has_rates_and_the_confidences_of_recordings() -> None:
    found = json.loads(json.dumps(content([score(talk(turns=TURNS), "recorded", WORDS)])))
    assert found["totals"][0]["der_percent"]["no collar"] == 25
    assert [each["count"] for each in found["confidence"]["bins"]] == [1, 1, 2]
    assert Score(**found["conversations"][0]).name == "one"


def voice(name: str, level: int) -> Recording:
    return Recording(name, "", np.full(6 * RATE, level, np.int16))


def test_turns_of_a_made_up_conversation_lie_where_its_readers_are_heard() -> None:
    readers = [voice("ann1", 1000), voice("bob1", 3000)]
    pcm, turns = conversation(readers, random.Random(1), readers=2, turns=12, joined=3, overlap_s=0.8)
    assert [turn.speaker for turn in turns[:2]] in (["ann", "bob"], ["bob", "ann"])
    assert any(after.start < before.end for before, after in itertools.pairwise(turns))
    assert all(after.start > before.start for before, after in itertools.pairwise(turns))
    levels = {"ann": 1000, "bob": 3000}
    at = np.arange(0, len(pcm), RATE // 50)
    expected = sum(
        np.where((at >= round(turn.start * RATE)) & (at < round(turn.end * RATE)), levels[turn.speaker], 0)
        for turn in turns
    )
    assert np.abs(pcm[at] - expected).max() < 50


def test_without_overlap_turns_follow_each_other() -> None:
    readers = [voice("ann1", 1000), voice("bob1", 3000)]
    _, turns = conversation(readers, random.Random(1), readers=2, turns=12, joined=1)
    assert all(after.start > before.end + 0.5 for before, after in itertools.pairwise(turns))
