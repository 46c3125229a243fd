"""Sentences and paragraphs of a recording's channel.

A sentence ends with its full stop, question or exclamation mark. A paragraph ends with a sentence: where a pause
follows, where it has grown long, and always where the speaker changes, whether the sentence has ended or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from caesura.protocol.utterances import spans
from caesura.words import Word

PAUSE_S: Final = 1.5
"""A pause after a sentence that begins a new paragraph."""
MAX_SENTENCES: Final = 5
"""A paragraph with so many is full."""
SENTENCE_PAUSE_S: Final = 5.0
"""A pause that ends a sentence whose full stop is missing."""

_ENDS = (".", "?", "!", "…", "。", "？", "！")  # noqa: RUF001  # those of Chinese and Japanese
_CLOSING = "\"'”’»)]"  # noqa: RUF001  # typographic on purpose
_ABBREVIATIONS = frozenset({"mr.", "mrs.", "ms.", "dr.", "st.", "prof.", "vs.", "e.g.", "i.e."})


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words of one speaker up to the end of a sentence."""

    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        """The words with spaces between them."""
        return " ".join(word.text for word in self.words)

    @property
    def start(self) -> float:
        """Start of the first word in seconds."""
        return self.words[0].start

    @property
    def end(self) -> float:
        """End of the last word in seconds."""
        return self.words[-1].end


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Sentences that belong together, all of one speaker."""

    sentences: tuple[Sentence, ...]

    @property
    def speaker(self) -> int | None:
        """Number of the speaker; None without diarization."""
        return self.sentences[0].words[0].speaker

    @property
    def text(self) -> str:
        """The sentences with spaces between them."""
        return " ".join(sentence.text for sentence in self.sentences)

    @property
    def num_words(self) -> int:
        """Number of words in all sentences."""
        return sum(len(sentence.words) for sentence in self.sentences)


def paragraphs(words: Sequence[Word]) -> tuple[Paragraph, ...]:
    """Split `words` into paragraphs."""
    found: list[Paragraph] = []
    current: list[Sentence] = []
    for sentence in sentences(words):
        if current and _begins_paragraph(current, sentence):
            found.append(Paragraph(tuple(current)))
            current = []
        current.append(sentence)
    if current:
        found.append(Paragraph(tuple(current)))
    return tuple(found)


def sentences(words: Sequence[Word]) -> Iterator[Sentence]:
    """Split `words` into sentences of one speaker each."""
    for span in spans(words, SENTENCE_PAUSE_S):
        begin = 0
        for at, word in enumerate(span, 1):
            if at == len(span) or _ends_sentence(word.text):
                yield Sentence(span[begin:at])
                begin = at


def paragraphs_text(paragraphs: Sequence[Paragraph]) -> str:
    """The text of all paragraphs, an empty line between them; names the speaker, where known, at each change."""
    lines: list[str] = []
    speaker: int | None = None
    for paragraph in paragraphs:
        named = paragraph.speaker is not None and paragraph.speaker != speaker
        lines.append(f"Speaker {paragraph.speaker}: {paragraph.text}" if named else paragraph.text)
        speaker = paragraph.speaker
    return "\n" + "\n\n".join(lines) if lines else ""


def _begins_paragraph(current: Sequence[Sentence], following: Sentence) -> bool:
    last = current[-1]
    if last.words[-1].speaker != following.words[0].speaker or len(current) >= MAX_SENTENCES:
        return True
    return round(following.start - last.end, 6) >= PAUSE_S


def _ends_sentence(text: str) -> bool:
    bare = text.rstrip(_CLOSING)
    return bare.endswith(_ENDS) and bare.lower() not in _ABBREVIATIONS
