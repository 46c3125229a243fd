"""Why a Configure fails; the replies of a session are in test_session_control.py."""

from __future__ import annotations

from typing import Any

import pytest

from caesura.protocol.configure import FEATURES, configure_failure
from caesura.protocol.messages import Configure


def failure(*, biases: bool = True, **fields: Any) -> tuple[str, str] | None:
    return configure_failure(Configure(**fields), "m", biases=biases)


@pytest.mark.parametrize("feature", FEATURES)
def test_how_words_are_formatted_can_be_changed(feature: str) -> None:
    assert failure(features={feature: True}) is None


def test_keyterms_can_be_changed_where_the_model_supports_them_and_always_cleared() -> None:
    assert failure(keyterms=("Caesura",)) is None
    assert failure(keyterms=(), biases=False) is None
    code, sentence = failure(keyterms=("Caesura",), biases=False) or ("", "")
    assert (code, sentence) == ("CONFIGURE_KEYTERMS_NOT_SUPPORTED", "The model m does not support keyterms.")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"unsupported": "model"}, "CONFIGURE_NOT_SUPPORTED"),
        ({"features": {"diarize": True}}, "CONFIGURE_FEATURE_NOT_SUPPORTED"),
        ({"keyterms": ("word " * 2000,)}, "CONFIGURE_KEYTERM_LIMIT_EXCEEDED"),
    ],
)
def test_anything_else_fails_with_a_code_of_its_own(fields: dict[str, Any], code: str) -> None:
    found = failure(**fields)
    assert found is not None
    assert found[0] == code
