"""FLAC streams of silence written bit by bit: more seconds in fewer bytes than any encoder makes."""

from __future__ import annotations

import struct

BLOCK = 65_535
"""Samples of each frame."""


def _crc(data: bytes, polynomial: int, bits: int) -> int:
    crc = 0
    for byte in data:
        crc ^= byte << bits - 8
        for _ in range(8):
            crc = (crc << 1 ^ (polynomial if crc >> bits - 1 else 0)) & (1 << bits) - 1
    return crc


def _number(value: int) -> bytes:
    return chr(value).encode() if value < 0xD800 else chr(value + 0x800).encode()


def _frame(number: int, channels: int) -> bytes:
    head = b"\xff\xf8\x70" + bytes([channels - 1 << 4]) + _number(number) + struct.pack(">H", BLOCK - 1)
    head += bytes([_crc(head, 0x07, 8)])
    # In each channel a constant, which is 0.
    frame = head + bytes(3 * channels)
    return frame + struct.pack(">H", _crc(frame, 0x8005, 16))


def silence(frames: int, rate: int, channels: int = 1) -> bytes:
    """A stream of `frames` frames of 65,535 samples of silence: 14 bytes each, and three for each further channel."""
    packed = rate << 44 | channels - 1 << 41 | 15 << 36
    info = struct.pack(">HH", BLOCK, BLOCK) + bytes(6) + packed.to_bytes(8) + bytes(16)
    return b"fLaC\x80\0\0\x22" + info + b"".join(_frame(number, channels) for number in range(frames))
