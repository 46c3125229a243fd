"""Close frames and refusals, compared with the wire's own wording."""

from __future__ import annotations

import json

import pytest

from caesura.errors import BadParameter, NoSuchModel, NotForLive
from caesura.protocol import closing
from caesura.protocol.closing import Close, Refusal, refusal_body, refusal_for

REQUEST_ID = "01a00000-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("close", "code", "reason"),
    [
        (closing.FINISHED, 1000, ""),
        (
            closing.NET_0001,
            1011,
            "Deepgram did not receive audio data or a text message within the timeout window."
            " See https://dpgr.am/net0001",
        ),
        (
            closing.NET_0000,
            1011,
            "Deepgram did not provide a response message within the timeout window. See https://dpgr.am/net0000",
        ),
        (closing.DATA_0000, 1008, "DATA-0000"),
    ],
)
def test_close_frames_have_the_codes_and_reasons_of_the_wire(close: Close, code: int, reason: str) -> None:
    assert (close.code, close.reason) == (code, reason)


def test_the_two_timeout_reasons_have_the_length_that_was_counted_on_the_wire() -> None:
    assert (len(closing.NET_0001.reason), len(closing.NET_0000.reason)) == (108, 98)


def test_every_reason_fits_into_a_close_frame() -> None:
    closes = [value for value in vars(closing).values() if isinstance(value, Close)]
    assert len(closes) == 9
    assert all(len(close.reason.encode()) <= 123 for close in closes)


@pytest.mark.parametrize(
    ("refusal", "status", "err_code", "err_msg"),
    [
        (closing.INVALID_AUTH, 401, "INVALID_AUTH", "Invalid credentials."),
        (
            closing.TOO_MANY_REQUESTS,
            429,
            "TOO_MANY_REQUESTS",
            "Too many requests. Please try again later",
        ),
        (closing.SERVICE_UNAVAILABLE, 503, "Service Unavailable", "Please try again later"),
    ],
)
def test_refusals_have_the_documented_words(refusal: Refusal, status: int, err_code: str, err_msg: str) -> None:
    assert (refusal.status, refusal.err_code, refusal.err_msg) == (status, err_code, err_msg)


@pytest.mark.parametrize(
    ("kind", "status", "err_code"),
    [
        (BadParameter, 400, "INVALID_QUERY_PARAMETER"),
        (NoSuchModel, 400, "Bad Request"),
        (NotForLive, 405, "Method Not Allowed"),
    ],
)
def test_each_kind_of_bad_parameter_has_its_status(kind: type[BadParameter], status: int, err_code: str) -> None:
    refusal = refusal_for(kind("model", "x", "A sentence.", "A hint."))
    assert refusal == Refusal(status, err_code, "A sentence.", "A hint.")


def test_the_recorded_refusal_has_the_recorded_length() -> None:
    """A recording of this answer has `content-length: 145`."""
    message = "Invalid 'utterance_end_ms' value of '999'."
    body = refusal_body(refusal_for(BadParameter("utterance_end_ms", "999", message)), REQUEST_ID)
    assert len(body) == 145
    assert list(json.loads(body).items()) == [
        ("err_code", "INVALID_QUERY_PARAMETER"),
        ("err_msg", message),
        ("request_id", REQUEST_ID),
    ]


def test_a_hint_comes_as_details_behind_the_three_known_fields() -> None:
    body = refusal_body(Refusal(400, "X", "Invalid.", "It takes true or false."), REQUEST_ID)
    assert list(json.loads(body)) == ["err_code", "err_msg", "request_id", "details"]
    assert json.loads(body)["details"] == "It takes true or false."


def test_the_log_has_the_name_of_a_refused_parameter_and_not_its_value() -> None:
    sentence = "Invalid 'model' value: my-secret"
    assert (
        Refusal(400, "INVALID_QUERY_PARAMETER", sentence, parameter="model").logged == "INVALID_QUERY_PARAMETER, model"
    )
    assert closing.INVALID_AUTH.logged == "Invalid credentials."
