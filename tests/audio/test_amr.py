"""AMR frames, narrow and wide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.audio.amr import NARROW, WIDE, AmrDecoder, Band
from caesura.audio.collector import Collector
from caesura.audio.format import AudioFormat, Encoding
from caesura.audio.stream import AudioStream
from caesura.errors import BadAudio
from tests.coded_recordings import coded, level_correlation
from tests.example_count import examples
from tests.signals import Samples, cut, decoded, run

NB, WB = AudioFormat(Encoding.AMR_NB, 8_000), AudioFormat(Encoding.AMR_WB, 16_000)
FILES = {"narrow": (coded("lv-0880.amr"), NARROW, NB, 0.0), "wide": (coded("lv-0880.awb"), WIDE, WB, 0.5)}
NO_DATA = b"\x7c"


def frames(kind: str) -> list[bytes]:
    """The frames of a file, without its first line."""
    data, band, _, _ = FILES[kind]
    found, at = [], len(band.magic)
    while at < len(data):
        size = 1 + (band.sizes[data[at] >> 3] or 0)
        found.append(data[at : at + size])
        at += size
    return found


def heard(messages: list[bytes], band: Band) -> tuple[Samples, float]:
    """The samples that an AmrDecoder decodes from these messages, and their length in seconds."""
    collector = Collector(split=False)
    decoder = AmrDecoder(collector, band)
    for message in messages:
        run(decoder.feed(message))
    run(decoder.finish())
    collector.finish()
    return collector.take(), collector.seconds


@pytest.mark.parametrize("kind", FILES)
def test_a_file_sounds_like_its_original(kind: str) -> None:
    data, _, declared, after_s = FILES[kind]
    assert level_correlation(decoded(cut(data, 100), declared)[0], after_s=after_s) > 0.95


@pytest.mark.parametrize("kind", FILES)
def test_each_frame_is_20_ms(kind: str) -> None:
    data, band, _, _ = FILES[kind]
    assert heard([data], band)[1] == len(frames(kind)) * 0.02


@pytest.mark.parametrize("kind", FILES)
def test_bare_frames_are_the_same_as_a_file(kind: str) -> None:
    data, band, declared, _ = FILES[kind]
    np.testing.assert_array_equal(decoded([data[len(band.magic) :]], declared), decoded([data], declared))


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("declared", [AudioFormat(None, None), NB, WB])
def test_a_file_declares_which_band_it_is(kind: str, declared: AudioFormat) -> None:
    data, _, own, _ = FILES[kind]
    np.testing.assert_array_equal(decoded([data], declared), decoded([data], own))


@examples(15)
@given(data=st.data())
@pytest.mark.parametrize("kind", FILES)
def test_any_cutting_gives_the_same_samples(kind: str, data: st.DataObject) -> None:
    file, _, declared, _ = FILES[kind]
    places = sorted(data.draw(st.lists(st.integers(0, len(file)), max_size=12)))
    messages = [file[a:b] for a, b in zip([0, *places], [*places, len(file)], strict=True)]
    np.testing.assert_array_equal(decoded(messages, declared), decoded([file], declared))


@pytest.mark.parametrize("kind", FILES)
def test_single_bytes_give_the_same_samples(kind: str) -> None:
    data, _, declared, _ = FILES[kind]
    np.testing.assert_array_equal(decoded(cut(data, 1), declared), decoded([data], declared))


@pytest.mark.parametrize("kind", FILES)
def test_frames_come_out_as_they_come_in(kind: str) -> None:
    _, band, _, _ = FILES[kind]
    collector = Collector(split=False)
    decoder = AmrDecoder(collector, band)
    told = []
    for frame in frames(kind)[:8]:
        run(decoder.feed(frame))
        told.append(round(collector.seconds / 0.02))
    assert told == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("lost", [NO_DATA, b"\x78"], ids=["no data", "no data of bad quality"])
def test_lost_frames_take_their_time(kind: str, lost: bytes) -> None:
    sent = frames(kind)
    sent[60:63] = [lost] * 3
    data, band, _, after_s = FILES[kind]
    samples, seconds = heard([b"".join(sent)], band)
    assert seconds == heard([data], band)[1]
    assert level_correlation(samples[0], after_s=after_s) > 0.88


@pytest.mark.parametrize("kind", FILES)
def test_without_opencore_pauses_and_losses_are_silence(kind: str) -> None:
    """libav's own decoders refuse some of these frames; they take their time all the same."""
    _, band, _, after_s = FILES[kind]
    poor = replace(band, decoders=band.decoders[1:])
    sent = [*frames(kind)[:80], NO_DATA, NO_DATA, *frames(kind)[82:]]
    collector = Collector(split=False)
    decoder = AmrDecoder(collector, poor)
    run(decoder.feed(b"".join(sent)))
    run(decoder.finish())
    assert collector.seconds == len(sent) * 0.02
    collector.finish()
    assert level_correlation(collector.take()[0], after_s=after_s) > 0.9


