"""Re-timed messages have each word once, on the source clock, and keep everything else that the server wrote."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from caesura.client.events import Final, Interim, SpeechStarted, Stats, TimedWord, UtteranceEnd
from caesura.client.retiming import MessageRetimer, Stretch, source_stretch
from caesura.timeline import Timeline

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PAUSE_S = 10.0
METADATA = {"type": "Metadata", "request_id": "r", "sha256": "s", "duration": 2.0, "channels": 1, "models": ["m"]}


def place(stretch: Stretch, epoch: int) -> Stretch:
    """A pause before everything."""
    return stretch[0] + PAUSE_S, stretch[1] + PAUSE_S


def uncounted(stretch: Stretch, epoch: int) -> None:
    return None


WRITER = MessageRetimer(place)


def word(text: str, start: float) -> dict[str, Any]:
    """Whose confidence distinguishes it from others of its kind."""
    return {"word": text, "punctuated_word": text.title(), "start": start, "end": start + 0.5, "confidence": start / 4}


def timed(text: str, start: float) -> TimedWord:
    source = start + PAUSE_S
    times = (start, start + 0.5, source, source + 0.5)
    return TimedWord(text.title(), text, 0.9, *times, NOON + timedelta(seconds=source), NOON, epoch=1)


SAID = [word("yes", 0.0), word("yes", 1.0), word("no", 2.0)]


def final(*words: TimedWord, sent: list[dict[str, Any]] = SAID) -> Final:
    """What is left of `sent` when only `words` are new."""
    raw = {
        "type": "Results",
        "channel_index": [0, 2],
        "start": 0.0,
        "duration": 3.0,
        "is_final": True,
        "channel": {
            "alternatives": [
                {"transcript": "Yes Yes No", "confidence": 0.9, "words": sent, "languages": ["en"]},
                {"transcript": "Yes", "confidence": 0.4, "words": [word("yes", 0.0)]},
            ]
        },
        "metadata": {"request_id": "r"},
        "from_finalize": True,
    }
    text = " ".join(each.text for each in words)
    return Final(text, words, 0, 2, 0.0, 3.0, 1, False, True, json.dumps(raw))


def test_every_time_is_on_the_source_clock_and_the_stream_s_is_kept() -> None:
    sent = json.loads(WRITER.results(final(timed("yes", 0.0), timed("yes", 1.0), timed("no", 2.0))))
    assert (sent["start"], sent["duration"], sent["stream_start"], sent["stream_end"]) == (10.0, 3.0, 0.0, 3.0)
    first = sent["channel"]["alternatives"][0]["words"][0]
    assert (first["start"], first["end"]) == (10.0, 10.5)
    assert (first["stream_start"], first["stream_end"]) == (0.0, 0.5)
    assert (first["wall_start"], first["wall_end"]) == ("2026-01-01T12:00:10.000Z", "2026-01-01T12:00:00.000Z")
    assert first["punctuated_word"] == "Yes"
    assert sent["epoch"] == 1


def test_everything_else_is_the_server_s() -> None:
    event = final(timed("yes", 0.0), timed("yes", 1.0), timed("no", 2.0))
    sent, raw = json.loads(WRITER.results(event)), json.loads(event.raw)
    for name in ("type", "channel_index", "is_final", "from_finalize", "metadata"):
        assert sent[name] == raw[name]
    best, other = sent["channel"]["alternatives"]
    assert (best["languages"], best["transcript"]) == (["en"], "Yes Yes No")
    assert (other["words"][0]["start"], other["words"][0]["stream_start"]) == (10.0, 0.0)


def test_words_of_earlier_finals_are_left_out() -> None:
    """Two of one kind are distinguished by their times. Other alternatives cannot be, so they are left out."""
    sent = json.loads(WRITER.results(final(timed("yes", 1.0), timed("no", 2.0))))
    (best,) = sent["channel"]["alternatives"]
    assert [(each["stream_start"], each["confidence"]) for each in best["words"]] == [(1.0, 0.25), (2.0, 0.5)]
    assert best["transcript"] == "Yes No"


def test_each_second_is_in_one_final_only() -> None:
    """A new connection receives the end of what was emitted again."""
    writer = MessageRetimer(place)
    writer.results(final())
    again = replace(final(), stream_start=2.5, stream_end=4.0)
    sent = json.loads(writer.results(again))
    assert (sent["start"], sent["duration"], sent["stream_start"]) == (13.0, 1.0, 2.5)


def test_where_samples_cannot_be_counted_the_server_s_times_stay() -> None:
    event = final(timed("yes", 0.0), timed("yes", 1.0), timed("no", 2.0))
    words = tuple(replace(each, source_start=None, source_end=None, wall_start=None) for each in event.words)
    sent = json.loads(MessageRetimer(uncounted).results(replace(event, words=words)))
    best, other = sent["channel"]["alternatives"]
    assert (sent["start"], best["words"][0]["start"], other["words"][0]["start"]) == (0.0, 0.0, 0.0)
    assert best["words"][0]["wall_start"] is None


def test_an_interim_without_words_is_one() -> None:
    raw = {"type": "Results", "start": 0, "duration": 1, "channel": {"alternatives": [{"transcript": ""}]}}
    sent = json.loads(WRITER.results(Interim("", (), 0, 1, 0.0, 1.0, 0, json.dumps(raw))))
    assert sent["channel"]["alternatives"] == [{"transcript": "", "words": []}]


STARTED = json.dumps({"type": "SpeechStarted", "channel": [1, 2], "timestamp": 0.5, "new": True})
ENDED = json.dumps({"type": "UtteranceEnd", "channel": [0, 2], "last_word_end": 0.5})
UNKNOWN_END = json.dumps({"type": "UtteranceEnd", "channel": [0, 2], "last_word_end": -1})


def test_speech_started_and_utterance_end_are_the_server_s_with_source_times() -> None:
    assert json.loads(WRITER.speech_started(SpeechStarted(1, 0.5, 10.5, NOON, STARTED))) == {
        "type": "SpeechStarted",
        "channel": [1, 2],
        "timestamp": 10.5,
        "stream_timestamp": 0.5,
        "wall_timestamp": "2026-01-01T12:00:00.000Z",
        "new": True,
    }
    assert json.loads(WRITER.utterance_end(UtteranceEnd(0, 0.5, 10.5, NOON, ENDED))) == {
        "type": "UtteranceEnd",
        "channel": [0, 2],
        "last_word_end": 10.5,
        "stream_last_word_end": 0.5,
        "wall_last_word_end": "2026-01-01T12:00:00.000Z",
    }


def test_unknown_moments_are_as_on_the_wire() -> None:
    sent = json.loads(WRITER.utterance_end(UtteranceEnd(0, None, None, None, UNKNOWN_END)))
    assert (sent["last_word_end"], sent["wall_last_word_end"]) == (-1, None)
    assert json.loads(WRITER.speech_started(SpeechStarted(0, 0.5, None, None, STARTED)))["timestamp"] == 0.5


def test_metadata_counts_each_second_once() -> None:
    stats = Stats(captured_s=12.0, lost_s=0.5, provider_s=14.0, connections=3)
    sent = json.loads(WRITER.metadata(json.dumps(METADATA), stats))
    assert sent == {
        **METADATA,
        "duration": 11.5,
        "provider_duration": 14.0,
        "lost_duration": 0.5,
        "connections": 3,
    }


def test_metadata_of_what_cannot_be_counted_is_the_server_s() -> None:
    sent = json.loads(WRITER.metadata(json.dumps(METADATA), Stats(connections=1)))
    assert (sent["duration"], sent["provider_duration"]) == (2.0, None)


def test_a_stretch_next_to_a_pause_stays_on_its_side_of_it() -> None:
    timeline = Timeline(1000)
    timeline.sent(1000, 0)
    timeline.sent(1000, 5000)
    assert source_stretch(timeline, (0.5, 1.0), 0) == (0.5, 1.0)
    assert source_stretch(timeline, (1.0, 1.5), 0) == (5.0, 5.5)


def test_a_stretch_has_no_source_time_where_nothing_was_sent_or_samples_are_not_counted() -> None:
    assert source_stretch(Timeline(1000), (0.0, 1.0), 0) is None
    assert source_stretch(None, (0.0, 1.0), 0) is None
