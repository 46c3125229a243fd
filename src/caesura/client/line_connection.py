"""One connection of a line, from its opening to its loss: which frame is written to it next, and when. Pure.

A frame is the header of a container, a control message whose place in the audio is reached, a KeepAlive that is due, or
audio, in this order; one at a time is with the socket. After a reconnect a live line catches up: what waits is sent at
`replay_speed` times real time, because a server need not take it faster, until nothing waits.
"""

from __future__ import annotations

from math import inf

from caesura.client.send_buffer import FRAME_S, SendBuffer
from caesura.protocol.client_codec import write_client_message
from caesura.protocol.client_session import ClientSession
from caesura.protocol.messages import CloseStream, KeepAlive

STEADY_S = 10.0
"""A connection that lasted so long was a good one, even without progress."""


class LineConnection:
    """Writes `buffer` to one connection, whose timers are `session`. `now` is monotonic seconds."""

    def __init__(self, session: ClientSession, buffer: SendBuffer) -> None:
        self.session = session
        self._buffer = buffer
        self._is_writing = False
        self._catching_up = False
        self._pace_at = 0.0
        """When the next audio may be sent while it catches up."""
        self.made_progress = False
        """Has a final of this connection covered new audio?"""

    def catch_up(self, *, now: float) -> None:
        """Pace the audio from now on, until nothing waits."""
        self._catching_up = True
        self._pace_at = now

    def was_good(self, *, now: float) -> bool:
        """Whether the outage after this connection is a new one, and not a part of the one before."""
        return self.made_progress or now - self.session.opened_at >= STEADY_S

    def next_frame(self, *, replay_speed: float, now: float) -> bytes | str | None:
        """The frame to write now, None for none; call `frame_sent` when the socket has accepted it."""
        if self._is_writing:
            return None
        frame = self._buffer.next_header() or self._control_frame(now) or self._audio_frame(replay_speed, now)
        if frame is not None:
            self._is_writing = True
            self.session.begin_send(now=now)
        return frame

    def frame_sent(self, *, now: float) -> None:
        """The socket has accepted the frame."""
        self._is_writing = False
        self.session.end_send(now=now)

    def next_deadline(self) -> float:
        """When a timer of the session is due or the next frame may be written; infinite when neither is known."""
        paced_at = self._pace_at if self._catching_up and not self._is_writing else inf
        return min(self.session.next_deadline(), paced_at)

    def _control_frame(self, now: float) -> str | None:
        message = self._buffer.next_control()
        if message is not None:
            report = self.session.send_close_stream if isinstance(message, CloseStream) else self.session.send_finalize
            report(now=now)
            return write_client_message(message)
        if self.session.keepalive_due:
            self.session.send_keepalive(now=now)
            return write_client_message(KeepAlive())
        return None

    def _audio_frame(self, replay_speed: float, now: float) -> bytes | None:
        if self._catching_up and now < self._pace_at:
            return None
        piece = self._buffer.next_audio()
        if piece is None:
            self._catching_up = False
            return None
        self.session.send_audio(piece.seconds, speech=piece.speech, now=now)
        if self._catching_up:
            # A pause between two frames is not made up for by more than one frame at once.
            self._pace_at = max(self._pace_at, now - FRAME_S) + piece.seconds / replay_speed
        return piece.data
