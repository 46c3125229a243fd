"""Builds the JSON response for a transcribed recording: assigns speakers and formats words as requested."""

from __future__ import annotations

from dataclasses import replace

from caesura.formatting.itn import FormattedText, TextFormatter
from caesura.formatting.redaction import CONTEXT_WORDS
from caesura.pipeline.batch_diarization import assign_speakers
from caesura.pipeline.recording import RecognizedSegment, RecordingTranscript, main_language
from caesura.protocol.catalogue import ANY_LANGUAGE, Offer
from caesura.protocol.formatting_runs import format_runs
from caesura.protocol.options import ListenOptions
from caesura.protocol.recording_json import RecordingChannel, RecordingResponse, write_recording
from caesura.protocol.results import by_frequency
from caesura.rfc3339 import rfc3339
from caesura.server.prerecorded.request import RecordingRequest
from caesura.server.service import embedder_info
from caesura.server.stream_config import language, style
from caesura.words import Word


def response_json(request: RecordingRequest, transcript: RecordingTranscript) -> str:
    """Build the response body. It is slow for hours of speech, so call it on a thread."""
    options = request.options
    formatter = _RunFormatter(options, request.admitted.offer)
    return write_recording(
        RecordingResponse(
            request_id=request.request_id,
            sha256=transcript.sha256,
            created=rfc3339(request.created),
            duration=transcript.seconds,
            channels=tuple(_channel(options, formatter, segments) for segments in transcript.channels),
            model=request.admitted.offer.model,
            punctuate=options.punctuate,
            paragraphs=options.paragraphs,
            utterance_gap_s=options.utt_split_s if options.utterances else None,
            diarizer=embedder_info() if options.diarize else None,
            tags=options.tags,
            extra=options.extra,
        )
    )


class _RunFormatter:
    """Formats one run of words after another; redaction considers the words before each run."""

    def __init__(self, options: ListenOptions, offer: Offer) -> None:
        spoken = language(options)
        if spoken is None or options.detect_language:
            spoken = offer.languages[0] if len(offer.languages) == 1 else ANY_LANGUAGE
        self._formatter = TextFormatter(style(options), spoken)
        self._before: tuple[Word, ...] = ()

    def format(self, words: tuple[Word, ...]) -> FormattedText:
        formatted = self._formatter.format(words, final=True, before=self._before)
        self._before = (*self._before, *formatted.plain)[-CONTEXT_WORDS:]
        return formatted


def _channel(
    options: ListenOptions, formatter: _RunFormatter, segments: tuple[RecognizedSegment, ...]
) -> RecordingChannel:
    if options.language == ANY_LANGUAGE:
        segments = tuple(map(_in_its_language, segments))
    spoken = assign_speakers(segments) if options.diarize else [word for segment in segments for word in segment.words]
    words, searches = format_runs(spoken, formatter.format)
    detected = main_language(segments) if options.detect_language else None
    return RecordingChannel(
        words,
        searches,
        detected_language=None if detected is None else detected.language,
        language_confidence=None if detected is None else detected.confidence,
        languages=by_frequency(word.language for word in words),
    )


def _in_its_language(segment: RecognizedSegment) -> RecognizedSegment:
    return replace(segment, words=tuple(replace(word, language=segment.language) for word in segment.words))
