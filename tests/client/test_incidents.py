"""Incidents of other people's live transcription, each with its thread, replayed against this client."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from math import inf

import numpy as np
import pytest
from websockets.sync.server import ServerConnection

import caesura
from caesura import sync
from caesura.client import lead
from caesura.client.address import listen_address
from caesura.client.config import Tuning
from caesura.client.events import (
    Accepted,
    Buffered,
    Closed,
    Dropped,
    Final,
    Gap,
    Paused,
    Reconnected,
    Reconnecting,
)
from caesura.client.transport import Opener, Transport, TransportClosed, websocket_opener
from caesura.errors import BadCredentials, PaymentRequired, Refused, TooManyStreams
from caesura.protocol.client_session import TimerEvent
from caesura.testing import Close, Connection, FakeServer
from tests.client.lines import BEAT_S, PATIENCE_S, VOICE, listening, placed, spoken
from tests.client.simulated import RATE, Simulated, say, silence
from tests.client.websocket_peers import Peers, peers
from tests.encodings import mux
from tests.recordings import recording
from tests.server_process import start_server

# Real sockets and real clocks: together they take too long for `make check`.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("at_once")]

IDLE_S = 1.5
"""The servers' patience, scaled down from 10 s."""
KEEPALIVE_S = 0.1
PATIENT = Tuning(keepalive_s=KEEPALIVE_S, replay_speed=100.0)
HASTY = Tuning(keepalive_s=KEEPALIVE_S, stall_s=0.5, mute_s=0.6, replay_speed=100.0)
"""Finds a dead server fast; under load it may find a slow one dead, which must cost no word either."""
PAUSE = VOICE.silence(0.5)
"""Long enough for the fake server to end an utterance."""


def lasted(connection: Connection) -> float:
    """How long a connection had been open when its last text message came."""
    return connection.texts[-1].at - connection.opened_at if connection.texts else 0.0


def on(server: FakeServer) -> Connection:
    """The newest connection."""
    return server.connections[-1]


def end(server: FakeServer) -> Close | None:
    """How the newest connection ends."""
    server.wait(lambda: on(server).closed is not None, within_s=PATIENCE_S)
    return on(server).closed


# ---- 1, 2: silence and callbacks do not cost the connection ----


def test_a_minute_without_audio_after_opening_is_held_by_keepalives_alone() -> None:
    """https://github.com/OpenWhispr/openwhispr/issues/2273: capture began 13 s late, and the socket was closed."""
    line = Simulated(idle_s=10.0)
    line.pass_time(60.0)
    line.send(say("good", "morning"))
    line.finish()
    assert placed(line.words) == spoken("good", "morning")
    stats = line.machine.stats(now=line.now)
    assert (stats.keepalives, stats.connections) == (15, 1)


@pytest.mark.slow
def test_three_windows_without_audio_after_opening_do_not_close_the_socket() -> None:
    """https://github.com/OpenWhispr/openwhispr/issues/2273, with a real clock and a real socket."""
    with FakeServer(VOICE, idle_s=IDLE_S) as server, sync.connect(server.url, tuning=PATIENT) as line:
        server.wait(lambda: lasted(on(server)) > 3 * IDLE_S, within_s=PATIENCE_S)
        line.send(VOICE.say("good", "morning"))
        result = line.finish()
        assert placed(result) == spoken("good", "morning")
        assert result.stats.reconnects == 0
        assert end(server) == Close(1000, "")


@pytest.mark.slow
def test_a_callback_that_blocks_the_event_loop_costs_no_connection() -> None:
    """https://github.com/deepgram/deepgram-python-sdk/issues/478: a blocked loop sent no KeepAlive."""

    async def go(server: FakeServer) -> caesura.Transcript:
        awake = asyncio.Event()

        async def audio() -> AsyncIterator[bytes]:
            yield VOICE.say("good") + PAUSE
            await awake.wait()
            yield VOICE.say("morning")

        async with caesura.connect(server.url, tuning=PATIENT) as line:
            async for event in line.transcribe(audio()):
                if isinstance(event, Final) and not awake.is_set():
                    time.sleep(3 * IDLE_S)  # noqa: ASYNC251  # that is what they did
                    awake.set()
            return await line.finish()

    with FakeServer(VOICE, idle_s=IDLE_S) as server:
        result = asyncio.run(go(server))
        assert result.text == "good morning"
        assert result.stats.reconnects == 0
        assert lasted(on(server)) > 3 * IDLE_S


