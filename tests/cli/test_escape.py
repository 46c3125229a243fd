"""Text of unknown origin on a terminal."""

from __future__ import annotations

from caesura.cli.escape import escape_control


def test_control_characters_are_replaced_and_all_others_stay() -> None:
    assert escape_control("caf\u00e9 \x1b[2J\r\n\u202e!") == "caf\u00e9 \ufffd[2J\ufffd\ufffd\ufffd!"
