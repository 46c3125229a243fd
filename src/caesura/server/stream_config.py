"""Derives the configuration of decoding, recognition and formatting from the options of a request."""

from __future__ import annotations

from collections.abc import Sequence

from caesura.audio.format import AudioFormat, Encoding
from caesura.engines.base import EngineInfo, Term
from caesura.formatting.style import Style
from caesura.pipeline.recognizer import RecognitionConfig
from caesura.protocol.catalogue import ANY_LANGUAGE
from caesura.protocol.options import ListenOptions

_SAMPLE_BYTES = {Encoding.LINEAR16: 2, Encoding.LINEAR32: 4, Encoding.MULAW: 1, Encoding.ALAW: 1}


def audio_format(options: ListenOptions) -> AudioFormat:
    """The audio format that these options declare."""
    if options.encoding is None:
        return AudioFormat(None, None, 1)
    return AudioFormat(Encoding(options.encoding), options.sample_rate, options.channels)


def bytes_per_second(audio: AudioFormat) -> float | None:
    """Byte rate of audio whose samples can be counted from its bytes; None for compressed audio."""
    width = None if audio.encoding is None else _SAMPLE_BYTES.get(audio.encoding)
    return None if width is None or audio.sample_rate is None else float(width * audio.sample_rate * audio.channels)


def recognition_config(options: ListenOptions, info: EngineInfo, interim_interval_s: float) -> RecognitionConfig:
    """Configuration of recognition for these options; endpointing too short for the engine is raised to its minimum."""
    endpointing = options.endpointing_ms
    gap = options.utterance_end_ms
    return RecognitionConfig(
        endpointing_s=None if endpointing is None else max(endpointing / 1000, info.min_endpointing_s),
        interim_interval_s=interim_interval_s if options.interim_results or gap is not None else None,
        utterance_gap_s=None if gap is None else gap / 1000,
        max_segment_s=info.max_segment_s,
        context_s=info.context_s,
        language=language(options),
        detectable_languages=detectable_languages(options),
        terms=preferred_terms(options.keyterms, options.keywords),
        diarize=options.diarize,
    )


def language(options: ListenOptions) -> str | None:
    """Primary subtag of the spoken language; None if the engine is to detect it."""
    return None if options.engine_language == ANY_LANGUAGE else _primary_subtag(options.engine_language)


def detectable_languages(options: ListenOptions) -> tuple[str, ...]:
    """Primary subtags of the languages among which the engine is to detect; empty: all of its languages."""
    return tuple(dict.fromkeys(map(_primary_subtag, options.detectable_languages)))


def _primary_subtag(tag: str) -> str:
    return tag.partition("-")[0].lower()


def preferred_terms(keyterms: Sequence[str], keywords: Sequence[tuple[str, float]]) -> tuple[Term, ...]:
    """Terms that the engine should prefer or avoid."""
    return (*(Term(text) for text in keyterms), *(Term(text, weight) for text, weight in keywords))


def style(options: ListenOptions) -> Style:
    """The formatting style of these options."""
    return Style(
        filler_words=options.filler_words,
        smart_format=options.smart_format,
        numerals=options.numerals,
        dictation=options.dictation,
        profanity_filter=options.profanity_filter,
        redact=options.redact,
        replace=options.replace,
        search=options.search,
        no_delay=options.no_delay,
    )
