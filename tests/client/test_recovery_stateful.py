"""A caller, a network, a server and time do as they please: the laws of a line hold after every step.

The server knows each sample that it receives (see the bench), so its words are those that the line must emit. Times are
drawn from the boundaries: whole timers, and a millisecond less or more. At the end a good network delivers the rest.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from caesura.client.events import Closed, Dropped, Final, Gap, Paused, Resumed
from caesura.client.line_actions import Action, Phase
from caesura.client.send_buffer import LEAST_RECORDING_KEEP_S
from caesura.errors import CaesuraError, Unreachable, UsageError
from tests.client.bench import CLOSE_STREAM, KEEPALIVE, MONO, PATIENT, RATE, STEREO, Bench
from tests.client.pretend_server import PretendServer
from tests.example_count import examples

WORD = 10
"""Samples; the caller sends whole words, so that no Finalize cuts one in two."""

WORDS = st.integers(1, 40)
MESSAGES = st.sampled_from([0, 1, 100, 100])
STEPS = st.sampled_from([0.0, 0.001, 0.2, 0.25, 1.0, 3.999, 4.0, 4.001, 5.0, 10.0, 60.0])
EDGES = st.sampled_from([-0.001, 0.0, 0.001])
TEXTS = st.sampled_from(["{", "", '{"type":"New"}', '{"type":"SpeechStarted","timestamp":0}'])
FAILURES: st.SearchStrategy[CaesuraError | int] = st.sampled_from([Unreachable("nobody"), 503, 429])


class LineMachine(RuleBasedStateMachine):
    """One line, and all that can happen to it."""

    @initialize(
        stereo=st.booleans(),
        live=st.booleans(),
        watched=st.booleans(),
        keep_s=st.sampled_from([0.3, 60.0]),
        early=st.booleans(),
        words=WORDS,
        patience=st.sampled_from([10, 25, 60]),
    )
    def begin(
        self, stereo: bool, live: bool, watched: bool, keep_s: float, early: bool, words: int, patience: int
    ) -> None:
        """`early`: the caller speaks before there is a connection."""
        settings: dict[str, Any] = {"keep_s": keep_s, "live": live, "open_within_s": 600.0}
        if not watched:
            settings["watch"] = PATIENT
        self.bench = Bench(STEREO if stereo else MONO, open_line=False, **settings)
        self.machine = self.bench.machine
        self.channels = 2 if stereo else 1
        self.live = live
        self.keep_s = keep_s
        self.server = PretendServer(self.bench, word=WORD, channels=self.channels)
        self.patience = patience
        self.steps = 0
        self.skipped = 0
        self.finals = 0
        self.words: list[list[int]] = [[] for _ in range(self.channels)]
        """Numbers of the words emitted on each channel."""
        self.covered = [0] * self.channels
        """Source sample up to which finals cover each channel."""
        self.finals_covered = 0
        self.bench.start()
        self.replays_from: int | None = None
        """First source sample that the newest connection has to be sent; None: no audio was waiting for it."""
        if not early:
            self.network_is_there()
        self.caller_speaks(words, True)

    def is_open(self) -> bool:
        return self.machine.phase is Phase.OPEN

    def is_away(self) -> bool:
        return self.machine.phase in (Phase.CONNECTING, Phase.WAITING)

    def may_end(self) -> bool:
        return self.steps >= self.patience

    # ---- the caller ----

    @rule(words=WORDS, after=st.booleans())
    def caller_speaks(self, words: int, after: bool) -> None:
        if after:
            self.bench.wait(words * WORD / RATE)
        paused, ended = self.machine.paused, self.bench.ending or self.bench.ended
        if not self.machine.accepts_more(now=self.bench.now):
            return  # a recording waits
        try:
            answer = self.bench.send_samples(words * WORD)
        except UsageError:
            # A small buffer accepts a recording's audio as long as what waits to be sent leaves room.
            is_small = self.keep_s < LEAST_RECORDING_KEEP_S
            assert (self.machine.waiting_s if is_small else self.machine.unheard_s) >= self.keep_s
            return
        if paused or ended:
            assert answer == Dropped(float(words * WORD), "the line is closed" if ended else "paused")
        if paused and not ended:
            self.skipped += words * WORD

    @rule(words=WORDS, channel=st.integers(0, 1), messages=MESSAGES)
    def caller_speaks_and_gets_a_final(self, words: int, channel: int, messages: int) -> None:
        self.caller_speaks(words, True)
        self.server_sends_a_final(channel, messages)

    @rule(seconds=STEPS, resumes=st.booleans())
    def caller_pauses(self, seconds: float, resumes: bool) -> None:
        self.bench.pause()
        self.bench.wait(seconds)
        if resumes:
            self.bench.resume()

    @rule()
    def caller_resumes(self) -> None:
        self.bench.resume()

    @rule()
    def caller_finalizes(self) -> None:
        self.bench.finalize()

    @precondition(may_end)
    @rule(timeout_s=st.sampled_from([0.0, 10.0, 1000.0, 1000.0, None]))
    def caller_finishes(self, timeout_s: float | None) -> None:
        """None: without any patience at all."""
        if timeout_s is None:
            self.machine.abandon(now=self.bench.now)
            self.bench.settle()
        elif not self.bench.ended:
            self.bench.finish(timeout_s)

    # ---- the network ----

    @precondition(is_open)
    @rule(code=st.sampled_from([1001, 1006, 1011, 4429]), words=st.integers(0, 40), back=st.booleans())
    def connection_is_cut(self, code: int, words: int, back: bool) -> None:
        self.bench.cut(code)
        if words:
            self.caller_speaks(words, True)
        if back:
            self.network_is_there()

    @precondition(is_away)
    @rule(seconds=st.sampled_from([0.0, 0.25, 2.0]))
    def network_is_there(self, seconds: float = 0.0) -> None:
        if self.machine.phase is Phase.WAITING:
            self.time_passes_to_an_edge(0.0)
        if self.machine.phase is Phase.CONNECTING:
            self.bench.open()
            self.server.connect()
            self.finals_cover_the_audio_that_was_sent()
            self.replays_from = min(self.pending, default=None)
        self.time_passes_in_speech(seconds)

    @precondition(is_away)
    @rule(error=FAILURES, chance=st.sampled_from([0.0, 0.5, 0.998]))
    def attempt_fails(self, error: CaesuraError | int, chance: float) -> None:
        self.bench.chance = chance
        if self.machine.phase is Phase.CONNECTING:
            self.bench.fail(error)

    @precondition(lambda self: self.is_open() and self.may_end())
    @rule(code=st.sampled_from([1000, 1008]))
    def connection_is_closed_for_good(self, code: int) -> None:
        self.bench.cut(code)
        assert self.bench.ended

    @precondition(is_open)
    @rule(full=st.booleans())
    def socket_is_full_or_not(self, full: bool) -> None:
        if full:
            self.bench.takes = False
        else:
            self.bench.accept_frames()

    @rule(answers=st.booleans())
    def pings_are_answered_or_not(self, answers: bool) -> None:
        self.bench.answers = answers

    # ---- the server ----

    @precondition(is_open)
    @rule(channel=st.integers(0, 1), messages=MESSAGES)
    def server_sends_a_final(self, channel: int, messages: int) -> None:
        if not self.is_open():
            return
        self.server.listen()
        self.server.cut(channel % self.channels)
        self.server.deliver(messages)

    @precondition(is_open)
    @rule(channel=st.integers(0, 1))
    def server_sends_an_interim(self, channel: int) -> None:
        self.server.listen()
        self.server.send_interim(channel % self.channels)
        self.server.deliver()

    @precondition(is_open)
    @rule(text=TEXTS, back=st.booleans())
    def server_sends_something_else(self, text: str, back: bool) -> None:
        self.bench.receive(text)
        if back and self.is_away():
            self.network_is_there()

    # ---- time ----

    @rule(seconds=STEPS)
    def time_passes(self, seconds: float) -> None:
        self.bench.wait(seconds)

    @rule(seconds=st.sampled_from([0.25, 1.0, 2.0]))
    def time_passes_in_speech(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.25)):
            self.caller_speaks(25, True)

    @rule(edge=EDGES)
    def time_passes_to_an_edge(self, edge: float) -> None:
        deadline = self.machine.next_deadline()
        if deadline is not None:
            self.bench.until(max(deadline + edge, self.bench.now))

    # ---- laws ----

    @invariant()
    def a_step_is_counted(self) -> None:
        self.steps += 1

    @property
    def lost(self) -> set[int]:
        """Source samples that are in a gap."""
        timeline = self.machine.timeline
        assert timeline is not None
        return {place for each in timeline.losses for place in range(each.source, each.end)}

    @property
    def pending(self) -> set[int]:
        """Source samples that were captured, and that neither finals cover nor a gap reports."""
        return {place for place in self.bench.places if place >= min(self.covered)} - self.lost

    @invariant()
    def finals_cover_the_audio_that_was_sent(self) -> None:
        finals = self.bench.events_of(Final)
        for final in finals[self.finals_covered :]:
            end = round(final.stream_end * RATE)
            if end:
                place = self.bench.places[self.sent_on(final.epoch)[end - 1]] + 1
                self.covered[final.channel] = max(self.covered[final.channel], place)
        self.finals_covered = len(finals)

    @invariant()
    def every_captured_sample_is_covered_kept_or_in_a_gap(self) -> None:
        """Or it was sent, was evicted for newer audio, and may still be covered, as long as its connection stands."""
        self.finals_cover_the_audio_that_was_sent()
        assert self.lost <= set(self.bench.places)
        if self.bench.ended:
            assert self.machine.unheard_s == 0
            assert self.machine.transcript(now=self.bench.now).complete or not self.pending
            return
        evicted = len(self.pending) - round(self.machine.unheard_s * RATE)
        if not self.is_open():
            assert evicted == 0
            return
        sent = {self.bench.places[number] for number in self.sent_on(-1)}
        assert 0 <= evicted <= len(self.pending & sent)

    @invariant()
    def a_connection_is_sent_everything_from_the_last_final_boundary_on(self) -> None:
        if self.replays_from is None or not (sent := self.sent_on(-1)):
            return
        owed = range(self.bench.places.index(self.replays_from), sent[-1])
        assert {self.bench.places[number] for number in set(owed) - set(sent)} <= self.lost

    @invariant()
    def gaps_say_what_is_lost(self) -> None:
        ends = [(round(start * RATE), round(end * RATE)) for start, end in self.bench.gaps]
        places = [place for start, end in ends for place in range(start, end)]
        assert sorted(places) == sorted(self.lost)
        assert self.bench.stats.lost_s == len(places) / RATE

    @invariant()
    def a_recording_loses_nothing_for_want_of_room(self) -> None:
        if not self.live:
            assert not any(gap.why.startswith("no room") for gap in self.bench.events_of(Gap))

    @invariant()
    def words_come_once_in_order_and_where_they_were_spoken(self) -> None:
        finals = self.bench.events_of(Final)
        for final in finals[self.finals :]:
            for word in final.words:
                channel, _, number = word.word.partition(":")
                assert int(channel) == final.channel
                emitted = self.words[final.channel]
                assert not emitted or emitted[-1] < int(number)
                emitted.append(int(number))
                assert word.source_start == self.bench.places[int(number) * WORD] / RATE
                assert word.epoch == final.epoch == len(self.bench.connections) - 1
        self.finals = len(finals)

    @invariant()
    def stats_add_up(self) -> None:
        stats = self.bench.stats
        audio = list(map(self.sent_on, range(len(self.bench.connections))))
        newest, again = -1, 0
        for numbers in audio:
            again += sum(number <= newest for number in numbers)
            newest = max([newest, *numbers])
        assert stats.captured_s == len(self.bench.places) / RATE
        assert stats.audio_sent_s == sum(map(len, audio)) / RATE
        assert stats.replayed_s == again / RATE
        assert stats.skipped_s == self.skipped / RATE
        texts = [frame for connection in self.bench.connections for _, frame in connection]
        assert stats.keepalives == texts.count(KEEPALIVE)
        assert stats.connections == len(self.bench.connections)
        assert stats.reconnects == max(stats.connections - 1, 0)

    def has_ended(self) -> bool:
        """Was CloseStream sent on the newest connection?"""
        return CLOSE_STREAM in [text for _, text in self.bench.texts]

    def sent_on(self, connection: int) -> list[int]:
        """Numbers of the samples that were sent on a connection, in order."""
        frames = [frame for _, frame in self.bench.connections[connection] if isinstance(frame, bytes)]
        sent = memoryview(b"".join(frames)).cast("H")[:: self.channels].tolist()
        assert all(earlier < later for earlier, later in pairwise(sent))
        return sent

    @invariant()
    def no_connection_starves(self) -> None:
        """Audio or KeepAlive every four seconds, from its opening to CloseStream, if only the socket takes them."""
        if self.is_open() and not self.bench.stuck and not self.has_ended():
            frames = self.bench.frames
            upstream = [at for at, frame in frames if isinstance(frame, bytes) or frame == KEEPALIVE]
            assert self.bench.now - max([self.bench.opened_at, *upstream]) <= 4.0 + 1e-9

    @invariant()
    def no_keepalive_is_too_many(self) -> None:
        """The last four seconds before one were without audio and without another one: it has one owner."""
        for connection in self.bench.connections:
            upstream = [(at, frame) for at, frame in connection if isinstance(frame, bytes) or frame == KEEPALIVE]
            for (before, _), (at, frame) in pairwise(upstream):
                assert frame != KEEPALIVE or at - before >= 4.0 - 1e-9

    @invariant()
    def there_is_a_deadline_until_the_end_and_none_after_it(self) -> None:
        deadline = self.machine.next_deadline()
        match self.machine.phase:
            case Phase.CLOSED:
                assert deadline is None
                assert isinstance(self.bench.events[-1][1], Closed)
                assert len(self.bench.events_of(Closed)) == 1
            case Phase.WAITING:
                assert deadline is not None
                assert deadline >= self.bench.now
            case Phase.OPEN:
                assert deadline is not None or self.bench.stuck or self.has_ended()
                assert deadline is None or deadline >= self.bench.now
            case _:
                assert not self.bench.ended

    @invariant()
    def pauses_and_resumes_alternate(self) -> None:
        turns = [type(event) for _, event in self.bench.events if isinstance(event, Paused | Resumed)]
        assert all(earlier is not later for earlier, later in pairwise([Resumed, *turns]))

    # ---- the end ----

    def teardown(self) -> None:
        """A good network delivers what is left; then every word was emitted, or its beginning is in a Gap."""
        if not hasattr(self, "bench"):
            return
        self.bench.answers = True
        if not self.bench.ended:
            self.bench.finish(100_000.0)
        for _ in range(1000):
            if self.bench.ended:
                break
            if self.is_away():
                self.network_is_there()
            elif self.is_open():
                self.bench.accept_frames()
                for channel in range(self.channels):
                    self.server_sends_a_final(channel, 1000)
            self.bench.wait(0.25)
        assert self.bench.ended
        self.every_captured_sample_is_covered_kept_or_in_a_gap()
        self.gaps_say_what_is_lost()
        self.words_come_once_in_order_and_where_they_were_spoken()
        self.stats_add_up()
        self.the_words_are_complete()

    def the_words_are_complete(self) -> None:
        """A channel may have emitted a word before its audio was lost, if it was ahead of another channel."""
        lost = self.lost
        onsets = range(0, len(self.bench.places), WORD)
        expected = {onset // WORD for onset in onsets if self.bench.places[onset] not in lost}
        for emitted in self.words:
            assert expected <= set(emitted)
            if self.channels == 1:
                assert expected == set(emitted)


TestLine = LineMachine.TestCase
TestLine.settings = settings(examples(80), stateful_step_count=30)


def test_the_machine_drives_a_real_line() -> None:
    """A machine whose first step fails to open would prove nothing."""
    machine = LineMachine()
    machine.begin(stereo=False, live=True, watched=True, keep_s=60.0, early=False, words=3, patience=0)
    machine.connection_is_cut(code=1006, words=0, back=True)
    machine.server_sends_a_final(channel=0, messages=1)
    assert machine.bench.words == ["0:0", "0:1", "0:2"]
    assert machine.bench.times(Action.CONNECT) == [0.0, 0.28]
    machine.teardown()
    assert machine.machine.transcript(now=machine.bench.now).complete
