"""Test bench of a session: a client acts at literal times, and the shell and the pipeline are simulated.

`Ear` is a pipeline without sound: it counts bytes into seconds of linear16 at 16 kHz mono and takes every byte
that is not zero for speech. It knows stream time only, as the real one does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

from caesura.events import AudioFound, Drained, SpeechBegan, StreamEvent, TranscriptSegment, UtteranceEnded
from caesura.protocol.actions import Action, CloseSocket, EndAudio, FeedAudio, FlushAudio, Send, Warn
from caesura.protocol.messages import Metadata, ModelInfo, Results, ServerMessage
from caesura.protocol.options import ListenOptions
from caesura.protocol.session import Identity, Session, State, Timers
from caesura.words import Word
from tests.server_messages import read_server_message

MODEL = ModelInfo("00000000-0000-4000-8000-0000000000aa", "general-test", "2026-01-01.0", "test")
IDENTITY = Identity("01a00000-0000-7000-8000-000000000001", "2026-01-01T00:00:00.000Z", MODEL)

BYTES_PER_S = 32_000
CHUNK_S = 0.25
SPEECH = b"\x01"
SILENCE = b"\x00"

KEEPALIVE = '{"type":"KeepAlive"}'
FINALIZE = '{"type":"Finalize"}'
CLOSE_STREAM = '{"type":"CloseStream"}'
BINARY_KEEPALIVE = KEEPALIVE.encode()

WITH_FIRST_RESPONSE = Timers(idle_s=10.0, first_response_s=30.0)

NET_0000 = CloseSocket(
    1011, "Deepgram did not provide a response message within the timeout window. See https://dpgr.am/net0000"
)
NET_0001 = CloseSocket(
    1011,
    "Deepgram did not receive audio data or a text message within the timeout window. See https://dpgr.am/net0001",
)
FINISHED = CloseSocket(1000, "")

MAX_ROUNDS = 10
"""How often actions may lead to events that lead to actions, before that is an endless loop."""

M = TypeVar("M")


def session(timers: Timers | None = None, *, now: float = 0.0, **options: Any) -> Session:
    """A session of linear16 at 16 kHz, opened at `now`."""
    fields: dict[str, Any] = {"encoding": "linear16", "sample_rate": 16_000, **options}
    return Session(ListenOptions(**fields), IDENTITY, timers or Timers(), now=now)


def flushing(timers: Timers | None = None) -> Session:
    """A session whose CloseStream came at 5.0."""
    made = session(timers)
    made.receive_text(CLOSE_STREAM, now=5.0)
    assert made.actions() == [EndAudio()]
    return made


def segment(*, final: bool, endpoint: bool = False, flushed: bool = False, channel: int = 0) -> TranscriptSegment:
    """One word, transcribed in 1.0..3.0 of the stream."""
    return TranscriptSegment(channel, 1.0, 3.0, (Word("Hello.", 1.25, 1.75, 0.9),), final, endpoint, flushed)


def messages(actions: list[Action]) -> list[ServerMessage]:
    """What these actions send."""
    return [read_server_message(action.text) for action in actions if isinstance(action, Send)]


@dataclass(slots=True)
class SimulatedPipeline:
    """Finals every `cut_s` of audio; an endpoint after `endpointing_s`, an utterance's end after `gap_s` of silence."""

    cut_s: float = 5.0
    endpointing_s: float = 0.5
    gap_s: float = 1.0
    segment: bytearray = field(default_factory=bytearray)
    start: float = 0.0
    spoken: bool = False
    """Since `start`."""
    speech_end: float | None = None
    """Of the utterance that is still open."""

    @property
    def seconds(self) -> float:
        """Length of the audio fed so far."""
        return len(self.segment) / BYTES_PER_S

    def do(self, action: Action) -> list[StreamEvent]:
        """The events that the pipeline emits after this action."""
        match action:
            case FeedAudio(data):
                return self._feed(data)
            case FlushAudio():
                first = [] if self.segment else [AudioFound(1)]
                return [*first, self._final(flushed=True, endpoint=True)]
            case EndAudio():
                rest = [self._final(endpoint=True)] if self.seconds > self.start else []
                return [*rest, Drained(self.seconds)]
            case _:
                return []

    def _feed(self, data: bytes) -> list[StreamEvent]:
        events: list[StreamEvent] = [] if self.segment else [AudioFound(1)]
        self.segment += data
        if any(data):
            if self.speech_end is None:
                events.append(SpeechBegan(0, self.seconds - len(data) / BYTES_PER_S))
            self.spoken, self.speech_end = True, self.seconds
        elif self.speech_end is not None:
            events += self._silence(self.seconds - self.speech_end)
        if self.seconds - self.start >= self.cut_s:
            events.append(self._final())
        return events

    def _silence(self, length: float) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        if self.spoken and length >= self.endpointing_s:
            events.append(self._final(endpoint=True))
        if length >= self.gap_s:
            events.append(UtteranceEnded(0, self.speech_end))
            self.speech_end = None
        return events

    def _final(self, *, endpoint: bool = False, flushed: bool = False) -> TranscriptSegment:
        start, end = self.start, self.seconds
        words = (Word("Word.", start, end, 0.9),) if self.spoken else ()
        self.start, self.spoken = end, False
        return TranscriptSegment(0, start, end, words, final=True, endpoint=endpoint, flushed=flushed)


