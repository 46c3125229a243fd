"""What was heard in a recording in; the JSON text that was asked for out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from caesura.pipeline.batch_diarization import assign_speakers
from caesura.pipeline.recording import RecognizedSegment, RecordingTranscript, main_language
from caesura.protocol.formatting_runs import format_runs
from caesura.protocol.messages import ModelInfo
from caesura.protocol.recording_json import RecordingAnswer, RecordingChannel, write_recording
from caesura.server.recording_ask import Ask


def answer_text(ask: Ask, model: ModelInfo, transcript: RecordingTranscript, created: str) -> str:
    """The answer as JSON; takes a while for hours of speech, so call it on a thread."""
    options = ask.options
    return write_recording(
        RecordingAnswer(
            request_id=ask.request_id,
            sha256=transcript.sha256,
            created=created,
            duration=transcript.seconds,
            channels=tuple(_channel(ask, passages) for passages in transcript.channels),
            model=model,
            punctuate=options.punctuate,
            paragraphs=options.paragraphs,
            utterance_gap_s=options.utt_split_s if options.utterances else None,
            diarizer=ask.diarizer,
            tags=options.tags,
            extra=options.extra,
        )
    )


def _channel(ask: Ask, passages: tuple[RecognizedSegment, ...]) -> RecordingChannel:
    heard = (
        assign_speakers(passages) if ask.options.diarize else [word for passage in passages for word in passage.words]
    )
    words, searches = format_runs(heard, ask.write)
    return RecordingChannel(
        words,
        searches,
        detected_language=main_language(passages) if ask.options.detect_language else None,
        languages=_languages(passages) if ask.options.language == "multi" else (),
    )


def _languages(passages: Iterable[RecognizedSegment]) -> tuple[str, ...]:
    counts: Counter[str] = Counter()
    for passage in passages:
        if passage.language is not None:
            counts[passage.language] += len(passage.words)
    return tuple(language for language, count in counts.most_common() if count)