def test_a_second_file_follows_on_in_its_own_band() -> None:
    narrow, wide = FILES["narrow"][0], FILES["wide"][0]
    assert heard([narrow, wide, narrow], NARROW)[1] == pytest.approx(3.0 + 4.0 + 3.0)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_frame_cut_off_at_the_end_is_dropped(count: int) -> None:
    assert heard([b"".join(frames("narrow")[:count])], NARROW)[1] == pytest.approx(count * 0.02)
    assert heard([b"".join(frames("narrow")[:count]), b"\x2c\x01"], NARROW)[1] == pytest.approx(count * 0.02)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("first", [0xFF, 0x3F, 0x54, 0x64], ids=hex)
def test_a_byte_that_begins_no_frame_is_refused_with_its_position(kind: str, first: int) -> None:
    data, band, declared, _ = FILES[kind]
    at = len(band.magic) + sum(map(len, frames(kind)[:70]))
    stream = AudioStream(declared, split=False)
    audio = list(stream.blocks(data[:at]))
    with pytest.raises(BadAudio, match=rf"byte {at} of the AMR stream is {first:#04x}, which does not begin a frame"):
        stream.feed(bytes([first]))
    assert sum(block.shape[1] for block in audio) > 0.9 * 70 * 320


@pytest.mark.parametrize(
    "data",
    [b'{"type":"KeepAlive"}', b"RIFF\xff\xff\xff\xff", b"\xff\xff", b"\xf0\xff", b"hello"],
    ids=["json", "riff", "ones", "noise", "text"],
)
def test_bytes_that_never_were_a_frame_are_refused_at_once(data: bytes) -> None:
    for declared in (NB, WB):
        with pytest.raises(BadAudio, match="must be frames of the storage format"):
            AudioStream(declared, split=False).feed(data)


def test_the_beginning_of_a_first_line_alone_is_refused_at_the_end() -> None:
    stream = AudioStream(NB, split=False)
    assert stream.feed(b"#!A").size == 0
    with pytest.raises(BadAudio, match="byte 0 of the AMR stream is 0x23"):
        stream.finish()


def test_a_file_without_frames_is_empty() -> None:
    assert heard([NARROW.magic], NARROW)[1] == 0.0


def test_a_file_of_several_channels_is_refused() -> None:
    with pytest.raises(BadAudio, match=r"several channels \(#!AMR_MC1\.0\): must have one channel"):
        decoded([b"#!AMR_MC1.0\n\0\0\0\2"], NB)


@pytest.mark.parametrize("encoding", [Encoding.AMR_NB, Encoding.AMR_WB])
def test_two_channels_are_refused(encoding: Encoding) -> None:
    with pytest.raises(BadAudio, match="2 audio channels: must be 1"):
        AudioStream(AudioFormat(encoding, None, 2), split=True)
