"""Checks and prunes an MP4 file's index before libav allocates tables for it: a small file must not claim large ones.

libav builds an index of all samples that a file claims to have before it reads the first one, for every track, and it
accepts most boxes at any level. So only the boxes that decoding one audio track needs are left to it, with claims that
are checked; all others are renamed to `skip` in place, which keeps every offset in the file valid.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from caesura.audio.mp4_boxes import SHORT_HEADER, BoxHeader, read_box
from caesura.errors import BadAudio

MAX_ENTRIES: Final = 512 * 1024
"""Number of samples that a file may claim beyond one per byte: about 20 MiB of libav's index."""
MAX_TRACKS: Final = 64
_MAX_BOXES: Final = 10_000
_MAX_STSD: Final = 64 * 1024
_MAX_EDITS: Final = 64
_SKIPPED: Final = b"skip"
# libav reads a `free` box as an index if it begins with one of these; it never looks into `skip`.
TOP_LEVEL: Final = frozenset({b"ftyp", b"styp", b"moov", b"moof", b"mdat"})
"""The boxes of a file that libav may see at all."""

_CHILDREN: Final = {
    b"moov": (b"mvhd", b"trak", b"mvex"),
    b"trak": (b"tkhd", b"edts", b"mdia"),
    b"edts": (b"elst",),
    b"mdia": (b"mdhd", b"hdlr", b"minf"),
    b"minf": (b"smhd", b"stbl"),
    b"stbl": (b"stsd", b"stts", b"stsc", b"stsz", b"stz2", b"stco", b"co64"),
    b"mvex": (b"trex",),
    b"moof": (b"mfhd", b"traf"),
    b"traf": (b"tfhd", b"tfdt", b"trun"),
}
_REPEATED: Final = frozenset({b"trak", b"trex", b"traf", b"trun"})
_AUDIO: Final = frozenset({b"soun", b"m1a "})
# Bytes per entry of tables that begin with their count.
_WIDTHS: Final = {b"stts": 8, b"stsc": 12, b"stco": 4, b"co64": 8, b"elst": 12}
# Boxes that a codec's description must not contain: libav would accept them as if they were in their proper place.
_FOREIGN: Final = (
    *(b"moov", b"cmov", b"trak", b"mdia", b"minf", b"stbl", b"mvex", b"trex", b"moof", b"traf", b"trun", b"edts"),
    *(b"stsd", b"stsz", b"stz2", b"stco", b"co64", b"stsc", b"stts", b"ctts", b"elst", b"meta", b"iloc", b"iinf"),
    *(b"saiz", b"saio", b"senc", b"sbgp", b"sgpd", b"sidx", b"stss", b"stps"),
)


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    at: int
    body: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.body


class _Pruner:
    """One top-level box in memory, pruned in place."""

    def __init__(self, data: bytearray) -> None:
        self.data = data
        self._boxes = 0

    def number(self, at: int, size: int = 4) -> int:
        return int.from_bytes(self.data[at : at + size])

    def skip(self, box: _Box) -> None:
        self._hide(box.at)

    def root(self, size: int) -> _Box:
        return next(self._split(0, size))

    def children(self, parent: _Box) -> list[_Box]:
        """The children that are needed; all others are renamed."""
        kept: list[_Box] = []
        seen: set[bytes] = set()
        for box in self._split(parent.body, parent.end):
            if box.kind not in _CHILDREN[parent.kind] or (box.kind in seen and box.kind not in _REPEATED):
                self.skip(box)
                continue
            seen.add(box.kind)
            kept.append(box)
        return kept

    def _split(self, at: int, end: int) -> Iterator[_Box]:
        while end - at >= SHORT_HEADER:
            self._boxes += 1
            if self._boxes > _MAX_BOXES:
                raise BadAudio(f"MP4 index of more than {_MAX_BOXES} boxes: must be fewer")
            box = self._read(at, end)
            if box is None:
                # libav reads nothing after such a box, or takes it for the rest of its parent.
                self._hide(at)
                return
            size = box.size or end - at
            yield _Box(box.kind, at, at + box.header, min(at + size, end))
            at += size

    def _read(self, at: int, end: int) -> BoxHeader | None:
        """None for a box that is smaller than its header, or cut off in it."""
        try:
            return read_box(self.data, at, end)
        except BadAudio:
            return None

    def _hide(self, at: int) -> None:
        self.data[at + 4 : at + 8] = _SKIPPED


def prune_moov(data: bytearray, size: int, room: int) -> int:
    """Reduce the `moov` box at the front of `data` to the tables of the first audio track.

    Args:
        data: the bytes, changed in place; nothing after the box is changed.
        size: bytes of the box, its header included.
        room: number of index entries that the box may claim.

    Returns:
        Number of entries that libav's index will have.

    Raises:
        BadAudio: no audio track, or a table that claims more than it holds or more than `room` entries.
    """
    pruner = _Pruner(data)
    children = pruner.children(pruner.root(size))
    fragmented = [box for box in children if box.kind == b"mvex"]
    for box in fragmented:
        pruner.children(box)
    tracks = [box for box in children if box.kind == b"trak"]
    if fragmented and len(tracks) > MAX_TRACKS:
        raise BadAudio(f"MP4 stream of {len(tracks)} tracks: must be {MAX_TRACKS} at most")
    entries: int | None = None
    for track in tracks:
        if entries is None and _is_audio(pruner, track):
            entries = _track_entries(pruner, track, room)
        elif fragmented:
            # Fragments refer to it, and the position of their audio may depend on it.
            _hide_tables(pruner, track)
        else:
            pruner.skip(track)
    if entries is None:
        raise BadAudio("the MP4 stream holds no audio")
    return entries


