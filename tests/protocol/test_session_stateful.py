"""Laws of a session, checked while client, engine and time act in any order.

Times are drawn from the boundaries: just below, at and just above the end of each window. All of them are multiples
of 2**-10 s, so that sums are exact. The windows are kept here a second time, from the rules and not from the code.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

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
from caesura.protocol.actions import Action, CloseSocket, EndAudio, FeedAudio, FlushAudio, Send
from caesura.protocol.messages import Error, Metadata, Results
from caesura.protocol.session import Session, State, Timers
from caesura.words import Word
from tests.example_count import examples
from tests.protocol.play import CLOSE_STREAM, FINALIZE, FINISHED, KEEPALIVE, NET_0000, NET_0001, session
from tests.server_messages import read_server_message

IDLE_S, FIRST_RESPONSE_S, DRAIN_S = 10.0, 25.0, 30.0
TICK = 1 / 1024

FLAGS = st.booleans()
BAD_TEXTS = st.sampled_from(["", "no JSON", '{"type":"KeepAlive "}', '{"type":"Finalize","channel":3}', "[]"])
SOUNDS = st.sampled_from([b"\x01", b"\x00" * 640, KEEPALIVE.encode(), CLOSE_STREAM.encode()])
WINDOWS = st.sampled_from(["idle", "first response", "drain"])
EDGES = st.sampled_from([-TICK, 0.0, TICK])
STEPS = st.sampled_from([0.0, TICK, 1.0, 4.0, 5.0])


class SessionMachine(RuleBasedStateMachine):
    """One session with a client, an engine and a clock that act in any order."""

    @initialize(
        first_response=FLAGS,
        interim_results=FLAGS,
        opened_at=st.sampled_from([0.0, 1000.5]),
        patience=st.sampled_from([0, 10, 30]),
    )
    def open(self, first_response: bool, interim_results: bool, opened_at: float, patience: int) -> None:
        self.now = opened_at
        self.patience = patience
        self.steps = 0
        self.log: list[Action] = []
        self.fresh: list[Action] = []
        self.ended_by_pipeline = False
        # When each window ends; None: it does not run.
        self.ends: dict[str, float | None] = {
            "idle": opened_at + IDLE_S,
            "first response": opened_at + FIRST_RESPONSE_S if first_response else None,
            "drain": None,
        }
        self.held = False
        self.phase = State.OPEN
        self.session = session(
            Timers(IDLE_S, FIRST_RESPONSE_S if first_response else 0.0, DRAIN_S),
            now=opened_at,
            interim_results=interim_results,
            vad_events=True,
            utterance_end_ms=1000,
        )

    # ---- the model ----

    def client_sent_something(self) -> None:
        if self.phase is State.OPEN and not self.held:
            self.ends["idle"] = self.now + IDLE_S

    def flushing_began(self) -> None:
        self.phase = State.FLUSHING
        self.ends = {"idle": None, "first response": None, "drain": self.now + DRAIN_S}

    def it_is_over(self) -> None:
        self.phase = State.CLOSED
        self.ends = {"idle": None, "first response": None, "drain": None}

    def act(self) -> list[Action]:
        """Take the actions, as the shell does after every call."""
        self.fresh = self.session.actions()
        self.log += self.fresh
        if any(isinstance(action, Send) for action in self.fresh):
            self.ends["first response"] = None
        if any(isinstance(action, CloseSocket) for action in self.fresh):
            self.it_is_over()
        return self.fresh

    def may_end(self) -> bool:
        """Most acts end a stream: without patience, few would live long enough to see a window."""
        return self.steps >= self.patience or self.phase is not State.OPEN

    # ---- the client ----

    @rule(data=SOUNDS)
    def client_sends_audio(self, data: bytes) -> None:
        was = self.phase
        self.session.receive_audio(data, now=self.now)
        fed = [action for action in self.act() if isinstance(action, FeedAudio)]
        assert fed == ([FeedAudio(data)] if was is State.OPEN else [])
        self.client_sent_something()

    @rule()
    def client_keeps_alive(self) -> None:
        self.session.receive_text(KEEPALIVE, now=self.now)
        assert self.act() == []
        self.client_sent_something()

    @rule()
    def client_finalizes(self) -> None:
        was = self.phase
        self.session.receive_text(FINALIZE, now=self.now)
        assert self.act() == ([FlushAudio(None)] if was is State.OPEN else [])
        self.client_sent_something()

    @rule(text=BAD_TEXTS)
    def client_sends_a_bad_text(self, text: str) -> None:
        was = self.phase
        self.session.receive_text(text, now=self.now)
        answers = [type(read_server_message(action.text)) for action in self.act() if isinstance(action, Send)]
        assert answers == ([Error] if was is State.OPEN else [])
        self.client_sent_something()

    @precondition(may_end)
    @rule(empty_binary=FLAGS)
    def client_ends_the_stream(self, empty_binary: bool) -> None:
        was = self.phase
        if empty_binary:
            self.session.receive_audio(b"", now=self.now)
        else:
            self.session.receive_text(CLOSE_STREAM, now=self.now)
        assert self.act() == ([EndAudio()] if was is State.OPEN else [])
        if was is State.OPEN:
            self.flushing_began()

    @precondition(may_end)
    @rule(code=st.sampled_from([1000, 1001, 1006]))
    def client_leaves(self, code: int) -> None:
        self.session.receive_disconnect(code, now=self.now)
        assert self.act() == []
        self.it_is_over()

    # ---- our own reading ----

    @rule()
    def reading_stops(self) -> None:
        self.session.hold_idle()
        self.held = True
        self.ends["idle"] = None

    @precondition(lambda self: self.held)
    @rule(after=STEPS, woken=FLAGS)
    def reading_goes_on(self, after: float, woken: bool) -> None:
        self.now += after
        if woken:
            self.wake()
        self.session.resume_idle(now=self.now)
        self.held = False
        if self.phase is State.OPEN:
            self.ends["idle"] = self.now + IDLE_S

    # ---- the engine ----

    def engine_event(self, event: StreamEvent) -> None:
        was = self.phase
        self.session.engine_event(event, now=self.now)
        if was is State.CLOSED:
            assert self.act() == []
        else:
            self.act()

    @precondition(lambda self: not self.ended_by_pipeline)
    @rule(final=FLAGS, endpoint=FLAGS, flushed=FLAGS)
    def engine_recognizes(self, final: bool, endpoint: bool, flushed: bool) -> None:
        self.engine_event(TranscriptSegment(0, 0.0, 1.0, (Word("Yes.", 0.0, 1.0, 0.5),), final, endpoint, flushed))

    @precondition(lambda self: not self.ended_by_pipeline)
    @rule(event=st.sampled_from([AudioFound(1), SpeechBegan(0, 0.0), UtteranceEnded(0, None)]))
    def engine_notices(self, event: StreamEvent) -> None:
        self.engine_event(event)

    @precondition(lambda self: not self.ended_by_pipeline and EndAudio() in self.log)
    @rule(seconds=st.sampled_from([0.0, 5.0]))
    def engine_has_drained(self, seconds: float) -> None:
        self.ended_by_pipeline = True
        self.engine_event(Drained(seconds))

    @precondition(lambda self: not self.ended_by_pipeline and self.may_end())
    @rule(event=st.sampled_from([AudioRefused("why", 0.0), EngineFailed("why", 1.0)]))
    def engine_gives_up(self, event: StreamEvent) -> None:
        self.ended_by_pipeline = True
        self.engine_event(event)

    # ---- time ----

    @rule(length=STEPS, woken=FLAGS)
    def time_passes(self, length: float, woken: bool) -> None:
        self.now += length
        if woken:
            self.wake()

    @rule(window=WINDOWS, edge=EDGES, woken=FLAGS)
    def time_passes_to_an_edge(self, window: str, edge: float, woken: bool) -> None:
        end = self.ends[window]
        if end is not None:
            self.now = max(self.now, end + edge)
        if woken:
            self.wake()

    @rule()
    def wake(self) -> None:
        """The timer fires, perhaps for nothing, perhaps twice."""
        over = {name for name, end in self.ends.items() if end is not None and self.now >= end}
        self.session.handle_deadline(now=self.now)
        actions = self.act()
        if "idle" in over:
            assert actions == [EndAudio()]
            self.flushing_began()
        elif over:
            assert actions == [NET_0000]
        else:
            assert actions == []

    # ---- laws ----

    @invariant()
    def a_step_is_counted(self) -> None:
        self.steps += 1

    @invariant()
    def the_deadline_is_the_first_end_of_a_window(self) -> None:
        assert self.session.next_deadline() == min((end for end in self.ends.values() if end is not None), default=None)

    @invariant()
    def the_session_stands_where_the_model_stands(self) -> None:
        assert self.session.state is self.phase

    @invariant()
    def closed_has_no_deadline(self) -> None:
        if self.session.state is State.CLOSED:
            assert self.session.next_deadline() is None

    @invariant()
    def nothing_follows_a_close_and_there_is_one(self) -> None:
        closes = [index for index, action in enumerate(self.log) if isinstance(action, CloseSocket)]
        assert closes in ([], [len(self.log) - 1])

    @invariant()
    def the_audio_ends_once(self) -> None:
        assert self.log.count(EndAudio()) <= 1

    @invariant()
    def one_metadata_comes_last_before_a_clean_close(self) -> None:
        sent = [read_server_message(action.text) for action in self.log if isinstance(action, Send)]
        count = sum(isinstance(message, Metadata) for message in sent)
        assert count <= 1
        if count:
            assert isinstance(sent[-1], Metadata)
            assert isinstance(self.log[-1], CloseSocket)
        if self.log and self.log[-1] in (FINISHED, NET_0001):
            assert count == 1
            assert EndAudio() in self.log

    @invariant()
    def speech_final_only_with_is_final(self) -> None:
        for action in self.fresh:
            if isinstance(action, Send) and isinstance(results := read_server_message(action.text), Results):
                assert results.is_final or not (results.speech_final or results.from_finalize)

    @invariant()
    def bytes_are_counted_as_they_are_fed(self) -> None:
        fed = sum(len(action.data) for action in self.log if isinstance(action, FeedAudio))
        assert self.session.tally.bytes_in == fed


TestSession = SessionMachine.TestCase
TestSession.settings = settings(examples(250), stateful_step_count=30)


def test_the_machine_drives_a_real_session() -> None:
    """A machine whose first step fails to open would prove nothing."""
    machine = SessionMachine()
    machine.open(first_response=True, interim_results=True, opened_at=0.0, patience=0)
    assert isinstance(machine.session, Session)
    machine.time_passes_to_an_edge(window="idle", edge=0.0, woken=True)
    assert machine.session.state is State.FLUSHING
    machine.engine_has_drained(seconds=0.0)
    assert machine.log[-1] == NET_0001
