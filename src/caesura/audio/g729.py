"""G.729 decoder for bare frames of 10 bytes, each 10 ms, in messages that may be cut anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np

from caesura.audio.avframe import put_frame
from caesura.audio.collector import Collector
from caesura.audio.libav import open_decoder
from caesura.errors import BadAudio

_RATE = 8_000
_FRAME_BYTES = 10
_FRAME_SAMPLES = 80
_SID_BYTES = 2
_PACKET_BYTES = 24 * _FRAME_BYTES + _SID_BYTES
# In a frame's first 32 bits: the six high bits of the pitch delay and their parity bit (ITU-T G.729, 3.7.2 and table
# 8). In random bytes the parity is right half of the time.
_PITCH = 0b0000_0000_0000_0000_0011_1111_0010_0000
_CHECKED = 64
_MIN_RIGHT = 52


class G729Decoder:
    """Decoder for G.729 with annexes A and B, without any header.

    A message may hold any number of frames and end inside one. A 2-byte frame of comfort noise (SID,
    annex B) can only be recognised by where its message ends: if a message of at most 24 frames begins with a frame and
    ends with 2 further bytes, these are a SID frame, decoded as 10 ms of silence. The first message that is cut in
    another way shows that this client cuts anywhere; after it no SID frames are assumed.
    """

    def __init__(self, into: Collector) -> None:
        self._into = into
        self._codec = open_decoder(("g729",), _RATE)
        self._rest = b""
        self._cut_anywhere = False
        self._checked = self._right = 0

    def feed(self, data: bytes) -> Iterator[None]:
        """Decode all whole frames. Raises BadAudio when the parity of the first 64 shows that they are not G.729."""
        pause = self._ends_in_pause(data)
        data = self._rest + data
        whole = len(data) - len(data) % _FRAME_BYTES
        self._rest = b"" if pause else data[whole:]
        for at in range(0, whole, _FRAME_BYTES):
            yield from self._decode(data[at : at + _FRAME_BYTES])
        if pause:
            self._into.put(np.zeros((1, _FRAME_SAMPLES), np.float32), _RATE)

    def finish(self) -> Iterator[None]:
        """Drops a frame that was never completed."""
        self._rest = b""
        yield from ()

    def close(self) -> None:
        """Nothing to free."""

    def _ends_in_pause(self, message: bytes) -> bool:
        more = len(message) % _FRAME_BYTES
        if more == 0 or self._cut_anywhere:
            return False
        self._cut_anywhere = more != _SID_BYTES or len(message) > _PACKET_BYTES
        return not self._cut_anywhere

    def _decode(self, frame: bytes) -> Iterator[None]:
        self._check_parity(frame)
        for decoded in self._codec.decode(av.Packet(frame)):
            yield from put_frame(self._into, decoded)

    def _check_parity(self, frame: bytes) -> None:
        # A frame of zeros stands for a lost one, and has no parity.
        if self._checked >= _CHECKED or not any(frame):
            return
        self._checked += 1
        self._right += (int.from_bytes(frame[:4]) & _PITCH).bit_count() & 1
        if self._checked == _CHECKED and self._right < _MIN_RIGHT:
            raise BadAudio(
                f"the parity is right in {self._right} of the first {_CHECKED} G.729 frames: must be frames of "
                f"{_FRAME_BYTES} bytes at 8 kbit/s, from the first byte on"
            )
