"""Results messages made from transcript segments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from caesura.events import Search, TranscriptSegment
from caesura.protocol.messages import ModelInfo, Results, SearchHit, SearchResult, WireWord
from caesura.words import DetectedLanguage, LanguageTally, Word, raw


def results_message(
    segment: TranscriptSegment,
    *,
    punctuate: bool,
    keep_punctuation: bool,
    channels: int,
    request_id: str,
    model: ModelInfo,
    extra: dict[str, str],
    diarizer: ModelInfo | None = None,
    detected: DetectedLanguage | None = None,
) -> Results:
    """The Results message of a segment; `speech_final` is true only together with `is_final`."""
    words = wire_words(segment.words, punctuate=punctuate, keep_punctuation=keep_punctuation)
    return Results(
        channel=segment.channel,
        channels=channels,
        start=segment.start,
        duration=segment.end - segment.start,
        is_final=segment.final,
        speech_final=segment.final and segment.endpoint,
        from_finalize=segment.final and segment.flushed,
        transcript=" ".join(word.punctuated_word or word.word for word in words),
        confidence=upper_median([word.confidence for word in words]),
        words=words,
        request_id=request_id,
        model=model,
        extra=extra,
        searches=tuple(_search(search) for search in segment.searches),
        diarizer=diarizer,
        languages=by_frequency(word.language for word in words),
        detected_language=None if detected is None else detected.language,
        language_confidence=None if detected is None else detected.confidence,
    )


def wire_words(words: tuple[Word, ...], *, punctuate: bool, keep_punctuation: bool) -> tuple[WireWord, ...]:
    """The words of the message, without tokens of punctuation alone unless `keep_punctuation`: those were dictated."""
    return tuple(
        WireWord(
            raw(word.text) or word.text,
            word.start,
            word.end,
            word.confidence,
            word.text if punctuate else None,
            word.speaker,
            word.language,
        )
        for word in words
        if keep_punctuation or raw(word.text)
    )


def upper_median(confidences: list[float]) -> float:
    """The upper median, as the hosted service computes it in recorded responses; 0.0 for an empty list."""
    return sorted(confidences)[len(confidences) // 2] if confidences else 0.0


def by_frequency(languages: Iterable[str | None]) -> tuple[str, ...]:
    """Each language once, the most frequent first; None is skipped."""
    counts = Counter(language for language in languages if language is not None)
    return tuple(language for language, _ in counts.most_common())


class DominantLanguage:
    """Language of most words of a live stream so far, by channel, for `detect_language`."""

    def __init__(self) -> None:
        self._tallies: dict[int, LanguageTally] = {}

    def add(self, segment: TranscriptSegment) -> DetectedLanguage | None:
        """The language of most words in the finals of this channel and in `segment`; None before the first word.

        The words of a final are counted; those of an interim count for this answer alone. Of two languages with as
        many words it is the one that was spoken first.
        """
        tally = self._tallies.setdefault(segment.channel, LanguageTally())
        if not segment.final:
            tally = tally.copy()
        for word in segment.words:
            tally.add(word.language, word.language_confidence)
        return tally.dominant()


def _search(search: Search) -> SearchResult:
    return SearchResult(
        search.query, tuple(SearchHit(hit.confidence, hit.start, hit.end, hit.snippet) for hit in search.hits)
    )
