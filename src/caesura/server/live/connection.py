"""One live connection: drives a Session with what comes from the socket, the stream and the clock.

The only loop that drives a session. Each thing that happens takes the same three steps: report it to the session, carry
out the actions and events that follow, re-arm one timer. Messages are taken as they are read, without a task between;
the writer and, where there is one, the callback are tasks of one group, which ends with them. All of it runs on one
event loop, so nothing here needs a lock.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import assert_never

from starlette.websockets import WebSocket

from caesura.events import Drained, EngineFailed, StreamEvent
from caesura.pipeline.stream import Stream
from caesura.pipeline.stream_input import SMALL_BYTES, SMALL_MESSAGES
from caesura.protocol.actions import (
    Action,
    CloseSocket,
    EndAudio,
    FeedAudio,
    FlushAudio,
    Reconfigure,
    ReleaseHeldFinals,
    Send,
    StopAudio,
    Warn,
)
from caesura.protocol.closing import CALLBACK_FAILED, NET_0000, REVOKED, TOO_MANY_FRAMES, Close
from caesura.protocol.session import Session, State, Timers
from caesura.server.admission import Admitted
from caesura.server.live.accounting import StreamAccounting
from caesura.server.live.latency import LatencyMeter
from caesura.server.live.send_queue import SendQueue
from caesura.server.metrics import FAULT, StreamUsage
from caesura.server.outbound.callback import Callback
from caesura.server.service import Service
from caesura.server.stream_config import audio_format, bytes_per_second, preferred_terms, recognition_config, style
from caesura.server.transport.message_source import EXTENSION, Message, MessageSource

_log = logging.getLogger("caesura.live")

GRACE_S = 0.05
"""A deadline is handled this much later, so that what already lies in the socket is read first."""
SILENCE_S = 0.3
"""Silence at the end of a stopped stream that finals need not cover: nothing is lost with it."""
DISCONNECTS = {
    1002: "the client broke the WebSocket protocol",
    1006: "the connection was cut",
    1007: "the client sent text that is not UTF-8",
    1009: "the client sent a message that is too large",
}
"""Meaning of the codes with which the WebSocket library ends a connection."""


class LiveConnection:
    """One accepted connection; `run` returns when it is over."""

    def __init__(self, websocket: WebSocket, service: Service, admitted: Admitted, *, request_id: str) -> None:
        self._websocket = websocket
        self._service = service
        self._options = admitted.options
        self._request_id = request_id
        self._engine = service.engine(admitted.offer)
        self._loop = asyncio.get_running_loop()
        self.opened_at = now = self._loop.time()
        self._accounting = StreamAccounting(service, admitted, request_id, now=now)
        settings = service.settings
        timers = Timers(settings.idle_timeout_s, settings.first_response_timeout_s, settings.drain_timeout_s)
        self._session = Session(admitted.options, self._accounting.identity, timers, now=now)
        self._audio = audio_format(admitted.options)
        self._stream: Stream | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._rechecked = False
        self._queue = SendQueue(websocket, sent=self._sent, give_up=self._given_up)
        self._source: MessageSource = websocket.scope["extensions"][EXTENSION]
        self._arrived: list[tuple[bytes, float]] = []
        """Audio that the session has not been given yet, and when each message arrived."""
        self._arrived_bytes = 0
        self._gathering = False
        """They are handed over soon, together with those of other connections."""
        self._tasks: asyncio.TaskGroup
        self._writer: asyncio.Task[None]
        self._waiting_for_room: asyncio.Task[None] | None = None
        self._callback = self._make_callback(admitted)
        self._close: CloseSocket | None = None
        """The close that is due once the callback has delivered everything."""
        self._latency = LatencyMeter(bytes_per_second(self._audio))
        self._talks = False
        """It sends audio, and is not held by KeepAlive."""
        self._proven = False
        """The stream's load shows in the engine's queue, if there is any."""
        self._stopped = False
        """The stream ends because the server stops, and not because the client ended it."""

    async def run(self) -> None:
        """Drive the session until it is closed or the client is gone."""
        self._accounting.begin(self._usage)
        self._arm()
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._writer = self._tasks.create_task(self._queue.run())
                self._writer.add_done_callback(lambda _: self._writer_ended())
                if self._callback is not None:
                    self._tasks.create_task(self._deliver(self._callback))
                self._source.subscribe(self._receive)
        finally:
            self._end()

    @property
    def is_open(self) -> bool:
        """Whether neither side has ended the stream."""
        return self._session.state is State.OPEN and not self._queue.closing

    @property
    def at_pause(self) -> bool:
        """Whether nothing is being said, so that a stop now cuts no word."""
        return self._stream is None or self._stream.at_pause or self._session.is_held(now=self._loop.time())

    def stop(self) -> None:
        """The server stops: the transcript so far is sent, then Metadata and the close that asks to reconnect."""
        self._stopped = self._session.state is State.OPEN
        self._report(partial(self._session.stop, now=self._loop.time()))

    def revoke(self) -> None:
        """The key that opened this connection was revoked: it ends at once."""
        self._cut(REVOKED)

    def _cut(self, close: Close) -> None:
        if self._queue.closing:
            return
        self._hand_over()
        self._session.cut(close, now=self._loop.time())
        self._queue.close(CloseSocket(close.code, close.reason))

    def _writer_ended(self) -> None:
        if self._waiting_for_room is not None:
            self._waiting_for_room.cancel()
        if self._callback is None:
            return
        self._report(partial(self._disconnected, 1006))
        if self._session.state is State.CLOSED:
            self._callback.finish(within_s=self._service.settings.drain_timeout_s)

    def _disconnected(self, code: int, reason: str = "") -> None:
        """The client disconnected. With a callback, finish transcribing what was received; otherwise end now."""
        reason = reason or DISCONNECTS.get(code, "the client closed")
        drain = self._callback is not None
        self._session.receive_disconnect(code, now=self._loop.time(), reason=reason, drain=drain)

    # ---- the three steps ----

    def _report(self, report: Callable[[], None]) -> None:
        """Make one call into the session, then carry out what follows from it and re-arm the timer."""
        try:
            self._hand_over()
            report()
            self._carry_out_all()
        except Exception:  # noqa: BLE001  # our own fault ends this session, with a log entry, and no other
            self._fail()
        self._arm()

    def _carry_out_all(self) -> None:
        """Carry out the session's actions and pass it the stream's events, until neither has more."""
        session = self._session
        while True:
            for action in session.actions():
                self._carry_out(action)
            events = () if self._stream is None else self._stream.events()
            if not events:
                return
            now = self._loop.time()
            for event in events:
                self._note_event(event)
                session.engine_event(event, now=now)

    def _fail(self) -> None:
        """Log the error, and close with the code that makes the client reconnect."""
        _log.exception("%s: the session broke", self._request_id)
        if self._session.state is not State.CLOSED:
            self._session.cut(Close(NET_0000.code, FAULT), now=self._loop.time())
        self._accounting.lost_by = "fault"
        self._queue.close(CloseSocket(NET_0000.code, NET_0000.reason))

    def _carry_out(self, action: Action) -> None:
        match action:
            case FeedAudio(data):
                self._open_stream().feed(data)
            case FlushAudio(channel):
                self._open_stream().flush(channel)
            case Reconfigure(features, keyterms):
                terms = None if keyterms is None else preferred_terms(keyterms, self._options.keywords)
                self._open_stream().reconfigure(features, terms)
            case ReleaseHeldFinals():
                self._open_stream().release_held()
            case EndAudio():
                self._open_stream().end()
            case StopAudio():
                self._open_stream().stop()
            case Send():
                self._send(action)
            case CloseSocket():
                self._close_after_callback(action)
            case Warn(text):
                _log.warning("%s: %s", self._request_id, text)
            case _:
                assert_never(action)

    def _arm(self) -> None:
        """Keep the timer if it fires early anyway: a KeepAlive then costs no timer at all."""
        deadline = self._session.next_deadline()
        if deadline is None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            return
        deadline += GRACE_S
        if self._timer is not None:
            if self._timer.when() <= deadline:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        if self._arrived:
            self._hand_over_gathered()
            return
        deadline = self._session.next_deadline()
        now = self._loop.time()
        if deadline is not None and now >= deadline + 2 * GRACE_S and not self._rechecked:
            # The loop was late: messages that came meanwhile lie unread in the socket.
            self._rechecked = True
            self._timer = self._loop.call_at(now + GRACE_S, self._timer_fired)
        elif deadline is not None and now >= deadline + GRACE_S:
            self._rechecked = False
            self._report(partial(self._handle_deadline, now))
        else:
            self._rechecked = False
            self._arm()

    def _handle_deadline(self, now: float) -> None:
        if self._session.state is not State.FLUSHING or self._stream is None:
            self._session.handle_deadline(now=now)
        elif self._stopped:
            # The drain cap of the stop: the client reconnects and sends again what no final covered.
            self._accounting.lost_by = "drain"
            self._stream.close()
            self._session.engine_event(Drained(self._stream.covered_s), now=now)
        elif self._finals_on_their_way(now):
            self._session.prolong_drain(now=now)
        else:
            self._session.handle_deadline(now=now)

    def _finals_on_their_way(self, now: float) -> bool:
        """Whether the stream has a job in a queue that moves: finals are run in the order in which they came."""
        answered_at = self._engine.pool.answered_at
        if self._service.shutdown.refusing or answered_at is None or self._stream is None:
            return False
        return self._stream.job_out and now - answered_at < self._service.settings.drain_timeout_s

    # ---- input ----

    def _receive(self, message: Message) -> None:
        """Take one message, or the disconnect, as soon as it is read."""
        session = self._session
        if session.state is State.CLOSED:
            # Closed by the server, or about to be: the writer sends the close frame.
            return
        now = self._loop.time()
        if message["type"] == "websocket.disconnect":
            code = message.get("code", 1006)
            flooded = (code, message.get("reason")) == (TOO_MANY_FRAMES.code, TOO_MANY_FRAMES.reason)
            self._report(partial(self._disconnected, code, TOO_MANY_FRAMES.reason if flooded else ""))
            self._writer.cancel()
            return
        text = message.get("text")
        if not self._proven:
            self._report_load(is_audio=text is None)
        if text is not None:
            self._report(partial(session.receive_text, text, now=now))
            if self._talks and session.tally.paused:
                self._talks = False
                self._engine.load.pauses(self._request_id)
        else:
            if not self._talks:
                self._talks = True
                self._engine.load.talks(self._request_id)
            self._gather(message["bytes"], now)
        if self._queue.full or (self._stream is not None and self._stream.full):
            self._pause_reading()

    def _gather(self, data: bytes, now: float) -> None:
        """Keep small pieces of audio until those of all streams are handed over, which spares each its own round."""
        self._latency.audio(len(data), 0.0 if self._stream is None else self._stream.seconds, now=now)
        self._arrived.append((data, now))
        self._arrived_bytes += len(data)
        if self._arrived_bytes >= SMALL_BYTES or len(self._arrived) >= SMALL_MESSAGES or not data:
            self._hand_over_gathered()
        elif not self._gathering:
            self._gathering = True
            self._service.audio_thread.gather(self._gathered)

    def _gathered(self) -> None:
        self._gathering = False
        self._hand_over_gathered()

    def _hand_over_gathered(self) -> None:
        if self._arrived:
            self._report(_nothing)

    def _hand_over(self) -> None:
        arrived, self._arrived, self._arrived_bytes = self._arrived, [], 0
        for data, at in arrived:
            self._session.receive_audio(data, now=at)

    def _report_load(self, *, is_audio: bool) -> None:
        load = self._engine.load
        if is_audio:
            self._proven = load.audio(self._request_id)
        else:
            load.text(self._request_id)

    def _pause_reading(self) -> None:
        """Back-pressure: not reading lets TCP slow the client down; the idle window does not run meanwhile."""
        if self._waiting_for_room is None and not self._writer.done():
            self._source.pause()
            self._session.hold_idle()
            self._arm()
            self._waiting_for_room = self._tasks.create_task(self._wait_for_room())

    async def _wait_for_room(self) -> None:
        await self._queue.room()
        if self._stream is not None:
            await self._stream.room()
        self._waiting_for_room = None
        self._report(partial(self._session.resume_idle, now=self._loop.time()))
        self._source.resume()

    def _open_stream(self) -> Stream:
        if self._stream is None:
            service, engine = self._service, self._engine
            self._stream = Stream(
                self._audio,
                split=self._options.multichannel,
                config=recognition_config(self._options, engine.info, service.settings.interim_interval_s),
                style=style(self._options),
                new_recognizer=engine.new_recognizer,
                vad=service.vad,
                audio_thread=service.audio_thread,
                pool=engine.pool,
                wake=self._stream_woke,
            )
        return self._stream

    def _stream_woke(self) -> None:
        self._report(_nothing)

    def _note_event(self, event: StreamEvent) -> None:
        if isinstance(event, EngineFailed):
            self._accounting.lost_by = "engine"
        elif isinstance(event, Drained) and event.seconds < self._usage().audio_s - SILENCE_S:
            # What lay behind the cut of a stop: the client reconnects and sends it again.
            self._accounting.lost_by = "drain"

    # ---- output ----

    def _send(self, send: Send) -> None:
        if self._callback is not None and not send.reply:
            self._callback.send(send.text, essential=not send.sheddable)
            self._accounting.covered(send)
            if not self._options.inspect_response:
                return
        if not self._queue.put(send):
            self._accounting.interim_shed()

    def _sent(self, send: Send) -> None:
        """The socket has taken a message."""
        if send.covers is None:
            return
        self._accounting.covered(send)
        arrived = self._latency.arrival_of(send.covers.until_s)
        if arrived is not None:
            self._accounting.latency(send, self._loop.time() - arrived)

    def _given_up(self, reason: str) -> None:
        _log.warning("%s: the client stopped reading (%s), so the connection is cut", self._request_id, reason)
        self._report(partial(self._disconnected, 1006, f"cut: {reason}"))
        self._writer.cancel()

    def _close_after_callback(self, close: CloseSocket) -> None:
        if close == CloseSocket(NET_0000.code, NET_0000.reason) and self._accounting.lost_by is None:
            self._accounting.lost_by = "drain"
        if self._callback is None:
            self._queue.close(close)
        else:
            self._close = close
            self._callback.finish(within_s=self._service.settings.drain_timeout_s)

    # ---- the callback ----

    def _make_callback(self, admitted: Admitted) -> Callback | None:
        if admitted.callback is None:
            return None
        return Callback(
            admitted.callback,
            outbound=self._service.outbound,
            method=self._options.callback_method,
            key_id=admitted.access.api_key_id or "",
            request_id=self._request_id,
            on_failure=self._callback_failed,
        )

    async def _deliver(self, callback: Callback) -> None:
        """Run the callback, then close: a client that gets 1000 knows that everything was delivered."""
        await callback.run()
        if callback.failed is None and self._close is not None:
            self._queue.close(self._close)

    def _callback_failed(self, reason: str) -> None:
        # `reason` may hold the path of the URL, which is not everybody's business: it is in the log.
        self._service.metrics.callback_failed()
        self._cut(CALLBACK_FAILED)

    # ---- the end ----

    def _usage(self) -> StreamUsage:
        tally = self._session.tally
        audio_s = 0.0 if self._stream is None else self._stream.seconds
        return StreamUsage(tally, audio_s, audio_s * (max(tally.channels, 1) if self._options.multichannel else 1))

    def _end(self) -> None:
        now = self._loop.time()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._hand_over()
        self._session.receive_disconnect(1006, now=now)
        if self._stream is not None:
            self._stream.close()
        self._accounting.end(self._usage(), now=now)


def _nothing() -> None:
    pass
