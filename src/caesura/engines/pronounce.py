"""Spoken English words in, ARPAbet pronunciations out: from a dictionary, or by rule where it lacks the word."""

from __future__ import annotations

import mmap
import re
from pathlib import Path
from types import MappingProxyType

_CONSONANTS = MappingProxyType(
    {
        "b": "B", "c": "K", "d": "D", "f": "F", "g": "G", "h": "HH", "j": "JH", "k": "K", "l": "L",
        "m": "M", "n": "N", "p": "P", "q": "K", "r": "R", "s": "S", "t": "T", "v": "V", "w": "W",
        "x": "K S", "y": "Y", "z": "Z",
    }
)  # fmt: skip
_LONG_VOWELS = MappingProxyType({"a": "EY", "e": "IY", "i": "AY", "o": "OW", "u": "UW", "y": "AY"})

# Spelling -> sounds; ^ and $ stand for the ends of the word, and the longest spelling that fits wins.
_SPELLINGS = MappingProxyType(
    dict(_CONSONANTS)
    | {letter * 2: sound for letter, sound in _CONSONANTS.items()}
    | {
        f"{vowel}{letter}e$": f"{long} {sound}"
        for vowel, long in _LONG_VOWELS.items()
        for letter, sound in (_CONSONANTS | {"c": "S", "g": "JH", "s": "Z"}).items()
        if letter not in "rwhxy"
    }
    | {
        f"{vowel}{letter}es$": f"{long} {sound} {'S' if letter in 'fkpt' else 'Z'}"
        for vowel, long in _LONG_VOWELS.items()
        for letter, sound in _CONSONANTS.items()
        if letter not in "cgrswhxyz"
    }
    | {
        "a": "AE", "e": "EH", "i": "IH", "o": "AA", "u": "AH", "'": "",
        "^a": "AE", "a$": "AH", "e$": "", "^e": "EH", "i$": "IY", "o$": "OW", "u$": "UW", "y$": "IY",
        "^be": "B IH", "^de": "D IH", "^re": "R IY", "^he$": "HH IY", "^me$": "M IY", "^the$": "DH AH",
        "ai": "EY", "ay": "EY", "au": "AO", "aw": "AO", "augh": "AO", "ea": "IY", "ee": "IY", "ei": "EY",
        "eigh": "EY", "eu": "UW", "ew": "UW", "ey": "EY", "ey$": "IY", "ia": "IY AH", "ie": "IY", "ies$": "IY Z",
        "ied$": "IY D", "igh": "AY", "io": "IY OW", "oa": "OW", "oe": "OW", "oi": "OY", "oo": "UW", "ou": "AW",
        "ough": "AO", "ought": "AO T", "ould": "UH D", "ous$": "AH S", "ious$": "IY AH S", "cious$": "SH AH S",
        "tious$": "SH AH S", "ow": "OW", "oy": "OY", "ua": "UW AH", "ue": "UW", "ui": "UW", "uy": "AY",
        "ar": "AA R", "are$": "EH R", "air": "EH R", "ear": "IH R", "eer": "IH R", "er": "ER", "ere$": "IH R",
        "ir": "ER", "ire$": "AY R", "or": "AO R", "ore$": "AO R", "our": "AO R", "ur": "ER", "ure$": "Y ER",
        "arr": "AE R", "err": "EH R", "irr": "IH R", "orr": "AO R", "urr": "ER", "ward$": "W ER D",
        "al$": "AH L", "all": "AO L", "alk": "AO K", "able$": "AH B AH L", "ible$": "AH B AH L", "le$": "AH L",
        "les$": "AH L Z", "el$": "AH L", "en$": "AH N", "an$": "AH N", "on$": "AH N", "ain$": "AH N",
        "ed$": "D", "ted$": "T IH D", "ded$": "D IH D", "sed$": "Z D", "ked$": "K T", "ped$": "P T",
        "shed$": "SH T", "ched$": "CH T", "es$": "Z", "ses$": "S IH Z", "ches$": "CH IH Z", "shes$": "SH IH Z",
        "ces$": "S IH Z", "ges$": "JH IH Z", "xes$": "K S IH Z", "'s$": "Z", "'s": "Z", "n't$": "AH N T",
        "'ll$": "AH L", "'re$": "ER", "'ve$": "V", "'d$": "D", "'m$": "M", "ing$": "IH NG", "ings$": "IH NG Z",
        "ment": "M AH N T", "ness$": "N AH S", "less$": "L AH S", "ful$": "F AH L", "age$": "IH JH",
        "ance$": "AH N S", "ence$": "AH N S", "ant$": "AH N T", "ent$": "AH N T", "ist$": "IH S T",
        "ism$": "IH Z AH M", "ice$": "AY S", "ive$": "IH V", "ative$": "AH T IH V", "ate$": "EY T",
        "tion": "SH AH N", "sion": "ZH AH N", "ssion": "SH AH N", "cian": "SH AH N", "tial": "SH AH L",
        "cial": "SH AH L", "ture": "CH ER", "sure$": "ZH ER", "ce": "S EH", "ci": "S IH", "cy": "S IY",
        "ce$": "S", "ge$": "JH", "ge": "JH EH", "gi": "JH IH", "gy": "JH IY", "^ge": "JH EH", "^gi": "G IH",
        "ger": "G ER", "cer": "S ER", "cia": "SH AH", "cio": "SH OW", "ch": "CH", "^chr": "K R", "ck": "K",
        "cqu": "K W", "dge": "JH", "dg": "JH", "gh": "G", "^gh": "G", "ght": "T", "^gn": "N", "gn$": "N",
        "^kn": "N", "lk": "L K", "mb$": "M", "ng": "NG", "nk": "NG K", "nx": "NG K S", "ph": "F", "^ps": "S",
        "^pn": "N", "qu": "K W", "que$": "K", "gue$": "G", "rh": "R", "sch": "S K", "^sch": "SH", "sc": "S K",
        "sce": "S EH", "sci": "S IH", "sh": "SH", "tch": "CH", "th": "TH", "^th": "TH",
        "wh": "W", "^wr": "R", "^x": "Z", "zh": "ZH", "tz": "T S", "cc": "K", "cce": "K S EH", "cci": "K S IH",
        "^y": "Y", "y": "IH", "ya": "Y AH", "yo": "Y OW", "ye": "Y EH", "^mc": "M AH K", "^mac": "M AH K",
    }
)  # fmt: skip
_INITIALS = tuple(bytes([code]) for code in b"abcdefghijklmnopqrstuvwxyz")
_LONGEST = max(map(len, _SPELLINGS))


