"""Words as an engine prints them in, Results as the options ask for them out."""

from __future__ import annotations

from dataclasses import dataclass

from caesura.events import Heard
from caesura.protocol.messages import ModelInfo, Results, WireWord
from caesura.words import Word, raw

FILLERS = frozenset({"uh", "um", "uhm", "umm", "uhh"})
"""Hesitations that are left out unless `filler_words` asks for them; `uh-huh` and the like are answers and stay."""

_SENTENCE_ENDS = ".?!…"


@dataclass(frozen=True, slots=True)
class Format:
    """How words are written."""

    punctuate: bool
    filler_words: bool


def results(
    heard: Heard,
    format: Format,
    *,
    channels: int,
    request_id: str,
    model: ModelInfo,
    extra: dict[str, str],
) -> Results:
    """The Results message for what was heard; `speech_final` only ever together with `is_final`."""
    words = written(heard.words, format)
    return Results(
        channel=heard.channel,
        channels=channels,
        start=heard.start,
        duration=heard.end - heard.start,
        is_final=heard.final,
        speech_final=heard.final and heard.endpoint,
        from_finalize=heard.final and heard.flushed,
        transcript=" ".join(word.punctuated_word or word.word for word in words),
        confidence=upper_median([word.confidence for word in words]),
        words=words,
        request_id=request_id,
        model=model,
        extra=extra,
    )


def written(words: tuple[Word, ...], format: Format) -> tuple[WireWord, ...]:
    """The words that go out: tokens in which nothing is spoken are no words, fillers only when asked for."""
    spoken = [word for word in words if raw(word.text)]
    if not format.filler_words:
        spoken = _without_fillers(spoken)
    return tuple(
        WireWord(raw(word.text), word.start, word.end, word.confidence, word.text if format.punctuate else None)
        for word in spoken
    )


def upper_median(confidences: list[float]) -> float:
    """The upper median, as recorded answers of the hosted service have it; 0.0 when there are none."""
    return sorted(confidences)[len(confidences) // 2] if confidences else 0.0


def _without_fillers(words: list[Word]) -> list[Word]:
    """Drop hesitations; a full stop or capital that a dropped one carried goes to its neighbour."""
    kept: list[Word] = []
    capital = False
    for word in words:
        if raw(word.text) in FILLERS:
            capital = capital or word.text[:1].isupper()
            _inherit_end(kept, word)
            continue
        kept.append(_capitalised(word) if capital else word)
        capital = False
    return kept


def _inherit_end(kept: list[Word], filler: Word) -> None:
    # The whole run of signs: `um...` must not become a full stop.
    end = filler.text[len(filler.text.rstrip(_SENTENCE_ENDS)) :]
    if kept and end and not kept[-1].text.endswith(tuple(_SENTENCE_ENDS)):
        last = kept[-1]
        kept[-1] = Word(last.text.rstrip(",;:") + end, last.start, last.end, last.confidence)


def _capitalised(word: Word) -> Word:
    return Word(word.text[:1].upper() + word.text[1:], word.start, word.end, word.confidence)
