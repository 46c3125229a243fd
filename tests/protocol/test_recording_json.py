"""The JSON of a whole recording, field by field."""

from __future__ import annotations

import json
from dataclasses import replace

from caesura.events import Hit, Search
from caesura.protocol.messages import ModelInfo
from caesura.protocol.recording_json import RecordingChannel, RecordingResponse, write_accepted, write_recording
from caesura.words import Word

MODEL = ModelInfo("00000000-0000-4000-8000-0000000000aa", "general-local", "2026-01-01.0", "local")
HELLO = Word("Hello,", 0.1, 0.5, 0.9)
ANSWER = RecordingResponse(
    request_id="01a00000-0000-7000-8000-000000000001",
    sha256="ab" * 32,
    created="2026-01-01T00:00:00.000Z",
    duration=3.2,
    channels=(RecordingChannel((HELLO,)),),
    model=MODEL,
)


def test_the_constructed_example_of_the_wire() -> None:
    assert write_recording(ANSWER) == (
        '{"metadata":{"transaction_key":"deprecated","request_id":"01a00000-0000-7000-8000-000000000001",'
        f'"sha256":"{"ab" * 32}","created":"2026-01-01T00:00:00.000Z","duration":3.2,"channels":1,'
        '"models":["00000000-0000-4000-8000-0000000000aa"],"model_info":{"00000000-0000-4000-8000-0000000000aa":'
        '{"name":"general-local","version":"2026-01-01.0","arch":"local"}}},"results":{"channels":[{"alternatives":'
        '[{"transcript":"hello","confidence":0.9,"words":[{"word":"hello","start":0.1,"end":0.5,"confidence":0.9}]}]}]}}'
    )


def test_punctuation_only_when_requested() -> None:
    alternative = json.loads(write_recording(replace(ANSWER, punctuate=True)))["results"]["channels"][0]["alternatives"]
    assert alternative[0]["transcript"] == "Hello,"
    assert alternative[0]["words"][0]["punctuated_word"] == "Hello,"


def test_words_have_the_confidence_of_their_speaker() -> None:
    spoken = (replace(HELLO, speaker=1, speaker_confidence=0.98765), replace(HELLO, speaker=1))
    answer = replace(ANSWER, channels=(RecordingChannel(spoken),))
    words = json.loads(write_recording(answer))["results"]["channels"][0]["alternatives"][0]["words"]
    assert [(word["speaker"], word.get("speaker_confidence")) for word in words] == [(1, 0.988), (1, None)]


def test_words_have_the_language_that_was_detected() -> None:
    answer = replace(ANSWER, channels=(RecordingChannel((replace(HELLO, language="fr"), HELLO)),))
    words = json.loads(write_recording(answer))["results"]["channels"][0]["alternatives"][0]["words"]
    assert [word.get("language") for word in words] == ["fr", None]


def test_everything_that_can_be_requested() -> None:
    spoken = (
        Word("Yes.", 0.0, 0.4, 0.8, 0),
        Word("-", 0.4, 0.5, 0.1, 0),
        Word("No!", 0.6, 0.9, 0.9, 1),
        Word("Why?", 2.0, 2.4004999, 0.95, 1),
    )
    search = Search("no", (Hit(0.9, 0.6, 0.9, "No!"),))
    channel = RecordingChannel(spoken, (search,), "en", 0.98765, languages=("en", "de"))
    message = json.loads(
        write_recording(
            replace(
                ANSWER,
                channels=(channel, RecordingChannel(())),
                punctuate=True,
                paragraphs=True,
                utterance_gap_s=0.8,
                diarizer=replace(MODEL, uuid="d", arch="voices"),
                tags=("a", "b"),
                extra={"k": "v"},
            )
        )
    )
    metadata, results = message["metadata"], message["results"]
    assert metadata["channels"] == 2
    assert metadata["diarize_info"] == {"model_uuid": "d", "arch": "voices"}
    assert (metadata["tags"], metadata["extra"]) == (["a", "b"], {"k": "v"})
    first, second = results["channels"]
    assert first["search"] == [
        {"query": "no", "hits": [{"confidence": 0.9, "start": 0.6, "end": 0.9, "snippet": "No!"}]}
    ]
    assert (first["detected_language"], first["language_confidence"]) == ("en", 0.988)
    assert "language_confidence" not in second
    alternative = first["alternatives"][0]
    assert (alternative["transcript"], alternative["confidence"]) == ("Yes. No! Why?", 0.9)
    assert alternative["languages"] == ["en", "de"]
    assert [word["speaker"] for word in alternative["words"]] == [0, 1, 1]
    assert alternative["paragraphs"] == {
        "transcript": "\nSpeaker 0: Yes.\n\nSpeaker 1: No! Why?",
        "paragraphs": [
            {
                "sentences": [{"text": "Yes.", "start": 0.0, "end": 0.4}],
                "speaker": 0,
                "num_words": 1,
                "start": 0.0,
                "end": 0.4,
            },
            {
                "sentences": [
                    {"text": "No!", "start": 0.6, "end": 0.9},
                    {"text": "Why?", "start": 2.0, "end": 2.4},
                ],
                "speaker": 1,
                "num_words": 2,
                "start": 0.6,
                "end": 2.4,
            },
        ],
    }
    assert second == {
        "alternatives": [
            {"transcript": "", "confidence": 0.0, "words": [], "paragraphs": {"transcript": "", "paragraphs": []}}
        ]
    }
    utterances = results["utterances"]
    assert [each["transcript"] for each in utterances] == ["Yes.", "No!", "Why?"]
    assert len({each["id"] for each in utterances}) == 3
    assert {key: value for key, value in utterances[1].items() if key != "id"} == {
        "start": 0.6,
        "end": 0.9,
        "confidence": 0.9,
        "channel": 0,
        "transcript": "No!",
        "words": [{"word": "no", "start": 0.6, "end": 0.9, "confidence": 0.9, "punctuated_word": "No!", "speaker": 1}],
        "speaker": 1,
    }


def test_without_utterances_the_requested_list_is_empty() -> None:
    answer = replace(ANSWER, channels=(RecordingChannel(()),), utterance_gap_s=0.8)
    assert json.loads(write_recording(answer))["results"]["utterances"] == []


def test_the_same_answer_is_written_the_same_way() -> None:
    answer = replace(ANSWER, utterance_gap_s=0.8)
    assert write_recording(answer) == write_recording(answer)


def test_what_a_callback_is_promised_with() -> None:
    assert write_accepted("abc") == '{"request_id":"abc"}'


def test_paragraphs_name_a_speaker_only_where_there_is_one() -> None:
    answer = replace(ANSWER, paragraphs=True)
    (paragraph,) = json.loads(write_recording(answer))["results"]["channels"][0]["alternatives"][0]["paragraphs"][
        "paragraphs"
    ]
    assert list(paragraph) == ["sentences", "num_words", "start", "end"]
