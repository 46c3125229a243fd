"""The route POST /v1/listen: transcribes a recording, and responds with the transcript or sends it to a callback."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from caesura.protocol.closing import Refusal
from caesura.protocol.recording_json import write_accepted
from caesura.server.accounts.credentials import parse_credential
from caesura.server.admission import admit_recording
from caesura.server.prerecorded.active import ActiveRecordings
from caesura.server.prerecorded.request import CLIENT_GONE, RecordingRequest
from caesura.server.prerecorded.run import RecordingRun
from caesura.server.refusal import refusal_response
from caesura.server.service import Service

_log = logging.getLogger("caesura.recordings")


async def transcribe_recording(
    http: Request, service: Service, recordings: ActiveRecordings, *, request_id: str
) -> Response:
    """Admit the request, receive or download the recording, and answer with its transcript.

    With a callback, the answer is an id, and the transcript is sent to the callback.

    If the client disconnects, the work ends: at once if its whole request was read, otherwise once the bytes that it
    sent have been read, since bytes are read no faster than they are transcribed.
    """
    credential = parse_credential(http.headers.get("authorization"), [])
    admitted = await admit_recording(service, credential, http.scope["query_string"], request_id=request_id)
    if isinstance(admitted, Refusal):
        service.metrics.refused(admitted.status, admitted.why)
        _log.info("%s: refused with %d: %s", request_id, admitted.status, admitted.logged)
        return refusal_response(admitted, request_id)
    with contextlib.ExitStack() as undo:
        undo.callback(service.ledger_writer.release, request_id)
        request = RecordingRequest(request_id, datetime.now(UTC), admitted)
        run = RecordingRun(http, request, service, recordings.threads)
        # From here on, its end gives the place of its project back.
        undo.pop_all()
    try:
        with recordings.slot(run):
            await run.find_source()
            if admitted.callback is None:
                text = await run.response_while_connected()
                run.close(200)
            else:
                # The client may disconnect after the response, so its whole body must have been read by then.
                await run.spool_upload()
                recordings.finish_in_background(run)
                text = write_accepted(request_id)
    except asyncio.CancelledError:
        run.close(CLIENT_GONE.status)
        raise
    except Exception as error:  # noqa: BLE001  # every failure is answered, and frees the slot of the project
        return refusal_response(run.fail(error), request_id, early=not run.upload.complete)
    return Response(text, headers={"dg-request-id": request_id}, media_type="application/json")
