"""Bare Opus packets."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
import pytest

from caesura.audio.format import AudioFormat, Encoding
from caesura.audio.stream import AudioStream
from caesura.errors import BadAudio
from tests.encodings import encode
from tests.signals import Samples, correlation, decoded, sound

SAID = sound(48_000, 1)
PACKETS, DECLARED = encode(SAID, 48_000, "opus")
WARM_UP = 104


def opus_packets_of(samples: Samples, ms: float, application: str) -> list[bytes]:
    """Bare packets of that many milliseconds; (1, n) at 48 kHz."""
    options = {"frame_duration": str(ms), "application": application}
    with av.open(io.BytesIO(), "w", format="null") as target:
        codec = target.add_stream("libopus", rate=48_000, layout="mono", options=options)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
        return [bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)] if packet.size]


def test_each_message_gives_its_20_ms() -> None:
    stream = AudioStream(DECLARED, split=False)
    lengths = [stream.feed(packet).shape[1] for packet in PACKETS if isinstance(packet, bytes)]
    assert sum(lengths) / 16_000 > stream.seconds - 0.05
    assert stream.seconds == pytest.approx(1.02, abs=0.001)


def test_the_sound_is_the_sound_behind_the_warm_up() -> None:
    assert isinstance(PACKETS, list)
    assert correlation(decoded(PACKETS, DECLARED)[0, WARM_UP:], sound(16_000, 1)[0]) > 0.99


def test_stereo_packets_keep_their_channels_apart() -> None:
    packets, declared = encode(sound(48_000, 0.5, 2), 48_000, "opus")
    assert isinstance(packets, list)
    heard = decoded(packets, declared)
    for channel in range(2):
        assert correlation(heard[channel, WARM_UP:], sound(16_000, 0.5, 2)[channel]) > 0.95


@pytest.mark.parametrize("ms", [2.5, 5, 10, 20, 40, 60, 80, 100, 120])
@pytest.mark.parametrize("application", ["voip", "lowdelay"])
def test_packets_of_every_length_take_their_time(ms: float, application: str) -> None:
    packets = opus_packets_of(sound(48_000, 1.2), ms, application)
    assert len(packets) == 1200 / ms + 1
    stream = AudioStream(DECLARED, split=False)
    for number, packet in enumerate(packets, 1):
        stream.feed(packet)
        assert stream.seconds == pytest.approx(number * ms / 1000)
    warm_up = WARM_UP if application == "voip" and ms >= 10 else 40
    assert correlation(decoded(packets, DECLARED)[0, warm_up:], sound(16_000, 1.2)[0]) > 0.9


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 44_100, None])
def test_the_declared_rate_is_not_looked_at(rate: int | None) -> None:
    assert isinstance(PACKETS, list)
    np.testing.assert_array_equal(decoded(PACKETS, AudioFormat(Encoding.OPUS, rate)), decoded(PACKETS, DECLARED))


@pytest.mark.parametrize(("sent", "declared"), [(1, 2), (2, 1)])
def test_packets_of_other_channels_come_out_as_declared(sent: int, declared: int) -> None:
    """An Opus decoder outputs the requested number of channels (RFC 6716, section 2.1.2)."""
    packets, _ = encode(sound(48_000, 0.5, sent), 48_000, "opus")
    assert isinstance(packets, list)
    heard = decoded(packets, AudioFormat(Encoding.OPUS, 48_000, declared))
    assert heard.shape[0] == declared
    assert heard.shape[1] / 16_000 == pytest.approx(len(packets) * 0.02, abs=0.001)


@pytest.mark.parametrize("packet", [b"\xf8", b"\x78", b"\xf8\xff\xfe"], ids=["CELT", "hybrid", "silence"])
def test_packets_of_a_pause_take_their_time(packet: bytes) -> None:
    """A sender in discontinuous transmission sends packets of one byte or three."""
    assert isinstance(PACKETS, list)
    stream = AudioStream(DECLARED, split=False)
    for message in [*PACKETS[:10], *[packet] * 10, b""]:
        stream.feed(message)
    assert stream.seconds == pytest.approx(0.4)


@pytest.mark.parametrize("bad", [b"\xff" * 50, b"\xfb\x00", b"\xfb"], ids=["63 frames", "no frames", "no count"])
def test_a_bad_packet_among_good_ones_is_silence_of_its_length(bad: bytes) -> None:
    assert isinstance(PACKETS, list)
    heard = decoded([*PACKETS[:10], bad, *PACKETS[11:]], DECLARED)
    good = decoded(PACKETS, DECLARED)
    assert heard.shape == good.shape
    assert np.abs(heard[0, 10 * 320 + 40 : 11 * 320 - 40]).max() < 0.02
    np.testing.assert_allclose(heard[0, : 10 * 320 - 160], good[0, : 10 * 320 - 160], atol=1e-6)


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
