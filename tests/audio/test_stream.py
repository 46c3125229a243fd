"""The whole package through its one door."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.audio.format import AudioFormat, Encoding
from caesura.audio.stream import AudioStream
from caesura.errors import BadAudio, UsageError
from tests.encodings import KINDS, encode
from tests.recordings import names, recording
from tests.signals import cut, decoded, likeness, sound

LINEAR16 = AudioFormat(Encoding.LINEAR16, 16_000)
WHOLE = {kind: encode(sound(16_000, 0.6), 16_000, kind) for kind in KINDS}
CONTAINERS = [kind for kind in KINDS if isinstance(WHOLE[kind][0], bytes)]


@settings(max_examples=12)
@given(st.data())
@pytest.mark.parametrize("kind", CONTAINERS)
def test_any_cutting_gives_the_same_samples(kind: str, data: st.DataObject) -> None:
    """However the bytes are cut, the samples are the same, one by one."""
    made, declared = WHOLE[kind]
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
    assert likeness(heard[0], sound(16_000, 1)[0]) > 0.995


@pytest.mark.parametrize("kind", KINDS)
def test_seconds_tell_the_length_of_the_source(kind: str) -> None:
    data, declared = WHOLE[kind]
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
    stream = AudioStream(WHOLE[kind][1], split=False)
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
    data, _ = WHOLE["wav"]
    assert isinstance(data, bytes)
    assert decoded([data], LINEAR16).shape[1] == len(data) // 2


@pytest.mark.parametrize("name", names())
def test_the_bundled_recordings_can_be_read(name: str) -> None:
    heard = recording(name)
    assert heard.samples.shape[0] > 16_000
    assert np.abs(heard.samples).max() > 0.05
    assert len(heard.text.split()) >= 4
