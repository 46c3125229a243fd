"""Several keys in one text."""

from __future__ import annotations

from caesura.cli.key_list import split_keys


def test_blanks_and_commas_stand_between_keys_and_doubles_count_once() -> None:
    assert split_keys(["a b", "c,d,", " a ", ""]) == ("a", "b", "c", "d")
