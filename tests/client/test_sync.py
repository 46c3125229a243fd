"""A line for callers without an event loop, where it differs from the asynchronous one."""

from __future__ import annotations

import asyncio
import inspect
import queue
import signal
import socket
import sys
import threading
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import caesura
from caesura import Tuning, sync
from caesura.client import line as twin
from caesura.client.background_loop import shared_loop
from caesura.client.events import Closed, Dropped, Event, Final, Gap
from caesura.client.source_admission import PULL_S
from caesura.errors import ConnectionClosedByServer, Unreachable, UsageError
from caesura.testing import Close, FakeServer
from tests.client.fake_transports import FakeOpener
from tests.client.lines import PATIENCE_S, VOICE, listening, placed, spoken
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("at_once")

WORDS = ("good", "morning", "thank", "you")
PAUSE = VOICE.silence(0.5)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer(VOICE) as running:
        yield running


def chunks(audio: bytes, size: int = 3200) -> list[bytes]:
    """A tenth of a second each."""
    return [audio[at : at + size] for at in range(0, len(audio), size)]


def waits(thread: threading.Thread) -> bool:
    """Is the thread blocked until another one resolves a future, sets an event or the like?"""
    frame = sys._current_frames().get(thread.ident or 0)
    return frame is not None and frame.f_code is threading.Condition.wait.__code__


def feeders() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "caesura-feeder"]


# ---- the twin ----


def test_both_lines_have_the_same_names_but_for_how_they_are_entered() -> None:
    def names(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert names(sync.Line) - names(twin.Line) == {"open"}
    assert names(twin.Line) - names(sync.Line) == set()


@pytest.mark.parametrize("name", ["send", "pause", "resume", "finalize", "finish"])
def test_both_lines_take_the_same_arguments(name: str) -> None:
    parameters = [inspect.signature(getattr(kind, name)).parameters.values() for kind in (sync.Line, twin.Line)]
    first, second = ([(each.name, each.kind, each.default) for each in of_one] for of_one in parameters)
    assert first == second


def test_both_ways_to_connect_take_the_same_arguments() -> None:
    assert inspect.signature(sync.connect).parameters == inspect.signature(twin.connect).parameters


# ---- beginning ----


def test_a_line_that_is_not_open_says_how_to_open_it_and_does_not_wait_for_ever() -> None:
    line = sync.connect()
    uses: list[Callable[[], object]] = [
        lambda: line.send(b""),
        line.finish,
        lambda: next(iter(line)),
        lambda: next(line.transcribe([b"\0\0"])),
    ]
    for use in uses:
        with pytest.raises(UsageError, match="not open yet: enter it first"):
            use()
    assert not feeders()


def test_a_line_opens_once(server: FakeServer) -> None:
    with sync.connect(server.url) as line, pytest.raises(UsageError, match="opened once only; connect again"):
        line.open()


def test_a_line_can_be_opened_and_finished_by_hand(server: FakeServer) -> None:
    line = sync.connect(server.url).open()
    line.send(VOICE.say("good"))
    assert line.finish().text == "good"


def test_where_nothing_listens_the_error_says_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}"
        line = sync.connect(url)
        with pytest.raises(Unreachable, match="Start a server there with `caesura serve`") as caught:
            line.open()
        assert line.finish().error is caught.value


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals to a thread")
@pytest.mark.parametrize("error", [KeyboardInterrupt, TimeoutError])
def test_an_opening_that_is_interrupted_cuts_the_attempt(error: type[BaseException]) -> None:
    def interrupt(*_: object) -> None:
        raise error

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)
        before = signal.signal(signal.SIGUSR1, interrupt)
        try:
            line = sync.connect(f"ws://127.0.0.1:{listener.getsockname()[1]}", tuning=Tuning(open_within_s=600))
            peers: list[socket.socket] = []

            def accept() -> None:
                peers.append(listener.accept()[0])
                peers[0].recv(65536)
                main = threading.main_thread()
                wait_until(lambda: waits(main))
                signal.pthread_kill(main.ident or 0, signal.SIGUSR1)

            accepting = threading.Thread(target=accept)
            accepting.start()
            with pytest.raises(error):
                line.open()
            accepting.join()
        finally:
            signal.signal(signal.SIGUSR1, before)
        with peers[0] as peer:
            peer.settimeout(PATIENCE_S)
            assert not received(peer)
        assert line.finish().error is None


