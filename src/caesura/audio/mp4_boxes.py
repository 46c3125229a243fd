"""Reads the headers of MP4 boxes (ISO/IEC 14496-12, section 4.2): kind, length of the header and size of the box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from caesura.errors import BadAudio

SHORT_HEADER: Final = 8
LONG_HEADER: Final = 16
"""Length of a header with a 64-bit size after the kind."""
_LONG, _TO_THE_END = 1, 0


@dataclass(frozen=True, slots=True)
class BoxHeader:
    """One box: `header` bytes of header and `size` bytes in all; None if it extends to the end of its parent."""

    kind: bytes
    header: int
    size: int | None


def read_box(data: bytes | bytearray, at: int = 0, end: int | None = None) -> BoxHeader | None:
    """The header of the box at `at`; None when it is not complete before `end`.

    Raises BadAudio when the box claims to be smaller than its header.
    """
    there = (len(data) if end is None else end) - at
    if there < SHORT_HEADER:
        return None
    size, header = int.from_bytes(data[at : at + 4]), SHORT_HEADER
    if size == _LONG:
        if there < LONG_HEADER:
            return None
        size, header = int.from_bytes(data[at + 8 : at + 16]), LONG_HEADER
    if size != _TO_THE_END and size < header:
        raise BadAudio(f"MP4 box of {size} bytes: must be {header} at least")
    return BoxHeader(bytes(data[at + 4 : at + 8]), header, None if size == _TO_THE_END else size)
