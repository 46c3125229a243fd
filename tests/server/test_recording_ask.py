"""How a request for the words of a recording is declined."""

from __future__ import annotations

import pytest

from caesura.protocol.closing import Refusal
from caesura.server.recording_ask import BAD_JSON, BROKEN, LEFT, UNREAD, Declined


@pytest.mark.parametrize("refusal", [BAD_JSON, BROKEN, LEFT, UNREAD])
def test_refusals_fit_into_a_header(refusal: Refusal) -> None:
    assert refusal.err_msg.isascii()
    assert refusal.err_msg.isprintable()
    assert str(Declined(refusal)) == refusal.err_msg
