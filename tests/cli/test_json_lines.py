"""Each event is one line of JSON, for programs."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any, get_args

import pytest

from caesura.cli.json_lines import json_line
from caesura.client.events import (
    Closed,
    Event,
    Gap,
    Interim,
    Notice,
    Paused,
    Reconnected,
    Reconnecting,
    Resumed,
    SpeechStarted,
    Stats,
    UtteranceEnd,
)
from caesura.errors import ConnectionClosedByServer
from tests.cli.finals import NOON, final, word


def line(event: Event) -> dict[str, Any]:
    text = json_line(event)
    assert "\n" not in text
    read: dict[str, Any] = json.loads(text)
    return read


WORD = {
    "word": "Bonjour,",
    "confidence": 0.988,
    "stream_start": 1.0,
    "stream_end": 1.5,
    "source_start": 11.0,
    "source_end": 11.5,
    "wall_start": "2026-05-17T12:00:00.123Z",
}


def test_a_final_has_its_words_with_three_times_each() -> None:
    said = final(word("Bonjour,", 1.0, 1.5, source=10.0), channel=1, channels=2, epoch=3)
    assert line(said) == {
        "type": "final",
        "transcript": "Bonjour,",
        "channel": 1,
        "epoch": 3,
        "stream_start": 1.0,
        "stream_end": 1.5,
        "speech_final": True,
        "from_finalize": False,
        "words": [WORD],
    }


def test_a_word_has_its_speaker_if_there_is_one() -> None:
    assert line(final(word("one", 0.0, 1.0, speaker=2)))["words"][0]["speaker"] == 2
    assert "speaker" not in line(final(word("one", 0.0, 1.0)))["words"][0]


def test_an_interim_is_like_a_final_but_ends_nothing() -> None:
    said = Interim("Bonjour,", (word("Bonjour,", 1.0, 1.5, source=10.0),), 0, 1, 1.0, 1.5, 0)
    assert line(said) == {
        "type": "interim",
        "transcript": "Bonjour,",
        "channel": 0,
        "epoch": 0,
        "stream_start": 1.0,
        "stream_end": 1.5,
        "words": [WORD],
    }


def test_letters_of_any_script_are_written_as_they_are() -> None:
    assert '"transcript":"Grüße 東京"' in json_line(final(word("Grüße", 0.0, 1.0), word("東京", 1.0, 2.0)))


def test_times_that_are_unknown_are_null() -> None:
    said = line(final(word("one", 0.0, 1.0, source=None, wall=None)))["words"][0]
    assert (said["source_start"], said["source_end"], said["wall_start"]) == (None, None, None)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            SpeechStarted(0, 1.0, 11.0004, NOON),
            {
                "type": "speech_started",
                "channel": 0,
                "stream": 1.0,
                "source": 11.0,
                "wall": "2026-05-17T12:00:00.123Z",
            },
        ),
        (
            UtteranceEnd(1, None, None, None),
            {
                "type": "utterance_end",
                "channel": 1,
                "last_word_stream": None,
                "last_word_source": None,
                "last_word_wall": None,
            },
        ),
        (Paused(1.23456), {"type": "paused", "source": 1.235}),
        (Resumed(None, 2.0), {"type": "resumed", "source": None, "seconds": 2.0}),
        (
            Reconnecting(2, 0.51234, "closed with 1006", ConnectionClosedByServer(1006)),
            {"type": "reconnecting", "attempt": 2, "delay_s": 0.512, "why": "closed with 1006"},
        ),
        (
            Reconnected(1, "id", 0.5, 3.25),
            {"type": "reconnected", "epoch": 1, "request_id": "id", "outage_s": 0.5, "replay_s": 3.25},
        ),
        (Gap(1.0, 2.0, "why"), {"type": "gap", "source_start": 1.0, "source_end": 2.0, "why": "why"}),
        (Gap(None, None, "why"), {"type": "gap", "source_start": None, "source_end": None, "why": "why"}),
        (Notice("Error", "text"), {"type": "notice", "server_type": "Error", "text": "text"}),
        (Closed(1000, ""), {"type": "closed", "code": 1000, "reason": "", "error": None}),
        (
            Closed(None, "", ConnectionClosedByServer(1008, "no")),
            {"type": "closed", "code": None, "reason": "", "error": "The server closed the connection (1008: no)."},
        ),
    ],
)
def test_events_of_the_line_are_written_likewise(event: Event, expected: dict[str, Any]) -> None:
    assert line(event) == expected


def test_stats_have_every_field_by_its_name() -> None:
    said = line(Stats(connected_s=1.23456, connections=2, request_ids=("a", "b")))
    assert set(said) == {"type", *(field.name for field in fields(Stats))}
    assert (said["type"], said["connected_s"], said["connections"]) == ("stats", 1.235, 2)
    assert (said["request_ids"], said["provider_s"]) == (["a", "b"], None)


def test_no_two_kinds_of_event_have_the_same_type() -> None:
    said: list[Event] = [
        Interim("", (), 0, 1, 0.0, 0.0, 0),
        final(),
        SpeechStarted(0, 0.0, None, None),
        UtteranceEnd(0, None, None, None),
        Paused(None),
        Resumed(None, 0.0),
        Reconnecting(1, 0.0, ""),
        Reconnected(1, "", 0.0, 0.0),
        Gap(None, None, ""),
        Notice("", ""),
        Stats(),
        Closed(None, ""),
    ]
    assert {type(event) for event in said} == set(get_args(Event))
    assert len({line(event)["type"] for event in said}) == len(said)