@pytest.mark.slow
def test_a_callback_that_blocks_its_thread_costs_no_connection() -> None:
    """https://github.com/deepgram/deepgram-python-sdk/issues/478, without an event loop."""
    awake = threading.Event()

    def audio() -> Iterator[bytes]:
        yield VOICE.say("good") + PAUSE
        awake.wait()
        yield VOICE.say("morning")

    with FakeServer(VOICE, idle_s=IDLE_S) as server, sync.connect(server.url, tuning=PATIENT) as line:
        for event in line.transcribe(audio()):
            if isinstance(event, Final) and not awake.is_set():
                time.sleep(3 * IDLE_S)
                awake.set()
        result = line.finish()
        assert result.text == "good morning"
        assert result.stats.reconnects == 0


# ---- 3, 4, 5: connections that are dead, half dead and deaf ----


class KeepAliveBreaks:
    """A connection on which the first KeepAlive cannot be written; `reported`: its reader notices too."""

    def __init__(self, transport: Transport, *, reported: bool) -> None:
        self._transport = transport
        self._reported = reported
        self.request_id = transport.request_id

    async def send(self, frame: bytes | str) -> None:
        if frame == '{"type":"KeepAlive"}':
            if self._reported:
                self._transport.abort()
            raise TransportClosed(1006)
        await self._transport.send(frame)

    async def receive(self) -> str:
        return await self._transport.receive()

    async def ping(self) -> None:
        await self._transport.ping()

    async def close(self) -> None:
        await self._transport.close()

    def abort(self) -> None:
        self._transport.abort()


def breaking_once(address: str, *, reported: bool) -> Opener:
    """Connections to `address`; KeepAlive breaks the first one."""
    open_one = websocket_opener(address, {}, stall_s=5.0)
    opened = []

    async def opener() -> Transport:
        transport = await open_one()
        opened.append(transport)
        return KeepAliveBreaks(transport, reported=reported) if len(opened) == 1 else transport

    return opener


@pytest.mark.parametrize("reported", [True, False])
def test_a_keepalive_that_cannot_be_written_leads_to_a_new_connection_and_no_loss(reported: bool) -> None:
    """https://github.com/BasedHardware/omi/issues/5870: it closed the socket, and every send failed in silence."""
    with FakeServer(VOICE) as server:
        address = listen_address(server.url, {"encoding": "linear16", "sample_rate": 16_000})
        tuning = Tuning(
            keepalive_s=KEEPALIVE_S, stall_s=0.5, replay_speed=100.0, opener=breaking_once(address, reported=reported)
        )
        line = sync.connect(tuning=tuning)
        with listening(line) as heard:
            line.send(VOICE.say("good"))
            heard.next(Reconnected)
            line.send(VOICE.say("morning"))
            result = line.finish()
        assert placed(result) == spoken("good", "morning")
        assert result.complete


def test_a_peer_that_stops_reading_is_found_and_is_sent_everything_again() -> None:
    """https://github.com/pipecat-ai/pipecat/issues/5796: 7.5 minutes of a call went to a socket that was not read."""
    with FakeServer(VOICE) as server:
        line = sync.connect(server.url, tuning=HASTY)
        with listening(line) as heard:
            line.send(VOICE.say("good", "morning") + PAUSE)
            heard.heard("good", "morning")
            server.stall()
            line.send(VOICE.say("thank"))
            assert heard.next(Reconnecting).why in (TimerEvent.HALF_OPEN.value, TimerEvent.STALLED.value)
            assert isinstance(line.send(VOICE.say("you")), Buffered)
            server.unstall()
            result = line.finish(PATIENCE_S)
        start = 2 * BEAT_S + 0.5
        assert placed(result) == spoken("good", "morning") + spoken("thank", "you", start=start)
        assert result.complete


