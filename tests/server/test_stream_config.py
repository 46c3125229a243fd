"""Configuration of decoding, recognition and formatting for the options of a stream."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from caesura.audio.format import AudioFormat, Encoding
from caesura.engines.base import EngineInfo, Term
from caesura.formatting.style import Style
from caesura.protocol.options import ENCODINGS, ListenOptions
from caesura.server.stream_config import (
    audio_format,
    bytes_per_second,
    language,
    preferred_terms,
    recognition_config,
    style,
)

INFO = EngineInfo("engine", "1", "arch", ("en",), min_endpointing_s=0.2, max_segment_s=20.0)


def test_audio_without_an_encoding_is_a_container() -> None:
    assert audio_format(ListenOptions(sample_rate=8000, channels=2)) == AudioFormat(None, None, 1)


def test_declared_audio_is_decoded_as_declared() -> None:
    options = ListenOptions(encoding="linear16", sample_rate=8000, channels=2)
    assert audio_format(options) == AudioFormat(Encoding.LINEAR16, 8000, 2)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_of_the_wire_can_be_decoded(encoding: str) -> None:
    assert audio_format(ListenOptions(encoding=encoding, sample_rate=16_000)).encoding is not None


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (ListenOptions(encoding="linear16", sample_rate=16_000), 32_000.0),
        (ListenOptions(encoding="linear32", sample_rate=8000, channels=2), 64_000.0),
        (ListenOptions(encoding="mulaw", sample_rate=8000), 8000.0),
        (ListenOptions(encoding="alaw", sample_rate=8000, channels=2), 16_000.0),
        (ListenOptions(encoding="opus", sample_rate=48_000), None),
        (ListenOptions(encoding="flac"), None),
        (ListenOptions(), None),
    ],
)
def test_raw_audio_is_placed_by_its_bytes_and_coded_audio_is_not(
    options: ListenOptions, expected: float | None
) -> None:
    assert bytes_per_second(audio_format(options)) == expected


@pytest.mark.parametrize(("asked_ms", "expected_s"), [(10, 0.2), (200, 0.2), (500, 0.5), (None, None)])
def test_an_endpointing_too_short_for_the_engine_is_lifted_to_its_floor(
    asked_ms: int | None, expected_s: float | None
) -> None:
    assert recognition_config(ListenOptions(endpointing_ms=asked_ms), INFO, 1.0).endpointing_s == expected_s


@pytest.mark.parametrize(
    ("asked", "interval_s", "gap_s"),
    [
        ({}, None, None),
        ({"interim_results": True}, 0.7, None),
        # The gap after an utterance is measured on interims, whether or not they are sent.
        ({"utterance_end_ms": 1500}, 0.7, 1.5),
    ],
)
def test_interims_are_computed_only_if_they_are_needed(
    asked: dict[str, Any], interval_s: float | None, gap_s: float | None
) -> None:
    config = recognition_config(ListenOptions(**asked), INFO, 0.7)
    assert (config.interim_interval_s, config.utterance_gap_s) == (interval_s, gap_s)


def test_the_config_has_language_terms_and_diarization() -> None:
    options = ListenOptions(language="de-CH", keyterms=("Zürich",), keywords=(("Uri", -2.0),), diarize=True)
    config = recognition_config(options, INFO, 1.0)
    assert (config.language, config.diarize, config.max_segment_s) == ("de", True, 20.0)
    assert config.terms == (Term("Zürich"), Term("Uri", -2.0))
    plain = recognition_config(ListenOptions(), INFO, 1.0)
    assert (plain.terms, plain.diarize) == ((), False)


@pytest.mark.parametrize(("tag", "expected"), [("en", "en"), ("EN-us", "en"), ("zh-Hant-TW", "zh"), ("multi", None)])
def test_a_language_is_its_primary_subtag(tag: str, expected: str | None) -> None:
    assert language(ListenOptions(language=tag)) == expected


def test_languages_to_detect_are_their_primary_subtags_each_once() -> None:
    options = ListenOptions(detect_language=("EN-us", "de-CH", "en"))
    config = recognition_config(options, INFO, 1.0)
    assert (config.language, config.detectable_languages) == (None, ("en", "de"))
    assert recognition_config(ListenOptions(detect_language=True), INFO, 1.0).detectable_languages == ()


def test_keyterms_come_before_keywords_and_weigh_one() -> None:
    assert preferred_terms(["a b"], [("c", 3.0), ("d", 1.0)]) == (Term("a b", 1.0), Term("c", 3.0), Term("d", 1.0))
    assert preferred_terms((), ()) == ()


def test_no_options_are_the_plain_style() -> None:
    assert style(ListenOptions()) == Style()


ASKED: dict[str, Any] = {
    "filler_words": True,
    "smart_format": True,
    "numerals": True,
    "dictation": True,
    "profanity_filter": True,
    "redact": ("pci", "ssn"),
    "replace": (("a", "b"),),
    "search": ("c",),
    "no_delay": True,
}


@pytest.mark.parametrize("name", ASKED)
def test_each_wish_about_words_reaches_the_style_by_itself(name: str) -> None:
    assert style(ListenOptions(**{name: ASKED[name]})) == replace(Style(), **{name: ASKED[name]})


def test_no_field_of_the_style_is_forgotten() -> None:
    assert set(Style.__slots__) == set(ASKED)


def test_lengths_that_suit_the_engine_are_the_engines() -> None:
    found = recognition_config(ListenOptions(), replace(INFO, context_s=6.0), 1.0)
    assert (found.max_segment_s, found.context_s) == (20.0, 6.0)
