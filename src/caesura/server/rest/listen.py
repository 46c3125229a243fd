"""Routes of /v1/listen over HTTP: POST transcribes a recording; GET without an upgrade is refused.

Live streams are WebSockets and are served beside these routes; the GET operation describes them in the document.
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from caesura.protocol.closing import Refusal
from caesura.server.prerecorded.route import transcribe_recording
from caesura.server.refusal import refusal_response
from caesura.server.rest.auth import CurrentRecordings, CurrentService
from caesura.server.rest.errors import error_responses, request_id_of
from caesura.server.rest.listen_parameters import LIVE, RECORDING, RECORDING_BODY
from caesura.server.rest.transcript_models import CallbackAccepted, Transcription

router = APIRouter(tags=["listen"])

NO_UPGRADE: Final = Refusal(
    426, "UPGRADE_REQUIRED", "Connect to this endpoint with a WebSocket for live speech, or POST a recording to it."
)


@router.post(
    "/v1/listen",
    operation_id="transcribe",
    response_model=None,
    responses={
        200: {"description": "The transcript.", "model": Transcription | CallbackAccepted},
        **error_responses(402, 405, 408, 413, 422, 429, ids=False),
    },
    openapi_extra={"parameters": RECORDING, "requestBody": RECORDING_BODY},
)
async def transcribe(request: Request, service: CurrentService, recordings: CurrentRecordings) -> Response:
    """Transcribe a recording. With `callback` it is answered at once with an id, and the transcript is sent there."""
    return await transcribe_recording(request, service, recordings, request_id=request_id_of(request))


@router.get(
    "/v1/listen",
    operation_id="listen",
    status_code=101,
    response_model=None,
    response_description="The stream is open.",
    responses=error_responses(402, 405, 414, 426, 429, 431, ids=False),
    openapi_extra={"parameters": LIVE},
)
@router.head("/v1/listen", include_in_schema=False, response_model=None)
async def listen(request: Request) -> Response:
    """Transcribe a live stream. The upgrade to a WebSocket (RFC 6455): audio goes in as binary messages, KeepAlive,
    Finalize, Configure and CloseStream as text; Results, Metadata, UtteranceEnd and SpeechStarted come out. The key may
    also come as subprotocols: `token, KEY`.
    """  # noqa: D205  # FastAPI makes the summary of the first sentence
    return refusal_response(NO_UPGRADE, request_id_of(request))
