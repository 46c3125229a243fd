"""Which frame is written to a connection next, and when; whole lines are in test_recovery*.py."""

from __future__ import annotations

from math import inf

from caesura.client.line_connection import STEADY_S, LineConnection
from caesura.client.pcm import PcmFormat
from caesura.client.send_buffer import FRAME_S, SendBuffer
from caesura.protocol.client_session import ClientSession, ClientTimers
from caesura.protocol.messages import CloseStream, Finalize
from caesura.timeline import Timeline
from tests.client.bench import CLOSE_STREAM, FINALIZE, KEEPALIVE, PATIENT, RATE

QUARTER = bytes(2 * RATE // 4)


def made(timers: ClientTimers = PATIENT) -> tuple[LineConnection, SendBuffer]:
    buffer = SendBuffer(PcmFormat("linear16", RATE, 2), Timeline(RATE), live=True, keep_s=60.0)
    return LineConnection(ClientSession(timers, now=0.0), buffer), buffer


def capture(buffer: SendBuffer, quarters: int) -> None:
    for _ in range(quarters):
        buffer.capture(QUARTER, 0.0, at=None, connected=True)


def written(connection: LineConnection, *, now: float = 0.0, speed: float = 1.25) -> list[bytes | str]:
    """All frames that can be written at once to a socket that takes them."""
    frames: list[bytes | str] = []
    while (frame := connection.next_frame(replay_speed=speed, now=now)) is not None:
        connection.frame_sent(now=now)
        frames.append(frame)
    return frames


def test_a_frame_is_with_the_socket_until_it_is_taken() -> None:
    connection, buffer = made()
    capture(buffer, 2)
    assert connection.next_frame(replay_speed=1.0, now=0.0) == QUARTER
    assert connection.next_frame(replay_speed=1.0, now=0.0) is None
    connection.frame_sent(now=0.1)
    assert connection.next_frame(replay_speed=1.0, now=0.1) == QUARTER


def test_control_messages_have_their_place_in_the_audio() -> None:
    connection, buffer = made()
    capture(buffer, 1)
    buffer.mark(Finalize())
    capture(buffer, 1)
    buffer.mark(CloseStream())
    assert written(connection) == [QUARTER, FINALIZE, QUARTER, CLOSE_STREAM]
    assert connection.next_deadline() == inf


def test_a_keepalive_that_is_due_is_written() -> None:
    connection, _ = made()
    assert connection.next_deadline() == 4.0
    assert written(connection, now=4.0) == []
    connection.session.handle_deadline(now=4.0)
    assert written(connection, now=4.0) == [KEEPALIVE]


def test_a_connection_that_catches_up_paces_its_audio_until_nothing_waits() -> None:
    connection, buffer = made()
    capture(buffer, 8)
    connection.catch_up(now=0.0)
    times, now = [], 0.0
    while buffer.waiting:
        times += [now] * len(written(connection, now=now, speed=2.0))
        now = connection.next_deadline()
    assert times == [0.125 * frame for frame in range(8)]
    assert written(connection, now=now) == []
    capture(buffer, 2)
    assert len(written(connection, now=now)) == 2


def test_a_pause_of_the_socket_is_made_up_for_by_one_frame_at_most() -> None:
    connection, buffer = made()
    capture(buffer, 20)
    connection.catch_up(now=0.0)
    assert len(written(connection, now=10.0, speed=1.0)) == 1 + round(FRAME_S / FRAME_S)


def test_a_connection_was_good_when_it_lasted_or_made_progress() -> None:
    connection, _ = made()
    assert not connection.was_good(now=STEADY_S - 0.1)
    assert connection.was_good(now=STEADY_S)
    connection.made_progress = True
    assert connection.was_good(now=0.0)
