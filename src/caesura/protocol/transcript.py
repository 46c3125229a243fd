"""Words as an engine prints them in, Results as the options ask for them out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from caesura.events import Search, TranscriptSegment
from caesura.protocol.messages import ModelInfo, Results, SearchHit, SearchResult, WireWord
from caesura.words import Word, raw


def results(
    heard: TranscriptSegment,
    *,
    punctuate: bool,
    marks: bool,
    channels: int,
    request_id: str,
    model: ModelInfo,
    extra: dict[str, str],
    diarizer: ModelInfo | None = None,
) -> Results:
    """The Results message for what was heard; `speech_final` only ever together with `is_final`."""
    words = written(heard.words, punctuate=punctuate, marks=marks)
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
        searches=tuple(_search(search) for search in heard.searches),
        diarizer=diarizer,
        languages=by_frequency(word.language for word in words),
    )


def written(words: tuple[Word, ...], *, punctuate: bool, marks: bool) -> tuple[WireWord, ...]:
    """The words that go out: tokens in which nothing is spoken are no words, but for `marks` that were dictated."""
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
        if marks or raw(word.text)
    )


def upper_median(confidences: list[float]) -> float:
    """The upper median, as recorded answers of the hosted service have it; 0.0 when there are none."""
    return sorted(confidences)[len(confidences) // 2] if confidences else 0.0


def by_frequency(languages: Iterable[str | None]) -> tuple[str, ...]:
    """The languages of some words, each once, the most frequent first; None names none."""
    counts = Counter(language for language in languages if language is not None)
    return tuple(language for language, _ in counts.most_common())


def _search(search: Search) -> SearchResult:
    return SearchResult(
        search.query, tuple(SearchHit(hit.confidence, hit.start, hit.end, hit.snippet) for hit in search.hits)
    )
