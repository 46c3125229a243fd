"""Test bench for a line's machine: a caller, a socket and a server fed by hand, with time as a variable.

One sample is one millisecond, the unit of the wire, so every position is exact. A captured sample holds its own number
(`voice`), so what reached a server can be read off it.
"""

from __future__ import annotations

import json
from array import array
from math import inf
from typing import Any, TypeVar

from caesura.client.events import Closed, Event, Final, Gap, Sent, Stats
from caesura.client.line_actions import Action, Phase
from caesura.client.line_settings import LineSettings
from caesura.client.pcm import PcmFormat
from caesura.client.reconnect import Backoff, refusal
from caesura.client.recovery import Recovery
from caesura.client.send_buffer import STEADY_S
from caesura.errors import CaesuraError
from caesura.protocol.client_session import ClientTimers

RATE = 1000
MONO = PcmFormat("linear16", RATE, 2)
STEREO = PcmFormat("linear16", RATE, 4)

KEEPALIVE = '{"type":"KeepAlive"}'
FINALIZE = '{"type":"Finalize"}'
CLOSE_STREAM = '{"type":"CloseStream"}'

PATIENT = ClientTimers(ping_s=inf, stall_s=inf, mute_s=inf)
"""A watch that lets a server be silent, and a socket slow."""

MOST_FRAMES = 100_000
"""How many frames may follow one step, before that is an endless loop."""

E = TypeVar("E")


def voice(first: int, samples: int, channels: int = 1) -> bytes:
    """Captured samples `first` and following, each holding its number."""
    return array("H", [each for each in range(first, first + samples) for _ in range(channels)]).tobytes()


def quiet(samples: int) -> bytes:
    """So many samples without speech."""
    return bytes(2 * samples)


def loud(samples: int) -> bytes:
    """So many samples with speech: bursts that stand out from what is between them."""
    return array("h", [20_000 if each % 50 == 0 else 0 for each in range(samples)]).tobytes()


def numbers(data: bytes, channels: int = 1) -> list[int]:
    """Which samples these are."""
    return array("H", data)[::channels].tolist()


def results(
    start: float,
    end: float,
    *words: tuple[str, float, float],
    final: bool = True,
    channel: tuple[int, int] = (0, 1),
    **flags: bool,
) -> str:
    """A Results message."""
    said = [{"word": word, "start": first, "end": last, "confidence": 0.9} for word, first, last in words]
    text = " ".join(word for word, _, _ in words)
    return json.dumps(
        {
            "type": "Results",
            "channel_index": channel,
            "start": start,
            "duration": round(end - start, 3),
            "is_final": final,
            "channel": {"alternatives": [{"transcript": text, "confidence": 0.9, "words": said}]},
            **flags,
        }
    )


def metadata(duration: float = 0.0) -> str:
    """The last message of a stream."""
    return json.dumps({"type": "Metadata", "duration": duration, "channels": 1})


