"""Claims of an MP4 file: files made box by box, that libav would make gigabytes of tables for."""

from __future__ import annotations

import struct

import pytest

from caesura.audio.format import AudioFormat
from caesura.audio.mp4_index import MAX_ENTRIES, prune_moof, prune_moov
from caesura.audio.stream import AudioStream
from caesura.errors import BadAudio
from tests.mp4 import AUDIO_AT, FTYP, aac_packet, aac_tables, box, index, index_last, sample_entry, sizes, table, track
from tests.signals import feed_all

SELF = AudioFormat(None, None)
PACKET = aac_packet()
TABLES = aac_tables(10, len(PACKET), [AUDIO_AT])
ROOM = 10_000


def seconds(data: bytes) -> float:
    """How much audio a stream makes of it."""
    stream = AudioStream(SELF, split=False)
    feed_all(stream, [data])
    stream.finish()
    return stream.seconds


def pruned(moov: bytes, room: int = ROOM) -> tuple[bytes, int]:
    data = bytearray(moov)
    entries = prune_moov(data, len(data), room)
    assert len(data) == len(moov)
    return bytes(data), entries


def fragment(*runs: bytes) -> bytes:
    return box(b"moof", box(b"mfhd", bytes(8)), box(b"traf", box(b"tfhd", struct.pack(">II", 0x20000, 1)), *runs))


def run(count: int, flags: int = 0, *numbers: int) -> bytes:
    return box(b"trun", struct.pack(f">II{len(numbers)}I", flags, count, *numbers))


def test_a_file_made_box_by_box_is_decoded() -> None:
    assert seconds(index_last(PACKET * 10, track(*TABLES))) == 0.64


def test_only_the_first_audio_track_reaches_libav() -> None:
    """A hundred tracks of the largest tables a file of 44 KB can claim took 12 GB."""
    lying = track(*aac_tables(4_000_000, len(PACKET), [AUDIO_AT]), number=2)
    data, entries = pruned(index(track(b"", handler=b"vide"), track(*TABLES), *[lying] * 100))
    assert entries == 10
    assert data.count(b"trak") == 1
    assert data.count(b"stsz") == 1 + 100
    assert seconds(index_last(PACKET * 10, track(*TABLES), *[lying] * 100)) == 0.64


@pytest.mark.parametrize(
    "tables",
    [
        aac_tables(ROOM + 1, 28, [AUDIO_AT]),
        # Uncompressed audio: no table of samples, but chunks that claim to be long, and there may be many of them.
        [
            sample_entry(),
            table(b"stts", 1, 1 << 30, 1),
            table(b"stsc", 1, 1, 1 << 31, 1),
            table(b"stco", 4, 0, 0, 0, 0),
        ],
        # libav repairs a negative duration to 1, and then counts as above.
        [
            sample_entry(),
            table(b"stts", 1, 9, 1 << 31),
            table(b"stsc", 1, 1, 1 << 31, 1),
            table(b"stco", 4, 0, 0, 0, 0),
        ],
    ],
)
def test_tables_that_make_more_entries_than_the_file_has_room_for_are_refused(tables: list[bytes]) -> None:
    with pytest.raises(BadAudio, match=rf"samples: must be {ROOM} at most in so short a file"):
        pruned(index(track(*tables)))


def test_each_edit_counts_the_whole_track() -> None:
    """libav builds the index anew for each of them."""
    edits = box(b"edts", table(b"elst", 3, *[100, 0, 1 << 16] * 3))
    assert pruned(index(track(*TABLES, edits=edits)))[1] == 30
    many = box(b"edts", table(b"elst", 65, *[100, 0, 1 << 16] * 65))
    with pytest.raises(BadAudio, match="edit list of more than 64 edits"):
        pruned(index(track(*TABLES, edits=many)))


@pytest.mark.parametrize(
    ("kind", "lie"),
    [
        ("stts", table(b"stts", 1_000, 10, 1024)),
        ("stsc", table(b"stsc", 1_000, 1, 10, 1)),
        ("stsz", sizes(1_000, 0, 28)),
        ("stz2", box(b"stz2", struct.pack(">III", 0, 8, 1_000))),
        ("stco", table(b"stco", 1_000, AUDIO_AT)),
        ("co64", table(b"co64", 1_000, 0, AUDIO_AT)),
    ],
)
def test_a_table_must_contain_the_entries_it_claims(kind: str, lie: bytes) -> None:
    like = {"stz2": b"stsz", "co64": b"stco"}.get(kind, kind.encode())
    tables = [lie if each[4:8] == like else each for each in TABLES]
    with pytest.raises(BadAudio, match=f"MP4 {kind} of 1000 samples in .* must hold what it claims"):
        pruned(index(track(*tables)))


