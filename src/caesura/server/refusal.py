"""HTTP responses for refused requests, in the format of the wire."""

from __future__ import annotations

from starlette.responses import Response

from caesura.protocol.closing import Refusal, refusal_body
from caesura.server.early_response import EarlyResponse
from caesura.server.request_id import new_request_id


def refusal_response(refusal: Refusal, request_id: str | None = None, *, early: bool = False) -> Response:
    """The response for `refusal`.

    Args:
        refusal: What is wrong.
        request_id: Id for the body and a header; None makes a new one.
        early: The request's body was not read to its end.
    """
    request_id = request_id or new_request_id()
    headers = {"dg-request-id": request_id, "dg-error": refusal.err_msg}
    if refusal.retry_after_s:
        headers["retry-after"] = str(refusal.retry_after_s)
    kind = EarlyResponse if early else Response
    return kind(refusal_body(refusal, request_id), refusal.status, headers, media_type="application/json")
