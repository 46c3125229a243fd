"""Makes text of unknown origin safe to print on a terminal."""

from __future__ import annotations


def escape_control(text: str) -> str:
    """`text` on one line, with unprintable characters, such as those that move the cursor, replaced by U+FFFD."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
