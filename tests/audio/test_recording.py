"""Recordings of every kind, cut anywhere: the samples are those of the file, and never many at once."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from typing import cast

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream

from caesura.audio.format import AudioFormat, Encoding, Samples
from caesura.audio.recording import BLOCK_S, SLICE_BYTES, RecordingDecoder
from caesura.errors import BadAudio

RATE = 16_000
CONTAINER = AudioFormat(None, None)
LONGEST_BLOCK = int(BLOCK_S * RATE) + SLICE_BYTES // 2


def tone(seconds: float, channels: int = 1) -> np.ndarray:
    """A tone that rises, another one on each channel, as int16 of shape (n, channels)."""
    at = np.arange(int(seconds * RATE)) / RATE
    return np.stack([8000 * np.sin(2 * np.pi * (200 * (c + 1) + 10 * at) * at) for c in range(channels)], 1).astype(
        "<i2"
    )


def encoded(container: str, codec: str, pcm: np.ndarray, *, faststart: bool = False) -> bytes:
    """A file of this kind."""
    options = {"movflags": "+faststart"} if faststart else {}
    # The index is moved to the front by reading the file again, by its name.
    with tempfile.NamedTemporaryFile() as file, av.open(file.name, "w", format=container, options=options) as out:
        layout = {1: "mono", 2: "stereo"}[pcm.shape[1]]
        rate = 48_000 if codec == "libopus" else RATE
        stream = cast(AudioStream, out.add_stream(codec, rate=rate, layout=layout))
        for at in range(0, len(pcm), 4_000):
            frame = av.AudioFrame.from_ndarray(pcm[at : at + 4_000].reshape(1, -1), format="s16", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        out.close()
        return file.read()


def decoded(
    data: bytes, size: int, declared: AudioFormat = CONTAINER, *, split: bool = False
) -> tuple[Samples, list[int], float]:
    """All samples, the lengths of the blocks in which they came, and the seconds."""
    blocks: list[Samples] = []
    with tempfile.TemporaryFile() as file:
        opened = cast(io.BufferedIOBase, file)
        decoder = RecordingDecoder(declared, split=split, on_samples=blocks.append, spool=lambda: opened)
        for at in range(0, len(data), size):
            decoder.feed(data[at : at + size])
        decoder.finish()
        decoder.close()
    return np.concatenate(blocks, 1), [block.shape[1] for block in blocks], decoder.seconds


KINDS = [
    ("wav", "pcm_s16le", False),
    ("flac", "flac", False),
    ("mp3", "mp3", False),
    ("ogg", "libopus", False),
    ("webm", "libopus", False),
    ("adts", "aac", False),
    ("mp4", "aac", False),
    ("mp4", "aac", True),
]


@pytest.mark.parametrize(("container", "codec", "faststart"), KINDS)
def test_every_kind_is_decoded_block_by_block(container: str, codec: str, faststart: bool) -> None:
    pcm = tone(4.0)
    data = encoded(container, codec, pcm, faststart=faststart)
    samples, lengths, seconds = decoded(data, 1 << 20)
    assert seconds == pytest.approx(4.0, abs=0.2)
    assert samples.shape[1] == pytest.approx(seconds * RATE, abs=2)
    assert max(lengths) < LONGEST_BLOCK
    middle = samples[0, 1 * RATE : 3 * RATE]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(8000 / 32768 / np.sqrt(2), rel=0.1)


@pytest.mark.parametrize(("container", "codec", "faststart"), KINDS)
def test_how_the_bytes_are_cut_changes_nothing(container: str, codec: str, faststart: bool) -> None:
    data = encoded(container, codec, tone(1.5), faststart=faststart)
    whole, _, _ = decoded(data, 1 << 20)
    for size in (1_000, 7) if len(data) < 20_000 else (1_000,):
        np.testing.assert_array_equal(decoded(data, size)[0], whole)


def test_channels_stay_apart_only_when_requested() -> None:
    data = encoded("mp4", "aac", tone(3.0, 2))
    apart, _, _ = decoded(data, 5_000, split=True)
    mixed, _, _ = decoded(data, 5_000)
    assert (apart.shape[0], mixed.shape[0]) == (2, 1)
    np.testing.assert_allclose(apart.mean(0), mixed[0], atol=1e-5)


def test_raw_samples_are_what_they_were_declared() -> None:
    pcm = tone(2.0)
    samples, _, seconds = decoded(pcm.tobytes(), 999, AudioFormat(Encoding.LINEAR16, RATE))
    np.testing.assert_array_equal(samples[0], pcm[:, 0] / np.float32(32768))
    assert seconds == 2.0


@pytest.mark.parametrize("encoding", [Encoding.LINEAR16, Encoding.OPUS])
def test_the_format_in_the_file_overrides_the_declared_one(encoding: Encoding) -> None:
    container, codec = ("wav", "pcm_s16le") if encoding is Encoding.LINEAR16 else ("ogg", "libopus")
    data = encoded(container, codec, tone(1.0))
    np.testing.assert_array_equal(
        decoded(data, 1000, AudioFormat(encoding, 8_000))[0], decoded(data, 1000, CONTAINER)[0]
    )


def broken() -> Iterator[bytes]:
    """Bytes that are no recordings."""
    m4a = encoded("mp4", "aac", tone(1.0))
    yield from (b"", b"x", b"no audio at all, but a long enough text" * 200)
    yield m4a[: len(m4a) // 2]
    yield m4a.replace(b"moov", b"free")
    yield b"\0\0\0\x08ftyp" + b"\0\0\0\x04mdat" + bytes(100)
    yield b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x01mdat" + bytes(8)
    yield b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x10mdat" + bytes(8) + b"\xff\xff\xff\xffmoov" + bytes(100)
    stsz = b"stsz" + bytes(8) + b"\x7f\xff\xff\xff"
    yield b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x10mdat" + bytes(8) + b"\0\0\0\x20moov" + stsz + bytes(100)


@pytest.mark.parametrize("data", list(broken()), ids=range(9))
@pytest.mark.parametrize("size", [5, 1 << 20])
def test_bytes_that_are_not_audio_are_refused(data: bytes, size: int) -> None:
    with pytest.raises(BadAudio):
        decoded(data, size)


def test_the_file_on_disk_is_used_only_while_it_must_be() -> None:
    file = io.BytesIO()
    decoder = RecordingDecoder(CONTAINER, split=False, on_samples=lambda _: None, spool=lambda: file)
    decoder.feed(encoded("mp4", "aac", tone(2.0), faststart=True))
    assert len(file.getvalue()) == 0
    decoder.finish()
