"""One WebSocket in, driven by one Session: tell it what came, carry out its actions, re-arm one timer.

The only loop that drives a session. Two tasks in one group: the reader waits for messages, the writer sends; whichever
ends first ends the other. The pipeline calls back on the same loop, so nothing here needs a lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import assert_never

from starlette.websockets import WebSocket, WebSocketDisconnect

from caesura.audio.format import AudioFormat, Encoding
from caesura.engines.base import EngineInfo, Term
from caesura.events import Drained, StreamEvent
from caesura.formatting.style import Style
from caesura.pipeline.channel import Hearing
from caesura.pipeline.stream import Stream
from caesura.protocol.actions import Action, CloseSocket, EndAudio, FeedAudio, FlushAudio, Reconfigure, Send, Warn
from caesura.protocol.catalogue import WHICHEVER
from caesura.protocol.closing import NET_0000, RESTART
from caesura.protocol.codec import write_server_message
from caesura.protocol.messages import Results, ServerMessage
from caesura.protocol.options import ListenOptions
from caesura.protocol.session import Identity, Session, State, Timers
from caesura.server.auth import Admitted
from caesura.server.records import SessionRecord
from caesura.server.service import Service

_log = logging.getLogger("caesura.live")

GRACE_S = 0.05
"""A deadline is judged this much later, so that what already lies in the socket is read first."""
SHED_INTERIMS = 64
"""Messages waiting to be sent beyond which interims are left out: the next one says more."""
OUTBOX_PAUSE_BYTES = 256 * 1024
"""So much waiting to be sent stops our reading: who does not read is not answered without end."""
OUTBOX_BYTES = 16 * 1024 * 1024
DISCONNECTS = {
    1002: "the client broke the WebSocket protocol",
    1006: "the connection was cut",
    1007: "the client sent text that is not UTF-8",
    1009: "the client sent a message that is too large",
}
"""What the codes mean with which the WebSocket library ends a connection."""
SEND_TIMEOUT_S = 30.0
"""A client that takes nothing for so long, or lets so much pile up, has stopped reading."""


class LiveConnection:
    """One accepted connection; `run` returns when it is over."""

    def __init__(
        self,
        websocket: WebSocket,
        service: Service,
        options: ListenOptions,
        *,
        request_id: str,
        admitted: Admitted,
    ) -> None:
        self._websocket = websocket
        self._service = service
        self._options = options
        self._admitted = admitted
        self._loop = asyncio.get_running_loop()
        self._opened_at = self._loop.time()
        offer = service.catalogue.choose(options.model, options.version, options.language)
        self._engine = service.engine(offer)
        self._identity = Identity(request_id, wall_clock(), offer.model, biases=offer.biases)
        settings = service.settings
        self._session = Session(
            options,
            self._identity,
            Timers(settings.idle_timeout_s, settings.first_response_timeout_s, settings.drain_timeout_s),
            now=self._opened_at,
        )
        self._stream: Stream | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._looked_again = False
        self._acting = False
        self._outbox: deque[str | CloseSocket] = deque()
        self._outbox_bytes = 0
        self._shed = 0
        self._written = asyncio.Event()
        self._sent_enough = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Drive the session until it is closed or the client is gone."""
        self._arm()
        try:
            async with asyncio.TaskGroup() as tasks:
                reader = tasks.create_task(self._read())
                self._writer = writer = tasks.create_task(self._write())
                reader.add_done_callback(lambda _: writer.cancel())
                writer.add_done_callback(lambda _: reader.cancel())
        finally:
            self._end()

    # ---- the three steps ----

    def _do(self, tell: Callable[[], None]) -> None:
        try:
            tell()
            self._act()
        except Exception:  # noqa: BLE001  # our own mistake ends this session, aloud, and no other
            self._broke()
        self._arm()

    def _broke(self) -> None:
        """The client is told by the code that makes it connect again, the log what it was."""
        _log.exception("%s: the session broke", self._identity.request_id)
        self._session.receive_disconnect(1011, now=self._loop.time(), why="a fault inside")
        self._outbox.append(CloseSocket(NET_0000.code, NET_0000.reason))
        self._written.set()

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
            case EndAudio():
                self._end_audio()
            case Send(message):
                self._post(message)
            case CloseSocket():
                self._outbox.append(action)
                self._written.set()
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
            self._do(partial(self._session.handle_deadline, now=now))
        else:
            self._looked_again = False
            self._arm()

    # ---- in ----

    async def _read(self) -> None:
        session = self._session
        while session.state is not State.CLOSED:
            message = await self._websocket.receive()
            now = self._loop.time()
            if message["type"] == "websocket.disconnect":
                code = message.get("code", 1006)
                if code == RESTART.code:
                    self._do(partial(session.stop, now=now))
                    break
                why = DISCONNECTS.get(code, "the client closed")
                self._do(partial(session.receive_disconnect, code, now=now, why=why))
                return
            text = message.get("text")
            if text is not None:
                self._do(partial(session.receive_text, text, now=now))
            else:
                self._do(partial(session.receive_audio, message["bytes"], now=now))
            if self._outbox_bytes > OUTBOX_PAUSE_BYTES or (self._stream is not None and self._stream.full):
                await self._wait_for_room()
        # Closed by us, or about to be: the writer says so, and ends this task when it has.
        await asyncio.Event().wait()

    async def _wait_for_room(self) -> None:
        """Back-pressure: not reading lets TCP slow the client down; the idle window does not run meanwhile."""
        self._session.hold_idle()
        self._arm()
        while self._outbox_bytes > OUTBOX_PAUSE_BYTES:
            self._sent_enough.clear()
            await self._sent_enough.wait()
        if self._stream is not None:
            await self._stream.room()
        self._do(partial(self._session.resume_idle, now=self._loop.time()))

    def _heard(self, event: StreamEvent) -> None:
        self._do(partial(self._session.engine_event, event, now=self._loop.time()))

    # ---- out ----

    def _post(self, message: ServerMessage) -> None:
        if isinstance(message, Results) and not message.is_final and len(self._outbox) >= SHED_INTERIMS:
            self._shed += 1
            return
        text = write_server_message(message)
        self._outbox.append(text)
        self._outbox_bytes += len(text)
        self._written.set()
        if self._outbox_bytes > OUTBOX_BYTES:
            self._give_up(f"{self._outbox_bytes} bytes wait to be sent")

    async def _write(self) -> None:
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                while self._outbox:
                    if not await self._send(self._outbox.popleft()):
                        return
                self._written.clear()
                await self._written.wait()

    async def _send(self, item: str | CloseSocket) -> bool:
        """Send one item; False when it was the last one, or the client takes nothing any more."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                if isinstance(item, CloseSocket):
                    await self._websocket.close(item.code, item.reason)
                    return False
                await self._websocket.send_text(item)
                self._outbox_bytes -= len(item)
                if self._outbox_bytes <= OUTBOX_PAUSE_BYTES:
                    self._sent_enough.set()
        except TimeoutError:
            self._give_up(f"nothing was taken for {SEND_TIMEOUT_S:g} s")
            return False
        return True

    def _give_up(self, why: str) -> None:
        _log.warning("%s: the client stopped reading (%s), so the connection is cut", self._identity.request_id, why)
        self._session.receive_disconnect(1006, now=self._loop.time(), why=f"cut: {why}")
        self._outbox.clear()
        self._outbox_bytes = 0
        if self._writer is not None:
            self._writer.cancel()

    # ---- the audio ----

    def _hearing(self) -> Stream:
        if self._stream is None:
            service = self._service
            self._stream = Stream(
                audio_format(self._options),
                split=self._options.multichannel,
                hearing=hearing(self._options, self._engine.info, service.settings.interim_interval_s),
                style=style(self._options),
                vad=service.vad,
                ears=service.ears,
                pool=self._engine.pool,
                tell=self._heard,
            )
        return self._stream

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
        audio_seconds = self._stream.seconds if self._stream is not None else 0.0
        channels = self._session.tally.channels
        if self._stream is not None:
            self._stream.close()
        if self._shed:
            _log.warning("%s: %d interims left out: the client read slowly", self._identity.request_id, self._shed)
        self._service.records.add(self._record(now, audio_seconds, channels))

    def _record(self, now: float, audio_seconds: float, channels: int) -> SessionRecord:
        tally = self._session.tally
        return SessionRecord(
            request_id=self._identity.request_id,
            project=self._service.project,
            key_id=self._admitted.key_id,
            tags=self._options.tags,
            model_uuid=self._engine.model.uuid,
            created=self._identity.created,
            completed=wall_clock(),
            code=101,
            method="streaming",
            audio_seconds=round(audio_seconds, 6),
            channels=channels,
            billed_seconds=round(audio_seconds * (max(channels, 1) if self._options.multichannel else 1), 6),
            connection_seconds=round(now - self._opened_at, 3),
            paused_seconds=round(tally.paused_seconds, 3),
            keepalive_count=tally.keepalive_count,
            bytes_in=tally.bytes_in,
            binary_control_suspects=tally.binary_control_suspects,
            close_code=tally.close_code,
            close_reason=tally.close_reason,
        )


def audio_format(options: ListenOptions) -> AudioFormat:
    """The audio that these options declare."""
    if options.encoding is None:
        return AudioFormat(None, None, 1)
    return AudioFormat(Encoding(options.encoding), options.sample_rate, options.channels)


def hearing(options: ListenOptions, info: EngineInfo, interim_interval_s: float) -> Hearing:
    """How to listen for these options; an endpointing too short for the engine is lifted to its floor."""
    endpointing = options.endpointing_ms
    gap = options.utterance_end_ms
    return Hearing(
        endpointing_s=None if endpointing is None else max(endpointing / 1000, info.min_endpointing_s),
        interim_interval_s=interim_interval_s if options.interim_results or gap is not None else None,
        utterance_gap_s=None if gap is None else gap / 1000,
        max_segment_s=info.max_segment_s,
        language=None if options.language == WHICHEVER else options.language.partition("-")[0].lower(),
        terms=preferred(options.keyterms, options.keywords),
        diarize=options.diarize,
    )


def preferred(keyterms: Sequence[str], keywords: Sequence[tuple[str, float]]) -> tuple[Term, ...]:
    """What the engine is to prefer, or to avoid."""
    return (*(Term(text) for text in keyterms), *(Term(text, weight) for text, weight in keywords))


def style(options: ListenOptions) -> Style:
    """How words are to be written for these options."""
    return Style(
        filler_words=options.filler_words,
        smart_format=options.smart_format,
        numerals=options.numerals,
        dictation=options.dictation,
        profanity_filter=options.profanity_filter,
        redact=options.redact,
        replace=options.replace,
        search=options.search,
        no_delay=options.no_delay,
    )


def wall_clock() -> str:
    """Now, as RFC 3339 in UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