@pytest.mark.slow
def test_a_full_send_buffer_blocks_no_caller_and_loses_nothing() -> None:
    """https://github.com/pipecat-ai/pipecat/issues/5796: its send buffer was full."""
    second = VOICE.silence(1.0, sample_rate=48_000) * 8  # eight channels
    with FakeServer(VOICE, longest_s=600.0) as server:
        line = sync.connect(server.url, sample_rate=48_000, channels=8, tuning=HASTY)
        with listening(line) as heard:
            server.stall()
            answers = [line.send(second) for _ in range(30)]
            assert not any(isinstance(answer, Dropped) for answer in answers)
            heard.next(Reconnecting)
            server.unstall()
            result = line.finish(PATIENCE_S)
        assert result.complete
        assert on(server).audio == second * 30


def test_a_peer_that_ignores_the_speech_it_gets_is_found() -> None:
    """https://github.com/pipecat-ai/pipecat/issues/5735: audio went, nothing came for 23 s, the caller hung up."""
    with FakeServer(VOICE) as server:
        server.mute()
        line = sync.connect(server.url, tuning=Tuning(mute_s=0.5, replay_speed=100.0))
        with listening(line) as heard:
            line.send(PAUSE + VOICE.say("good"))
            assert heard.next(Reconnecting).why == TimerEvent.MUTE.value
            line.send(VOICE.say("morning"))
            server.unmute()
            result = line.finish(PATIENCE_S)
        assert placed(result) == spoken("good", "morning", start=0.5)
        assert result.complete


@pytest.mark.slow
def test_a_peer_that_sends_nothing_for_silence_is_left_alone() -> None:
    """https://github.com/vellum-ai/vellum-assistant/pull/38371: a watchdog killed sessions that were well."""
    mute_s = 0.25
    with FakeServer(VOICE) as server:
        server.mute()
        line = sync.connect(server.url, tuning=Tuning(mute_s=mute_s, keepalive_s=KEEPALIVE_S))
        with line:
            line.send(VOICE.silence(3.0))
            server.wait(lambda: lasted(on(server)) > 10 * mute_s, within_s=PATIENCE_S)
            assert line.stats.reconnects == 0
            server.unmute()
            assert line.finish().complete


# ---- 6, 7, 8, 19: reconnects, the words around them, and their times ----


def test_words_behind_audio_that_was_dropped_are_not_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """https://github.com/deepgram/deepgram-js-sdk/pull/539: what the buffer had dropped was left out of the offset.

    The connection breaks in the middle of a word with 8 s delivered, and most of the 10 s behind it find no room.
    """
    monkeypatch.setattr(lead, "LEAD_S", inf)  # it all comes at once, and is live all the same
    with FakeServer(VOICE, longest_s=60.0) as server:
        line = sync.connect(server.url, tuning=Tuning(keep_s=1.0, replay_speed=100.0))
        with listening(line) as heard:
            word = VOICE.say("please")
            half = len(VOICE.silence(0.15))
            delivered = VOICE.say("good") + VOICE.silence(7.85 - BEAT_S) + word[:half]
            for at in range(0, len(delivered), half):
                line.send(delivered[at : at + half])
                server.wait(lambda: line.waiting_s == 0, within_s=PATIENCE_S)
            line.finalize()
            heard.heard("good", "please")
            server.stop()
            heard.next(Reconnecting)
            rest = word[half:] + VOICE.say("no") + VOICE.silence(10.0 - 0.25 - BEAT_S)
            sent = [line.send(rest[at : at + half]) for at in range(0, len(rest), half)]
            dropped_ms = sum(each.ms for each in sent if isinstance(each, Dropped))
            server.start()
            heard.next(Reconnected)
            server.wait(lambda: line.waiting_s == 0, within_s=PATIENCE_S)
            line.send(VOICE.say("yes"))
            result = line.finish(PATIENCE_S)
        assert placed(result) == [("good", 0.0, 0.3), ("please", 7.85, 8.0), ("yes", 18.0, 18.3)]
        (gap,) = result.gaps
        assert gap.start == 8.0
        assert gap.seconds * 1000 == pytest.approx(dropped_ms)
        assert 8500 < dropped_ms <= 9000
        assert not result.complete


