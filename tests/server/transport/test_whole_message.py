"""The short cut for whole messages gives what the library's parser gives, and leaves everything else to it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from caesura.server.transport.whole_message import FrameBoundaryProtocol, whole_message

MAX_SIZE = 70_000
HEAD = (
    b"GET /v1/listen HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
PAYLOADS = st.binary(max_size=300) | st.text(max_size=40).map(str.encode)
FRAMES = st.builds(
    Frame, st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONT]), PAYLOADS, st.booleans()
) | st.builds(Frame, st.sampled_from([Opcode.PING, Opcode.PONG]), st.binary(max_size=125))


def opened() -> FrameBoundaryProtocol:
    """After the upgrade, with no frame received."""
    conn = FrameBoundaryProtocol(max_size=MAX_SIZE)
    conn.receive_data(HEAD)
    (request,) = conn.events_received()
    conn.send_response(conn.accept(request))  # type: ignore[arg-type]
    return conn


def message(frame: Frame) -> dict[str, Any] | None:
    """What an application receives for a frame that is a whole message."""
    if not frame.fin or frame.opcode not in (Opcode.TEXT, Opcode.BINARY):
        return None
    if frame.opcode is Opcode.BINARY:
        return {"type": "websocket.receive", "bytes": frame.data}
    try:
        return {"type": "websocket.receive", "text": bytes(frame.data).decode()}
    except UnicodeDecodeError:
        return None


@given(FRAMES)
def test_a_whole_message_is_read_as_it_was_sent(frame: Frame) -> None:
    """Control frames, fragments and text that is not UTF-8 are left to the library."""
    assert whole_message(frame.serialize(mask=True), max_size=MAX_SIZE) == message(frame)


@pytest.mark.parametrize(("size", "read"), [(0, True), (125, True), (126, True), (65_535, True), (65_536, False)])
def test_each_form_of_length_is_read_up_to_64_kib(size: int, read: bool) -> None:
    frame = Frame(Opcode.BINARY, bytes(range(256)) * (size // 256) + bytes(size % 256))
    found = whole_message(frame.serialize(mask=True), max_size=MAX_SIZE)
    assert found == (message(frame) if read else None)


@given(FRAMES, st.data())
def test_what_is_not_exactly_one_frame_is_left_to_the_library(frame: Frame, data: st.DataObject) -> None:
    """A part of a frame, a frame and more, a frame without a mask, one with an extension's bit."""
    sent = frame.serialize(mask=True)
    assert whole_message(sent[: data.draw(st.integers(0, len(sent) - 1))], max_size=MAX_SIZE) is None
    assert whole_message(sent + data.draw(st.binary(min_size=1, max_size=8)), max_size=MAX_SIZE) is None
    assert whole_message(frame.serialize(mask=False), max_size=MAX_SIZE) is None
    assert whole_message(bytes([sent[0] | 0x40]) + sent[1:], max_size=MAX_SIZE) is None


def test_a_message_over_the_limit_is_left_to_the_library() -> None:
    sent = Frame(Opcode.BINARY, bytes(200)).serialize(mask=True)
    assert whole_message(sent, max_size=200) is not None
    assert whole_message(sent, max_size=199) is None


@given(st.lists(PAYLOADS, min_size=1, max_size=6), st.data())
def test_the_library_is_between_frames_just_when_all_it_got_is_whole_frames(
    payloads: list[bytes], data: st.DataObject
) -> None:
    conn = opened()
    assert not conn.between_frames
    sent = [Frame(Opcode.BINARY, payload).serialize(mask=True) for payload in payloads]
    together = b"".join(sent)
    ends = {sum(map(len, sent[: n + 1])) for n in range(len(sent))}
    cuts = sorted(data.draw(st.sets(st.integers(1, len(together)), max_size=8) | st.just(ends)) | {len(together)})
    for start, end in zip([0, *cuts], cuts, strict=False):
        conn.receive_data(together[start:end])
        assert conn.between_frames == (end in ends)
    assert [bytes(event.data) for event in conn.events_received() if isinstance(event, Frame)] == payloads
