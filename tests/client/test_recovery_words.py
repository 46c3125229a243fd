"""Words come once each, in order, and where they were spoken, wherever a connection is cut: all places, one by one.

A server that knows each sample it receives sends the words; a plain list has the places where they must come out.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.client.events import Final, Interim
from caesura.client.line_actions import Phase
from caesura.client.pcm import PcmFormat
from tests.client.bench import MONO, PATIENT, STEREO, Bench, results
from tests.client.pretend_server import PretendServer, check_words
from tests.example_count import examples, stride

SAMPLES = 60
"""Length of the short stream; a word has ten."""
CUTS = {"mono": (MONO, (23,)), "stereo": (STEREO, (31, 17))}
"""After so many samples each channel says a final: the second is often ahead of the first."""


class Play:
    """A short stream, sent sample by sample, and one cut after step `cut_at`; the steps are counted."""

    def __init__(self, kind: str, cut_at: int) -> None:
        pcm, self.every = CUTS[kind]
        self.bench = Bench(pcm, watch=PATIENT)
        self.channels = len(self.every)
        self.server = PretendServer(self.bench, channels=self.channels)
        self.cut_at = cut_at
        self.steps = 0

    def step(self) -> None:
        """Something has happened; this may be where the connection breaks."""
        self.steps += 1
        if self.steps - 1 == self.cut_at and self.bench.machine.phase is Phase.OPEN:
            self.bench.cut()
            if self.bench.ended:
                return  # everything was covered: that the server sent no Metadata does not matter
            self.bench.reopen()
            self.server.connect()
            self.catch_up()

    def catch_up(self) -> None:
        """Time for all that waits; the server says finals meanwhile."""
        self.bench.wait(1.0)
        self.listen()

    def listen(self) -> None:
        """The server receives what was sent, and its messages arrive one by one."""
        self.server.listen()
        self.step()
        for channel, every in enumerate(self.every):
            self.server.cut(channel, least=every)
        while self.server.outgoing and self.bench.machine.phase is Phase.OPEN:
            self.server.deliver(1)
            self.step()

    def run(self, *, pauses: bool) -> None:
        for sample in range(SAMPLES):
            self.bench.wait(0.001)
            self.bench.send_samples(1)
            self.step()
            self.listen()
            if pauses and sample % 25 == 24:
                self.pause()
        self.bench.finish(60.0)
        self.step()
        self.listen()
        if self.bench.machine.phase is Phase.OPEN:
            self.listen()

    def pause(self) -> None:
        self.bench.pause()
        self.step()
        self.listen()
        self.bench.wait(7.0)
        self.bench.resume()
        self.step()


@pytest.mark.parametrize("kind", CUTS)
@pytest.mark.parametrize("pauses", [False, True], ids=["flowing", "with pauses"])
def test_wherever_a_connection_is_cut_words_come_once_each(kind: str, pauses: bool) -> None:
    """After each sample, before and after each message of the server: nothing is lost, and nothing comes twice.

    `make check` tries one place of five.
    """
    cut_at, most = 0, 1
    while cut_at < most:
        play = Play(kind, cut_at)
        play.run(pauses=pauses)
        assert play.bench.closed.error is None
        assert play.bench.machine.transcript(now=play.bench.now).complete
        check_words(play.bench, channels=play.channels)
        cut_at, most = cut_at + stride(), max(most, play.steps if cut_at == 0 else most)
    assert most > 2 * SAMPLES


def test_one_channel_far_ahead_of_another_is_replayed_for_the_other_alone() -> None:
    bench = Bench(STEREO, watch=PATIENT)
    server = PretendServer(bench, channels=2)
    bench.send_samples(200)
    server.listen()
    server.cut(1)
    server.deliver()
    bench.send_samples(100)
    server.listen()
    server.cut(1)
    server.send_interim(0)
    server.deliver()
    bench.cut()
    bench.reopen()
    server.connect()
    bench.wait(1.0)
    server.listen()
    assert server.received == list(range(300))
    server.send_interim(1)
    server.cut(1, least=300)
    server.deliver()
    assert [interim.text for interim in bench.events_of(Interim)][1:] == [""]
    bench.send_samples(50)
    bench.finish()
    server.listen()
    server.deliver()
    check_words(bench, channels=2)


def test_an_interim_never_brings_back_what_is_final() -> None:
    bench = Bench(watch=PATIENT)
    server = PretendServer(bench)
    bench.send_samples(100)
    server.listen()
    server.cut()
    server.deliver()
    bench.send_samples(35)
    bench.cut()
    bench.reopen()
    server.connect()
    bench.wait(1.0)
    server.listen()
    server.send_interim()
    server.deliver()
    (interim,) = bench.events_of(Interim)
    assert [word.word for word in interim.words] == ["0:10", "0:11", "0:12", "0:13"]
    assert interim.words[0].source_start == 0.1


def test_words_of_what_found_no_room_are_missing_and_those_around_it_are_not() -> None:
    bench = Bench(keep_s=0.1, watch=PATIENT)
    server = PretendServer(bench)
    bench.send_samples(40)
    server.listen()
    server.cut()
    server.deliver()
    bench.cut()
    for samples in (80, 95):
        bench.send_samples(samples)
    bench.reopen()
    server.connect()
    bench.wait(1.0)
    server.listen()
    bench.finish()
    server.listen()
    server.deliver()
    assert bench.gaps == [(0.04, 0.115)]
    check_words(bench, lost=True)
    assert not bench.machine.transcript(now=bench.now).complete
    assert bench.closed.error is None


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100])
def test_words_are_placed_to_the_millisecond_at_any_rate(rate: int) -> None:
    """Pieces that are no whole milliseconds, and a wire that rounds to them: no word slips across a pause."""
    bench = Bench(PcmFormat("linear16", rate, 2), watch=PATIENT)
    source, expected = 0, []
    for index in range(200):
        samples = rate // 20 + index * 7 % 31
        bench.send(b"\x01\x02" * samples)
        bench.pause()
        bench.wait(0.25)
        heard = len(bench.audio) // 2
        start, end = round((heard - samples) / rate, 3), round(heard / rate, 3)
        bench.receive(results(start, end, (str(index), start, end), from_finalize=True))
        expected.append((source / rate, (source + samples) / rate))
        bench.wait(1.75)
        bench.resume()
        source += samples + 2 * rate
        if index % 50 == 49:
            bench.cut()
            bench.reopen()
    words = [word for final in bench.events_of(Final) for word in final.words]
    assert len(words) == 200
    for word, (start, end) in zip(words, expected, strict=True):
        assert word.source_start == pytest.approx(start, abs=0.0006)
        assert word.source_end == pytest.approx(end, abs=0.0006)
    assert bench.gaps == []


@examples(60)
@given(
    st.lists(
        st.tuples(st.integers(1, 12), st.sampled_from(["", "", "", "cut", "pause", "final", "lost message"])),
        min_size=1,
        max_size=25,
    ),
)
def test_many_cuts_and_pauses_lose_no_word_and_double_none(acts: list[tuple[int, str]]) -> None:
    bench = Bench(watch=PATIENT)
    server = PretendServer(bench)
    for words, act in acts:
        bench.wait(words / 100)
        bench.send_samples(words * 10)
        match act:
            case "cut":
                bench.cut()
                bench.reopen()
                server.connect()
                bench.wait(words / 200)
            case "pause":
                bench.pause()
                server.listen()
                server.deliver(words % 2)
                bench.wait(words * 1.001)
                bench.resume()
            case "lost message":
                server.listen()
                server.cut()
                bench.receive("{")
                bench.reopen()
                server.connect()
            case _:
                server.listen()
                server.cut(least=1 if act else 100)
                server.deliver()
    bench.finish(1000.0)
    while bench.machine.phase is Phase.OPEN:
        server.listen()
        server.deliver()
        bench.wait(1.0)
    check_words(bench)
    assert bench.machine.transcript(now=bench.now).complete
