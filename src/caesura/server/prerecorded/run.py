"""Processes one recording: receives or downloads it, transcribes it, and records the request in the ledger."""

from __future__ import annotations

import asyncio
import io
import logging
import tempfile
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Executor
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeVar, cast

from starlette.requests import Request

from caesura.engines.base import EngineInfo
from caesura.errors import InternalError
from caesura.pipeline.byte_pipe import BytePipe
from caesura.pipeline.recording import PAUSE_S, RecordingConfig, RecordingTranscriber, RecordingTranscript
from caesura.protocol.closing import SERVICE_UNAVAILABLE, Refusal, refusal_body
from caesura.protocol.options import ListenOptions
from caesura.server.accounts.usage_record import ended_recording, started_record
from caesura.server.prerecorded.body_rate import BodyRate
from caesura.server.prerecorded.download import Download
from caesura.server.prerecorded.request import (
    CLIENT_GONE,
    INTERNAL,
    RecordingRequest,
    RequestRejected,
    names_url,
    parse_url,
    refusal_of,
)
from caesura.server.prerecorded.response import response_json
from caesura.server.prerecorded.upload import Upload
from caesura.server.service import Service
from caesura.server.stream_config import audio_format, detectable_languages, language, preferred_terms

_log = logging.getLogger("caesura.recordings")

Result = TypeVar("Result")

MAX_JSON_BYTES: Final = 64 * 1024
"""Largest JSON body with a URL."""
SPOOL_READ_BYTES: Final = 256 * 1024
"""Number of bytes read from a spool file at a time."""


