"""Pieces of sentences that are fit for a header."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from caesura.protocol.sentences import listed, shown


def test_choices_are_listed_as_one_says_them() -> None:
    assert (listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])) == ("a", "a or b", "a, b or c")


@given(st.text())
def test_whatever_is_shown_is_short_printable_ascii(value: str) -> None:
    assert shown(value).isascii()
    assert shown(value) == "" or shown(value).isprintable()
    assert len(shown(value)) <= 103
