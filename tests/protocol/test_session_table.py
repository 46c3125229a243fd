"""Every input in every state of a session, compared with the table at the head of the session's file."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

import pytest

from caesura.events import (
    AudioFound,
    AudioRefused,
    Drained,
    EngineFailed,
    SpeechBegan,
    StreamEvent,
    TranscriptSegment,
    UtteranceEnded,
)
from caesura.protocol import session as session_module
from caesura.protocol.actions import CloseSocket, EndAudio, FeedAudio, FlushAudio, Reconfigure, Send, StopAudio, Warn
from caesura.protocol.closing import REVOKED
from caesura.protocol.messages import (
    ClientMessage,
    ConfigureFailure,
    ConfigureSuccess,
    Error,
    Metadata,
    Results,
    SpeechStartedMessage,
    UtteranceEndMessage,
)
from caesura.protocol.session import Session, State, Timers
from tests.protocol.play import CLOSE_STREAM, FINALIZE, KEEPALIVE, session
from tests.server_messages import read_server_message

OPEN, FLUSHING, CLOSED = State

IDLE_S, DRAIN_S = 10.0, 30.0
NOW = 2.0
"""When the input comes: every session here opens at 0.0, and leaves OPEN at 1.0 at the latest."""

Input = Callable[[Session], None]
Outcome = tuple[State, list[type]]
"""The state after an input, and the kinds of what is to be done; messages are named instead of Send."""


@dataclass(frozen=True)
class Row:
    input: Input
    open: Outcome
    flushing: Outcome = (FLUSHING, [])
    closed: Outcome = (CLOSED, [])


def text(message: str) -> Input:
    return lambda made: made.receive_text(message, now=NOW)


def binary(data: bytes) -> Input:
    return lambda made: made.receive_audio(data, now=NOW)


def event(emitted: StreamEvent) -> Input:
    return lambda made: made.engine_event(emitted, now=NOW)


def deadline(now: float) -> Input:
    return lambda made: made.handle_deadline(now=now)


def segment(*, final: bool) -> StreamEvent:
    return TranscriptSegment(0, 0.0, 1.0, (), final=final, endpoint=final)


IGNORED: Outcome = (OPEN, [])
FINISHED: Outcome = (CLOSED, [Metadata, CloseSocket])
BROKEN: Outcome = (CLOSED, [Warn, Metadata, CloseSocket])
GONE: Outcome = (CLOSED, [])

TABLE = {
    # from the wire
    "binary": Row(binary(b"\x01\x02"), (OPEN, [FeedAudio])),
    "binary like a KeepAlive": Row(binary(KEEPALIVE.encode()), (OPEN, [Warn, FeedAudio])),
    "empty binary": Row(binary(b""), (FLUSHING, [EndAudio])),
    "KeepAlive": Row(text(KEEPALIVE), IGNORED),
    "Finalize": Row(text(FINALIZE), (OPEN, [FlushAudio])),
    "Finalize of a channel": Row(text('{"type":"Finalize","channel":0}'), (OPEN, [FlushAudio])),
    "Finalize of no channel": Row(text('{"type":"Finalize","channel":1}'), (OPEN, [Error])),
    "CloseStream": Row(text(CLOSE_STREAM), (FLUSHING, [EndAudio])),
    "Configure": Row(text('{"type":"Configure"}'), (OPEN, [Reconfigure, ConfigureSuccess])),
    "Configure of what is not there": Row(
        text('{"type":"Configure","features":{"x":true}}'), (OPEN, [ConfigureFailure])
    ),
    "no control message": Row(text("hello"), (OPEN, [Error])),
    "disconnect, drained": Row(lambda made: made.receive_disconnect(1006, now=NOW, drain=True), (FLUSHING, [EndAudio])),
    "disconnect": Row(lambda made: made.receive_disconnect(1006, now=NOW), GONE, GONE, GONE),
    # from our own side
    "stop": Row(lambda made: made.stop(now=NOW), (FLUSHING, [StopAudio])),
    "cut": Row(lambda made: made.cut(REVOKED, now=NOW), GONE, GONE, GONE),
    "prolong_drain": Row(lambda made: made.prolong_drain(now=NOW), IGNORED),
    "hold_idle": Row(lambda made: made.hold_idle(), IGNORED),
    "resume_idle": Row(lambda made: made.resume_idle(now=NOW), IGNORED),
    # from the pipeline
    "AudioFound": Row(event(AudioFound(1)), IGNORED),
    "SpeechBegan": Row(event(SpeechBegan(0, 0.5)), (OPEN, [SpeechStartedMessage]), (FLUSHING, [SpeechStartedMessage])),
    "TranscriptSegment, interim": Row(event(segment(final=False)), (OPEN, [Results]), (FLUSHING, [Results])),
    "TranscriptSegment, final": Row(event(segment(final=True)), (OPEN, [Results]), (FLUSHING, [Results])),
    "UtteranceEnded": Row(
        event(UtteranceEnded(0, 1.0)), (OPEN, [UtteranceEndMessage]), (FLUSHING, [UtteranceEndMessage])
    ),
    "Drained": Row(event(Drained(1.0)), FINISHED, FINISHED),
    "AudioRefused": Row(event(AudioRefused("why", 0.0)), BROKEN, BROKEN),
    "EngineFailed": Row(event(EngineFailed("why", 1.0)), BROKEN, BROKEN),
    # time
    "deadline, early": Row(deadline(IDLE_S - 1 / 1024), IGNORED),
    "deadline": Row(deadline(IDLE_S), (FLUSHING, [EndAudio])),
    "deadline, drained": Row(deadline(1.0 + DRAIN_S), (FLUSHING, [EndAudio]), (CLOSED, [CloseSocket])),
    "deadline, late": Row(deadline(1e6), (FLUSHING, [EndAudio]), (CLOSED, [CloseSocket])),
}


def _opened() -> Session:
    timers = Timers(idle_s=IDLE_S, drain_s=DRAIN_S)
    return session(timers, interim_results=True, vad_events=True, utterance_end_ms=1000)


def _flushing(made: Session) -> None:
    made.receive_text(CLOSE_STREAM, now=1.0)


def _idled_out(made: Session) -> None:
    made.handle_deadline(now=IDLE_S)


def _closed_after_drain(made: Session) -> None:
    made.receive_audio(b"", now=1.0)
    made.engine_event(Drained(0.0), now=1.0)


def _closed_by_drain_cap(made: Session) -> None:
    made.receive_audio(b"", now=1.0)
    made.handle_deadline(now=1.0 + DRAIN_S)


def _left_by_client(made: Session) -> None:
    made.receive_disconnect(1006, now=1.0)


def _refused(made: Session) -> None:
    made.engine_event(AudioRefused("why", 0.0), now=1.0)


WAYS: dict[State, list[Input]] = {
    OPEN: [lambda _: None],
    FLUSHING: [_flushing],
    CLOSED: [_closed_after_drain, _closed_by_drain_cap, _left_by_client, _refused],
}


def _come_to(state: State, way: Input) -> Session:
    made = _opened()
    way(made)
    made.actions()
    assert made.state is state
    return made


def _outcome(made: Session) -> Outcome:
    actions = made.actions()
    kinds = [type(read_server_message(each.text)) if isinstance(each, Send) else type(each) for each in actions]
    return made.state, kinds


CASES = [
    pytest.param(name, state, way, id=f"{state.name} by {way.__name__.strip('_')}: {name}")
    for state, ways in WAYS.items()
    for way in ways
    for name in TABLE
]


@pytest.mark.parametrize(("name", "state", "way"), CASES)
def test_every_state_meets_every_input(name: str, state: State, way: Input) -> None:
    row = TABLE[name]
    made = _come_to(state, way)
    row.input(made)
    outcome = _outcome(made)
    assert outcome == {OPEN: row.open, FLUSHING: row.flushing, CLOSED: row.closed}[state]
    assert (made.next_deadline() is None) == (outcome[0] is CLOSED or (name == "hold_idle" and state is OPEN))


@pytest.mark.parametrize("name", [name for name in TABLE if not name.startswith("deadline")])
def test_flushing_by_the_idle_window_is_flushing_as_any_other(name: str) -> None:
    row = TABLE[name]
    made = _come_to(FLUSHING, _idled_out)
    row.input(made)
    assert _outcome(made) == row.flushing


# ---- the table has everything ----


def test_every_stream_event_and_every_client_message_is_in_the_table() -> None:
    names = {name.split(",")[0] for name in TABLE}
    assert {kind.__name__ for kind in get_args(StreamEvent)} <= names
    assert {kind.__name__ for kind in get_args(ClientMessage)} <= names


READ = ("actions", "next_deadline", "is_held")
"""Methods that change nothing."""


def test_every_entry_of_a_session_is_in_the_table() -> None:
    entries = {
        name
        for name, member in vars(Session).items()
        if not name.startswith("_") and inspect.isfunction(member) and name not in READ
    }
    emitted = set()
    for row in TABLE.values():
        emitted |= set(inspect.getclosurevars(row.input).unbound)
    assert entries <= emitted


def test_every_state_is_in_the_table() -> None:
    assert set(WAYS) == set(State)


# ---- and the docstring says the same ----


def _documented() -> dict[tuple[str, State], str]:
    head = session_module.__doc__
    assert head is not None
    lines = [line.strip() for line in head.splitlines()]
    first = next(index for index, line in enumerate(lines) if line.startswith("state "))
    columns, *rows = [re.split(r"\s{2,}", line) for line in lines[first : first + 1 + len(State)]]
    assert all(len(row) == len(columns) for row in rows)
    return {(column, State[row[0]]): cell for row in rows for column, cell in zip(columns[1:], row[1:], strict=True)}


DOCUMENTED = _documented()
NOTHING = ("-", "ignored", "none")
DEADLINE = {OPEN: "deadline", FLUSHING: "deadline, drained", CLOSED: "deadline, late"}


def test_the_documented_table_has_a_row_for_every_state() -> None:
    assert {state for _, state in DOCUMENTED} == set(State)


@pytest.mark.parametrize(("column", "state"), [pytest.param(c, s, id=f"{s.name}: {c}") for c, s in DOCUMENTED])
def test_the_documented_table_agrees(column: str, state: State) -> None:
    cell = DOCUMENTED[column, state]
    row = TABLE[DEADLINE[state] if column == "deadline" else column]
    after, kinds = {OPEN: row.open, FLUSHING: row.flushing, CLOSED: row.closed}[state]
    if cell.startswith("-> "):
        assert cell.split()[1] == after.name
        assert after is not state
    else:
        assert after is state
        acts = [kind.__name__ for kind in kinds if kind is not ConfigureSuccess]
        assert acts == ([] if cell in NOTHING else [cell])


@pytest.mark.parametrize(
    ("state", "timers", "at", "after", "named"),
    [
        (OPEN, Timers(idle_s=IDLE_S), IDLE_S, FLUSHING, "NET-0001"),
        (OPEN, Timers(idle_s=IDLE_S, first_response_s=5.0), 5.0, CLOSED, "NET-0000"),
        (FLUSHING, Timers(), 1.0 + DRAIN_S, CLOSED, "NET-0000"),
    ],
)
def test_the_documented_deadlines_lead_where_they_say(
    state: State, timers: Timers, at: float, after: State, named: str
) -> None:
    assert after.name in DOCUMENTED["deadline", state]
    made = session(timers)
    if state is FLUSHING:
        _flushing(made)
    made.handle_deadline(now=at)
    assert made.state is after
    if after is FLUSHING:
        made.engine_event(Drained(0.0), now=at)
    *_, close = made.actions()
    assert isinstance(close, CloseSocket)
    assert close.reason.endswith(named.lower().replace("-", ""))
