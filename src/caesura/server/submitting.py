"""A POST to the live endpoint's address in; the words of the recording in it out, and its record in the ledger."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from caesura.formatting.itn import FormattedText, TextFormatter
from caesura.formatting.redaction import CONTEXT_WORDS
from caesura.protocol.closing import Refusal
from caesura.server.admission import Admitted, admit
from caesura.server.auth import present
from caesura.server.entries import ended_recording, opened_entry
from caesura.server.outbound.callback import deliver_result
from caesura.server.outbound.fetch import fetching
from caesura.server.recording_ask import BROKEN, Ask, RecordingUse
from caesura.server.recordings import Recordings
from caesura.server.refusal import refusal_response
from caesura.server.request_id import new_request_id
from caesura.server.service import Service, embedder_info
from caesura.server.stream_config import language, preferred_terms, style
from caesura.words import Word

_log = logging.getLogger("caesura.recordings")


async def submit(request: Request, service: Service, recordings: Recordings) -> Response:
    """Who asks is admitted as for a live stream; then the recording is heard."""
    request_id = new_request_id()
    credential = present(request.headers.get("authorization"), [])
    verdict = admit(service, credential, request.scope["query_string"], recording=True)
    if isinstance(verdict, Refusal):
        service.metrics.refused(verdict.status)
        _log.info("%s: refused with %d: %s", request_id, verdict.status, verdict.logged)
        return refusal_response(verdict, request_id)
    entry = opened_entry(
        verdict.options,
        access=verdict.access,
        request_id=request_id,
        server_id=service.book.server_id,
        model=verdict.offer.model,
        created=datetime.now(UTC),
        recording=True,
    )
    service.book.open(entry)
    accounted = False

    def end(code: int, audio_seconds: float = 0.0, **used: int) -> None:
        nonlocal accounted
        accounted = True
        ended = ended_recording(
            entry, verdict.options, completed=datetime.now(UTC), code=code, audio_seconds=audio_seconds, **used
        )
        service.records.add(service.book.close(ended))
        service.metrics.recorded(code, audio_seconds)

    def account(use: RecordingUse) -> None:
        end(use.code, audio_seconds=use.audio_seconds, channels=use.channels, bytes_in=use.bytes_in)

    ask = Ask(
        request_id=request_id,
        options=verdict.options,
        write=_write(verdict),
        account=account,
        fetch=partial(_fetched, service),
        deliver=_deliver(service, verdict),
        terms=preferred_terms(verdict.options.keyterms, verdict.options.keywords),
        diarizer=embedder_info() if verdict.options.diarize else None,
    )
    try:
        return await recordings.transcribe(request, ask, service.engine(verdict.offer), service.vad)
    except Exception:
        # Something of ours broke: its place in the project must not be taken for ever.
        if not accounted:
            end(BROKEN.status)
        raise


def _write(verdict: Admitted) -> Callable[[tuple[Word, ...]], FormattedText]:
    """Writes one run of words after the other, each knowing what the ones before said."""
    spoken = language(verdict.options)
    if spoken is None or verdict.options.detect_language:
        spoken = verdict.offer.languages[0] if len(verdict.offer.languages) == 1 else "multi"
    writer = TextFormatter(style(verdict.options), spoken)
    before: tuple[Word, ...] = ()

    def write(words: tuple[Word, ...]) -> FormattedText:
        nonlocal before
        writing = writer.format(words, final=True, before=before)
        before = (*before, *writing.plain)[-CONTEXT_WORDS:]
        return writing

    return write


async def _fetched(service: Service, url: str) -> AsyncIterator[bytes]:
    async with fetching(url, outbound=service.outbound, most_bytes=service.settings.max_recording_bytes) as remote:
        async for part in remote.parts:
            yield part


def _deliver(service: Service, verdict: Admitted) -> Callable[[str], Awaitable[None]]:
    async def deliver(text: str) -> None:
        assert verdict.callback is not None, "nothing is delivered where no callback was asked for"
        await deliver_result(
            text,
            verdict.callback,
            outbound=service.outbound,
            method=verdict.options.callback_method,
            key_id=verdict.access.api_key_id or "",
        )

    return deliver
