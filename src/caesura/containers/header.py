"""Finds the length of a container's header, which a decoder needs before it can decode audio from the middle."""

from __future__ import annotations

from caesura.containers import flac, wav

OGG_MAGIC = b"OggS"
EBML_MAGIC = b"\x1a\x45\xdf\xa3"
ID3_MAGIC = b"ID3"

_CLUSTER = b"\x1f\x43\xb6\x75"
_START, _NO_PACKET_ENDS = bytes(8), b"\xff" * 8
_OGG_PAGE_HEADER = 27
_NAMES = {
    **dict.fromkeys(wav.MAGICS, "a WAV file"),
    flac.MAGIC: "a FLAC file",
    OGG_MAGIC: "an Ogg file",
    EBML_MAGIC: "a WebM file",
    ID3_MAGIC: "an MP3 file",
}
MAGIC_BYTES = max(map(len, _NAMES))
"""Number of first bytes from which the container is recognised."""


def container_name(head: bytes) -> str | None:
    """Name, with its article, of the container that begins with `head`; None for an unknown one."""
    return next((name for magic, name in _NAMES.items() if head.startswith(magic)), None)


def header_bytes(head: bytes) -> int | None:
    """Number of bytes of the header at the start of `head`; None while more bytes are needed.

    It is 0 for containers without a header. Raises BadAudio when the header is broken.
    """
    if head.startswith(EBML_MAGIC):
        at = head.find(_CLUSTER)
        return at if at >= 0 else None
    if head.startswith(OGG_MAGIC):
        return _ogg_header_bytes(head)
    if head.startswith(flac.MAGIC):
        return flac.header_bytes(head)
    if head.startswith(wav.MAGICS):
        return wav.header_bytes(head)
    return 0


def _ogg_header_bytes(head: bytes) -> int | None:
    """Header pages are those at granule position 0, or in which no packet ends, before the first one with audio.

    See RFC 3533 and RFC 7845.
    """
    at = 0
    while len(head) >= at + _OGG_PAGE_HEADER:
        if head[at : at + 4] != OGG_MAGIC:
            return at
        table = at + _OGG_PAGE_HEADER
        segments = head[table - 1]
        if len(head) < table + segments:
            return None
        if at and head[at + 6 : at + 14] not in (_START, _NO_PACKET_ENDS):
            return at
        at = table + segments + sum(head[table : table + segments])
    return None
