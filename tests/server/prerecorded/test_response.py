"""The JSON response for a transcript."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from caesura.ledger.access import Access
from caesura.pipeline.recording import RecognizedSegment, RecordingTranscript
from caesura.protocol.catalogue import Offer
from caesura.protocol.messages import ModelInfo
from caesura.protocol.options import ListenOptions
from caesura.server.admission import Admitted
from caesura.server.prerecorded.request import RecordingRequest
from caesura.server.prerecorded.response import response_json
from caesura.server.service import embedder_info
from caesura.speech.embedding import PackedEmbeddings, SpeakerEmbedding
from caesura.words import Word

MODEL = ModelInfo("u", "n", "v", "a")


def passage(text: str, at: float, language: str | None = None) -> RecognizedSegment:
    words = tuple(Word(each, at + 0.4 * i, at + 0.4 * i + 0.3, 0.9) for i, each in enumerate(text.split()))
    return RecognizedSegment(at, at + 0.4 * len(words), words, language)


def answered(options: ListenOptions, *channels: tuple[RecognizedSegment, ...]) -> Any:
    admitted = Admitted(Access("p", None, frozenset()), options, Offer(MODEL, ("en",), True, False), None)
    request_id = "01a00000-0000-7000-8000-000000000001"
    request = RecordingRequest(request_id, datetime(2026, 1, 1, tzinfo=UTC), admitted)
    return json.loads(response_json(request, RecordingTranscript(12.5, "ab", 99, channels)))


def test_passages_become_one_channel_in_their_order() -> None:
    told = answered(ListenOptions(tags=("t",), extra={"k": "v"}), (passage("Yes, I", 1.0), passage("do.", 5.0)))
    assert told["results"]["channels"][0]["alternatives"][0]["transcript"] == "yes i do"
    assert (told["metadata"]["duration"], told["metadata"]["sha256"]) == (12.5, "ab")
    assert (told["metadata"]["tags"], told["metadata"]["extra"]) == (["t"], {"k": "v"})
    assert "utterances" not in told["results"]


def test_utterances_are_split_at_the_requested_gap() -> None:
    passages = (passage("one", 0.0), passage("two", 2.0))
    for gap, count in ((0.8, 2), (3.0, 1)):
        told = answered(ListenOptions(utterances=True, utt_split_s=gap), passages)
        assert len(told["results"]["utterances"]) == count


def test_languages_are_reported_where_they_were_to_be_found() -> None:
    passages = (passage("ja doch", 0.0, "de"), passage("yes", 3.0, "en"))
    (plain,) = answered(ListenOptions(), passages)["results"]["channels"]
    assert "detected_language" not in plain
    (detected,) = answered(ListenOptions(detect_language=True), passages)["results"]["channels"]
    assert detected["detected_language"] == "de"
    assert "language_confidence" not in detected
    assert not any("language" in word for word in detected["alternatives"][0]["words"])
    (several,) = answered(ListenOptions(language="multi"), passages)["results"]["channels"]
    assert several["alternatives"][0]["languages"] == ["de", "en"]
    assert [word["language"] for word in several["alternatives"][0]["words"]] == ["de", "de", "en"]


def test_the_confidence_of_the_detected_language_is_beside_it() -> None:
    passages = (
        replace(passage("ja doch", 0.0, "de"), language_confidence=0.75),
        replace(passage("yes", 3.0, "en"), language_confidence=0.5),
    )
    (detected,) = answered(ListenOptions(detect_language=True), passages)["results"]["channels"]
    assert (detected["detected_language"], detected["language_confidence"]) == ("de", 0.75)
    for options in (ListenOptions(), ListenOptions(language="multi")):
        assert "language_confidence" not in answered(options, passages)["results"]["channels"][0]


def test_speakers_are_reported_and_separate_utterances_and_paragraphs() -> None:
    def spoken(text: str, at: float, person: int) -> RecognizedSegment:
        plain = passage(text, at)
        voice = SpeakerEmbedding(0.0, 1.5, np.eye(1, 512, person, dtype=np.float32)[0])
        return replace(plain, embeddings=PackedEmbeddings.packed([voice], at))

    passages = (spoken("Are you there?", 1.0, 4), spoken("Yes, I am.", 2.3, 2), spoken("Good.", 3.6, 4))
    options = ListenOptions(diarize=True, utterances=True, paragraphs=True, punctuate=True)
    told = answered(options, passages, (spoken("Hello.", 0.0, 2),))
    assert told["metadata"]["diarize_info"] == {"model_uuid": embedder_info().uuid, "arch": embedder_info().arch}
    assert [(each["channel"], each["speaker"], each["transcript"]) for each in told["results"]["utterances"]] == [
        (1, 0, "Hello."),
        (0, 0, "Are you there?"),
        (0, 1, "Yes, I am."),
        (0, 0, "Good."),
    ]
    (alternative,) = told["results"]["channels"][0]["alternatives"]
    assert [each["speaker"] for each in alternative["paragraphs"]["paragraphs"]] == [0, 1, 0]
    assert [word["speaker"] for word in alternative["words"]] == [0, 0, 0, 1, 1, 1, 0]
    assert all(0.99 < word["speaker_confidence"] <= 1 for word in alternative["words"])


def test_speakers_are_reported_only_on_request() -> None:
    told = answered(ListenOptions(utterances=True), (passage("one", 0.0),))
    (utterance,) = told["results"]["utterances"]
    assert "diarize_info" not in told["metadata"]
    assert "speaker" not in utterance
    assert {"speaker", "speaker_confidence"}.isdisjoint(utterance["words"][0])


@pytest.mark.parametrize("count", [1, 3])
def test_each_channel_is_searched(count: int) -> None:
    told = answered(ListenOptions(search=("yes",)), *[(passage("Yes.", 1.0),)] * count)
    channels = told["results"]["channels"]
    assert [channel["search"][0]["hits"][0]["start"] for channel in channels] == [1.0] * count
