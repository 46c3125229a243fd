"""Text that somebody else wrote in; text that does nothing to a terminal out."""

from __future__ import annotations


def escape_control(text: str) -> str:
    """`text` on one line, with each character that is not to be seen, such as those that move a cursor, as U+FFFD."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
