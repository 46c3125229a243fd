"""Lists of choices and quoted values in error sentences."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from caesura.protocol.header_text import join_choices, printable


def test_choices_are_joined_with_commas_and_or() -> None:
    assert [join_choices(list(each)) for each in ("a", "ab", "abc")] == ["a", "a or b", "a, b or c"]


@given(st.text())
def test_a_quoted_value_is_short_printable_ascii(value: str) -> None:
    assert printable(value).isascii()
    assert printable(value) == "" or printable(value).isprintable()
    assert len(printable(value)) <= 103
