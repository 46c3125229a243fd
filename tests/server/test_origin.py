"""Origins and host names that are allowed; docs/operations.md has the table, which tests/test_docs.py runs."""

from __future__ import annotations

import pytest

from caesura.errors import UsageError
from caesura.protocol.closing import Refusal
from caesura.server.origin import (
    Origin,
    OriginPolicy,
    Pass,
    Preflight,
    RequestHead,
    parse_hosts,
    parse_origins,
)

APP = "https://app.example.org"
POLICY = OriginPolicy("127.0.0.1", parse_origins([APP]))


def code(decision: object) -> str:
    return decision.err_code if isinstance(decision, Refusal) else "admitted"


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "NULL",
        "file://",
        "file://127.0.0.1:8080",
        "127.0.0.1:8080",
        "http://",
        "http://127.0.0.1:8080/",
        "http://127.0.0.1:8080/path",
        "http://user@127.0.0.1:8080",
        "http://127.0.0.1:8080@evil.example",
        "http://127.0.0.1:8080, https://evil.example",
        "http://127.0.0.1:8080 https://evil.example",
        "http://127.0.0.1",
        "http://127.0.0.1:80800",
        "http://127.0.0.1:0",
        "http://127.0.0.1.evil.example:8080",
        "chrome-extension://abcdefgh",
        f"{APP}.evil.example",
        f"{APP}/",
        "http://app.example.org",
        "\xff",
    ],
)
def test_an_unknown_origin_is_foreign(origin: str) -> None:
    """Also one that only looks like the server's own, or cannot be read at all."""
    head = RequestHead("POST", origin=origin, host="127.0.0.1:8080")
    assert code(POLICY.decide(head, key_needed=False)) == "ORIGIN_NOT_ALLOWED"


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("HTTP://LocalHost:8080", "localhost:8080"),
        ("http://localhost", "localhost"),
        ("http://localhost", "localhost:80"),
        ("https://localhost", "localhost:443"),
        ("https://localhost", "localhost"),
        ("wss://localhost", "localhost"),
        ("http://[::1]:8080", "[::1]:8080"),
        ("http://localhost:8080", "localhost.:8080"),
    ],
)
def test_the_servers_own_pages_are_not_foreign(origin: str, host: str) -> None:
    """A scheme's default port counts as named; case and a final dot do not matter."""
    assert POLICY.decide(RequestHead("POST", origin=origin, host=host), key_needed=False) == Pass({"vary": "origin"})


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "127.0.0.1.evil.example:8080",
        "localhost.evil.example",
        "evil.localhost",
        "127.0.0.1:8080:8080",
        "127.0.0.1:http",
        "127.0.0.1:99999",
        "127.0.0.1, evil.example",
        "user@127.0.0.1",
        "127.0.0.1/",
        "[::1",
        "::1",
        "[evil]",
        "127.1",
        "2130706433",
        "0.0.0.0",
        "[::ffff:10.0.0.1]",
        "\xff",
    ],
)
def test_a_host_that_the_server_does_not_know_is_refused(host: str) -> None:
    """Nothing that is not plainly loopback passes for it."""
    assert code(POLICY.decide(RequestHead("GET", host=host), key_needed=False)) == "HOST_NOT_ALLOWED"
    assert POLICY.decide(RequestHead("GET", host=host), key_needed=True) == Pass({"vary": "origin"})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9:1", "LOCALHOST", "localhost.", "[::1]", "[::ffff:127.0.0.1]"])
def test_every_name_of_loopback_is_known(host: str) -> None:
    assert code(POLICY.decide(RequestHead("GET", host=host), key_needed=False)) == "admitted"


@pytest.mark.parametrize("bound", ["0.0.0.0", "::", ""])
@pytest.mark.parametrize(("host", "known"), [("10.1.2.3:8080", True), ("[fe80::1]:8080", True), ("speech", False)])
def test_a_server_on_all_addresses_is_known_by_any_address_but_by_no_name(bound: str, host: str, known: bool) -> None:
    decision = OriginPolicy(bound).decide(RequestHead("GET", host=host), key_needed=False)
    assert (code(decision) == "admitted") is known


@pytest.mark.parametrize(("bound", "host"), [("Speech.Lan", "speech.lan:8080"), ("fe80::1", "[FE80::1]:8080")])
def test_a_server_is_known_by_the_host_it_was_bound_to(bound: str, host: str) -> None:
    assert code(OriginPolicy(bound).decide(RequestHead("GET", host=host), key_needed=False)) == "admitted"


