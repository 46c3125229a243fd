"""One POST of a recording in, or of the URL of one; its words as JSON out, to whoever asked or to a callback later."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar, cast

from starlette.requests import Request
from starlette.responses import Response

from caesura.engines.base import EngineInfo
from caesura.errors import BadAudio, BadUrl, InternalError, PeerError, RemoteFailed
from caesura.ledger.columns import rfc3339
from caesura.pipeline.byte_pipe import BytePipe
from caesura.pipeline.recording import PAUSE_S, RecordingConfig, RecordingTranscriber, RecordingTranscript
from caesura.protocol.closing import SERVICE_UNAVAILABLE, TOO_MANY_REQUESTS, Refusal, refusal_body
from caesura.protocol.recording_json import write_accepted
from caesura.server.body_rate import BodyRate, BodyTooSlow
from caesura.server.recording_answer import answer_text
from caesura.server.recording_ask import (
    BAD_JSON,
    BROKEN,
    CORRUPT,
    LEFT,
    TOO_SLOW,
    UNREAD,
    Ask,
    Declined,
    Limits,
    RecordingUse,
)
from caesura.server.refusal import refusal_response
from caesura.server.service import LoadedEngine
from caesura.server.shutdown import Shutdown
from caesura.server.stream_config import audio_format, language
from caesura.server.upload import BodyStalled, BodyTooLarge, ClientGone, Upload
from caesura.speech.vad import SileroModel

_log = logging.getLogger("caesura.recordings")

Result = TypeVar("Result")

JSON_BYTES = 64 * 1024
"""Longest body that names a URL."""
SPOOL_PIECE = 256 * 1024
"""Bytes read at once from a file."""


class Recordings:
    """Hears the recordings of one server; `stop` it before the engines."""

    def __init__(self, limits: Limits, shutdown: Shutdown) -> None:
        self._limits = limits
        self._threads = ThreadPoolExecutor(limits.most_at_once, "caesura-recordings")
        """Their own: one that waits for a slow body must not keep the management routes waiting."""
        self._runs: set[_Run] = set()
        """Whose bodies are being read."""
        self._shutdown = shutdown
        self._later: set[asyncio.Task[None]] = set()
        self.active = 0
        """Recordings being heard now."""

    async def stop(self) -> None:
        """Give up what callbacks wait for; says in the log what that was."""
        for task in self._later:
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)
        self._threads.shutdown(wait=False)

    async def transcribe(self, request: Request, ask: Ask, engine: LoadedEngine, vad: SileroModel) -> Response:
        """The answer to an admitted request, once there is one; at once when it goes to a callback.

        The client's hanging up ends the work: at once when it had sent its whole request, and before that when what
        it had sent is read, for no more is read than can be heard.
        """
        run = _Run(engine, vad, self._limits, request, ask, self._threads, self._shutdown)
        if self.active >= self._limits.most_at_once and not self._made_room():
            run.account(TOO_MANY_REQUESTS.status)
            return refusal_response(TOO_MANY_REQUESTS, ask.request_id, early=True)
        self.active += 1
        later = False
        self._runs.add(run)
        try:
            if ask.options.callback is None:
                return await run.now()
            refused = await run.take_in()
            later = refused is None
        finally:
            self._runs.discard(run)
            self.active -= not later
        if refused is not None:
            return refused
        task = asyncio.create_task(self._finish(run, ask))
        self._later.add(task)
        task.add_done_callback(self._later.discard)
        return _answered(write_accepted(ask.request_id), ask.request_id)

    def _made_room(self) -> bool:
        """Whether one of the others gives way, because its body hardly comes."""
        slow = next((run for run in self._runs if run.rate.slow), None)
        if slow is None:
            return False
        slow.rate.cut()
        return True

    async def _finish(self, run: _Run, ask: Ask) -> None:
        with self._shutdown.hold_open():
            try:
                text = await run.later()
            except asyncio.CancelledError:
                _log.warning("%s: given up, and its callback with it: the server stops", ask.request_id)
                raise
            finally:
                # Who does not take what we deliver keeps nobody else waiting.
                self.active -= 1
            await self._deliver(ask, text)

    async def _deliver(self, ask: Ask, text: str) -> None:
        try:
            await ask.deliver(text)
        except (BadUrl, RemoteFailed) as error:
            # Whoever named the URL brought this about: a line, which cannot fill the log as a traceback would.
            _log.warning("%s: its result could not be delivered: %s", ask.request_id, error)
        except Exception:  # noqa: BLE001  # nobody waits for this task; its fault must be seen
            _log.exception("%s: its result could not be delivered", ask.request_id)


class _Run:
    """One request on its way: `now`, or `take_in` and then `later`."""

    def __init__(
        self,
        engine: LoadedEngine,
        vad: SileroModel,
        limits: Limits,
        request: Request,
        ask: Ask,
        threads: ThreadPoolExecutor,
        shutdown: Shutdown,
    ) -> None:
        self._engine = engine
        self._vad = vad
        self._limits = limits
        self._ask = ask
        self._shutdown = shutdown
        self._request = request
        self._threads = threads
        self.rate = BodyRate(limits.stall_timeout_s)
        """How fast the bytes come, from the client or from where they are fetched."""
        self._upload = Upload(
            request, most_bytes=limits.most_bytes, stall_timeout_s=limits.stall_timeout_s, rate=self.rate
        )
        self._created = rfc3339(datetime.now(UTC))
        self._url: str | None = None
        self._file: io.BufferedIOBase | None = None
        self._fetched = 0
        self._seconds = 0.0
        self._channels = 0

    async def now(self) -> Response:
        """The answer, which the client waits for."""
        try:
            await self._look()
            text = await self._unless_gone(self._heard())
        except Declined as declined:
            self.account(declined.refusal.status)
            return refusal_response(declined.refusal, self._ask.request_id, early=not self._upload.complete)
        except asyncio.CancelledError:
            self.account(LEFT.status)
            raise
        self.account(200)
        return _answered(text, self._ask.request_id)

    async def take_in(self) -> Response | None:
        """Read all that the client sends, for once it is answered it may go; returns a refusal, or None."""
        try:
            await self._look()
            if self._url is None:
                await self._unless_stopped(self._spool())
        except asyncio.CancelledError:
            self._drop_file()
            self.account(LEFT.status)
            raise
        except Exception as error:  # noqa: BLE001  # a disk that is full, or a fault of ours: both are answered
            self._drop_file()
            refusal = self._declined(error).refusal
            self.account(refusal.status)
            return refusal_response(refusal, self._ask.request_id, early=not self._upload.complete)
        return None

    async def later(self) -> str:
        """What goes to the callback: the answer, or the refusal that it would have been."""
        code = LEFT.status
        try:
            text = await self._unless_stopped(self._heard())
            code = 200
        except Declined as declined:
            code = declined.refusal.status
            text = refusal_body(declined.refusal, self._ask.request_id)
        except Exception:  # noqa: BLE001  # a mistake of ours is told to the callback too, which waits for an answer
            _log.exception("%s: the recording broke", self._ask.request_id)
            code = BROKEN.status
            text = refusal_body(BROKEN, self._ask.request_id)
        finally:
            self._drop_file()
            self.account(code)
        return text

    # ---- what comes in ----

    async def _look(self) -> None:
        """Settle whether the body is the recording or names one."""
        with _declining():
            self._upload.check_length()
            if _is_json(self._request):
                self._url = _named(await self._upload.whole(JSON_BYTES))

    def _pieces(self) -> AsyncIterator[bytes]:
        return self._upload.pieces() if self._url is None else self._bounded(self._url)

    async def _bounded(self, url: str) -> AsyncIterator[bytes]:
        try:
            fetched = self._ask.fetch(url)
            while (piece := await self.rate.wait(anext(fetched, None))) is not None:
                self._fetched += len(piece)
                if self._fetched > self._limits.most_bytes:
                    raise BodyTooLarge
                self.rate.came(len(piece))
                yield piece
        except PeerError as error:
            raise Declined(Refusal(400, "REMOTE_CONTENT_ERROR", _printable(str(error)))) from error

    async def _spool(self) -> None:
        """The whole body to a file, written on a thread."""
        file = self._file = self._opened()
        intake = BytePipe()
        writing = asyncio.ensure_future(self._in_thread(partial(_write_all, file, intake)))
        try:
            await self._feed(intake)
            await writing
        finally:
            intake.cancel()

    async def _feed(self, intake: BytePipe) -> None:
        with _declining():
            async for piece in self._pieces():
                if not await intake.put(piece):
                    return
        intake.end()

    def _opened(self) -> io.BufferedIOBase:
        return cast(io.BufferedIOBase, tempfile.TemporaryFile(dir=self._limits.folder))

    def _drop_file(self) -> None:
        if self._file is not None:
            self._file.close()

    # ---- what is heard ----

    async def _heard(self) -> str:
        """The answer's text. Raises Declined, whatever breaks: whoever waits, or has a callback, is told."""
        try:
            return await self._words()
        except Exception as error:
            raise self._declined(error) from error

    def _declined(self, error: Exception) -> Declined:
        if isinstance(error, Declined):
            return error
        _log.error("%s: a recording broke", self._ask.request_id, exc_info=error)
        return Declined(BROKEN)

    async def _words(self) -> str:
        if self._file is not None:
            self._file.seek(0)
            transcript = await self._transcript(_read_all(self._file), None)
        else:
            intake = BytePipe()
            try:
                transcript = await self._transcript(intake, self._feed(intake))
            finally:
                intake.cancel()
        return await self._in_thread(partial(answer_text, self._ask, self._engine.model, transcript, self._created))

    def _in_thread(self, work: Callable[[], Result]) -> asyncio.Future[Result]:
        return asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _transcript(self, pieces: Iterable[bytes], feed: Coroutine[Any, Any, None] | None) -> RecordingTranscript:
        recording = RecordingTranscriber(
            pieces,
            audio_format(self._ask.options),
            listening(self._ask, self._engine.info),
            vad=self._vad,
            pool=self._engine.pool,
            spool=self._opened,
        )
        recording.start()
        heard = asyncio.create_task(recording.outcome())
        feeding = asyncio.create_task(feed) if feed is not None else None
        try:
            if feeding is not None:
                await asyncio.wait({heard, feeding}, return_when=asyncio.FIRST_COMPLETED)
                if feeding.done():
                    feeding.result()
            return await heard
        except BadAudio as error:
            raise Declined(Refusal(400, "Bad Request", CORRUPT, str(error))) from error
        except InternalError as error:
            _log.error("%s: %s", self._ask.request_id, error)
            raise Declined(BROKEN) from error
        finally:
            self._seconds, self._channels = recording.seconds, recording.channels
            recording.close()
            tasks = [task for task in (heard, feeding) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _unless_gone(self, work: Coroutine[Any, Any, str]) -> str:
        """The result of `work`. Raises Declined when the client hangs up before, or the server gives up."""
        return await _unless(work, {self._upload.hung_up(): LEFT, self._shutdown.given_up.wait(): SERVICE_UNAVAILABLE})

    async def _unless_stopped(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of `work`. Raises Declined when the server gives up before."""
        return await _unless(work, {self._shutdown.given_up.wait(): SERVICE_UNAVAILABLE})

    # ---- what is told ----

    def account(self, code: int) -> None:
        """The request ends with this HTTP status."""
        options = self._ask.options
        _log.info("%s: a recording of %.1f s ended with %d", self._ask.request_id, self._seconds, code)
        billed = self._seconds * max(self._channels, 1) if code == 200 else 0.0
        self._ask.account(
            RecordingUse(
                request_id=self._ask.request_id,
                method="sync" if options.callback is None else "async",
                code=code,
                created=self._created,
                completed=rfc3339(datetime.now(UTC)),
                model_uuid=self._engine.model.uuid,
                tags=options.tags,
                audio_seconds=round(self._seconds, 6),
                channels=self._channels,
                billed_seconds=round(billed, 6),
                bytes_in=self._fetched if self._url is not None else self._upload.size,
            )
        )


def listening(ask: Ask, engine: EngineInfo) -> RecordingConfig:
    """How to hear a recording for these options."""
    options = ask.options
    return RecordingConfig(
        max_segment_s=engine.max_segment_s,
        pause_s=max(PAUSE_S, engine.min_endpointing_s),
        language=language(options),
        terms=ask.terms,
        split=options.multichannel,
        diarize=options.diarize,
    )


async def _unless(work: Coroutine[Any, Any, Result], ends: Mapping[Coroutine[Any, Any, object], Refusal]) -> Result:
    """The result of `work`. Raises Declined with the refusal of one of `ends` that comes first."""
    working = asyncio.create_task(work)
    ending = {asyncio.create_task(end): refusal for end, refusal in ends.items()}
    try:
        await asyncio.wait({working, *ending}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise Declined(next(refusal for end, refusal in ending.items() if end.done()))
    finally:
        tasks = (working, *ending)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def _declining() -> Iterator[None]:
    """What goes wrong with a body, as what it is answered with."""
    try:
        yield
    except (ClientGone, BodyStalled) as error:
        raise Declined(UNREAD) from error
    except BodyTooSlow as error:
        raise Declined(TOO_SLOW) from error
    except BodyTooLarge as error:
        raise Declined(Refusal(413, "PAYLOAD_TOO_LARGE", "The recording is larger than this server takes.")) from error


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def _named(body: bytes) -> str:
    """The URL in the JSON of a body. Raises Declined."""
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        raise Declined(BAD_JSON) from None
    url = read.get("url") if isinstance(read, dict) else None
    if not isinstance(url, str) or not url:
        raise Declined(BAD_JSON)
    return url


def _write_all(file: io.BufferedIOBase, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        file.write(piece)


def _read_all(file: io.BufferedIOBase) -> Iterable[bytes]:
    return iter(partial(file.read, SPOOL_PIECE), b"")


def _answered(text: str, request_id: str) -> Response:
    return Response(text, headers={"dg-request-id": request_id}, media_type="application/json")


def _printable(sentence: str) -> str:
    """As it can stand in a header."""
    text = "".join(char if char.isprintable() else " " for char in sentence[:500])
    return text.encode("ascii", "backslashreplace").decode("ascii")
