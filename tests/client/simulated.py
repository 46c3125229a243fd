"""A line's machine and the fake server's session on one simulated clock: hours of a line in an instant."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import TypeVar

from caesura.client.events import Event, Final, TimedWord
from caesura.client.line_actions import Action
from caesura.client.line_settings import LineSettings
from caesura.client.pcm import PcmFormat
from caesura.client.reconnect import refusal
from caesura.client.recovery import Recovery
from caesura.events import StreamEvent
from caesura.protocol.actions import CloseSocket, EndAudio, FeedAudio, FlushAudio, Send
from caesura.protocol.client_session import ClientTimers
from caesura.protocol.messages import ModelInfo
from caesura.protocol.options import ListenOptions
from caesura.protocol.session import Identity, Session, Timers
from caesura.testing.fake_recognizer import FakeRecognizer, RecognizerTiming
from tests.client.lines import VOICE

E = TypeVar("E")

RATE = 8_000
IDENTITY = Identity("simulated", "2026-01-01T00:00:00.000Z", ModelInfo("0", "simulated", "0", "simulated"))
OPTIONS = ListenOptions(encoding="linear16", sample_rate=RATE)


def say(*words: str, word_s: float = 0.3, gap_s: float = 0.1) -> bytes:
    """`words` at the rate of this line."""
    return VOICE.say(*words, sample_rate=RATE, word_s=word_s, gap_s=gap_s)


def silence(seconds: float) -> bytes:
    """No speech."""
    return VOICE.silence(seconds, sample_rate=RATE)


class Simulated:
    """A live line of linear16 whose server answers at once. `now` begins at 0 and moves when `pass_time` is called."""

    def __init__(self, *, watch: ClientTimers | None = None, keep_s: float = 60.0, idle_s: float = 10.0) -> None:
        """`idle_s`: the server's patience. The line is open."""
        settings = LineSettings(
            PcmFormat("linear16", RATE, 2), keep_s=keep_s, watch=watch or ClientTimers(), replay_speed=1.25
        )
        self.machine = Recovery(settings, random=lambda: 0.5)
        self.now = 0.0
        self.events: list[Event] = []
        self.reachable = True
        self._timers = Timers(idle_s=idle_s)
        self._server: tuple[Session, FakeRecognizer] | None = None
        self.machine.start(now=0.0)
        self._settle()

    # ---- the caller ----

    def send(self, audio: bytes) -> None:
        """It was captured up to now."""
        self.machine.send(audio, now=self.now)
        self._settle()

    def pause(self, seconds: float) -> None:
        """A pause of that length begins and ends."""
        self.machine.pause(now=self.now)
        self._settle()
        self.pass_time(seconds)
        self.machine.resume(now=self.now)
        self._settle()

    def finish(self) -> None:
        """The end; the server is done at once."""
        self.machine.finish(10.0, now=self.now)
        self._settle()

    # ---- the network ----

    def drop(self) -> None:
        """The connection breaks."""
        self._server = None
        self.machine.closed(1006, "", now=self.now)
        self._settle()

    def pass_time(self, seconds: float) -> None:
        """Everything that is due until then happens when it is due."""
        until = self.now + seconds
        while (due := min(self._deadlines())) <= until:
            self.now = max(due, self.now)
            self.machine.handle_deadline(now=self.now)
            if self._server is not None:
                self._server[0].handle_deadline(now=self.now)
            self._settle()
        self.now = until

    # ---- what is seen ----

    def of(self, kind: type[E]) -> list[E]:
        """Events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def words(self) -> tuple[TimedWord, ...]:
        """Of all finals."""
        return tuple(word for final in self.of(Final) for word in final.words)

    # ---- inside ----

    def _deadlines(self) -> Iterator[float]:
        for machine in (self.machine, self._server and self._server[0]):
            deadline = machine.next_deadline() if machine is not None else None
            yield inf if deadline is None else deadline

    def _settle(self) -> None:
        """Until nothing follows from anything any more."""
        busy = True
        while busy:
            busy = self._carry_out() | self._write() | self._serve()
        self.events += self.machine.events()

    def _carry_out(self) -> bool:
        actions = self.machine.actions()
        for action in actions:
            match action:
                case Action.CONNECT:
                    self._connect()
                case Action.PING:
                    self.machine.receive_pong(now=self.now)
                case Action.ABORT | Action.CLOSE:
                    self._server = None
        return bool(actions)

    def _connect(self) -> None:
        if not self.reachable:
            self.machine.failed(refusal(503), now=self.now)
            return
        pace = RecognizerTiming(longest_s=5.0, endpoint_s=0.3)
        self._server = Session(OPTIONS, IDENTITY, self._timers, now=self.now), FakeRecognizer(VOICE, pace, RATE)
        self.machine.opened("", now=self.now)

    def _write(self) -> bool:
        frame = self.machine.next_frame(now=self.now)
        if frame is None:
            return False
        self.machine.frame_sent(now=self.now)
        if self._server is not None and isinstance(frame, bytes):
            self._server[0].receive_audio(frame, now=self.now)
        elif self._server is not None and isinstance(frame, str):
            self._server[0].receive_text(frame, now=self.now)
        return True

    def _serve(self) -> bool:
        """Everything the server wants done; the connection may be closed behind any of it."""
        if self._server is None:
            return False
        session, recognizer = self._server
        actions = session.actions()
        for action in actions:
            match action:
                case FeedAudio(data):
                    self._pass_on(session, recognizer.feed(data))
                case FlushAudio(channel):
                    self._pass_on(session, recognizer.flush(channel))
                case EndAudio():
                    self._pass_on(session, recognizer.end())
                case Send(text):
                    self.machine.receive_text(text, now=self.now)
                case CloseSocket(code, reason):
                    self._server = None
                    self.machine.closed(code, reason, now=self.now)
        return bool(actions)

    def _pass_on(self, session: Session, events: list[StreamEvent]) -> None:
        for event in events:
            session.engine_event(event, now=self.now)