def test_unneeded_boxes_are_hidden_without_moving_others() -> None:
    compressed = box(b"cmov", box(b"dcom", b"zlib"), box(b"cmvd", struct.pack(">I", 1 << 30), bytes(20)))
    data, entries = pruned(index(compressed, box(b"udta", track(*TABLES)), track(*TABLES, *TABLES), track(*TABLES)))
    assert entries == 10
    assert data.count(b"skip") == 2 + len(TABLES) + 1
    assert b"cmov" not in data
    assert b"udta" not in data


def test_tables_outside_the_index_are_never_read() -> None:
    """libav takes a track wherever it stands."""
    lying = track(*aac_tables(4_000_000, len(PACKET), [AUDIO_AT]))
    audio = FTYP + box(b"mdat", PACKET * 10)
    for strays in (lying * 50, box(b"udta", lying) * 50, box(b"free", lying) * 50):
        assert seconds(audio + strays + index(track(*TABLES)) + strays) == 0.64


@pytest.mark.parametrize("foreign", [b"trak", b"stsz", b"moof", b"cmov"])
def test_tables_inside_the_description_of_a_codec_are_refused(foreign: bytes) -> None:
    entry = sample_entry(box(foreign, bytes(100)))
    with pytest.raises(BadAudio, match=f"MP4 stsd holds {foreign.decode()}"):
        pruned(index(track(*aac_tables(10, 28, [AUDIO_AT], entry))))


@pytest.mark.parametrize("header", [struct.pack(">I4sQ", 1, b"trak", 8), struct.pack(">I4s", 5, b"trak")])
def test_a_box_smaller_than_its_header_hides_nothing(header: bytes) -> None:
    """libav takes a long size of 8 for the rest of the parent."""
    data, entries = pruned(index(track(*TABLES), header, track(*TABLES)))
    assert entries == 10
    assert data.count(b"skip") == 1


def test_a_file_without_an_audio_track_is_refused() -> None:
    with pytest.raises(BadAudio, match="holds no audio"):
        pruned(index(track(*TABLES, handler=b"vide"), track(handler=b"text")))
    with pytest.raises(BadAudio, match="holds no audio"):
        pruned(index(box(b"trak")))


def test_a_description_and_a_number_of_boxes_have_limits() -> None:
    with pytest.raises(BadAudio, match=r"stsd of \d+ bytes"):
        pruned(index(track(*aac_tables(10, 28, [AUDIO_AT], sample_entry(bytes(70_000))))))
    with pytest.raises(BadAudio, match="more than 10000 boxes"):
        pruned(index(track(*TABLES), box(b"free") * 10_001))


def test_other_tracks_of_a_fragmented_file_keep_their_number_and_nothing_else() -> None:
    """Where a fragment's audio lies may depend on the track before it."""
    trex = box(b"trex", bytes(24))
    data, _ = pruned(index(track(*TABLES, handler=b"vide"), track(*TABLES, number=2), box(b"mvex", trex, trex)))
    assert data.count(b"trak") == 2
    assert data.count(b"minf") == 1
    assert data.count(b"trex") == 2
    with pytest.raises(BadAudio, match="MP4 stream of 65 tracks: must be 64 at most"):
        pruned(index(*[track(*TABLES)] * 65, box(b"mvex", trex)))


def test_the_samples_of_all_runs_of_a_fragment_count() -> None:
    data = bytearray(fragment(run(4_000), run(6_000), box(b"senc", bytes(8))))
    assert prune_moof(data, len(data), ROOM) == ROOM
    assert b"senc" not in data
    with pytest.raises(BadAudio, match="MP4 trun of 10000 samples: must be 9999 at most"):
        prune_moof(data, len(data), ROOM - 1)


def test_a_run_must_hold_the_numbers_it_claims() -> None:
    honest, lying = fragment(run(2, 0x200, 28, 28)), fragment(run(3, 0x200, 28, 28))
    assert prune_moof(bytearray(honest), len(honest), ROOM) == 2
    with pytest.raises(BadAudio, match="MP4 trun of 3 samples"):
        prune_moof(bytearray(lying), len(lying), ROOM)


def test_fragments_share_the_room_of_their_stream() -> None:
    """Each of them is small; libav keeps the index of all."""
    trex = box(b"trex", struct.pack(">IIIIII", 0, 1, 1, 1024, 28, 0))
    empty = [sample_entry(), table(b"stts", 0), table(b"stsc", 0), sizes(0, 0), table(b"stco", 0)]
    stream = AudioStream(SELF, split=False)
    head = FTYP + index(track(*empty), box(b"mvex", trex))
    part = fragment(run(60_000)) + box(b"mdat", bytes(28))
    with pytest.raises(BadAudio, match="MP4 trun of 60000 samples"):
        feed_all(stream, [head, *[part] * (MAX_ENTRIES // 60_000 + 2)])