def test_configured_names_are_compared_without_case_and_port() -> None:
    policy = OriginPolicy("127.0.0.1", allowed_hosts=parse_hosts(["Speech.Example.org., 10.0.0.9", "[fe80::1]"]))
    for host in ("speech.example.org:8443", "SPEECH.example.org.", "10.0.0.9", "[fe80::1]:80"):
        assert code(policy.decide(RequestHead("GET", host=host), key_needed=False)) == "admitted"
    assert code(policy.decide(RequestHead("GET", host="example.org"), key_needed=False)) == "HOST_NOT_ALLOWED"


def test_a_preflight_of_a_named_origin_is_answered_with_the_requested_headers() -> None:
    head = RequestHead(
        "OPTIONS",
        origin=APP,
        host="127.0.0.1:8080",
        requested_method="DELETE",
        requested_headers="authorization, x-deepgram-session-id",
    )
    for key_needed in (False, True):
        decision = POLICY.decide(head, key_needed=key_needed)
        assert isinstance(decision, Preflight)
        assert decision.headers["access-control-allow-origin"] == APP
        assert decision.headers["access-control-allow-credentials"] == "true"
        assert "DELETE" in decision.headers["access-control-allow-methods"]
        assert decision.headers["access-control-allow-headers"] == "authorization, x-deepgram-session-id"
        assert "origin" in decision.headers["vary"]


@pytest.mark.parametrize("requested", [None, "", "a b", "*/*", "x, ", "\xff"])
def test_a_preflight_for_headers_that_are_none_allows_none(requested: str | None) -> None:
    head = RequestHead("OPTIONS", APP, "localhost", requested_method="GET", requested_headers=requested)
    decision = POLICY.decide(head, key_needed=False)
    assert isinstance(decision, Preflight)
    assert "access-control-allow-headers" not in decision.headers


def test_an_options_request_without_preflight_headers_reaches_its_route() -> None:
    assert isinstance(POLICY.decide(RequestHead("OPTIONS", APP, "localhost"), key_needed=False), Pass)


@pytest.mark.parametrize("origin", [APP, "https://page.example", "null", "*"])
def test_credentials_are_for_named_origins_only_and_never_for_a_wildcard(origin: str) -> None:
    for upgrade in (False, True):
        decision = POLICY.decide(RequestHead("GET", origin, "speech.example", upgrade=upgrade), key_needed=True)
        assert isinstance(decision, Pass)
        assert ("access-control-allow-credentials" in decision.headers) is (origin == APP)


def test_without_named_origins_answers_do_not_vary() -> None:
    assert OriginPolicy("127.0.0.1").decide(RequestHead("GET", host="localhost"), key_needed=False) == Pass()


def test_a_refusal_names_the_header_and_the_remedy() -> None:
    """In printable ASCII of bounded length, since it goes into a header and the log."""
    for head, flag in (
        (RequestHead("GET", origin="https://\xfc\n" + "x" * 9000, host="localhost"), "--cors-origin"),
        (RequestHead("GET", host="\xfc\n" + "x" * 9000), "--allowed-host"),
    ):
        refused = POLICY.decide(head, key_needed=False)
        assert isinstance(refused, Refusal)
        assert refused.status == 403
        assert r"\xfc\n" in refused.err_msg
        assert refused.err_msg.isascii()
        assert refused.err_msg.isprintable()
        assert len(refused.err_msg) < 300
        assert flag in refused.details
        assert "caesura keys create" in refused.details


def test_origins_are_read_from_flags_and_from_one_variable() -> None:
    """Blanks and commas stand between them; a default port is the same as none."""
    web = Origin("https", "app.example.org", 443)
    assert parse_origins(["https://App.Example.org"]) == {web}
    assert parse_origins(["https://app.example.org:443, http://[::1]:3000"]) == {web, Origin("http", "::1", 3000)}
    assert parse_origins(["chrome-extension://abc http://a", " "]) == {
        Origin("chrome-extension", "abc", None),
        Origin("http", "a", 80),
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("*", "wildcard"),
        ("https://*.example.org", "wildcard"),
        ("null", "sandboxed"),
        ("app.example.org", "not an origin"),
        ("https://app.example.org/", "no path"),
        ("https://app.example.org/path", "no path"),
        ("https://user:secret@app.example.org", "not an origin"),
        ("https://app.example.org:0", "not an origin"),
        ("file://", "not an origin"),
    ],
)
def test_an_invalid_origin_is_refused_with_a_sentence(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        parse_origins([text])
    assert f"--cors-origin {text}: " in str(caught.value)


@pytest.mark.parametrize("text", ["http://a", "a:80", "a/b", "*", "*.example.org", "a..b", "user@a"])
def test_an_invalid_host_name_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(UsageError, match="without scheme, port, path"):
        parse_hosts([text])
