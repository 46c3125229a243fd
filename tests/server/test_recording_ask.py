"""What only another engine could do is refused; how a request is declined."""

from __future__ import annotations

from dataclasses import replace

import pytest

from caesura.engines.registry import engine_info
from caesura.errors import BadParameter
from caesura.protocol.closing import Refusal
from caesura.protocol.options import ListenOptions
from caesura.server.recording_ask import BAD_JSON, BROKEN, LEFT, UNREAD, Declined, check_recording

ENGINE = engine_info("scripted")


def test_languages_are_found_only_by_engines_that_can() -> None:
    check_recording(ListenOptions(), ENGINE)
    check_recording(ListenOptions(detect_language=True), replace(ENGINE, detects_language=True))
    with pytest.raises(BadParameter, match=r"'detect_language=true' needs an engine .* runs scripted, which hears en"):
        check_recording(ListenOptions(detect_language=True), ENGINE)


@pytest.mark.parametrize("refusal", [BAD_JSON, BROKEN, LEFT, UNREAD])
def test_refusals_fit_into_a_header(refusal: Refusal) -> None:
    assert refusal.err_msg.isascii()
    assert refusal.err_msg.isprintable()
    assert str(Declined(refusal)) == refusal.err_msg
