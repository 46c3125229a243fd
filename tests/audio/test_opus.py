"""Bare Opus packets."""

from __future__ import annotations

import pytest

from caesura.audio.format import AudioFormat, Encoding
from caesura.audio.stream import AudioStream
from caesura.errors import BadAudio
from tests.encodings import encode
from tests.signals import decoded, likeness, sound

SAID = sound(48_000, 1)
PACKETS, DECLARED = encode(SAID, 48_000, "opus")
WARM_UP = 104


def test_each_message_gives_its_20_ms() -> None:
    stream = AudioStream(DECLARED, split=False)
    lengths = [stream.feed(packet).shape[1] for packet in PACKETS if isinstance(packet, bytes)]
    assert sum(lengths) / 16_000 > stream.seconds - 0.05
    assert stream.seconds == pytest.approx(1.02, abs=0.001)


def test_the_sound_is_the_sound_behind_the_warm_up() -> None:
    assert isinstance(PACKETS, list)
    assert likeness(decoded(PACKETS, DECLARED)[0, WARM_UP:], sound(16_000, 1)[0]) > 0.99


def test_stereo_packets_keep_their_channels_apart() -> None:
    packets, declared = encode(sound(48_000, 0.5, 2), 48_000, "opus")
    assert isinstance(packets, list)
    heard = decoded(packets, declared)
    for channel in range(2):
        assert likeness(heard[channel, WARM_UP:], sound(16_000, 0.5, 2)[channel]) > 0.95


def test_a_bad_packet_among_good_ones_is_skipped() -> None:
    assert isinstance(PACKETS, list)
    heard = decoded([*PACKETS[:10], b"\xff" * 50, *PACKETS[10:]], DECLARED)
    assert heard.shape[1] == pytest.approx(16_320, abs=330)


def test_three_channels_are_refused() -> None:
    with pytest.raises(BadAudio, match="3 audio channels: must be 1 to 2"):
        AudioStream(AudioFormat(Encoding.OPUS, 48_000, 3), split=True).feed(b"\xf8\xff\xfe")


def test_messages_that_are_no_packets_are_refused_after_64() -> None:
    stream = AudioStream(DECLARED, split=False)
    for _ in range(63):
        assert stream.feed(b"\xff" * 50).size == 0
    with pytest.raises(BadAudio, match="64 messages and not one Opus packet"):
        stream.feed(b"\xff" * 50)


def test_messages_that_are_no_packets_are_refused_at_the_end() -> None:
    with pytest.raises(BadAudio, match="no message was an Opus packet"):
        decoded([b"\xff" * 50], DECLARED)
