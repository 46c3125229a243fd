"""Responses of the fake server to upgrade requests."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from caesura.testing import FakeServer
from tests.testing.peer import VOICE, url


def refusal(address: str, **keywords: Any) -> tuple[int, Any, dict[str, str]]:
    """Status, headers and JSON body of the answer to an upgrade that is refused."""
    with pytest.raises(InvalidStatus) as caught, connect(address, **keywords):
        pass
    response = caught.value.response
    return response.status_code, response.headers, json.loads(response.body)


def test_an_upgrade_has_an_id_and_no_compression() -> None:
    with FakeServer(VOICE) as server, connect(url(server)) as connection:
        assert connection.response is not None
        assert connection.response.headers["dg-request-id"] == server.connections[0].request_id
        assert connection.protocol.extensions == []


@pytest.mark.parametrize(
    ("offered", "selected"),
    [(["token", "secret"], "token"), (["mine", "Bearer", "secret"], "Bearer"), (["mine"], None), (None, None)],
)
def test_the_scheme_word_is_selected_and_never_the_credential(offered: Any, selected: str | None) -> None:
    with FakeServer(VOICE) as server, connect(url(server), subprotocols=offered) as connection:
        assert connection.subprotocol == selected


def test_the_request_is_recorded() -> None:
    headers = {"Authorization": "Token secret"}
    with FakeServer(VOICE) as server, connect(url(server, tag=["a b", "c"]), additional_headers=headers):
        seen = server.connections[0]
        assert seen.request.path == "/v1/listen"
        assert seen.request.query["tag"] == ("a b", "c")
        assert seen.request.authorization == "Token secret"
        assert seen.options.tags == ("a b", "c")
        assert seen.request.at <= seen.opened_at


def test_a_bad_value_is_refused_as_the_server_refuses_it() -> None:
    with FakeServer(VOICE) as server:
        status, headers, body = refusal(url(server, utterance_end_ms=999, interim_results="true"))
        assert (status, headers["dg-error"]) == (400, "Invalid 'utterance_end_ms' value of '999'.")
        assert body["err_code"] == "INVALID_QUERY_PARAMETER"
        assert body["request_id"] == headers["dg-request-id"] == server.refused[0].request_id
        assert server.connections == ()


@pytest.mark.parametrize(
    ("query", "said"),
    [({"encoding": "mulaw"}, "accepts 'encoding=linear16' only"), ({"language": "de"}, "language=de")],
)
def test_unsupported_requests_to_the_fake_are_refused(query: dict[str, str], said: str) -> None:
    with FakeServer(VOICE) as server:
        status, headers, _ = refusal(url(server, **query))
        assert status == 400
        assert said in headers["dg-error"]


def test_other_languages_are_accepted_when_they_are_configured() -> None:
    with FakeServer(VOICE, languages=("de",)) as server, connect(url(server, language="de-AT")):
        assert server.connections[0].options.language == "de-AT"


def test_another_path_is_not_found() -> None:
    with FakeServer(VOICE) as server:
        assert refusal(server.url + "/v2/listen")[0] == 404


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (401, "INVALID_AUTH", "Invalid credentials."),
        (429, "TOO_MANY_REQUESTS", "Too many requests. Please try again later"),
        (503, "Service Unavailable", "Please try again later"),
        (402, "PAYMENT_REQUIRED", "Payment Required."),
    ],
)
def test_a_configured_refusal_has_the_words_of_the_wire(status: int, code: str, message: str) -> None:
    with FakeServer(VOICE) as server:
        server.refuse(status)
        found, headers, body = refusal(url(server))
        assert (found, headers["dg-error"], headers["content-type"]) == (status, message, "application/json")
        assert body == {"err_code": code, "err_msg": message, "request_id": headers["dg-request-id"]}


def test_a_refusal_has_the_headers_and_the_body_that_were_configured() -> None:
    with FakeServer(VOICE) as server:
        server.refuse(503, headers={"Retry-After": "7", "Content-Type": "text/plain"}, body='"busy"')
        _, headers, body = refusal(url(server))
        assert headers.get_all("content-type") == ["text/plain"]
        assert (headers["retry-after"], headers["content-length"], body) == ("7", "6", "busy")


def test_the_given_number_of_requests_is_refused_and_the_next_is_accepted() -> None:
    with FakeServer(VOICE) as server:
        server.refuse(500, times=2)
        server.refuse(429)
        assert [refusal(url(server))[0] for _ in range(3)] == [500, 500, 429]
        with connect(url(server)):
            assert len(server.refused) == 3
            assert len(server.connections) == 1


def test_a_status_that_does_not_exist_cannot_be_requested() -> None:
    with FakeServer(VOICE) as server, pytest.raises(ValueError, match="299"):
        server.refuse(299)
