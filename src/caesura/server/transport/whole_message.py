"""Fast path for whole WebSocket messages: one unfragmented frame in one read, as live clients send audio.

The library's parser takes a dozen calls for each frame, a seventh of the cost of a live stream. It parses everything
else: control frames, fragments, frames in pieces, several frames at once, and all that breaks the protocol.
"""

from __future__ import annotations

from typing import Final

from websockets.frames import Frame
from websockets.server import ServerProtocol

from caesura.server.transport.message_source import Message

try:
    from websockets.speedups import apply_mask
except ImportError:  # a build of the library without C code
    from websockets.utils import apply_mask

_TEXT: Final = 0x81
_BINARY: Final = 0x82
"""First byte of a frame that is a whole message, without extensions."""
_MASKED: Final = 0x80
_LENGTH_16: Final = 126
"""In the second byte: two bytes of length follow."""


def whole_message(data: bytes, *, max_size: int) -> Message | None:
    """The ASGI event for `data` when it is exactly one message of at most `max_size` bytes and 64 KiB; None otherwise.

    `data` must begin between two frames of a client.
    """
    if len(data) < 6 or data[0] not in (_TEXT, _BINARY):
        return None
    at, length = 2, data[1] - _MASKED
    if length == _LENGTH_16:
        at, length = 4, int.from_bytes(data[2:4])
    # An unmasked frame has a negative length here, and one of 64 KiB or more has 127, which is not its length.
    if length < 0 or length > max_size or len(data) != at + 4 + length or data[1] == 0xFF:
        return None
    payload = apply_mask(data[at + 4 :], data[at : at + 4])
    if data[0] == _BINARY:
        return {"type": "websocket.receive", "bytes": payload}
    try:
        return {"type": "websocket.receive", "text": payload.decode()}
    except UnicodeDecodeError:
        return None


class FrameBoundaryProtocol(ServerProtocol):
    """The library's protocol, which also knows when its parser waits for the next frame."""

    between_frames = False
    """Whether a frame has been received, and nothing after it."""

    def receive_data(self, data: bytes | bytearray) -> None:
        """Parse what was received."""
        self.between_frames = False
        super().receive_data(data)

    def recv_frame(self, frame: Frame) -> None:
        """Process a frame that was parsed."""
        super().recv_frame(frame)
        self.between_frames = not self.reader.buffer