class RecordingRun:
    """One request in progress. The constructor opens its record in the ledger; call `close` exactly once."""

    def __init__(self, http: Request, request: RecordingRequest, service: Service, threads: Executor) -> None:
        """Starts nothing.

        Args:
            http: The HTTP request, whose body has not been read.
            request: The admitted request.
            service: The engines and the ledger.
            threads: Executor for writing files and building responses.
        """
        settings = service.settings
        self.request = request
        self._http = http
        self._service = service
        self._threads = threads
        self._engine = service.engine(request.admitted.offer)
        self.rate = BodyRate(settings.stall_timeout_s)
        """Speed of the upload, or of the download."""
        self.upload = Upload(
            http,
            max_bytes=settings.max_recording_bytes,
            stall_timeout_s=settings.stall_timeout_s,
            rate=self.rate,
        )
        self._source: Upload | Download = self.upload
        self._file: io.BufferedIOBase | None = None
        self._seconds = 0.0
        self._channels = 0
        self._record = started_record(
            request.options,
            access=request.admitted.access,
            request_id=request.request_id,
            server_id=service.ledger_writer.server_id,
            model=request.admitted.offer.model,
            created=request.created,
            recording=True,
        )
        service.ledger_writer.begin_request(self._record)

    # ---- the steps, in order ----

    async def find_source(self) -> None:
        """Determine whether the body is the recording itself or JSON with its URL."""
        self.upload.check_length()
        if names_url(self._http):
            self._source = Download(
                parse_url(await self.upload.read_all(MAX_JSON_BYTES)),
                outbound=self._service.outbound,
                max_bytes=self._service.settings.max_recording_bytes,
                rate=self.rate,
            )

    async def spool_upload(self) -> None:
        """Read the whole body into a file; does nothing for a URL. Raises RequestRejected if the server stops."""
        if self._source is self.upload:
            await self._unless_stopped(self._spool())

    async def response_while_connected(self) -> str:
        """Transcribe, and return the response body.

        Raises RequestRejected if the client disconnects or the server stops before.
        """
        return await self._unless_stopped(_unless(self._response(), self.upload.disconnected(), CLIENT_GONE))

    async def response_for_callback(self) -> str:
        """Transcribe, and return the body for the callback: the response, or the body of a refusal. Closes the run."""
        try:
            text = await self._unless_stopped(self._response())
        except asyncio.CancelledError:
            self.close(CLIENT_GONE.status)
            raise
        except Exception as error:  # noqa: BLE001  # a fault of ours is sent to the callback too, which waits
            refusal = self.fail(error)
            return refusal_body(refusal, self.request.request_id)
        self.close(200)
        return text

    def fail(self, error: Exception) -> Refusal:
        """Close the run with the refusal for `error`, and return the refusal; an internal error is logged."""
        refusal = refusal_of(error)
        if refusal is None:
            # Errors that the pipeline reports have already been logged there, with their tracebacks.
            trace = None if isinstance(error, InternalError) else error
            _log.error("%s: the recording failed: %s", self.request.request_id, error, exc_info=trace)
            refusal = INTERNAL
        self.close(refusal.status)
        return refusal

    def close(self, code: int) -> None:
        """Delete the file, and record in the ledger that the request ended with this HTTP status."""
        if self._file is not None:
            self._file.close()
        _log.info("%s: a recording of %.1f s ended with %d", self.request.request_id, self._seconds, code)
        ended = ended_recording(
            self._record,
            self.request.options,
            completed=datetime.now(UTC),
            code=code,
            audio_seconds=self._seconds,
            channels=self._channels,
            bytes_in=self._source.size,
        )
        self._service.session_log.add(self._service.ledger_writer.end_request(ended))
        self._service.metrics.recorded(code, self._seconds)

    async def _unless_stopped(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Await `work` and return its result. Raises RequestRejected when the server gives up unfinished requests."""
        return await _unless(work, self._service.shutdown.given_up.wait(), SERVICE_UNAVAILABLE)

    # ---- receiving ----

    async def _spool(self) -> None:
        file = self._file = _temporary_file()
        pipe = BytePipe()
        writing = asyncio.ensure_future(self._in_thread(partial(_write_all, file, pipe)))
        try:
            await self._receive(pipe)
            await writing
        finally:
            pipe.cancel()
            # The file must not be closed while the thread still writes to it.
            await asyncio.gather(writing, return_exceptions=True)

    async def _receive(self, pipe: BytePipe) -> None:
        """Write the recording to `pipe`, piece by piece, no faster than it is emptied."""
        async with aclosing(self._source.pieces()) as pieces:
            async for piece in pieces:
                if not await pipe.put(piece):
                    return
        pipe.end()

    # ---- transcribing ----

    async def _response(self) -> str:
        if self._file is None:
            transcript = await self._transcribe_as_received()
        else:
            self._file.seek(0)
            transcript = await self._transcribe(iter(partial(self._file.read, SPOOL_READ_BYTES), b""))
        return await self._in_thread(partial(response_json, self.request, transcript))

    async def _transcribe_as_received(self) -> RecordingTranscript:
        pipe = BytePipe()
        receiving = asyncio.create_task(self._receive(pipe))
        try:
            return await self._transcribe(pipe, receiving)
        finally:
            pipe.cancel()
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)

    async def _transcribe(
        self, pieces: Iterable[bytes], receiving: asyncio.Task[None] | None = None
    ) -> RecordingTranscript:
        """The transcript of all pieces. If `receiving` fails, raises its error at once."""
        recording = RecordingTranscriber(
            pieces,
            audio_format(self.request.options),
            recording_config(self.request.options, self._engine.info),
            vad=self._service.vad,
            pool=self._engine.pool,
            spool=_temporary_file,
        )
        recording.start()
        outcome = asyncio.create_task(recording.outcome())
        try:
            if receiving is not None:
                await asyncio.wait({outcome, receiving}, return_when=asyncio.FIRST_COMPLETED)
                if receiving.done():
                    receiving.result()
            return await outcome
        finally:
            self._seconds, self._channels = recording.seconds, recording.channels
            recording.close()
            outcome.cancel()
            await asyncio.gather(outcome, return_exceptions=True)

    def _in_thread(self, work: Callable[[], Result]) -> asyncio.Future[Result]:
        return asyncio.get_running_loop().run_in_executor(self._threads, work)


def recording_config(options: ListenOptions, engine: EngineInfo) -> RecordingConfig:
    """Configuration for transcribing a recording with these options."""
    return RecordingConfig(
        max_segment_s=engine.max_segment_s,
        pause_s=max(PAUSE_S, engine.min_endpointing_s),
        language=language(options),
        detectable_languages=detectable_languages(options),
        terms=preferred_terms(options.keyterms, options.keywords),
        split=options.multichannel,
        diarize=options.diarize,
    )


async def _unless(work: Coroutine[Any, Any, Result], end: Coroutine[Any, Any, object], refusal: Refusal) -> Result:
    """Await `work` and return its result. Raises RequestRejected with `refusal` if `end` returns first."""
    working, ending = asyncio.create_task(work), asyncio.create_task(end)
    try:
        await asyncio.wait({working, ending}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise RequestRejected(refusal)
    finally:
        working.cancel()
        ending.cancel()
        await asyncio.gather(working, ending, return_exceptions=True)


def _temporary_file() -> io.BufferedIOBase:
    return cast(io.BufferedIOBase, tempfile.TemporaryFile())  # the run closes it


def _write_all(file: io.BufferedIOBase, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        file.write(piece)