def prune_moof(data: bytearray, size: int, room: int) -> int:
    """Reduce the `moof` box at the front of `data` to what is needed.

    Arguments, result and errors are those of `prune_moov`.
    """
    pruner = _Pruner(data)
    entries = 0
    for traf in pruner.children(pruner.root(size)):
        if traf.kind != b"traf":
            continue
        for box in pruner.children(traf):
            if box.kind == b"trun":
                entries += _run_entries(pruner, box)
                _check_room("trun", entries, room)
    return entries


def _is_audio(pruner: _Pruner, track: _Box) -> bool:
    media = next((box for box in pruner.children(track) if box.kind == b"mdia"), None)
    if media is None:
        return False
    handler = next((box for box in pruner.children(media) if box.kind == b"hdlr"), None)
    return handler is not None and bytes(pruner.data[handler.body + 8 : handler.body + 12]) in _AUDIO


def _hide_tables(pruner: _Pruner, track: _Box) -> None:
    for box in pruner.children(track):
        if box.kind == b"edts":
            pruner.skip(box)
        elif box.kind == b"mdia":
            for inner in pruner.children(box):
                if inner.kind == b"minf":
                    pruner.skip(inner)


def _track_entries(pruner: _Pruner, track: _Box, room: int) -> int:
    tables = _tables(pruner, track)
    edits = min(_counted(pruner, tables.get(b"elst")), _MAX_EDITS + 1)
    if edits > _MAX_EDITS:
        raise BadAudio(f"MP4 edit list of more than {_MAX_EDITS} edits: must be fewer")
    sample_sizes = tables.get(b"stsz") or tables.get(b"stz2")
    samples = 0 if sample_sizes is None else _sample_count(pruner, sample_sizes)
    chunks = max(_counted(pruner, tables.get(b"stco")), _counted(pruner, tables.get(b"co64")))
    by_chunk = chunks * _entries_of_chunk(pruner, tables.get(b"stsc"))
    # Uncompressed audio has one entry for some hundred samples, any other codec one for each.
    entries = by_chunk if _uncompressed(pruner, tables.get(b"stts")) else max(samples, by_chunk)
    # For an edit list libav builds the index again, with all samples of each edit.
    return _check_room("stsz" if entries == samples else "stsc", entries * max(1, edits), room)


def _tables(pruner: _Pruner, track: _Box) -> dict[bytes, _Box]:
    tables: dict[bytes, _Box] = {}
    pending = [track]
    while pending:
        for box in pruner.children(pending.pop()):
            if box.kind in _CHILDREN:
                pending.append(box)
            else:
                tables[box.kind] = box
    described = tables.get(b"stsd")
    if described is not None:
        _check_description(bytes(pruner.data[described.body : described.end]))
    return tables


def _check_description(body: bytes) -> None:
    if len(body) > _MAX_STSD:
        raise BadAudio(f"MP4 stsd of {len(body)} bytes: must be {_MAX_STSD} at most")
    for kind in _FOREIGN:
        if kind in body:
            raise BadAudio(f"MP4 stsd holds {kind.decode()}: must hold nothing but descriptions of codecs")


def _counted(pruner: _Pruner, box: _Box | None) -> int:
    """Number of entries of a table, all of which must be present."""
    if box is None:
        return 0
    count = pruner.number(box.body + 4)
    if count * _WIDTHS[box.kind] > max(0, box.size - 8):
        raise _overclaimed(box.kind, count, box.size)
    return count


def _sample_count(pruner: _Pruner, box: _Box) -> int:
    fixed, count = pruner.number(box.body + 4), pruner.number(box.body + 8)
    bits = 32 if box.kind == b"stsz" else fixed & 0xFF
    if (box.kind == b"stz2" or not fixed) and count * bits > 8 * max(0, box.size - 12):
        raise _overclaimed(box.kind, count, box.size)
    return count


def _entries_of_chunk(pruner: _Pruner, box: _Box | None) -> int:
    """Most entries that libav makes of one chunk of uncompressed audio: one per 160 samples, as for GSM."""
    if box is None:
        return 1
    runs = _counted(pruner, box)
    most = max((pruner.number(box.body + 8 + 12 * n + 4) for n in range(runs)), default=0)
    return most // 160 + 1


def _uncompressed(pruner: _Pruner, box: _Box | None) -> bool:
    return box is not None and _counted(pruner, box) == 1 and pruner.number(box.body + 12) == 1


def _run_entries(pruner: _Pruner, box: _Box) -> int:
    flags, count = pruner.number(box.body) & 0xFFFFFF, pruner.number(box.body + 4)
    # Four flag bits each add a field to every sample; two more each add one in front of the samples.
    head = 8 + 4 * (flags & 0x5).bit_count()
    if count * 4 * (flags & 0xF00).bit_count() > max(0, box.size - head):
        raise _overclaimed(box.kind, count, box.size)
    return count


def _overclaimed(kind: bytes, count: int, size: int) -> BadAudio:
    return BadAudio(f"MP4 {kind.decode()} of {count} samples in {size} bytes: must hold what it claims")


def _check_room(kind: str, entries: int, room: int) -> int:
    if entries > room:
        raise BadAudio(f"MP4 {kind} of {entries} samples: must be {max(0, room)} at most in so short a file")
    return entries