class Play:
    """Drives one session as its shell does: reports messages, carries out actions, and handles deadlines."""

    def __init__(self, timers: Timers | None = None, pipeline: SimulatedPipeline | None = None, **options: Any) -> None:
        self.session = session(timers, **options)
        self.pipeline = pipeline or SimulatedPipeline()
        self.now = 0.0
        self.sent: list[tuple[float, ServerMessage]] = []
        self.closed: tuple[float, CloseSocket] | None = None
        self.warnings: list[str] = []

    def until(self, at: float) -> None:
        """Nothing comes until `at`; deadlines up to then are kept, the one at `at` itself not yet."""
        while (deadline := self.session.next_deadline()) is not None and deadline < at:
            self.now = deadline
            self.session.handle_deadline(now=deadline)
            assert self.session.next_deadline() != deadline, "a deadline that is kept is over"
            self._act()
        self.now = at

    def text(self, at: float, text: str) -> None:
        """A text message comes at `at`."""
        self.until(at)
        self.session.receive_text(text, now=at)
        self._act()

    def binary(self, at: float, data: bytes) -> None:
        """A binary message comes at `at`."""
        self.until(at)
        self.session.receive_audio(data, now=at)
        self._act()

    def audio(self, at: float, seconds: float, sound: bytes = SPEECH) -> None:
        """Audio recorded from `at` on and streamed in real time: each chunk comes when it is complete."""
        chunk = sound * int(CHUNK_S * BYTES_PER_S)
        for index in range(round(seconds / CHUNK_S)):
            self.binary(at + CHUNK_S * (index + 1), chunk)

    def keep_alive(self, *times: float) -> None:
        """A KeepAlive comes at each of these times."""
        for at in times:
            self.text(at, KEEPALIVE)

    def messages(self, kind: type[M]) -> list[M]:
        """The messages of one kind sent so far."""
        return [message for _, message in self.sent if isinstance(message, kind)]

    @property
    def spans(self) -> list[tuple[float, float, float]]:
        """When each Results was sent, its start and its end on the stream clock."""
        return [
            (at, message.start, message.start + message.duration)
            for at, message in self.sent
            if isinstance(message, Results)
        ]

    @property
    def metadata(self) -> Metadata:
        """The one Metadata, which must be the last message."""
        (only,) = self.messages(Metadata)
        assert self.sent[-1][1] is only
        return only

    @property
    def state(self) -> State:
        """Where the session stands."""
        return self.session.state

    def _act(self) -> None:
        for _ in range(MAX_ROUNDS):
            actions = self.session.actions()
            for action in actions:
                assert self.closed is None, f"{action} after CloseSocket"
                match action:
                    case Send(text):
                        self.sent.append((self.now, read_server_message(text)))
                    case CloseSocket():
                        self.closed = (self.now, action)
                    case Warn(text):
                        self.warnings.append(text)
                    case _:
                        for event in self.pipeline.do(action):
                            self.session.engine_event(event, now=self.now)
            if not actions:
                return
        raise AssertionError("the session never comes to rest")