WORDS = ("good", "yes", "yes", "please", "no", "no", "thank", "you")


@pytest.mark.parametrize("longest_s", [0.8, 5.0])
@pytest.mark.parametrize("cut_s", [0.1, 0.55, 0.75, 1.0, 1.35])
def test_what_is_recognized_again_after_a_drop_comes_once_and_at_its_time(cut_s: float, longest_s: float) -> None:
    """https://github.com/openclaw/openclaw/pull/120792: words were distinguished by their text, and a real "yes" lost.

    https://github.com/deepgram/deepgram-js-sdk/issues/448: times began at 0 with each connection.
    """
    audio = VOICE.say(*WORDS)
    with FakeServer(VOICE, longest_s=longest_s) as server:
        server.after(cut_s, server.cut)
        line = sync.connect(server.url, tuning=PATIENT)
        with listening(line) as heard:
            for at in range(0, len(audio), 3200):
                line.send(audio[at : at + 3200])
            heard.next(Reconnected)
            result = line.finish(PATIENCE_S)
        assert placed(result) == spoken(*WORDS)
        assert result.complete
        assert result.stats.lost_s == 0
        assert result.stats.reconnects >= 1


def test_a_word_next_to_a_gap_is_no_longer_than_it_was_spoken() -> None:
    """https://github.com/BasedHardware/omi/pull/4931: a word of 0.3 s before a pause of 15 s became 15.3 s long.

    The server places its end some milliseconds into what came behind the pause.
    """
    line = Simulated()
    line.pass_time(5.0)
    line.send(silence(5.0))
    line.pause(15.0)
    line.pass_time(1.0)
    line.send(silence(1.0))
    word = {"word": "morning", "start": 4.7, "end": 5.02, "confidence": 0.9}
    said = {"alternatives": [{"transcript": "morning", "confidence": 0.9, "words": [word]}]}
    results = {"type": "Results", "start": 4.0, "duration": 1.5, "is_final": True, "channel": said}
    line.machine.receive_text(json.dumps(results), now=line.now)
    line.pass_time(0.0)
    line.finish()
    assert placed(line.words) == [("morning", 4.7, 5.0)]


def test_two_hours_with_more_than_500_gaps_drift_by_no_sample() -> None:
    """https://github.com/BasedHardware/omi/pull/4931: only 499 gaps were remembered, and times drifted by seconds.

    In each round four words are spoken, a pause of a length of its own follows, and now and then the connection breaks.
    """
    line = Simulated()
    said: list[tuple[str, int]] = []
    rounds = 520
    for index in range(rounds):
        line.pass_time(2.0)
        words = [WORDS[(index + each) % len(WORDS)] for each in range(4)]
        said += [(word, round((line.now - 2.0 + each * BEAT_S) * RATE)) for each, word in enumerate(words)]
        line.send(say(*words) + silence(0.4))
        if index % 8 == 7:
            line.drop()
            line.pass_time(0.25)
            line.send(silence(0.25))
        line.pause(11.5 + index % 5 * 0.25)
    line.finish()
    assert line.now > 2 * 3600
    assert len(line.of(Paused)) == rounds
    assert len(line.of(Reconnected)) == rounds // 8
    assert [(word.text, round((word.source_start or 0) * RATE)) for word in line.words] == said


# ---- 13: handshakes that are refused ----


