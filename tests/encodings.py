"""Test audio in every encoding and container, with the format that a client would declare for it."""

from __future__ import annotations

import io
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from caesura.audio.format import AudioFormat, Encoding

Samples = NDArray[np.float32]
Encoded = tuple[bytes | list[bytes], AudioFormat]

_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


def as_int16(samples: Samples) -> NDArray[np.int16]:
    """Interleaved 16-bit samples of (channels, n) floats."""
    return np.clip(np.round(samples.T * 32768), -32768, 32767).astype("<i2").ravel()


def mulaw(samples: Samples) -> bytes:
    """G.711 mu-law of (channels, n) floats, interleaved, written from the standard's segments."""
    value = as_int16(samples).astype(np.int32)
    magnitude = np.minimum(np.abs(value), 32635) + 132
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    code = np.where(value < 0, 0x80, 0) | exponent << 4 | magnitude >> (exponent + 3) & 0x0F
    return bytes((~code).astype(np.uint8))


def alaw(samples: Samples) -> bytes:
    """G.711 A-law of (channels, n) floats, interleaved, written from the standard's segments."""
    value = as_int16(samples).astype(np.int32) >> 3
    magnitude = np.minimum(np.where(value < 0, -value - 1, value), 4095)
    exponent = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 4, 0)
    mantissa = magnitude >> np.maximum(exponent, 1) & 0x0F
    code = np.where(value < 0, 0, 0x80) | exponent << 4 | mantissa
    return bytes((code ^ 0x55).astype(np.uint8))


def wav(data: bytes, rate: int, channels: int, *, tag: int = 1, bits: int = 16, size: int | None = None) -> bytes:
    """A WAV file around sample bytes; `size` overrides the declared data size."""
    align = channels * bits // 8
    fmt = struct.pack("<HHIIHH", tag, channels, rate, rate * align, align, bits)
    declared = len(data) if size is None else size
    riff = 0xFFFFFFFF if size is not None else 36 + len(data)
    header = struct.pack("<4sI4s4sI", b"RIFF", riff, b"WAVE", b"fmt ", len(fmt)) + fmt
    return header + struct.pack("<4sI", b"data", declared & 0xFFFFFFFF) + data


def mux(
    samples: Samples,
    rate: int,
    container: str,
    codec: str,
    *,
    options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
    bit_rate: int | None = None,
) -> bytes:
    """Encode (channels, n) floats with libav's `codec` into `container`; more than eight channels have no layout."""
    layout = _LAYOUTS.get(len(samples), f"{len(samples)} channels")
    # Through a file: the index is put in front of the audio by reading what was written.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "audio"
        with av.open(str(path), "w", format=container, options=options or {}) as target:
            stream = cast(AudioStream, target.add_stream(codec, rate=rate, layout=layout))
            stream.codec_context.options = {"strict": "experimental", **(codec_options or {})}
            if bit_rate is not None:
                stream.bit_rate = bit_rate
            interleaved = np.ascontiguousarray(samples.T.reshape(1, -1), np.float32)
            frame = av.AudioFrame.from_ndarray(interleaved, format="flt", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                if packet.size:
                    target.mux(packet)
        return path.read_bytes()


def opus_packets(samples: Samples, rate: int) -> list[bytes]:
    """Bare Opus packets of 20 ms."""
    with av.open(io.BytesIO(mux(samples, rate, "webm", "libopus", bit_rate=32_000)), "r") as source:
        return [bytes(packet) for packet in source.demux(source.streams.audio[0]) if packet.size]


_SELF = AudioFormat(None, None)
_FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "200000"}


@dataclass(frozen=True, slots=True)
class Kind:
    """How to encode one kind, and how a client declares it (`encoding` None: not at all)."""

    encode: Callable[[Samples, int], bytes | list[bytes]]
    encoding: Encoding | None = None


KINDS: dict[str, Kind] = {
    "linear16": Kind(lambda x, _: as_int16(x).tobytes(), Encoding.LINEAR16),
    "linear32": Kind(lambda x, _: x.T.astype("<f4").tobytes(), Encoding.LINEAR32),
    "mulaw": Kind(lambda x, _: mulaw(x), Encoding.MULAW),
    "alaw": Kind(lambda x, _: alaw(x), Encoding.ALAW),
    "flac": Kind(lambda x, rate: mux(x, rate, "flac", "flac"), Encoding.FLAC),
    "opus": Kind(opus_packets, Encoding.OPUS),
    "ogg-opus": Kind(lambda x, rate: mux(x, rate, "ogg", "libopus", bit_rate=32_000), Encoding.OGG_OPUS),
    "wav": Kind(lambda x, rate: wav(as_int16(x).tobytes(), rate, len(x))),
    "wav-float": Kind(lambda x, rate: wav(x.T.astype("<f4").tobytes(), rate, len(x), tag=3, bits=32)),
    "wav-mulaw": Kind(lambda x, rate: wav(mulaw(x), rate, len(x), tag=7, bits=8)),
    "flac-file": Kind(lambda x, rate: mux(x, rate, "flac", "flac")),
    "mp3": Kind(lambda x, rate: mux(x, rate, "mp3", "libmp3lame", bit_rate=64_000)),
    "aac": Kind(lambda x, rate: mux(x, rate, "adts", "aac")),
    "ogg-opus-file": Kind(lambda x, rate: mux(x, rate, "ogg", "libopus", bit_rate=32_000)),
    # libav's own Vorbis encoder makes stereo only.
    "ogg-vorbis": Kind(lambda x, rate: mux(np.repeat(x[:1], 2, axis=0), rate, "ogg", "vorbis")),
    "ogg-flac": Kind(lambda x, rate: mux(x, rate, "ogg", "flac")),
    "webm": Kind(lambda x, rate: mux(x, rate, "webm", "libopus", bit_rate=32_000, options={"live": "1"})),
    "mp4": Kind(lambda x, rate: mux(x, rate, "mp4", "aac", options=_FRAGMENTED)),
    "mp4-faststart": Kind(lambda x, rate: mux(x, rate, "mp4", "aac", options={"movflags": "faststart"})),
    "mp4-index-last": Kind(lambda x, rate: mux(x, rate, "mp4", "aac")),
}
"""Every kind that `encode` knows; those without an encoding are self-describing containers."""


def encode(samples: Samples, rate: int, kind: str) -> Encoded:
    """Encode (channels, n) floats at `rate` as `kind`. Returns the bytes and the format a client would declare.

    A list where each item must be one message of its own (bare Opus), otherwise one byte string that
    may be cut anywhere. Opus needs a rate of 8, 12, 16, 24 or 48 kHz.
    """
    chosen = KINDS[kind]
    data = chosen.encode(np.ascontiguousarray(samples, np.float32), rate)
    return data, _SELF if chosen.encoding is None else AudioFormat(chosen.encoding, rate, len(samples))


def encode_whole(samples: Samples, rate: int, kind: str) -> bytes:
    """Encode (channels, n) floats as `encode` does, of a kind whose bytes may be cut anywhere."""
    data, _ = encode(samples, rate, kind)
    assert isinstance(data, bytes)
    return data