def sound_out(word: str) -> str:
    """A guess at how `word` is said, good enough to time it, not to say it.

    `word`: lower-case a to z and apostrophes; anything else is silent. Returns ARPAbet phones with
    blanks between, at least one.
    """
    spelling = f"^{word}$"
    phones: list[str] = []
    at = 0
    while at < len(spelling):
        width = _widest_match(spelling, at)
        phones += _SPELLINGS.get(spelling[at : at + width], "").split()
        at += width
    return " ".join(phones) or "AH"


def _widest_match(spelling: str, at: int) -> int:
    widths = range(min(_LONGEST, len(spelling) - at), 1, -1)
    return next((width for width in widths if spelling[at : at + width] in _SPELLINGS), 1)


class Lexicon:
    """A pronunciation dictionary in CMU form (`word PH ON ES`, further ones as `word(2)`), read where it lies.

    The lines must be grouped by first letter. Nothing is parsed ahead: the file is mapped, shared by all
    processes that use it, and the group of a word is searched when somebody asks for it.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._lines = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._groups = {initial: at for initial in _INITIALS if (at := self._group_start(initial)) >= 0}

    def lookup(self, word: str) -> tuple[str, ...]:
        """All pronunciations that are listed for `word`, the usual one first; empty if there is none."""
        key = word.encode()
        start = self._groups.get(key[:1])
        if start is None:
            return ()
        end = min((group for group in self._groups.values() if group > start), default=len(self._lines))
        # The first line of the file has no line end before it.
        at = 0 if start == 0 and self._lines[: len(key) + 1] == key + b" " else -1
        if at < 0:
            at = self._lines.find(b"\n" + key + b" ", max(start - 1, 0), end) + 1
        entry = re.compile(re.escape(key) + rb"(?:\(\d+\))? ([A-Z ]+)\n?")
        found = []
        while match := entry.match(self._lines, at):
            found.append(match[1].decode().strip())
            at = match.end()
        return tuple(found)

    def pronunciations(self, word: str) -> tuple[str, ...]:
        """What is listed for `word`, or one sounded out by rule."""
        return self.lookup(word) or (sound_out(word),)

    def _group_start(self, initial: bytes) -> int:
        # Where the words with this initial begin, -1 if there are none.
        if self._lines[:1] == initial:
            return 0
        before = self._lines.find(b"\n" + initial)
        return before + 1 if before >= 0 else -1