@pytest.mark.parametrize(
    ("status", "kind", "advice"),
    [
        (401, BadCredentials, "Check the API key."),
        (402, PaymentRequired, "The account needs credits."),
        (403, BadCredentials, "This key may not do that."),
        (429, TooManyStreams, "Too many streams are open; close some, or raise the limit."),
        (503, Refused, ""),
    ],
)
def test_a_refused_handshake_says_what_it_was_and_what_to_do(status: int, kind: type[Refused], advice: str) -> None:
    """https://github.com/BasedHardware/omi/issues/11695: 402 for hours, which no message showed.

    https://github.com/screenpipe/screenpipe/pull/1231: the request's id must not get lost.
    """
    with FakeServer(VOICE) as server:
        server.refuse(status, headers={"dg-error": "no, and this is why"}, times=10)
        with pytest.raises(Refused) as caught, sync.connect(server.url, tuning=Tuning(open_within_s=0)):
            pass
        error = caught.value
        assert type(error) is kind
        assert (error.status, error.dg_error) == (status, "no, and this is why")
        assert error.request_id == server.refused[0].request_id != ""
        assert str(error).startswith(f"The server refused ({status}: no, and this is why).")
        assert advice in str(error)
        assert len(server.refused) == 1


@pytest.mark.parametrize("status", [401, 402, 403])
def test_what_would_be_refused_again_is_not_tried_again(status: int) -> None:
    """https://github.com/BasedHardware/omi/issues/11695: trying again made it worse."""
    with FakeServer(VOICE) as server:
        server.refuse(status, times=10)
        with pytest.raises(Refused), sync.connect(server.url, tuning=Tuning(open_within_s=600)):
            pass
        assert len(server.refused) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_without_room_is_tried_again(status: int) -> None:
    """https://github.com/deepgram/deepgram-python-sdk/issues/726: 429 at the handshake."""
    with FakeServer(VOICE) as server:
        server.refuse(status, headers={"Retry-After": "0"}, times=2)
        with sync.connect(server.url, tuning=Tuning(open_within_s=PATIENCE_S)) as line:
            line.send(VOICE.say("good", "morning"))
            assert line.finish().text == "good morning"
        assert len(server.refused) == 2


def test_credits_that_run_out_in_the_middle_end_the_line_with_that_error() -> None:
    """https://github.com/BasedHardware/omi/issues/11695: sessions went on without words."""
    with FakeServer(VOICE) as server:
        line = sync.connect(server.url, tuning=PATIENT)
        with listening(line) as heard:
            line.send(VOICE.say("good") + PAUSE)
            heard.heard("good")
            server.refuse(402)
            line.send(VOICE.say("morning"))
            server.cut()
            closed = heard.next(Closed)
            assert isinstance(closed.error, PaymentRequired)
            assert isinstance(line.send(VOICE.say("please")), Dropped)
        result = line.finish()
        assert heard.error is result.error is closed.error
        assert result.text == "good"
        assert [(gap.start, gap.end) for gap in result.gaps] == [
            (0.6, 1.3)
        ]  # behind the final that 0.3 s of silence brought


# ---- 16, 17: frames of any size ----


def test_four_seconds_of_375_tiny_frames_each_are_sent_to_the_last_byte() -> None:
    """https://github.com/vellum-ai/vellum-assistant/pull/38371: 100 messages, the bound of a buffer, were 0.27 s."""
    frame = 128 * 2  # a browser's audio worklet: 128 samples at 48 kHz
    audio = VOICE.say(*WORDS, sample_rate=48_000) + VOICE.silence(0.8, sample_rate=48_000)
    frames = [audio[at : at + frame] for at in range(0, len(audio), frame)]
    assert len(frames) == 4 * 375
    with FakeServer(VOICE) as server, sync.connect(server.url, sample_rate=48_000) as line:
        assert all(isinstance(line.send(each), Accepted | Buffered) for each in frames)
        result = line.finish()
        assert placed(result) == spoken(*WORDS)
        assert on(server).audio == audio


def test_tiny_frames_that_come_while_there_is_no_connection_wait_in_seconds_and_not_in_messages() -> None:
    """https://github.com/vellum-ai/vellum-assistant/pull/38371."""
    audio = VOICE.say(*WORDS)
    with FakeServer(VOICE) as server:
        line = sync.connect(server.url, tuning=PATIENT)
        with listening(line) as heard:
            server.stop()
            heard.next(Reconnecting)
            assert all(isinstance(line.send(audio[at : at + 64]), Buffered) for at in range(0, len(audio), 64))
            server.start()
            result = line.finish(PATIENCE_S)
        assert placed(result) == spoken(*WORDS)


