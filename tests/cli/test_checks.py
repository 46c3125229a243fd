"""What `caesura doctor` checks, and the findings it reports."""

from __future__ import annotations

import asyncio
import re
import sys
from importlib.metadata import version

import pytest

from caesura.bundled_recording import TEXT, BundledRecording, bundled_recording
from caesura.cli import checks
from caesura.cli.checks import (
    CheckState,
    Finding,
    Trial,
    check_capacity,
    check_engine,
    measured_room,
    try_engine,
    wrong_words,
)
from caesura.cli.child import ServerFailed
from caesura.distribution import install_command, requirement
from tests.engines.models.without_whisper import without_library


@pytest.mark.parametrize(
    ("expected", "heard", "wrong"),
    [
        ("ask not", "Ask, not!", 0),
        ("ask not", "", 2),
        ("", "ask not", 2),
        ("ask not what", "ask what", 1),
        ("ask not what", "ask knot what", 1),
        ("a b c d", "b c d e", 2),
    ],
)
def test_wrong_words_are_counted_without_case_and_punctuation(expected: str, heard: str, wrong: int) -> None:
    assert wrong_words(expected, heard) == wrong


def test_every_codec_of_the_wire_works_here() -> None:
    found = {finding.name: finding.state for finding in checks.check_codecs()}
    assert set(found) >= {"linear16", "linear32", "mulaw", "alaw", "flac", "opus", "ogg-opus", "WebM container"}
    assert set(found.values()) == {CheckState.WORKS}


def test_a_missing_codec_is_broken_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "CODECS", {"speex": "no_such_decoder"})
    monkeypatch.setattr(checks, "CONTAINERS", {"Tape": "no_such_demuxer"})
    found = list(checks.check_codecs())
    assert [finding.state for finding in found] == [CheckState.BROKEN, CheckState.BROKEN]
    assert all("pip install" in finding.advice for finding in found)


def test_devices_name_the_processor_and_what_onnxruntime_offers() -> None:
    found = {finding.name: finding for finding in checks.check_devices()}
    assert "cores" in found["CPU"].detail
    assert found["onnxruntime CPU"].state is CheckState.WORKS


def test_the_packages_are_complete_and_lighter_than_promised() -> None:
    found = list(checks.check_packages())
    assert [(finding.name, finding.state) for finding in found] == [("server extra, installed", CheckState.WORKS)]


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "extra_closure", lambda extra: {"soxr": None})
    first, size = checks.check_packages()
    assert (first.name, first.state) == ("soxr", CheckState.BROKEN)
    assert first.advice == install_command("server")
    assert size.state is CheckState.LIMITED


def test_the_vad_distinguishes_speech_from_silence() -> None:
    (finding,) = checks.check_vad(bundled_recording())
    assert finding.state is CheckState.WORKS


def test_a_vad_that_detects_no_speech_is_broken() -> None:
    (finding,) = checks.check_vad(BundledRecording(16_000, bytes(32_000)))
    assert finding.state is CheckState.BROKEN


@pytest.mark.slow
def test_whisper_works_where_its_extra_is_installed() -> None:
    engine, size = checks.check_whisper()
    assert (engine.name, engine.state, engine.advice) == ("whisper", CheckState.WORKS, "")
    assert engine.detail.startswith(f"faster-whisper {version('faster-whisper')} loads")
    assert re.fullmatch(r"[1-9]\d+ MB", size.detail)


def test_without_the_extra_whisper_the_server_is_english_and_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    without_library(monkeypatch)
    (engine,) = checks.check_whisper()
    assert (engine.state, engine.advice) == (CheckState.LIMITED, install_command("whisper"))
    assert "English" in engine.detail


def test_a_library_of_whisper_that_does_not_load_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    (engine,) = checks.check_whisper()
    assert (engine.state, "ctranslate2" in engine.detail) == (CheckState.BROKEN, True)
    assert engine.advice == f"pip install --force-reinstall {requirement('whisper')}"


def trial(words: str, front: int = 100_000_000, *workers: int) -> Trial:
    return Trial(tuple(words.split()), 2, front, workers)


def examined(result: Trial | Exception, monkeypatch: pytest.MonkeyPatch, *, compare: bool) -> list[Finding]:
    async def tried(engine: str, recording: BundledRecording) -> Trial:
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(checks, "try_engine", tried)
    return list(check_engine("moonshine", bundled_recording(), compare=compare))


def test_an_engine_that_recognizes_the_words_works_and_its_memory_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    found = examined(trial(TEXT, 100_000_000, 300_000_000), monkeypatch, compare=True)
    assert [(finding.name, finding.state) for finding in found] == [
        ("moonshine", CheckState.WORKS),
        ("front process, resident", CheckState.WORKS),
        ("worker process, resident", CheckState.WORKS),
    ]
    assert found[0].detail.endswith("words wrong, 2 withheld as probably not spoken")
    assert found[2].detail == "300 MB of at most 350 MB"


def test_a_process_with_too_much_memory_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    found = examined(trial(TEXT, 251_000_000, 351_000_000), monkeypatch, compare=True)
    assert [finding.state for finding in found[1:]] == [CheckState.LIMITED, CheckState.LIMITED]


@pytest.mark.parametrize("heard", ["", "something else entirely"])
def test_an_engine_that_recognizes_other_words_is_broken(heard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert examined(trial(heard), monkeypatch, compare=True)[0].state is CheckState.BROKEN


def test_an_engine_whose_words_are_its_own_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    (finding,) = examined(trial("something else"), monkeypatch, compare=False)
    assert (finding.state, finding.detail) == (CheckState.WORKS, "answered with 2 words")


def test_an_engine_that_does_not_load_says_why_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = ServerFailed("The server ended before it was ready.\nIt said:\nthe model file is missing")
    (finding,) = examined(failure, monkeypatch, compare=True)
    assert (finding.state, finding.detail) == (CheckState.BROKEN, "the model file is missing")


@pytest.mark.parametrize(("room", "state"), [(24, CheckState.WORKS), (1, CheckState.LIMITED)])
def test_the_room_for_live_streams_is_told(room: int, state: CheckState, monkeypatch: pytest.MonkeyPatch) -> None:
    async def measured(engine: str) -> int:
        return room

    monkeypatch.setattr(checks, "measured_room", measured)
    (finding,) = check_capacity("moonshine")
    assert (finding.state, finding.detail) == (state, f"room for {room} with all cores")
    assert bool(finding.advice) == (room == 1)


def test_the_room_of_an_engine_that_does_not_load_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def measured(engine: str) -> int:
        raise ServerFailed("it ended")

    monkeypatch.setattr(checks, "measured_room", measured)
    assert not list(check_capacity("moonshine"))


@pytest.mark.slow
def test_the_room_of_a_real_server_is_measured() -> None:
    assert asyncio.run(measured_room("scripted")) >= 1


@pytest.mark.slow
def test_a_real_server_is_tried_and_weighed() -> None:
    """One front and one worker, both of some weight."""
    found = asyncio.run(try_engine("scripted", bundled_recording()))
    assert len(found.words) > 3
    assert found.front > 10_000_000
    assert len(found.workers) == 1
