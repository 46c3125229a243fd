"""Audio streams of all formats, through the package's one entry point."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.audio.format import AudioFormat, Encoding
from caesura.audio.stream import AudioStream
from caesura.errors import BadAudio, UsageError
from tests.coded_recordings import coded
from tests.encodings import KINDS, Encoded, encode, mux
from tests.example_count import examples
from tests.recordings import names, recording
from tests.signals import Samples, correlation, cut, decoded, sound

LINEAR16 = AudioFormat(Encoding.LINEAR16, 16_000)
CONTAINERS = [kind for kind in KINDS if kind != "opus"]


@cache
def whole(kind: str) -> Encoded:
    """A sound of 0.6 s in this encoding, made when it is first needed."""
    return encode(sound(16_000, 0.6), 16_000, kind)


@examples(12)
@given(st.data())
@pytest.mark.parametrize("kind", CONTAINERS)
def test_any_cutting_gives_the_same_samples(kind: str, data: st.DataObject) -> None:
    """However the bytes are cut, the samples are the same, one by one."""
    made, declared = whole(kind)
    assert isinstance(made, bytes)
    places = sorted(data.draw(st.lists(st.integers(0, len(made)), max_size=12)))
    messages = [made[a:b] for a, b in zip([0, *places], [*places, len(made)], strict=True)]
    np.testing.assert_array_equal(decoded(messages, declared), decoded([made], declared))


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("kind", ["linear16", "linear32", "mulaw", "alaw"])
def test_raw_audio_of_any_rate_sounds_right(kind: str, rate: int) -> None:
    data, declared = encode(sound(rate, 1), rate, kind)
    heard = decoded(cut(data, 301), declared)
    assert heard.shape == (1, 16_000)
    assert correlation(heard[0], sound(16_000, 1)[0]) > 0.995


@pytest.mark.parametrize("kind", KINDS)
def test_seconds_are_the_length_of_the_source(kind: str) -> None:
    data, declared = whole(kind)
    stream = AudioStream(declared, split=True)
    given_out = sum(stream.feed(message).shape[1] for message in cut(data, 1_000)) + stream.finish().shape[1]
    assert given_out == round(stream.seconds * 16_000)
    assert 0.6 <= stream.seconds < 0.8


def test_seconds_are_exact() -> None:
    stream = AudioStream(AudioFormat(Encoding.MULAW, 8_000), split=False)
    for _ in range(1_000):
        stream.feed(b"\xff")
    assert stream.seconds == 0.125


def test_channels_are_mixed_down_or_kept_apart() -> None:
    data, declared = encode(sound(16_000, 0.1, 3), 16_000, "linear32")
    assert isinstance(data, bytes)
    apart, mixed = AudioStream(declared, split=True), AudioStream(declared, split=False)
    assert (apart.channels, mixed.channels) == (3, 1)
    heard = apart.feed(data)
    np.testing.assert_array_equal(heard, sound(16_000, 0.1, 3))
    np.testing.assert_allclose(mixed.feed(data)[0], heard.mean(axis=0), atol=1e-6)


def own_channel(heard: Samples, said: Samples, after: int) -> list[int]:
    """For each decoded channel, the index of the most similar original one."""
    length = min(heard.shape[1] - after, said.shape[1])
    both = np.corrcoef(heard[:, after : after + length], said[:, :length])
    return [int(most_similar) for most_similar in both[: len(heard), len(heard) :].argmax(axis=1)]


# How it is made, the number of channels, and the 16 kHz samples that come before the sound.
MANY = [
    ("linear16", 20, 0),
    ("linear32", 20, 0),
    ("mulaw", 20, 0),
    ("alaw", 20, 0),
    ("wav", 8, 0),
    ("wav", 20, 0),
    ("wav-mulaw", 20, 0),
    ("flac", 8, 0),
    ("flac-file", 8, 0),
    ("ogg-flac", 8, 0),
]
LAID_OUT = [
    ("ogg", "libopus", {"mapping_family": "1"}, 0),
    ("ogg", "libopus", {"mapping_family": "255"}, 0),
    ("webm", "libopus", {"mapping_family": "1"}, 0),
    ("adts", "aac", {}, 341),
    ("matroska", "pcm_s16le", {}, 0),
    ("matroska", "flac", {}, 0),
]
MANY_S = 0.25
"""Length of a sound of many channels; its tones, 170 Hz apart, are told apart in less."""
LOUDSPEAKERS = {3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
BASS = 3
"""The channel of 5.1, 6.1 and 7.1 for which some codecs keep nothing but bass."""


@pytest.mark.parametrize(("kind", "count", "after"), MANY)
def test_many_channels_come_out_in_their_order(kind: str, count: int, after: int) -> None:
    rate, said = 48_000, sound(16_000, MANY_S, count)
    data, declared = encode(sound(rate, MANY_S, count), rate, kind)
    heard = decoded(cut(data, 3_331), declared)
    assert own_channel(heard, said, after) == list(range(count))
    np.testing.assert_allclose(
        decoded([b"".join(cut(data, 3_331))], declared, split=False)[0], heard.mean(axis=0), atol=1e-4
    )


@pytest.mark.parametrize(("container", "codec", "options", "after"), LAID_OUT)
@pytest.mark.parametrize("count", LOUDSPEAKERS)
def test_channels_of_a_layout_come_out_as_a_wav_file_numbers_them(
    container: str, codec: str, options: dict[str, str], after: int, count: int
) -> None:
    """Whatever order the codec uses, channel 1 of the input is channel 1 of the output."""
    said = sound(16_000, MANY_S, count)
    data = mux(sound(48_000, MANY_S, count), 48_000, container, codec, codec_options=options, bit_rate=64_000 * count)
    heard = decoded(cut(data, 3_331), AudioFormat(None, None))
    numbers = own_channel(heard, said, after)
    bass_only = count > 5 and (codec == "aac" or options == {"mapping_family": "1"})
    audible = [number for number in range(count) if not (bass_only and number == BASS)]
    assert [numbers[number] for number in audible] == audible
    mixed = decoded([data], AudioFormat(None, None), split=False)
    np.testing.assert_allclose(mixed[0], heard.mean(axis=0), atol=1e-4)


@pytest.mark.parametrize("count", [9, 16, 20])
@pytest.mark.parametrize(
    ("container", "codec", "options"),
    [("ogg", "libopus", {"mapping_family": "255"}), ("matroska", "pcm_s16le", {}), ("matroska", "wavpack", {})],
)
def test_coded_channels_of_no_layout_come_out_in_their_order(
    container: str, codec: str, options: dict[str, str], count: int
) -> None:
    """More than the eight planes that PyAV shows."""
    said = sound(16_000, MANY_S, count)
    data = mux(sound(48_000, MANY_S, count), 48_000, container, codec, codec_options=options, bit_rate=64_000 * count)
    heard = decoded(cut(data, 3_331), AudioFormat(None, None))
    assert own_channel(heard, said, 0) == list(range(count))
    np.testing.assert_allclose(decoded([data], AudioFormat(None, None), split=False)[0], heard.mean(axis=0), atol=1e-4)


def test_channels_of_vorbis_come_out_as_a_wav_file_numbers_them() -> None:
    """Vorbis itself has the third and the second the other way round, and the bass last."""
    heard = decoded(cut(coded("six-tones.ogg"), 777), AudioFormat(None, None))
    assert own_channel(heard, sound(16_000, 0.5, 6), 0) == list(range(6))


def test_more_than_twenty_channels_are_refused() -> None:
    data = mux(sound(48_000, 0.1, 21), 48_000, "matroska", "pcm_s16le")
    with pytest.raises(BadAudio, match="21 audio channels: must be 1 to 20"):
        decoded([data], AudioFormat(None, None))


def test_channels_of_a_container_are_unknown_until_its_header_has_come() -> None:
    data, declared = encode(sound(16_000, 0.1, 2), 16_000, "wav")
    assert isinstance(data, bytes)
    stream = AudioStream(declared, split=True)
    assert stream.feed(data[:20]).shape == (1, 0)
    assert stream.channels is None
    assert stream.feed(data[20:60]).shape == (2, 4)
    assert stream.channels == 2


@pytest.mark.parametrize("kind", KINDS)
def test_no_bytes_are_an_empty_stream(kind: str) -> None:
    stream = AudioStream(whole(kind)[1], split=False)
    assert stream.feed(b"").shape == (1, 0)
    assert stream.finish().shape == (1, 0)
    assert stream.seconds == 0.0


def test_finish_is_idempotent_and_ends_feeding() -> None:
    stream = AudioStream(AudioFormat(Encoding.LINEAR16, 8_000), split=False)
    stream.feed(bytes(1_000))
    assert stream.finish().shape[1] > 0
    assert stream.finish().shape == (1, 0)
    with pytest.raises(UsageError, match="finished"):
        stream.feed(b"\0\0")


def test_after_close_bytes_are_dropped() -> None:
    stream = AudioStream(LINEAR16, split=False)
    stream.close()
    stream.close()
    assert stream.feed(bytes(100)).shape == (1, 0)
    assert stream.finish().shape == (1, 0)


def test_a_refusal_is_repeated() -> None:
    stream = AudioStream(AudioFormat(Encoding.FLAC, 16_000), split=False)
    for _ in range(2):
        with pytest.raises(BadAudio, match="FLAC stream begins with"):
            stream.feed(b"this is text")
    with pytest.raises(BadAudio, match="FLAC stream begins with"):
        stream.finish()


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        (AudioFormat(Encoding.LINEAR16, None), "sample rate None"),
        (AudioFormat(Encoding.MULAW, 1_000_000), "sample rate 1000000 Hz"),
        (AudioFormat(Encoding.ALAW, 8_000, 21), "21 audio channels"),
    ],
)
def test_formats_that_cannot_be_are_refused_before_any_byte(declared: AudioFormat, reason: str) -> None:
    with pytest.raises(BadAudio, match=reason):
        AudioStream(declared, split=False)


def test_a_declared_encoding_is_never_looked_behind() -> None:
    """A WAV file sent as linear16 is linear16, header and all."""
    data, _ = whole("wav")
    assert isinstance(data, bytes)
    assert decoded([data], LINEAR16).shape[1] == len(data) // 2


@pytest.mark.parametrize("name", names())
def test_the_bundled_recordings_can_be_read(name: str) -> None:
    heard = recording(name)
    assert heard.samples.shape[0] > 16_000
    assert np.abs(heard.samples).max() > 0.05
    assert len(heard.text.split()) >= 4
