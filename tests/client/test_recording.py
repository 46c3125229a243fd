"""Recordings of every kind as sources of audio, with PyAV and without."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import wave
from pathlib import Path
from typing import Any, cast

import pytest

from caesura.client.input import Source
from caesura.client.recording import RecordingFeed, is_text, recording
from caesura.client.sources import AudioSource, SourceClock
from caesura.distribution import install_command
from caesura.errors import UsageError
from tests.client.chunks import ReadChunks, both, sync_chunks
from tests.client.http_server import web_server, whole
from tests.encodings import as_int16, encode, mulaw, wav
from tests.recordings import path
from tests.signals import sound

SAID = sound(16_000, 0.35, 2)
PCM = as_int16(SAID).tobytes()


@pytest.fixture
def without_pyav(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)


def refusal(place: Any, **how: Any) -> str:
    with pytest.raises(UsageError) as caught, recording(place, **how):
        pass
    return str(caught.value)


@both
@pytest.mark.usefixtures("without_pyav")
def test_a_wav_needs_nothing_and_loses_only_its_header(chunks: ReadChunks) -> None:
    with wave.open(str(path("LJ001-0002"))) as opened:
        samples, rate = opened.readframes(opened.getnframes()), opened.getframerate()
    made = recording(path("LJ001-0002"))
    pieces = chunks(made)
    assert b"".join(pieces) == samples
    assert {len(piece) for piece in pieces[:-1]} == {2 * 2_205}
    assert made.parameters == {"encoding": "linear16", "sample_rate": rate, "channels": 1}
    assert made.seconds == len(samples) / 2 / rate
    assert made.note == ""


def test_what_follows_the_samples_is_no_sound() -> None:
    file = io.BytesIO(wav(PCM, 16_000, 2) + b"LIST\x04\0\0\0abcd")
    assert b"".join(sync_chunks(recording(file))) == PCM


@pytest.mark.usefixtures("without_pyav")
def test_a_wav_in_mulaw_stays_in_mulaw() -> None:
    made = recording(io.BytesIO(wav(mulaw(SAID), 16_000, 2, tag=7, bits=8)))
    assert b"".join(sync_chunks(made)) == mulaw(SAID)
    assert made.parameters == {"encoding": "mulaw", "sample_rate": 16_000, "channels": 2}


@both
def test_other_kinds_are_decoded(chunks: ReadChunks) -> None:
    made = recording(path("jfk"))
    pieces = chunks(made)
    assert sum(map(len, pieces)) == 352_000
    assert {len(piece) for piece in pieces} == {3_200}
    assert (made.seconds, made.note) == (11.0, "")


@pytest.mark.usefixtures("without_pyav")
def test_without_pyav_other_kinds_are_sent_as_they_are_and_the_cost_is_noted() -> None:
    made = recording(path("jfk"))
    pieces = sync_chunks(made)
    assert b"".join(pieces) == path("jfk").read_bytes()
    assert max(map(len, pieces)) == 8_192
    assert (made.parameters, made.seconds) == ({}, None)
    assert made.note == (
        f"{path('jfk')} is sent as it is, because PyAV is not installed: what a lost connection swallows cannot be "
        "sent again from the right sample, and words have no place in the file. "
        f"{install_command('audio')} mends both."
    )


@pytest.mark.usefixtures("without_pyav")
def test_without_pyav_real_time_is_refused() -> None:
    assert refusal(path("jfk"), realtime=True) == (
        f"{path('jfk')} cannot be sent in real time without PyAV, because nobody knows how much sound is in "
        f"its bytes: {install_command('audio')}, or leave realtime away."
    )


def test_samples_without_a_header_are_as_they_were_declared(tmp_path: Path) -> None:
    file = tmp_path / "sound.raw"
    file.write_bytes(PCM + b"\0")
    made = recording(file, encoding="linear16", sample_rate=16_000, channels=2)
    assert b"".join(sync_chunks(made)) == PCM
    assert made.parameters == {"encoding": "linear16", "sample_rate": 16_000, "channels": 2}
    assert made.seconds == pytest.approx(0.35, abs=0.001)


def test_samples_may_look_like_a_text() -> None:
    made = recording(io.BytesIO(b"UUUUUUUU" * 100), encoding="mulaw", sample_rate=8_000)
    assert sync_chunks(made) == [b"U" * 800]


@pytest.mark.parametrize("how", [{"encoding": "linear16"}, {"sample_rate": 16_000}])
def test_half_a_declaration_is_none(how: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="Raw audio needs both encoding and sample_rate"):
        recording("a.raw", **how)


def test_a_declaration_is_looked_at_before_anything_is_opened() -> None:
    with pytest.raises(UsageError, match="raw audio cannot be opus"):
        recording("nowhere", encoding="opus", sample_rate=48_000)


def test_a_header_is_no_sound() -> None:
    place = path("LJ001-0002")
    assert refusal(place, encoding="linear16", sample_rate=22_050) == (
        f"{place} is a WAV and declares its format itself: leave encoding and sample_rate out."
    )


@both
def test_an_address_is_streamed(chunks: ReadChunks) -> None:
    answers = {"/a.wav": whole(path("LJ001-0002").read_bytes()), "/a.flac": whole(path("jfk").read_bytes())}
    with web_server(answers) as address:
        made = recording(f"{address}/a.wav")
        assert b"".join(chunks(made)) == path("LJ001-0002").read_bytes()[44:]
        assert made.seconds == pytest.approx(1.9, abs=0.01)
        assert sum(map(len, chunks(recording(f"{address}/a.flac")))) == 352_000


def test_an_address_that_breaks_off_gives_what_came() -> None:
    file = path("LJ001-0002").read_bytes()
    had: list[bytes] = []
    with (
        web_server({"/a.wav": whole(file[:40_001], declared=len(file))}) as address,
        recording(f"{address}/a.wav") as made,
        pytest.raises(UsageError, match=r"/a\.wav broke off: 40001 of its 83"),
    ):
        had.extend(made)
    assert b"".join(had) == file[44:40_000]


def test_chunks_come_while_a_pipe_is_still_open(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    with open(read, "rb") as reader, open(write, "wb", buffering=0) as writer:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(reader))
        writer.write(wav(PCM[:12_800], 16_000, 2, size=0xFFFFFFFF))

        async def run() -> None:
            async with recording("-") as made:
                assert [await anext(made), await anext(made)] == [PCM[:6_400], PCM[6_400:12_800]]
                waiting = asyncio.ensure_future(anext(made))
                await asyncio.sleep(0)
                waiting.cancel()

        asyncio.run(run())


def test_a_coded_pipe_is_decoded_as_it_comes() -> None:
    """Half a second of sound comes out while most of a recording is still to be sent."""
    data, _ = encode(sound(16_000, 20), 16_000, "ogg-opus-file")
    assert isinstance(data, bytes)
    sent = io.BytesIO(data)

    class Slow:
        def read(self, size: int) -> bytes:
            return sent.read(min(size, 1_000))

    with recording(cast(Source, Slow())) as made:
        assert [len(next(made)) for _ in range(5)] == [9_600] * 5
        assert sent.tell() < len(data) / 8


def test_real_time_is_the_speed_of_speech() -> None:
    slept: list[float] = []
    clock = SourceClock(lambda: sum(slept), slept.append)
    feed = RecordingFeed(path("jfk"), countable=True)
    assert len(sync_chunks(AudioSource(feed, frame_s=0.1, realtime=True, clock=clock))) == 110
    assert sum(slept) == pytest.approx(11.0)


@pytest.mark.parametrize("av", [True, False])
@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "the open file is empty; it must be audio."),
        (
            b"<!doctype html>\n<title>Log in</title>",
            "the open file is text, not audio: it begins with b'<!doctype html>",
        ),
        (PCM[:0] + wav(b"", 16_000, 1), "the open file is empty: nothing follows its WAV header."),
    ],
)
def test_what_is_no_audio_is_named(monkeypatch: pytest.MonkeyPatch, body: bytes, sentence: str, av: bool) -> None:
    if not av:
        monkeypatch.setitem(sys.modules, "av", None)
    assert refusal(io.BytesIO(body)).startswith(sentence)


def test_what_is_not_there_is_named() -> None:
    assert refusal("nowhere.wav") == "There is no file nowhere.wav."


@pytest.mark.parametrize("head", ["plain", "naïve — „quoted“\r\n\tand so on", "\ufeff<xml/>"])
def test_text_is_recognised_even_where_it_was_cut(head: str) -> None:
    for end in range(1, len(head.encode()) + 1):
        assert is_text(head.encode()[:end])


@pytest.mark.parametrize("head", [b"ID3\x04\0\0", b"\xff\xfb\x90d", b"#!AMR\n\x0c\x91", b"\x1a\x45\xdf\xa3"])
def test_audio_is_no_text(head: bytes) -> None:
    assert not is_text(head)


def test_a_recording_that_was_never_opened_has_nothing_to_close() -> None:
    feed = RecordingFeed("nowhere.wav")
    feed.interrupt()
    feed.close()
    assert feed.block() == b""


def test_a_recording_that_is_interrupted_while_it_is_opened_ends(tmp_path: Path) -> None:
    file = tmp_path / "a.wav"
    file.write_bytes(wav(PCM, 16_000, 2))
    feed = RecordingFeed(file)
    feed.interrupt()
    with pytest.raises(UsageError, match="is empty"):
        feed.open()
    feed.close()
