"""Credentials that are accepted, and what is echoed of them."""

from __future__ import annotations

import pytest

from caesura.errors import UsageError
from caesura.server.accounts.credentials import Credential, check_exposure, is_loopback, parse_credential
from caesura.server.settings import Settings


@pytest.mark.parametrize(
    ("authorization", "subprotocols", "secret", "echo"),
    [
        (None, [], None, None),
        ("Token K1", [], "K1", None),
        ("token K1", [], "K1", None),
        ("bearer K1", [], "K1", None),
        ("BEARER  K1 ", [], "K1", None),
        ("K1", [], None, None),
        ("Basic K1", [], None, None),
        (None, ["token", "K1"], "K1", "token"),
        (None, ["Token", " K1 "], "K1", "Token"),
        (None, ["bearer", "K1", "x-deepgram-session-id", "u"], "K1", "bearer"),
        (None, ["mine", "token", "K1"], "K1", "token"),
        (None, ["token"], None, "token"),
        (None, ["mine"], None, None),
        ("Token K1", ["token", "K2"], "K1", "token"),
        ("Basic K1", ["token", "K2"], None, "token"),
    ],
)
def test_credentials_are_read_from_header_or_subprotocols(
    authorization: str | None, subprotocols: list[str], secret: str | None, echo: str | None
) -> None:
    """The header wins; scheme words count in any case; only the scheme word is echoed."""
    assert parse_credential(authorization, subprotocols) == Credential(secret, echo)


def test_a_credential_does_not_show_its_secret() -> None:
    """Logging a credential by accident does not reveal the key."""
    assert "K1" not in repr(parse_credential("Token K1", []))
    assert "K1" not in repr(Settings(keys=("K1",)))


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("example.org", False),
        ("", False),
    ],
)
def test_an_address_that_others_can_reach_requires_keys(host: str, loopback: bool) -> None:
    """Without keys only loopback is served, unless the operator says otherwise."""
    assert is_loopback(host) is loopback
    check_exposure(Settings(host=host), keys_exist=True)
    check_exposure(Settings(host=host, no_auth=True), keys_exist=False)
    if loopback:
        check_exposure(Settings(host=host), keys_exist=False)
    else:
        with pytest.raises(UsageError, match="caesura keys create"):
            check_exposure(Settings(host=host), keys_exist=False)