def test_an_empty_frame_does_not_end_the_stream() -> None:
    """https://github.com/deepgram/deepgram-python-sdk/issues/427: an empty buffer closed the connection."""
    with FakeServer(VOICE) as server, sync.connect(server.url) as line:
        assert line.send(b"") == Accepted()
        line.send(VOICE.say("good"))
        assert line.send(b"") == Accepted()
        line.send(bytearray())
        line.send(VOICE.say("morning"))
        assert line.finish().text == "good morning"
        assert b"" not in on(server).chunks


# ---- 18: containers ----

CLUSTER = b"\x1f\x43\xb6\x75"


def test_a_new_connection_is_sent_the_header_of_a_container_first() -> None:
    """https://github.com/deepgram/deepgram-js-sdk/issues/301: the header is in the first chunk only."""
    header = b"\x1a\x45\xdf\xa3" + bytes(range(100))
    first, second, third = (CLUSTER + bytes([each]) * 50 for each in (1, 2, 3))

    def handle(seen: Peers, socket: ServerConnection) -> None:
        if len(seen.connections) == 1:
            seen.read(socket, until=lambda messages: b"".join(map(bytes, messages)) == header + first)  # type: ignore[arg-type]
            socket.close(1011)
        else:
            seen.read(socket, until=lambda messages: b'{"type":"CloseStream"}'.decode() in messages)
            socket.send('{"type":"Metadata","duration":1.0}')

    with peers(handle) as server:
        line = sync.connect(server.url, encoding=None)
        with listening(line) as heard:
            line.send(header[:20])
            line.send(header[20:] + first)
            heard.next(Reconnected)
            line.send(second)
            line.send(third)
            result = line.finish(PATIENCE_S)
        audio = [message for message in server.connections[1] if isinstance(message, bytes)]
        assert audio[0] == header
        assert b"".join(audio[1:]) == second + third
        # How much of the first cluster was received is unknown; that some of it may be lost is reported.
        assert [(gap.start, gap.end) for gap in heard.of(Gap)] == [(None, None)]
        assert not result.complete


@pytest.mark.slow
def test_a_webm_recording_continues_after_a_reconnect() -> None:
    """https://github.com/deepgram/deepgram-js-sdk/issues/301, with a real container and our own server."""
    first, second = recording("lv-0880"), recording("lv-0890")
    samples = np.concatenate([first.samples, np.zeros(16_000, np.float32), second.samples])
    webm = mux(
        samples[None], 16_000, "webm", "libopus", bit_rate=32_000, options={"live": "1", "cluster_time_limit": "500"}
    )
    clusters = webm.split(CLUSTER)
    header, parts = clusters[0], [CLUSTER + each for each in clusters[1:]]
    at = round(len(parts) * (len(first.samples) + 8_000) / len(samples))
    with start_server(engine="moonshine") as served:
        line = sync.connect(
            served.url, encoding=None, model="nova-3", faults=caesura.Faults(drop_after_s=1.0), tuning=PATIENT
        )
        with listening(line) as heard:
            line.send(header + b"".join(parts[:at]))
            heard.next(Reconnected)
            line.send(b"".join(parts[at:]))
            result = line.finish(PATIENCE_S)
        assert result.error is None
        again = " ".join(word.text for word in result.words if word.epoch == 1)
        assert "rather selfish is to be" in again


# ---- from section 2: beginnings, ends, restarts ----


def test_audio_that_is_sent_the_moment_the_line_is_open_is_transcribed() -> None:
    """https://github.com/deepgram-starters/node-live-transcription/issues/9: one session in 50 lost its beginning.

    https://github.com/orgs/deepgram/discussions/880: the server sends nothing before audio, so a client must not wait.
    """

    async def go(server: FakeServer) -> caesura.Transcript:
        async with caesura.connect(server.url) as line:
            line.send(VOICE.say("good"))
            line.send(VOICE.say("morning"))
            return await line.finish()

    with FakeServer(VOICE) as server:
        for _ in range(10):
            result = asyncio.run(go(server))
            assert placed(result) == spoken("good", "morning")
            assert result.complete


