"""Parsers for the values of query parameters; each raises ValueError for a value that it does not accept."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

DEFAULT_ENDPOINTING_MS = 10
LONGEST_ENDPOINTING_MS = 600_000
LONGEST_TAG = 128
LONGEST_EXTRA = 2048
LONGEST_TERM = 256
"""Characters of one `keyterm`, `search` or side of `replace`."""
REDACTIONS = ("pci", "ssn", "numbers", "aggressive_numbers")
CALLBACK_SCHEMES = ("http", "https", "ws", "wss")

_DIGITS = re.compile(r"[0-9]{1,9}")
_DECIMAL = re.compile(r"[0-9]{1,6}(\.[0-9]{1,9})?")
_INTENSIFIER = re.compile(r"-?[0-9]{1,4}(\.[0-9]{1,6})?")


def boolean(value: str) -> bool:
    """`true` or `false`, in lower case only."""
    return one_of("true", "false")(value) == "true"


def one_of(*allowed: str) -> Callable[[str], str]:
    """A parser of one of these words."""

    def parse(value: str) -> str:
        if value not in allowed:
            raise ValueError
        return value

    return parse


def whole(low: int, high: int) -> Callable[[str], int]:
    """A parser of whole numbers from `low` to `high`."""

    def parse(value: str) -> int:
        if not _DIGITS.fullmatch(value) or not low <= int(value) <= high:
            raise ValueError
        return int(value)

    return parse


def seconds(low: float, high: float) -> Callable[[str], float]:
    """A parser of decimal seconds from `low` to `high`."""

    def parse(value: str) -> float:
        if not _DECIMAL.fullmatch(value) or not low <= float(value) <= high:
            raise ValueError
        return float(value)

    return parse


def endpointing(value: str) -> int | None:
    """Milliseconds of silence that end an utterance; None for `false`."""
    if value in ("true", "false"):
        return DEFAULT_ENDPOINTING_MS if value == "true" else None
    return whole(0, LONGEST_ENDPOINTING_MS)(value)


def tag(value: str) -> str:
    """A label; an empty one is left out later."""
    if len(value) > LONGEST_TAG:
        raise ValueError
    return encodable(value)


def extra(value: str) -> tuple[str, str]:
    """A key and its text, given as `KEY:TEXT`."""
    key, colon, text = value.partition(":")
    if not key or not colon or len(value) > LONGEST_EXTRA:
        raise ValueError
    return encodable(key), encodable(text)


def term(value: str) -> str:
    """Words of a `keyterm`, `search` or `replace`, with single spaces between them; may be empty."""
    if len(value) > LONGEST_TERM:
        raise ValueError
    return " ".join(encodable(value).split())


def keyword(value: str) -> tuple[str, float] | None:
    """A word and its intensifier, which is 1 when it is left out; None for "".

    A colon belongs to the word unless a number follows it.
    """
    word, colon, intensifier = value.rpartition(":")
    if not colon:
        word, intensifier = value, "1"
    if not word and not colon:
        return None
    if not term(word) or not _INTENSIFIER.fullmatch(intensifier):
        raise ValueError
    return term(word), float(intensifier)


def replacement(value: str) -> tuple[str, str] | None:
    """Words to find and their replacement, "" to delete them; None for ""."""
    find, _, instead = value.partition(":")
    if not value:
        return None
    if not term(find):
        raise ValueError
    return term(find), term(instead)


def redaction(value: str) -> str:
    """One of `REDACTIONS`, or "": `true` means `numbers`, as in the documentation."""
    if value in ("", "false"):
        return ""
    return "numbers" if value == "true" else one_of(*REDACTIONS)(value)


def diarize_model(value: str) -> bool:
    """Whether to diarize: every version of the model means yes."""
    return one_of("", "latest", "v1")(value) != ""


def callback(value: str) -> str | None:
    """A URL with a scheme of `CALLBACK_SCHEMES` and a host; None for ""."""
    if not value:
        return None
    parts = urlsplit(encodable(value))
    if parts.scheme not in CALLBACK_SCHEMES or not parts.hostname or parts.port == 0 or len(value) > LONGEST_EXTRA:
        raise ValueError
    return value


def method(value: str) -> str:
    """POST or PUT, in any case."""
    return one_of("POST", "PUT")(value.upper())


def detection(value: str) -> bool | str:
    """`true` or `false`: whether to detect the language; anything else: a language to detect, "" for none."""
    return boolean(value) if value in ("true", "false") else value


def encodable(text: str) -> str:
    """`text` without lone surrogates, which UTF-8 cannot encode in messages that repeat it."""
    return text.encode("utf-8", "replace").decode()


def keyterm_tokens(text: str) -> int:
    """How many tokens a key term counts for: one for each four letters of a word, and at least one a word.

    The hosted service counts with a tokeniser that is not public; English text has about four letters to a token.
    """
    return sum((len(word) + 3) // 4 for word in text.split())
