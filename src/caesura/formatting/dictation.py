"""Dictation commands: writes spoken punctuation (`comma`, `new line`) as signs.

The hosted service documents period, comma, colon, question mark, exclamation mark, new line and new paragraph; the
others here are what people also say. Commands are taken literally, as by the service: dictating `a period of time`
gives a full stop.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from caesura.formatting.spoken_tokens import split_punctuation, word_set
from caesura.words import Word


class _Side(enum.Enum):
    """Position of a sign in relation to the words around it."""

    END = enum.auto()
    """At the end of the word before, in place of the engine's punctuation."""
    CLOSE = enum.auto()
    """At the end of the word before, after its full stop."""
    OPEN = enum.auto()
    """At the beginning of the word after."""
    JOIN = enum.auto()
    """Between two words, which become one."""


@dataclass(frozen=True, slots=True)
class _Command:
    sign: str
    side: _Side
    capital: bool = False
    """Whether the next word begins a sentence or a line."""


_STOP, _QUESTION, _CALL = (_Command(sign, _Side.END, capital=True) for sign in ".?!")
_COMMA, _COLON, _SEMICOLON, _DASH = (_Command(sign, _Side.END) for sign in ",:;—")
_HYPHEN = _Command("-", _Side.JOIN)
_LINE, _PARAGRAPH = (_Command(sign, _Side.CLOSE, capital=True) for sign in ("\n", "\n\n"))
_OPEN_QUOTE, _CLOSE_QUOTE = _Command('"', _Side.OPEN), _Command('"', _Side.CLOSE)
_OPEN_PAREN, _CLOSE_PAREN = _Command("(", _Side.OPEN), _Command(")", _Side.CLOSE)

COMMANDS: Mapping[tuple[str, ...], _Command] = {
    ("period",): _STOP,
    ("full", "stop"): _STOP,
    ("comma",): _COMMA,
    ("question", "mark"): _QUESTION,
    ("exclamation", "mark"): _CALL,
    ("exclamation", "point"): _CALL,
    ("colon",): _COLON,
    ("semicolon",): _SEMICOLON,
    ("semi-colon",): _SEMICOLON,
    ("semi", "colon"): _SEMICOLON,
    ("dash",): _DASH,
    ("hyphen",): _HYPHEN,
    ("new", "line"): _LINE,
    ("newline",): _LINE,
    ("new", "paragraph"): _PARAGRAPH,
    ("open", "quote"): _OPEN_QUOTE,
    ("open", "quotes"): _OPEN_QUOTE,
    ("close", "quote"): _CLOSE_QUOTE,
    ("close", "quotes"): _CLOSE_QUOTE,
    ("open", "parenthesis"): _OPEN_PAREN,
    ("open", "parentheses"): _OPEN_PAREN,
    ("open", "paren"): _OPEN_PAREN,
    ("close", "parenthesis"): _CLOSE_PAREN,
    ("close", "parentheses"): _CLOSE_PAREN,
    ("close", "paren"): _CLOSE_PAREN,
}
"""Spoken commands and what is written for each."""

_BEGINNINGS = frozenset(spoken[0] for spoken in COMMANDS)
_STOPS = ".?!…"
_SIGNS = ",;:" + _STOPS
_SMALL = word_set("and but or nor so yet for the a an with without to of in on at as that which who if when")
"""Words with a capital only at the start of a sentence."""


def apply_dictation(words: Sequence[Word]) -> tuple[Word, ...]:
    """Carry out the commands in words; a sign without a word to attach to becomes a word of its own."""
    spoken = [split_punctuation(word.text)[1].lower() for word in words]
    if _BEGINNINGS.isdisjoint(spoken):
        return tuple(words)
    written = _DictatedText()
    at = 0
    while at < len(words):
        size = _command_at(words, spoken, at)
        if size:
            written.apply(COMMANDS[tuple(spoken[at : at + size])], words[at : at + size])
        else:
            written.write(words[at])
        at += size or 1
    return written.done()


def _command_at(words: Sequence[Word], spoken: Sequence[str], at: int) -> int:
    """Number of words from `at` on that are a command, all of one speaker; 0 when they are none."""
    if spoken[at] not in _BEGINNINGS:
        return 0
    for size in (2, 1):
        same = all(word.speaker == words[at].speaker for word in words[at : at + size])
        if same and tuple(spoken[at : at + size]) in COMMANDS:
            return size
    return 0


class _DictatedText:
    """Words written so far, and signs that wait for the next word."""

    def __init__(self) -> None:
        self._words: list[Word] = []
        self._opening: list[tuple[str, Sequence[Word]]] = []
        self._join = False
        self._signed = False
        """Whether the last sign was dictated, so that no later one replaces it."""
        self._capital: bool | None = None
        """Whether the next word is capitalised (True) or lowered (False); None leaves it as printed."""

    def write(self, word: Word) -> None:
        text = self._cased(word.text)
        text = "".join(sign for sign, _ in self._opening) + text
        if self._join and self._words and self._words[-1].speaker == word.speaker:
            last = self._words[-1]
            confidence = min(last.confidence, word.confidence)
            self._words[-1] = replace(last, text=last.text + text, end=word.end, confidence=confidence)
        else:
            self._words.append(replace(word, text=text))
        self._opening = []
        self._join = self._signed = False
        self._capital = None

    def apply(self, command: _Command, spoken: Sequence[Word]) -> None:
        if command.side is _Side.OPEN or (not self._words and command.side is _Side.CLOSE):
            self._opening.append((command.sign, spoken))
        elif not self._words:
            self._words.append(replace(spoken[0], text=command.sign, end=spoken[-1].end))
        else:
            last = self._words[-1]
            self._words[-1] = replace(last, text=self._stripped(last.text, command.side) + command.sign)
        self._join = command.side is _Side.JOIN
        self._signed = True
        ended = any(sign in split_punctuation(spoken[-1].text)[2] for sign in _STOPS)
        if command.capital:
            self._capital = True
        elif command.side is _Side.END and ended:
            self._capital = False

    def done(self) -> tuple[Word, ...]:
        words = self._words + [replace(spoken[0], text=sign, end=spoken[-1].end) for sign, spoken in self._opening]
        return tuple(words)

    def _stripped(self, text: str, side: _Side) -> str:
        if self._signed:
            return text
        return text.rstrip(",;:" if side is _Side.CLOSE else _SIGNS)

    def _cased(self, text: str) -> str:
        before, core, after = split_punctuation(text)
        if self._capital:
            return before + core[:1].upper() + core[1:] + after
        if self._capital is False and core.lower() in _SMALL:
            return before + core.lower() + after
        return text