@pytest.mark.parametrize("in_order", [True, False])
def test_a_server_that_restarts_in_the_middle_of_a_sentence_loses_no_word(in_order: bool) -> None:
    """https://github.com/deepgram/deepgram-js-sdk/issues/448: what was on its way when a connection ended was lost."""
    audio = VOICE.say(*WORDS)
    half = len(VOICE.silence(3 * BEAT_S + 0.1))
    with FakeServer(VOICE) as server:
        line = sync.connect(server.url, tuning=PATIENT)
        with listening(line) as heard:
            line.send(audio[:half])
            server.wait(lambda: len(on(server).audio) == half, within_s=PATIENCE_S)
            server.stop(in_order=in_order)
            if in_order:
                assert end(server) == Close(1012, "")
            heard.next(Reconnecting)
            line.send(audio[half:])
            server.start()
            heard.next(Reconnected)
            result = line.finish(PATIENCE_S)
        if in_order:  # what it had received of the word was final already
            assert result.text == "good yes yes please please no no thank you"
        else:
            assert placed(result) == spoken(*WORDS)
        assert result.complete


def test_a_close_frame_in_the_middle_of_a_sentence_loses_no_word() -> None:
    """https://github.com/deepgram/deepgram-js-sdk/issues/448: 1011 and 1012 ended the session."""
    with FakeServer(VOICE) as server:
        server.after(0.5, lambda: server.close(1012))
        server.after(1.5, lambda: server.close(1011, "NET-0001"))
        line = sync.connect(server.url, tuning=PATIENT)
        with listening(line) as heard:
            line.send(VOICE.say(*WORDS))
            heard.next(Reconnected, 2)
            result = line.finish(PATIENCE_S)
        assert [each.why for each in heard.of(Reconnecting)][:2] == ["closed with 1012", "closed with 1011 NET-0001"]
        assert placed(result) == spoken(*WORDS)


@pytest.mark.parametrize("answers", [True, False])
def test_finishing_brings_the_last_words_whether_finalize_is_answered_or_not(answers: bool) -> None:
    """https://github.com/deepgram/deepgram-js-sdk/issues/198: closing instead of CloseStream lost the tail.

    https://github.com/vellum-ai/vellum-assistant/pull/37537: Finalize may have no answer.
    """
    with FakeServer(VOICE, answers_finalize=answers) as server, sync.connect(server.url) as line:
        line.send(VOICE.say("good", "morning"))
        result = line.finish()
        assert placed(result) == spoken("good", "morning")
        assert result.complete
        assert on(server).types[-1] == "CloseStream"
        assert end(server) == Close(1000, "")


def test_a_pause_makes_the_last_words_final_without_waiting_for_the_next_ones() -> None:
    """https://github.com/livekit/agents/issues/931: the final came with the next utterance, 20 s later."""
    with FakeServer(VOICE) as server:
        line = sync.connect(server.url)
        with listening(line) as heard:
            line.send(VOICE.say("good", "morning"))
            line.pause()
            heard.heard("good", "morning")
            assert line.is_paused
            line.resume()


def test_finishing_twice_is_finishing_once() -> None:
    """https://github.com/deepgram/deepgram-js-sdk/issues/22: ending a stream cost its last words."""

    async def go(server: FakeServer) -> None:
        async with caesura.connect(server.url) as line:
            line.send(VOICE.say("good", "morning"))
            first, second = await asyncio.gather(line.finish(), line.finish())
            assert first == second == await line.finish()
            assert first.text == "good morning"

    with FakeServer(VOICE) as server:
        asyncio.run(go(server))
        assert on(server).types.count("CloseStream") == 1


# ---- programs that end ----

PROGRAM = """
import signal, sys, time
import caesura
from caesura import sync
from caesura.testing import Voice
signal.signal(signal.SIGINT, signal.default_int_handler)
voice, url = Voice({words!r}), {url!r}
"""


