"""One WebSocket in, driven by one Session: tell it what came, carry out its actions, re-arm one timer.

The only loop that drives a session. The tasks of one group: the reader waits for messages, the writer sends, and a
callback delivers where there is one; when reader or writer ends, the rest does. The pipeline calls back on the same
loop, so nothing here needs a lock.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import assert_never

from starlette.websockets import WebSocket

from caesura.events import Drained, EngineFailed, StreamEvent
from caesura.pipeline.stream import Stream
from caesura.protocol.actions import (
    Action,
    CloseSocket,
    EndAudio,
    FeedAudio,
    FlushAudio,
    Reconfigure,
    Send,
    TellHeld,
    Warn,
)
from caesura.protocol.closing import CALLBACK_FAILED, NET_0000, REVOKED, TOO_MANY_FRAMES, Close
from caesura.protocol.codec import write_server_message
from caesura.protocol.messages import Metadata, Results, ServerMessage, SpeechStarted, UtteranceEnd
from caesura.protocol.session import Identity, Session, State, Timers
from caesura.rfc3339 import rfc3339
from caesura.server.accounts.usage_record import ended_stream, started_record
from caesura.server.admission import Admitted
from caesura.server.arrivals import Arrivals
from caesura.server.asked import audio_format, bytes_per_second, hearing, preferred, style
from caesura.server.metrics import Cause
from caesura.server.outbound.callback import Callback
from caesura.server.outbound.target import Target
from caesura.server.outbox import Outbox, Parcel
from caesura.server.service import Service, voices_info

_log = logging.getLogger("caesura.live")

GRACE_S = 0.05
"""A deadline is judged this much later, so that what already lies in the socket is read first."""
DISCONNECTS = {
    1002: "the client broke the WebSocket protocol",
    1006: "the connection was cut",
    1007: "the client sent text that is not UTF-8",
    1009: "the client sent a message that is too large",
}
"""What the codes mean with which the WebSocket library ends a connection."""


class LiveConnection:
    """One accepted connection; `run` returns when it is over."""

    def __init__(
        self,
        websocket: WebSocket,
        service: Service,
        admitted: Admitted,
        *,
        request_id: str,
    ) -> None:
        options, offer, access = admitted.options, admitted.offer, admitted.access
        self._websocket = websocket
        self._service = service
        self._options = options
        self._engine = service.engine(offer)
        self._loop = asyncio.get_running_loop()
        self._opened_at = self._loop.time()
        created = datetime.now(UTC)
        self._identity = Identity(
            request_id,
            rfc3339(created),
            offer.model,
            biases=offer.biases,
            diarizer=voices_info() if options.diarize else None,
        )
        self._entry = started_record(
            options,
            access=access,
            request_id=request_id,
            server_id=service.ledger_writer.server_id,
            model=offer.model,
            created=created,
        )
        settings = service.settings
        self._session = Session(
            options,
            self._identity,
            Timers(settings.idle_timeout_s, settings.first_response_timeout_s, settings.drain_timeout_s),
            now=self._opened_at,
        )
        self._audio = audio_format(options)
        self._stream: Stream | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._looked_again = False
        self._acting = False
        self._outbox = Outbox(websocket, give_up=self._given_up)
        self._writer: asyncio.Task[None] | None = None
        callback = admitted.callback
        self._callback = None if callback is None else self._callback_to(callback, access.api_key_id)
        self._close: CloseSocket | None = None
        """What is to be said once the callback has everything."""
        self._arrivals = Arrivals(bytes_per_second(self._audio))
        self._metrics = service.metrics.opened()
        self._told_until: dict[int, float] = {}
        """Up to where finals went out, by channel."""
        self._shed = 0
        self._lost_by: Cause | None = None
        self._proven = False
        """The stream's load shows in the engine's queue, if there is any."""
        self._stopped = False
        """The stream ends because the server stops, and not because the client said so."""

    async def run(self) -> None:
        """Drive the session until it is closed or the client is gone."""
        self._service.ledger_writer.begin_request(self._entry)
        self._arm()
        try:
            async with asyncio.TaskGroup() as tasks:
                reader = tasks.create_task(self._read())
                self._writer = writer = tasks.create_task(self._outbox.run())
                if self._callback is not None:
                    tasks.create_task(self._deliver(self._callback))
                reader.add_done_callback(lambda _: writer.cancel())
                writer.add_done_callback(lambda _: self._written_out(reader))
        finally:
            self._end()

    def stop(self) -> None:
        """The server stops: what was heard is sent, then Metadata and the close that asks the client to come back."""
        self._stopped = self._session.state is State.OPEN
        self._do(partial(self._session.stop, now=self._loop.time()))

    def revoke(self) -> None:
        """The key that opened this connection is no longer good: it ends at once."""
        self._cut(REVOKED)

    def _cut(self, close: Close) -> None:
        if self._outbox.closing:
            return
        self._session.cut(close, now=self._loop.time())
        self._outbox.close(CloseSocket(close.code, close.reason))

    def _written_out(self, reader: asyncio.Task[None]) -> None:
        reader.cancel()
        if self._callback is None:
            return
        self._do(partial(self._left, 1006))
        if self._session.state is State.CLOSED:
            self._callback.finish(within_s=self._service.settings.drain_timeout_s)

    def _left(self, code: int, why: str = "") -> None:
        """The client is gone. Whoever its callback reaches is not: what was said is heard to its end."""
        now = self._loop.time()
        why = why or DISCONNECTS.get(code, "the client closed")
        if self._callback is None:
            self._session.receive_disconnect(code, now=now, why=why)
        else:
            self._session.stop(now=now, close=Close(code, why))

    # ---- the three steps ----

    def _do(self, tell: Callable[[], None]) -> None:
        try:
            tell()
            self._act()
            self._metrics.told(self._session.tally, audio_s=self._audio_s, billed_s=self._billed_s)
        except Exception:  # noqa: BLE001  # our own mistake ends this session, aloud, and no other
            self._broke()
        self._arm()

    def _broke(self) -> None:
        """The client is told by the code that makes it connect again, the log what it was."""
        _log.exception("%s: the session broke", self._identity.request_id)
        self._session.receive_disconnect(1011, now=self._loop.time(), why="a fault inside")
        self._lost_by = "fault"
        self._outbox.close(CloseSocket(NET_0000.code, NET_0000.reason))

    def _act(self) -> None:
        # The pipeline may call back from inside an action; the outer loop takes what that added.
        if self._acting:
            return
        self._acting = True
        try:
            while actions := self._session.actions():
                for action in actions:
                    self._carry_out(action)
        finally:
            self._acting = False

    def _carry_out(self, action: Action) -> None:
        match action:
            case FeedAudio(data):
                self._hearing().feed(data)
            case FlushAudio(channel):
                self._hearing().flush(channel)
            case Reconfigure(features, keyterms):
                terms = None if keyterms is None else preferred(keyterms, self._options.keywords)
                self._hearing().change(features, terms)
            case TellHeld():
                self._hearing().tell_held()
            case EndAudio():
                self._end_audio()
            case Send(message):
                self._post(message)
            case CloseSocket():
                self._say_close(action)
            case Warn(text):
                _log.warning("%s: %s", self._identity.request_id, text)
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
        self._timer = self._loop.call_at(deadline, self._time_passed)

    def _time_passed(self) -> None:
        self._timer = None
        deadline = self._session.next_deadline()
        now = self._loop.time()
        if deadline is not None and now >= deadline + 2 * GRACE_S and not self._looked_again:
            # We were held up ourselves: what came meanwhile lies unread in the socket.
            self._looked_again = True
            self._timer = self._loop.call_at(now + GRACE_S, self._time_passed)
        elif deadline is not None and now >= deadline + GRACE_S:
            self._looked_again = False
            self._do(partial(self._deadline_passed, now))
        else:
            self._looked_again = False
            self._arm()

    def _deadline_passed(self, now: float) -> None:
        if self._session.state is not State.FLUSHING or self._stream is None:
            self._session.handle_deadline(now=now)
        elif self._stopped:
            # The drain cap of the stop: the client comes back and sends again what no final covered.
            self._lost_by = "drain"
            self._stream.close()
            self._session.engine_event(Drained(self._audio_s), now=now)
        elif self._last_words_on_their_way(now):
            self._session.prolong_drain(now=now)
        else:
            self._session.handle_deadline(now=now)

    def _last_words_on_their_way(self, now: float) -> bool:
        """Whether the stream has a job in a queue that moves: finals are done in the order in which they came."""
        answered_at = self._engine.pool.answered_at
        if self._service.shutdown.begun or answered_at is None or self._stream is None:
            return False
        return self._stream.job_out and now - answered_at < self._service.settings.drain_timeout_s

    # ---- in ----

    async def _read(self) -> None:
        session = self._session
        while session.state is not State.CLOSED:
            message = await self._websocket.receive()
            now = self._loop.time()
            if message["type"] == "websocket.disconnect":
                code = message.get("code", 1006)
                flooded = (code, message.get("reason")) == (TOO_MANY_FRAMES.code, TOO_MANY_FRAMES.reason)
                self._do(partial(self._left, code, TOO_MANY_FRAMES.reason if flooded else ""))
                return
            text = message.get("text")
            if not self._proven:
                self._report_load(is_audio=text is None)
            if text is not None:
                self._do(partial(session.receive_text, text, now=now))
            else:
                self._arrivals.audio(len(message["bytes"]), self._audio_s, now=now)
                self._do(partial(session.receive_audio, message["bytes"], now=now))
            if self._outbox.full or (self._stream is not None and self._stream.full):
                await self._wait_for_room()
        # Closed by us, or about to be: the writer says so, and ends this task when it has.
        await asyncio.Event().wait()

    def _report_load(self, *, is_audio: bool) -> None:
        load, request_id = self._engine.load, self._identity.request_id
        if is_audio:
            self._proven = load.audio(request_id)
        else:
            load.text(request_id)

    async def _wait_for_room(self) -> None:
        """Back-pressure: not reading lets TCP slow the client down; the idle window does not run meanwhile."""
        self._session.hold_idle()
        self._arm()
        await self._outbox.room()
        if self._stream is not None:
            await self._stream.room()
        self._do(partial(self._session.resume_idle, now=self._loop.time()))

    def _heard(self, event: StreamEvent) -> None:
        if isinstance(event, EngineFailed):
            self._lost_by = "engine"
        self._do(partial(self._session.engine_event, event, now=self._loop.time()))

    # ---- out ----

    def _post(self, message: ServerMessage) -> None:
        text = write_server_message(message)
        interim = isinstance(message, Results) and not message.is_final
        if self._callback is not None and isinstance(message, Results | Metadata | SpeechStarted | UtteranceEnd):
            self._callback.send(text, essential=not interim)
            self._note(message)
            if not self._options.inspect_response:
                return
        sent = partial(self._sent, message) if isinstance(message, Results) else None
        if not self._outbox.post(Parcel(text, sent), interim=interim):
            self._shed += 1
            self._metrics.interim_shed()

    def _sent(self, results: Results) -> None:
        self._note(results)
        arrived = self._arrivals.of(results.start + results.duration)
        if arrived is not None:
            self._metrics.sent(final=results.is_final, latency_s=self._loop.time() - arrived)

    def _note(self, message: ServerMessage) -> None:
        if isinstance(message, Results) and message.is_final:
            self._told_until[message.channel] = message.start + message.duration

    def _given_up(self, why: str) -> None:
        _log.warning("%s: the client stopped reading (%s), so the connection is cut", self._identity.request_id, why)
        self._do(partial(self._left, 1006, f"cut: {why}"))
        if self._writer is not None:
            self._writer.cancel()

    def _say_close(self, close: CloseSocket) -> None:
        if close == CloseSocket(NET_0000.code, NET_0000.reason) and self._lost_by is None:
            self._lost_by = "drain"
        if self._callback is None:
            self._outbox.close(close)
        else:
            self._close = close
            self._callback.finish(within_s=self._service.settings.drain_timeout_s)

    # ---- the callback ----

    def _callback_to(self, target: Target, key_id: str | None) -> Callback:
        return Callback(
            target,
            outbound=self._service.outbound,
            method=self._options.callback_method,
            key_id=key_id or "",
            request_id=self._identity.request_id,
            on_failure=self._callback_failed,
        )

    async def _deliver(self, callback: Callback) -> None:
        """A client that is told 1000 knows that everything was delivered."""
        await callback.run()
        if callback.failed is None and self._close is not None:
            self._outbox.close(self._close)

    def _callback_failed(self, why: str) -> None:
        # What is told of it may hold the path of the URL, which is not everybody's business: it is in the log.
        self._service.metrics.callback_failed()
        self._cut(CALLBACK_FAILED)

    # ---- the audio ----

    def _hearing(self) -> Stream:
        if self._stream is None:
            service = self._service
            self._stream = Stream(
                self._audio,
                split=self._options.multichannel,
                hearing=hearing(self._options, self._engine.info, service.settings.interim_interval_s),
                style=style(self._options),
                vad=service.vad,
                ears=service.ears,
                pool=self._engine.pool,
                tell=self._heard,
            )
        return self._stream

    @property
    def _audio_s(self) -> float:
        return self._stream.seconds if self._stream is not None else 0.0

    @property
    def _billed_s(self) -> float:
        return self._audio_s * (max(self._session.tally.channels, 1) if self._options.multichannel else 1)

    def _end_audio(self) -> None:
        if self._stream is None:
            self._session.engine_event(Drained(0.0), now=self._loop.time())
        else:
            self._stream.end()

    # ---- the end ----

    def _end(self) -> None:
        now = self._loop.time()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._session.receive_disconnect(1006, now=now)
        tally = self._session.tally
        audio_s = self._audio_s
        if self._stream is not None:
            self._stream.close()
        if self._shed:
            _log.warning("%s: %d interims left out: the client read slowly", self._identity.request_id, self._shed)
        if self._lost_by is not None:
            told = min((self._told_until.get(channel, 0.0) for channel in range(max(tally.channels, 1))), default=0.0)
            self._metrics.dropped(self._lost_by, audio_s - told)
        self._metrics.ended(tally, audio_s=audio_s, billed_s=self._billed_s)
        ended = ended_stream(
            self._entry,
            self._options,
            completed=datetime.now(UTC),
            audio_seconds=audio_s,
            channels=tally.channels,
            connection_seconds=now - self._opened_at,
            paused_seconds=tally.paused_seconds,
            keepalive_count=tally.keepalive_count,
            bytes_in=tally.bytes_in,
            close_code=tally.close_code,
            close_reason=tally.close_reason,
        )
        priced = self._service.ledger_writer.end_request(ended)
        self._service.session_log.add(priced, binary_control_suspects=tally.binary_control_suspects)
