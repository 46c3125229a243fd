"""Stats and transcript of a line."""

from __future__ import annotations

from caesura.client.events import Final, Gap, Stats
from caesura.client.line_record import REQUEST_IDS, LineRecord
from caesura.client.pcm import PcmFormat
from caesura.client.send_buffer import SendBuffer
from caesura.protocol.client_session import ClientSession, ClientTimers
from caesura.timeline import Timeline

BUFFER = SendBuffer(PcmFormat("linear16", 1000, 2), Timeline(1000), live=True, keep_s=60.0)


def record(*, keep_transcript: bool = True) -> LineRecord:
    return LineRecord(keep_transcript=keep_transcript)


def final(text: str) -> Final:
    return Final(text, (), 0, 1, 0.0, 1.0, 0, False, False, raw="{}")


def stats(made: LineRecord, session: ClientSession | None = None, *, now: float = 0.0) -> Stats:
    return made.stats(BUFFER, session, now=now)


def test_connections_are_numbered_and_the_newest_ids_are_kept() -> None:
    made = record()
    assert made.request_id == ""
    assert [made.add_connection(f"r{number}") for number in range(REQUEST_IDS + 1)] == list(range(REQUEST_IDS + 1))
    made.add_connection("")
    assert made.request_id == f"r{REQUEST_IDS}"
    counted = stats(made)
    assert (counted.connections, counted.reconnects) == (REQUEST_IDS + 2, REQUEST_IDS + 1)
    assert counted.request_ids[0] == "r1"


def test_time_of_ended_and_open_connections_and_pauses_is_added_up() -> None:
    made, first, second = record(), ClientSession(ClientTimers(), now=0.0), ClientSession(ClientTimers(), now=20.0)
    first.send_keepalive(now=1.0)
    second.send_keepalive(now=21.0)
    made.end_connection(first, now=10.0)
    made.begin_pause(now=10.0)
    assert made.paused
    assert made.end_pause(now=12.0) == 2.0
    made.begin_pause(now=22.0)
    counted = stats(made, second, now=25.0)
    assert (counted.connected_s, counted.paused_s, counted.keepalives) == (15.0, 5.0, 2)


def test_the_server_s_own_count_is_added_up_over_connections() -> None:
    made = record()
    assert stats(made).provider_s is None
    made.add_metadata("first", 1.5)
    made.add_metadata("second", 2.0)
    assert (stats(made).provider_s, made.metadata) == (3.5, "second")


def test_finals_are_kept_without_their_messages_or_not_at_all() -> None:
    kept, forgetful = record(), record(keep_transcript=False)
    for made in (kept, forgetful):
        made.emit(final("one"))
    assert [(each.text, each.raw) for each in kept.transcript(Stats()).finals] == [("one", "")]
    assert forgetful.transcript(Stats()).finals == ()


def test_adjacent_gaps_of_one_reason_are_joined() -> None:
    made = record()
    for gap in (Gap(0.0, 1.0, "a"), Gap(1.0, 2.0, "a"), Gap(2.0, 3.0, "b")):
        made.emit(gap)
    assert made.transcript(Stats()).gaps == (Gap(0.0, 2.0, "a"), Gap(2.0, 3.0, "b"))


def test_a_transcript_is_complete_when_the_server_has_sent_everything_and_nothing_was_lost() -> None:
    made = record()
    assert not made.transcript(Stats()).complete
    made.is_complete = True
    assert made.transcript(Stats()).complete
    made.emit(Gap(0.0, 1.0, "a"))
    assert not made.transcript(Stats()).complete


def test_the_end_of_a_pause_that_did_not_begin_counts_nothing() -> None:
    made = record()
    assert not made.paused
    assert made.end_pause(now=5.0) == 0.0
    assert stats(made, now=9.0).paused_s == 0.0


def test_events_are_returned_once_in_order() -> None:
    made = record()
    gap = Gap(0.0, 1.0, "a")
    made.emit(final("one"))
    made.emit(gap)
    assert made.events() == [final("one"), gap]
    assert made.events() == []
