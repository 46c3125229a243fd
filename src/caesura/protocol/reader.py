"""A text message in, its fields as they were written out, or the first fault in it with its place.

The words and places are those of the parser behind the original wire (serde_json reading an internally
tagged enum), of which one answer was recorded:

- the first fault in reading order is the one told, so an unknown `type` is told even when the rest is broken;
- `column` counts the UTF-8 bytes of the line up to and including the character at fault.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from caesura.errors import BadMessage

PREFIX = "Could not deserialize last text message: "
"""How every description of a bad text begins."""

_QUOTE_LENGTH = 200
_DEPTH = 128

_EOF_VALUE = "EOF while parsing a value"
_EOF_STRING = "EOF while parsing a string"
_EOF_OBJECT = "EOF while parsing an object"
_EOF_LIST = "EOF while parsing a list"

_BLANKS = re.compile(r"[ \t\n\r]*")
# A string up to its closing quote, or up to what is wrong in it.
_STRING = re.compile(r'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*')
_SURROGATE = re.compile("[\ud800-\udfff]")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
# A number up to the character that must not follow there.
_BROKEN_NUMBER = re.compile(
    r"-(?![0-9])"
    r"|-?0(?=[0-9])"
    r"|-?(?:0|[1-9][0-9]*)(?:\.(?![0-9])|(?:\.[0-9]+)?[eE](?:[+-](?![0-9])|(?![-+0-9])))"
)
_LITERALS = {"t": "true", "f": "false", "n": "null"}


class TextReader:
    """Walks once through one JSON text.

    `at` is the index of the next character, `key_end` the index behind the last key. Every method
    raises BadMessage at the first fault.
    """

    __slots__ = ("at", "key_end", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.key_end = 0

    def tagged_object(self) -> Iterator[str]:
        """The keys of the object that the text must be; whoever iterates reads the value of each."""
        if self._next(_EOF_VALUE) != "{":
            raise self._wrong_type(self.value(depth=0), "an object with a `type`")
        return self._members(1)

    def variant(self, known: Sequence[str]) -> str:
        """The value of `type`, which must be one of `known`."""
        char = self._next(_EOF_VALUE)
        if char != '"':
            raise self._wrong_type(char if char in "[{" else self.value(), "variant identifier")
        name = self._string()
        if name not in known:
            listed = ", ".join(f"`{variant}`" for variant in known)
            raise self.fault(f"unknown variant `{quotable(name)}`, expected one of {listed}", self.at)
        return name

    def value(self, depth: int = 1) -> str:
        """Any value, as it was written."""
        char = self._next(_EOF_VALUE)
        start = self.at
        if char == '"':
            self._string()
        elif char == "{":
            for _ in self._members(depth + 1):
                self.value(depth + 1)
        elif char == "[":
            for _ in self._entries(depth + 1, "]", _EOF_LIST):
                self.value(depth + 1)
        elif char in _LITERALS:
            self._literal(_LITERALS[char])
        else:
            self._number()
        return self.text[start : self.at]

    def finish(self) -> None:
        """Nothing but blanks may follow."""
        self._skip_blanks()
        if self.at < len(self.text):
            raise self.fault("trailing characters", self.at + 1)

    def fault(self, sentence: str, consumed: int) -> BadMessage:
        """What is wrong, found when `consumed` characters had been read."""
        before = self.text[:consumed]
        line = before.count("\n") + 1
        column = len(before[before.rfind("\n") + 1 :].encode("utf-8", "surrogatepass"))
        return BadMessage(f"{PREFIX}{sentence} at line {line} column {column}")

    def _wrong_type(self, raw: str, expected: str) -> BadMessage:
        return self.fault(f"invalid type: {unexpected(raw)}, expected {expected}", self.at)

    def _members(self, depth: int) -> Iterator[str]:
        for char in self._entries(depth, "}", _EOF_OBJECT):
            if char != '"':
                raise self.fault("key must be a string", self.at + 1)
            key = self._string()
            self.key_end = self.at
            if self._next(_EOF_OBJECT) != ":":
                raise self.fault("expected `:`", self.at + 1)
            self.at += 1
            yield key

    def _entries(self, depth: int, closer: str, eof: str) -> Iterator[str]:
        # The first character of each entry; whoever iterates reads the entry.
        if depth >= _DEPTH:
            raise self.fault("recursion limit exceeded", self.at + 1)
        self.at += 1
        char = self._next(eof)
        while char != closer:
            yield char
            char = self._next(eof)
            if char == ",":
                self.at += 1
                char = self._next(_EOF_VALUE)
                if char == closer:
                    raise self.fault("trailing comma", self.at + 1)
            elif char != closer:
                raise self.fault(f"expected `,` or `{closer}`", self.at + 1)
        self.at += 1

    def _string(self) -> str:
        matched = _STRING.match(self.text, self.at)
        assert matched is not None  # the cursor is on a quote
        end = matched.end()
        match self.text[end : end + 1]:
            case '"':
                written = self.text[self.at : end + 1]
                self.at = end + 1
            case "\\" if end + 1 < len(self.text):
                raise self.fault("invalid escape", end + 2)
            case "" | "\\":
                raise self.fault(_EOF_STRING, len(self.text))
            case _:
                raise self.fault("control character (\\u0000-\\u001F) found while parsing a string", end + 1)
        decoded: str = json.loads(written)
        if _SURROGATE.search(decoded):
            raise self.fault("lone leading surrogate in hex escape", self.at)
        return decoded

    def _literal(self, word: str) -> None:
        for expected in word:
            if self.at >= len(self.text):
                raise self.fault(_EOF_VALUE, self.at)
            if self.text[self.at] != expected:
                raise self.fault("expected ident", self.at + 1)
            self.at += 1

    def _number(self) -> None:
        if broken := _BROKEN_NUMBER.match(self.text, self.at):
            at_end = broken.end() == len(self.text)
            raise self.fault(_EOF_VALUE if at_end else "invalid number", broken.end() + (not at_end))
        number = _NUMBER.match(self.text, self.at)
        if number is None:
            raise self.fault("expected value", self.at + 1)
        self.at = number.end()

    def _next(self, eof: str) -> str:
        # The next character that is not blank, left unread.
        self._skip_blanks()
        if self.at == len(self.text):
            raise self.fault(eof, self.at)
        return self.text[self.at]

    def _skip_blanks(self) -> None:
        blanks = _BLANKS.match(self.text, self.at)
        assert blanks is not None  # it matches nothing as well
        self.at = blanks.end()


def unexpected(raw: str) -> str:
    """How a value that was not expected is named, given as it was written (a bracket is enough)."""
    match raw[0]:
        case '"':
            return f"string {quotable(raw)}"
        case "t" | "f":
            return f"boolean `{raw}`"
        case "n":
            return "null"
        case "[":
            return "sequence"
        case "{":
            return "map"
        case _:
            kind = "floating point" if set(raw) & set(".eE") else "integer"
            return f"{kind} `{quotable(raw)}`"


def quotable(text: str) -> str:
    """A piece of a stranger's text for a sentence: short, and free of what UTF-8 cannot carry."""
    shown = text if len(text) <= _QUOTE_LENGTH else text[:_QUOTE_LENGTH] + "..."
    return _SURROGATE.sub("?", shown)
