"""Misspelled parameter names are found; known names and unknown new ones are not."""

from __future__ import annotations

import pytest

from caesura.client.spelling import KNOWN, misspelled_names


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("interim_result", "interim_results"),
        ("smart_formatt", "smart_format"),
        ("smartformat", "smart_format"),
        ("Smart_Format", "smart_format"),
        ("smart-format", "smart_format"),
        ("INTERIM-RESULTS", "interim_results"),
        ("langauge", "language"),
        ("modle", "model"),
        ("endpoint", "endpointing"),
        ("keyterms", "keyterm"),
        ("diarise", "diarize"),
        ("utterance_end", "utterance_end_ms"),
        ("sample_rte", "sample_rate"),
    ],
)
def test_a_misspelling_is_reported_with_the_right_name(given: str, meant: str) -> None:
    (sentence,) = misspelled_names([given])
    assert sentence == f"{given!r} is no parameter of the wire, and is ignored: did you mean {meant!r}?"


def test_no_known_name_is_in_doubt() -> None:
    assert not {name: found for name in KNOWN if (found := misspelled_names([name]))}


@pytest.mark.parametrize(
    "name",
    [
        "foo", "bar", "id", "v", "lang", "rate", "text", "user", "session", "region", "priority", "profile", "metadata",
        "eot_threshold", "eager_eot_threshold", "eot_timeout_ms", "language_hint", "detect_topics", "translate", "ner",
        "speaker_labels", "word_boost", "format_text", "timeout", "ttl_seconds", "voice", "container", "bit_rate",
        "disfluencies", "vad_threshold", "client_version", "x", "",
    ],
)  # fmt: skip
def test_an_unrelated_name_is_no_slip(name: str) -> None:
    """It may be newer than this package."""
    assert misspelled_names([name]) == ()


def test_each_misspelling_is_reported_in_order() -> None:
    told = misspelled_names(["modle", "foo", "interim_result"])
    assert [sentence.split("'")[1] for sentence in told] == ["modle", "interim_result"]