def program(server: FakeServer, text: str) -> subprocess.Popen[str]:
    """A Python program with a voice and the server's url, and `text` behind that."""
    code = PROGRAM.format(words=VOICE.words, url=server.url) + text
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code]  # 3.12 warns of fork beside threads
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ends_well(child: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Its exit status, and what it wrote."""
    try:
        out, err = child.communicate(timeout=PATIENCE_S)
    finally:
        child.kill()
    return child.returncode, out, err


def has_all(server: FakeServer) -> bool:
    """Did the only connection bring these words and then the end?"""
    words = [word.text for word in VOICE.hear(on(server).audio)]
    return words == ["good", "morning"] and on(server).types[-1] == "CloseStream"


@pytest.mark.slow
def test_a_program_that_just_ends_has_sent_everything() -> None:
    """https://github.com/deepgram/deepgram-js-sdk/issues/198: the tail was lost when it was not waited for."""
    with FakeServer(VOICE) as server:
        child = program(server, "line = sync.connect(url).open()\nline.send(voice.say('good', 'morning'))\n")
        assert ends_well(child) == (0, "", "")
        assert end(server) == Close(1000, "")
        assert has_all(server)


WITH = """
with sync.connect(url) as line:
    line.send(voice.say('good', 'morning'))
    time.sleep(600)
"""
ASYNC_WITH = """
import asyncio
async def go():
    async with caesura.connect(url) as line:
        line.send(voice.say('good', 'morning'))
        await asyncio.sleep(600)
asyncio.run(go())
"""
BARE = """
line = sync.connect(url).open()
line.send(voice.say('good', 'morning'))
time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.parametrize("text", [WITH, ASYNC_WITH, BARE], ids=["with", "async with", "bare"])
def test_ctrl_c_loses_no_word(text: str) -> None:
    """https://github.com/deepgram/deepgram-js-sdk/issues/198: a client that is ended closes without CloseStream."""
    with FakeServer(VOICE) as server:
        child = program(server, text)
        try:
            server.wait(lambda: bool(server.connections) and on(server).seconds > 0.79, within_s=PATIENCE_S)
        except TimeoutError:
            child.kill()
            pytest.fail(f"it sent nothing: {child.communicate()}")
        child.send_signal(signal.SIGINT)
        status, _, err = ends_well(child)
        assert status != 0
        assert err.rstrip().endswith("KeyboardInterrupt")
        assert end(server) == Close(1000, "")
        assert has_all(server)


FORK = """
import os, threading
with sync.connect(url, tag='parent') as line:
    line.send(voice.say('good'))
    child = os.fork()
    if child == 0:
        try:
            line.send(voice.say('no'))
        except caesura.UsageError as error:
            print(error, flush=True)
        with sync.connect(url, tag='child') as mine:
            mine.send(voice.say('yes'))
            print(mine.finish().text, flush=True)
        print(len([each for each in threading.enumerate() if each.name == 'caesura-client']), flush=True)
        # The line of the parent is not waited for.
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    line.send(voice.say('morning'))
    print(line.finish().text)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
def test_a_fork_has_lines_of_its_own_and_leaves_its_parents_alone() -> None:
    """https://github.com/deepgram/deepgram-python-sdk/issues/319: a connection held from somewhere else went idle."""
    with FakeServer(VOICE) as server:
        status, out, err = ends_well(program(server, FORK))
        assert (status, err) == (0, "")
        refusal, text, threads, parent = out.splitlines()
        assert refusal == "The line was opened by another process and works there only: connect here too."
        assert (text, threads, parent) == ("yes", "1", "good morning")


# ---- threads ----


def test_a_line_takes_audio_from_several_threads() -> None:
    """https://github.com/BasedHardware/omi/issues/5870: two owners of one socket."""
    each, threads = 40, 6
    with FakeServer(VOICE) as server:
        line = sync.connect(server.url, tuning=Tuning(keep_s=600.0))
        with listening(line):
            senders = [
                threading.Thread(target=lambda word: [line.send(VOICE.say(word)) for _ in range(each)], args=(word,))
                for word in VOICE.words[:threads]
            ]
            for sender in senders:
                sender.start()
            for sender in senders:
                sender.join()
            result = line.finish(PATIENCE_S)
        assert Counter(word.text for word in result.words) == dict.fromkeys(VOICE.words[:threads], each)
        assert result.complete
