"""Refusals as HTTP responses."""

from __future__ import annotations

import json
from dataclasses import replace

from caesura.protocol.closing import TOO_MANY_REQUESTS
from caesura.server.early_response import EarlyResponse
from caesura.server.refusal import refusal_response


def test_the_id_is_in_body_and_header_and_the_sentence_too() -> None:
    response = refusal_response(TOO_MANY_REQUESTS, "an-id")
    body = json.loads(bytes(response.body))
    assert body == {"err_code": "TOO_MANY_REQUESTS", "err_msg": TOO_MANY_REQUESTS.err_msg, "request_id": "an-id"}
    assert response.status_code == 429
    assert (response.headers["dg-request-id"], response.headers["dg-error"]) == ("an-id", TOO_MANY_REQUESTS.err_msg)
    assert "retry-after" not in response.headers


def test_a_request_without_an_id_gets_one() -> None:
    response = refusal_response(TOO_MANY_REQUESTS)
    assert json.loads(bytes(response.body))["request_id"] == response.headers["dg-request-id"]


def test_the_retry_delay_is_in_the_header_only() -> None:
    response = refusal_response(replace(TOO_MANY_REQUESTS, retry_after_s=2), "an-id")
    assert response.headers["retry-after"] == "2"
    assert response.body == refusal_response(TOO_MANY_REQUESTS, "an-id").body


def test_a_request_whose_body_is_not_read_is_answered_early() -> None:
    assert isinstance(refusal_response(TOO_MANY_REQUESTS, early=True), EarlyResponse)
    assert not isinstance(refusal_response(TOO_MANY_REQUESTS), EarlyResponse)
