"""Token vocabulary of Moonshine: reads `tokenizer.bin`, decodes tokens to words, and encodes words to tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import groupby, pairwise

CACHED_WORDS = 4096
"""Words whose tokens are remembered: a context repeats its words from job to job."""

_BLANK = "\u2581".encode()
_SPECIAL = (b"<unk>", b"<s>", b"</s>")
# The vocabulary contains single control bytes too, which are not printed.
_GAP_BYTES = frozenset(range(0x21)) | {0x7F}


@dataclass(frozen=True, slots=True)
class PrintedWord:
    """One word between blanks; `tokens` are its positions in the decoded sequence, ascending."""

    text: str
    tokens: tuple[int, ...]


class Vocabulary:
    """Byte pieces by token number. Special pieces (`<s>`, `<<ST_7>>`) print nothing."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = tuple(_printed(piece) for piece in pieces)
        # Single letters come after the bytes that they consist of, and encoding starts from letters.
        self._numbers = {piece: number for number, piece in enumerate(self._pieces) if piece}
        self._encode_word = lru_cache(CACHED_WORDS)(self._encode_uncached)

    @classmethod
    def parse(cls, data: bytes) -> Vocabulary:
        """Read length-prefixed pieces; the length takes one byte, or two if the first is 128 or more.

        Raises:
            ValueError: the last piece is truncated.
        """
        return cls(tuple(_pieces(data)))

    def __len__(self) -> int:
        return len(self._pieces)

    def text(self, tokens: Sequence[int]) -> str:
        """Text of `tokens`: their words with single blanks between them."""
        return " ".join(word.text for word in self.words(tokens))

    def encode(self, text: str) -> tuple[int, ...]:
        """Encode `text` as a model writes it after other words; empty for a text of blanks.

        Byte-pair encoding (Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", 2016):
        the pair of neighbours that makes the earliest piece is joined first, as pieces are numbered in the order
        in which they were learnt. A speech model also writes words in other pieces. Each word is encoded by itself: no
        piece extends from one word into the next.
        """
        return tuple(token for word in text.split() for token in self._encode_word(word))

    def _encode_uncached(self, word: str) -> tuple[int, ...]:
        parts = [part for letter in f" {word}" for part in self._letter(letter)]
        while (first := self._earliest_merge(parts)) is not None:
            parts = _merged(parts, first)
        return tuple(self._numbers[part] for part in parts if part in self._numbers)

    @cached_property
    def breaks(self) -> tuple[bool, ...]:
        """For each token, whether it ends the word before it, as blanks, punctuation and unprinted tokens do."""
        firsts = (piece.decode("utf-8", errors="replace")[:1] for piece in self._pieces)
        return tuple(not (first.isalnum() or first == "\ufffd") for first in firsts)

    def words(self, tokens: Sequence[int]) -> list[PrintedWord]:
        """Decode `tokens` and split their text at blanks.

        A token that spans two words counts for both. Bytes that are not UTF-8 (a sequence cut in the
        middle of a letter) are left out, and so are words that have nothing left. Numbers outside the
        vocabulary print nothing.
        """
        stream = (
            (byte, position)
            for position, token in enumerate(tokens)
            if 0 <= token < len(self._pieces)
            for byte in self._pieces[token]
        )
        words = []
        for in_gap, run in groupby(stream, key=lambda pair: pair[0] in _GAP_BYTES):
            if in_gap:
                continue
            letters = list(run)
            text = bytes(byte for byte, _ in letters).decode("utf-8", errors="ignore")
            if text := "".join(text.split()):
                words.append(PrintedWord(text, tuple(sorted({position for _, position in letters}))))
        return words

    def _earliest_merge(self, parts: Sequence[bytes]) -> bytes | None:
        pairs = {one + other for one, other in pairwise(parts)}
        return min((pair for pair in pairs if pair in self._numbers), key=self._numbers.__getitem__, default=None)

    def _letter(self, letter: str) -> list[bytes]:
        coded = letter.encode("utf-8", errors="ignore")
        return [coded] if coded in self._numbers else [bytes([byte]) for byte in coded]


def _merged(parts: Sequence[bytes], piece: bytes) -> list[bytes]:
    joined: list[bytes] = []
    at = 0
    while at < len(parts):
        pair = b"".join(parts[at : at + 2])
        joined.append(piece if pair == piece else parts[at])
        at += 2 if pair == piece and parts[at] != piece else 1
    return joined


def _pieces(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        length, at = data[at], at + 1
        if length >= 128:
            if at >= len(data):
                raise ValueError(f"tokenizer data end at byte {at}, inside the length of a piece")
            length, at = data[at] * 128 + length - 128, at + 1
        if at + length > len(data):
            raise ValueError(f"tokenizer data end at byte {len(data)}, a piece of {length} bytes began at {at}")
        yield data[at : at + length]
        at += length


def _printed(piece: bytes) -> bytes:
    if piece in _SPECIAL or (piece.startswith(b"<<ST_") and piece.endswith(b">>")):
        return b""
    # Some vocabularies of this family spell their byte tokens, as in `<0x0A>`.
    if len(piece) == 6 and piece.startswith(b"<0x") and piece.endswith(b">"):
        return bytes.fromhex(piece[3:5].decode())
    return piece.replace(_BLANK, b" ")