class Bench:
    """Drives one machine as its shell does: reports events to it, performs its actions, and keeps its deadlines."""

    def __init__(
        self,
        pcm: PcmFormat | None = MONO,
        *,
        wall_offset_s: float = 0.0,
        retry: Backoff | None = None,
        open_line: bool = True,
        **settings: Any,
    ) -> None:
        """`open_line`: the line is started and its first connection opened, at 0."""
        self.now = 0.0
        self.chance = 0.5
        """What the next draw of jitter gives."""
        self.takes = True
        """Does the socket accept frames? Otherwise one is handed to it, and stuck."""
        self.answers = True
        """Are pings answered, at once?"""
        self.machine = Recovery(
            LineSettings(pcm=pcm, backoff=retry or Backoff(), **settings),
            random=lambda: self.chance,
            wall_offset_s=wall_offset_s,
        )
        self._live = settings.get("live", True)
        self.frame_bytes = pcm.frame_bytes if pcm else 1
        self.connections: list[list[tuple[float, bytes | str]]] = []
        """What each connection's socket was handed, and when."""
        self.actions: list[tuple[float, Action]] = []
        self.events: list[tuple[float, Event]] = []
        self.places: list[int] = []
        """The plain model of the capture clock: where each numbered sample lies in the source."""
        self._place = 0
        self._paused_at = 0.0
        self._skipped = 0
        self.ending = False
        """Is no more audio accepted?"""
        self.stuck = False
        """Is a frame handed to the socket and not accepted?"""
        self.opened_at = 0.0
        """When was the newest connection opened?"""
        self._connected = False
        self._closing = False
        if open_line:
            self.start()
            self.open()

    # ---- time ----

    def until(self, at: float) -> None:
        """Nothing happens until `at`; deadlines up to then are kept, the one at `at` itself too."""
        while (deadline := self.machine.next_deadline()) is not None and deadline <= at:
            before = (deadline, self.machine.phase)
            self.now = max(self.now, deadline)
            self.machine.handle_deadline(now=self.now)
            self.settle()
            assert (self.machine.next_deadline(), self.machine.phase) != before, "a deadline that is kept is over"
        self.now = max(self.now, at)

    def wait(self, seconds: float) -> None:
        """Nothing happens for so long."""
        self.until(self.now + seconds)

    # ---- the caller ----

    def start(self) -> None:
        self.machine.start(now=self.now)
        self.settle()

    def send(self, data: bytes, *, at: float | None = None) -> Sent:
        sent = self.machine.send(data, now=self.now, at=at)
        self.settle()
        return sent

    def speak(self, seconds: float, *, piece_s: float = 0.125) -> None:
        """A live voice: numbered samples, each piece sent when it is complete."""
        for _ in range(round(seconds / piece_s)):
            self.wait(piece_s)
            self.send_samples(round(piece_s * RATE))

    def send_samples(self, samples: int) -> Sent:
        """Numbered samples, sent at once."""
        first, paused = len(self.places), self.machine.paused
        open_still = not self.ending and self.machine.phase is not Phase.CLOSED
        sent = self.machine.send(voice(first, samples, self.frame_bytes // 2), now=self.now)
        if paused:
            self._skipped += samples
        elif open_still:
            self.places += range(self._place, self._place + samples)
            self._place += samples
        self.settle()
        return sent

    def stream(self, seconds: float, sound: bytes = b"", *, piece_s: float = 0.25) -> None:
        """A live source: pieces of `sound`, by default of silence, each sent when it is complete."""
        piece = sound or quiet(round(piece_s * RATE))
        for _ in range(round(seconds / piece_s)):
            self.wait(piece_s)
            self.send(piece)

    def pause(self) -> None:
        if not self.machine.paused:
            self._paused_at, self._skipped = self.now, 0
        self.machine.pause(now=self.now)
        self.settle()

    def resume(self) -> None:
        if self.machine.paused:
            elapsed = round((self.now - self._paused_at) * RATE) if self._live else 0
            went_on = self._skipped > 0 and elapsed - self._skipped <= STEADY_S * RATE
            self._place += self._skipped if went_on else elapsed
        self.machine.resume(now=self.now)
        self.settle()

    def finalize(self) -> None:
        self.machine.finalize()
        self.settle()

    def finish(self, timeout_s: float | None = 10.0) -> None:
        self.ending = True
        self.machine.finish(timeout_s, now=self.now)
        self.settle()

    # ---- the connection ----

    def open(self, request_id: str = "") -> None:
        """The attempt succeeds."""
        assert self.machine.phase is Phase.CONNECTING, self.machine.phase
        self.machine.opened(request_id, now=self.now)
        self.connections.append([])
        self.opened_at = self.now
        self._connected, self._closing, self.takes, self.stuck = True, False, True, False
        self.settle()

    def fail(self, error: CaesuraError | int) -> None:
        """The attempt fails, or is answered with this HTTP status."""
        self.machine.failed(refusal(error) if isinstance(error, int) else error, now=self.now)
        self.settle()

    def cut(self, code: int = 1006, reason: str = "") -> None:
        """The connection ends."""
        self._connected = False
        self.machine.closed(code, reason, now=self.now)
        self.settle()

    def reopen(self, request_id: str = "") -> None:
        """Wait for the next attempt; it succeeds."""
        deadline = self.machine.next_deadline()
        assert self.machine.phase is Phase.WAITING
        assert deadline is not None
        self.until(deadline)
        self.open(request_id)

    def accept_frames(self) -> None:
        """The socket accepts frames again, and the one that is stuck."""
        self.takes = True
        if self.stuck:
            self.stuck = False
            self.machine.frame_sent(now=self.now)
        self.settle()
        self.until(self.now)

    def receive(self, text: str) -> None:
        """The server sends a message."""
        self.machine.receive_text(text, now=self.now)
        self.settle()

    # ---- what follows ----

    def settle(self) -> None:
        """Carry out the machine's actions until there are none."""
        for action in self.machine.actions():
            assert not self.ended, f"{action} after Closed"
            self.actions.append((self.now, action))
            if action in (Action.ABORT, Action.CLOSE):
                self._connected = False
            if action is Action.PING and self.answers:
                self.machine.receive_pong(now=self.now)
        self.events += [(self.now, event) for event in self.machine.events()]
        self._write()
        if self.machine.phase is Phase.CLOSED:
            assert self.machine.next_deadline() is None
            assert self.machine.actions() == []

    def _write(self) -> None:
        for _ in range(MOST_FRAMES):
            frame = self.machine.next_frame(now=self.now)
            if frame is None:
                return
            assert self._connected, "a frame without a connection"
            assert frame, "an empty frame ends the stream"
            assert not self._closing, f"{frame!r} after CloseStream"
            assert isinstance(frame, str) or len(frame) % self.frame_bytes == 0
            self._closing = frame == CLOSE_STREAM
            self.connections[-1].append((self.now, frame))
            if not self.takes:
                self.stuck = True
                return
            self.machine.frame_sent(now=self.now)
        raise AssertionError("the machine never comes to rest")

    # ---- what is seen ----

    @property
    def ended(self) -> bool:
        return bool(self.events) and isinstance(self.events[-1][1], Closed)

    @property
    def frames(self) -> list[tuple[float, bytes | str]]:
        """What the newest connection's socket was handed."""
        return self.connections[-1]

    @property
    def texts(self) -> list[tuple[float, str]]:
        """Control messages on the newest connection."""
        return [(at, frame) for at, frame in self.frames if isinstance(frame, str)]

    @property
    def audio(self) -> bytes:
        """All audio on the newest connection."""
        return b"".join(frame for _, frame in self.frames if isinstance(frame, bytes))

    @property
    def received(self) -> list[int]:
        """Numbers of the samples on the newest connection."""
        return numbers(self.audio, self.frame_bytes // 2)

    def events_of(self, kind: type[E]) -> list[E]:
        """All events of one kind."""
        return [event for _, event in self.events if isinstance(event, kind)]

    @property
    def words(self) -> list[str]:
        """All words of finals."""
        return [word.word for final in self.events_of(Final) for word in final.words]

    @property
    def gaps(self) -> list[tuple[float, float]]:
        """Gaps that have a range."""
        return [(gap.start, gap.end) for gap in self.events_of(Gap) if gap.start is not None and gap.end is not None]

    @property
    def closed(self) -> Closed:
        """The end, which must be the last event and the only one of its kind."""
        (only,) = self.events_of(Closed)
        assert self.events[-1][1] is only
        return only

    @property
    def stats(self) -> Stats:
        return self.machine.stats(now=self.now)

    def times(self, wanted: Action) -> list[float]:
        """When the machine wanted this."""
        return [at for at, action in self.actions if action is wanted]