def received(peer: socket.socket) -> bytes:
    """What still comes; nothing when the other side has closed."""
    try:
        return peer.recv(65536)
    except ConnectionResetError:
        return b""


# ---- ending ----


def test_leaving_the_context_drains(server: FakeServer) -> None:
    with sync.connect(server.url) as line:
        line.send(VOICE.say("good", "morning"))
    result = line.finish()
    assert placed(result) == spoken("good", "morning")
    assert result.complete
    server.wait(lambda: server.connections[0].closed == Close(1000, ""), within_s=PATIENCE_S)


def test_leaving_by_an_exception_drains_and_raises_it(server: FakeServer) -> None:
    line = sync.connect(server.url)

    def fail() -> None:
        with line:
            line.send(VOICE.say("good", "morning"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert line.finish().text == "good morning"


def test_finishing_from_several_threads_is_finishing_once(server: FakeServer) -> None:
    with sync.connect(server.url) as line:
        line.send(VOICE.say("good"))
        results: list[caesura.Transcript] = []
        threads = [threading.Thread(target=lambda: results.append(line.finish())) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
    assert [result.text for result in results] == ["good"] * 4
    assert server.connections[0].types.count("CloseStream") == 1


# ---- events ----


def test_iteration_raises_the_error_behind_closed(server: FakeServer) -> None:
    line = sync.connect(server.url)
    with listening(line) as heard:
        server.close(1008, "DATA-0000")
        closed = heard.next(Closed)
    assert isinstance(heard.error, ConnectionClosedByServer)
    assert heard.error is closed.error
    assert heard.events[-1] is closed


def test_iterating_again_after_the_end_ends_again_and_does_not_hang(server: FakeServer) -> None:
    with sync.connect(server.url) as line:
        line.finish()
        assert isinstance(list(line)[-1], Closed)
        assert list(line) == list(line) == [Closed(1000, "")]


def test_each_event_goes_to_one_reader_and_closed_to_all(server: FakeServer) -> None:
    line = sync.connect(server.url)
    with listening(line) as first:
        second: list[Event] = []
        other = threading.Thread(target=lambda: second.extend(line))
        other.start()
        for word in WORDS:
            line.send(VOICE.say(word) + PAUSE)
    other.join(PATIENCE_S)
    finals = [event.text for event in [*first.events, *second] if isinstance(event, Final) and event.text]
    assert sorted(finals) == sorted(WORDS)
    assert isinstance(second[-1], Closed)


# ---- transcribing ----


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("make", [list, tuple, iter])
def test_any_iterable_is_transcribed(
    server: FakeServer, make: Callable[[list[bytes]], list[bytes]], live: bool
) -> None:
    with sync.connect(server.url, live=live) as line:
        collected = list(line.transcribe(make(chunks(VOICE.say(*WORDS)))))
        assert isinstance(collected[-1], Closed)
        words = tuple(word for event in collected if isinstance(event, Final) for word in event.words)
        assert placed(words) == placed(line.finish()) == spoken(*WORDS)
    wait_until(lambda: not feeders())


def test_what_a_source_raises_is_raised_behind_the_last_event(server: FakeServer) -> None:
    def audio() -> Iterator[bytes]:
        yield VOICE.say("good")
        raise ZeroDivisionError

    collected: list[Event] = []

    def take(line: sync.Line) -> None:
        for event in line.transcribe(audio()):
            collected.append(event)  # noqa: PERF402  # what came before the error is wanted too

    with sync.connect(server.url) as line:
        with pytest.raises(ZeroDivisionError):
            take(line)
        assert isinstance(collected[-1], Closed)
        assert line.finish().text == "good"


def test_audio_that_is_a_file_is_refused_where_the_events_are_taken(server: FakeServer) -> None:
    with sync.connect(server.url) as line, pytest.raises(UsageError, match="a WAV file, not raw linear16"):
        list(line.transcribe([b"RIFF1234WAVEfmt "]))


@pytest.mark.parametrize("live", [True, False])
def test_leaving_the_loop_early_ends_the_feeding_and_leaves_no_thread(server: FakeServer, live: bool) -> None:
    def endless() -> Iterator[bytes]:
        breath = threading.Event()
        while not breath.wait(0.001):
            yield VOICE.say("good") + PAUSE

    with sync.connect(server.url, live=live) as line:
        for event in line.transcribe(endless()):
            if isinstance(event, Final):
                break
        wait_until(lambda: not feeders())
        assert line.finish(PATIENCE_S).words


def test_a_line_that_is_finished_elsewhere_does_not_wait_for_a_source_that_blocks(server: FakeServer) -> None:
    source: queue.Queue[bytes] = queue.Queue()
    source.put(VOICE.say("good") + PAUSE)
    with sync.connect(server.url) as line:
        for event in line.transcribe(iter(source.get, b"")):
            if isinstance(event, Final):
                threading.Thread(target=line.finish).start()
        assert line.finish().text == "good"
    source.put(b"")
    wait_until(lambda: not feeders())


def test_a_connection_that_ends_for_good_ends_the_transcribing(server: FakeServer) -> None:
    def endless() -> Iterator[bytes]:
        pause = threading.Event()
        while not pause.wait(0.001):
            yield VOICE.say("good")

    server.after(2.0, lambda: server.close(1008, "DATA-0000"))
    with sync.connect(server.url) as line, pytest.raises(ConnectionClosedByServer, match="DATA-0000"):
        list(line.transcribe(endless()))
    wait_until(lambda: not feeders())


def test_a_recording_is_opened_declared_and_closed(server: FakeServer, tmp_path: Path) -> None:
    path = tmp_path / "voice.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(VOICE.say(*WORDS))
    with sync.connect(server.url, live=False) as line:
        for _ in line.transcribe(caesura.recording(path)):
            pass
        assert placed(line.finish()) == spoken(*WORDS)
    with (
        sync.connect(server.url, live=False, sample_rate=8_000) as line,
        pytest.raises(UsageError, match="but the source is not"),
    ):
        list(line.transcribe(caesura.recording(path)))


# ---- recordings wait ----


def test_a_recording_is_read_no_further_than_the_server_takes_it() -> None:
    read: list[int] = []

    def audio() -> Iterator[bytes]:
        for second in range(60):
            read.append(second)
            yield VOICE.silence(1.0)

    opener = FakeOpener(takes=False)
    line = sync.connect(live=False, tuning=Tuning(opener=opener))
    collected: list[Event] = []
    with line:
        taking = threading.Thread(target=lambda: collected.extend(line.transcribe(audio())))
        taking.start()
        wait_until(lambda: line.waiting_s > PULL_S - 0.6)
        for _ in range(100):
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), shared_loop()).result(PATIENCE_S)
        assert len(read) <= 4  # a part is on its way into the socket, two seconds wait, one second is held
        opener.made[0].take()
        opener.wait(lambda: '{"type":"CloseStream"}' in opener.made[0].texts)
        opener.made[0].say('{"type":"Metadata","duration":60.0}')
        taking.join(PATIENCE_S)
    assert opener.made[0].audio == VOICE.silence(60.0)
    assert not any(isinstance(event, Gap) for event in collected)


def test_a_pause_holds_the_reading_of_a_recording_and_drops_none_of_it(server: FakeServer) -> None:
    line = sync.connect(server.url, live=False)

    def audio() -> Iterator[bytes]:
        for number, chunk in enumerate(chunks(VOICE.say(*WORDS))):
            if number == 6:
                line.pause()
            yield chunk

    with line:
        for event in line.transcribe(audio()):
            if isinstance(event, Final) and line.is_paused:
                assert server.connections[0].audio == VOICE.say(*WORDS)[: len(VOICE.silence(0.6))]
                line.resume()
        result = line.finish()
    assert server.connections[0].audio == VOICE.say(*WORDS)
    assert result.stats.skipped_s == 0
    assert result.complete


# ---- what can wait, waits ----


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("size", [3200, 10 * 32_000, 100_000_000])
def test_a_file_that_is_sent_at_once_arrives_whole(server: FakeServer, live: bool, size: int) -> None:
    """In chunks of any size, and longer than a live line keeps."""
    audio = b"".join(VOICE.say(*WORDS) for _ in range(13))
    tuning = Tuning(keep_s=15.0) if live else Tuning()
    assert len(audio) > 15 * 32_000
    with sync.connect(server.url, live=live, tuning=tuning) as line:
        for chunk in chunks(audio, size):
            assert not isinstance(line.send(chunk), Dropped)
        result = line.finish()
    assert result.complete, result.reason
    assert [word.text for word in result.words] == [*WORDS] * 13
    assert server.connections[0].audio == audio


def test_several_threads_wait_and_none_is_mixed_with_another(server: FakeServer) -> None:
    with sync.connect(server.url, live=False, tuning=Tuning(keep_s=30.0)) as line:

        def send(word: str) -> None:
            for _ in range(3):
                line.send(VOICE.say(*[word] * 40))

        threads = [threading.Thread(target=send, args=(word,)) for word in WORDS]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
        result = line.finish()
    assert result.complete, result.reason
    words = [word.text for word in result.words]
    runs = [words[at : at + 40] for at in range(0, len(words), 40)]
    assert all(len(set(run)) == 1 for run in runs)
    assert sorted(run[0] for run in runs) == sorted(WORDS * 3)


def test_a_recording_waits_in_a_pause_until_another_thread_resumes(server: FakeServer) -> None:
    with sync.connect(server.url, live=False) as line:
        line.send(VOICE.say("good"))
        line.pause()
        sending = threading.Thread(target=lambda: line.send(VOICE.say("morning")))
        sending.start()
        server.wait(lambda: "Finalize" in server.connections[0].types, within_s=PATIENCE_S)
        assert sending.is_alive()
        assert line.stats.captured_s == 0.4
        line.resume()
        sending.join(PATIENCE_S)
        assert placed(line.finish()) == spoken("good", "morning")


def test_waiting_for_one_s_own_resume_is_refused(server: FakeServer) -> None:
    with sync.connect(server.url, live=False) as line:
        line.pause()
        with pytest.raises(UsageError, match=r"This thread has paused the line.*resume it first"):
            line.send(VOICE.say("good"))
        line.resume()
        line.send(VOICE.say("good"))
        assert line.finish().text == "good"


def test_a_send_that_waits_for_room_returns_when_the_line_ends(server: FakeServer) -> None:
    server.mute()
    with sync.connect(server.url, live=False, tuning=Tuning(keep_s=30.0)) as line:
        line.send(VOICE.silence(40.0))
        answers: list[object] = []
        sending = threading.Thread(target=lambda: answers.append(line.send(VOICE.silence(1.0))))
        sending.start()
        wait_until(lambda: waits(sending))
        assert not line.finish(0.0).complete
        sending.join(PATIENCE_S)
    assert answers == [Dropped(1000.0, "the line is closed")]


def test_a_name_that_nearly_is_a_parameter_is_warned_about_where_it_was_written() -> None:
    with pytest.warns(UserWarning, match="did you mean 'interim_results'") as caught:
        sync.connect("ws://127.0.0.1:1", interim_result=True)
    assert [warning.filename for warning in caught] == [__file__]
