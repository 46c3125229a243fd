"""Declared audio formats, and the checks of sample rate and channels that all decoders share."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caesura.errors import BadAudio

Samples = NDArray[np.float32]
"""Float32 in -1..1, shape (channels, n)."""

OUTPUT_RATE = 16_000
"""Sample rate in Hz of all samples that this package returns."""

MIN_RATE, MAX_RATE = 4_000, 192_000
MAX_CHANNELS = 20


class Encoding(enum.StrEnum):
    """Encodings of raw audio; the values are those of the wire parameter `encoding`."""

    LINEAR16 = "linear16"
    """16-bit signed integers, little endian."""
    LINEAR32 = "linear32"
    """32-bit floats, little endian, full scale at -1..1."""
    MULAW = "mulaw"
    """G.711 mu-law, one byte a sample."""
    ALAW = "alaw"
    """G.711 A-law, one byte a sample."""
    FLAC = "flac"
    """A native FLAC stream, in pieces of any size."""
    OPUS = "opus"
    """Bare Opus packets, exactly one in each message; mono or stereo."""
    OGG_OPUS = "ogg-opus"
    """Opus in an Ogg stream, in pieces of any size."""
    AMR_NB = "amr-nb"
    """AMR at 8 kHz, mono: frames of the storage format, in pieces of any size, with or without a file's first line."""
    AMR_WB = "amr-wb"
    """AMR-WB at 16 kHz, mono: frames of the storage format, in pieces of any size, with or without the first line."""
    SPEEX = "speex"
    """Bare Speex packets, exactly one in each message, or an Ogg stream in pieces of any size; mono or stereo."""
    G729 = "g729"
    """G.729 at 8 kHz, mono: frames of 10 bytes in pieces of any size; a SID frame only at the end of a message."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """The audio format that was declared for a stream before its first byte.

    `encoding` None means a container, which describes its contents itself; `sample_rate` (Hz) and `channels` are then
    ignored, and so they are for FLAC and Ogg, whose headers have them. Opus always decodes at 48 kHz, whatever
    `sample_rate` says: an Opus packet has no other clock. AMR and G.729 have one channel and a fixed rate; bare Speex
    packets carry neither rate nor channel count.
    """

    encoding: Encoding | None
    sample_rate: int | None
    channels: int = 1


def check_rate(rate: int | None) -> int:
    """Return the sample rate if it is supported. Raises BadAudio otherwise."""
    if rate is None or not MIN_RATE <= rate <= MAX_RATE:
        raise BadAudio(f"sample rate {rate} Hz: must be {MIN_RATE} to {MAX_RATE}")
    return rate


def check_channels(channels: int, most: int = MAX_CHANNELS) -> int:
    """Return the channel count if it is supported. Raises BadAudio otherwise."""
    if not 1 <= channels <= most:
        raise BadAudio(f"{channels} audio channels: must be 1 to {most}")
    return channels
