"""Speex, in packets and in Ogg."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.audio.format import AudioFormat, Encoding
from caesura.audio.speex import MESSAGE_BYTES
from caesura.audio.stream import AudioStream
from caesura.errors import BadAudio
from tests.coded_recordings import coded, level_correlation, speex_packets
from tests.example_count import examples
from tests.signals import cut, decoded

BANDS = {"nb": 8_000, "wb": 16_000, "uwb": 32_000}
WIDE = AudioFormat(Encoding.SPEEX, 16_000)
PACKETS = speex_packets("lv-0880-wb.spx")
FILE = coded("lv-0880-wb.spx")


@pytest.mark.parametrize("band", BANDS)
def test_packets_sound_like_their_original(band: str) -> None:
    heard = decoded(speex_packets(f"lv-0880-{band}.spx"), AudioFormat(Encoding.SPEEX, BANDS[band]))
    assert level_correlation(heard[0]) > 0.95
    assert heard.shape[1] / 16_000 == pytest.approx(3.0, abs=0.021)


@pytest.mark.parametrize("band", BANDS)
@pytest.mark.parametrize("encoding", [Encoding.SPEEX, None])
def test_an_ogg_stream_is_the_same_whether_declared_or_not(band: str, encoding: Encoding | None) -> None:
    """The rate in the header is used; the declared one is ignored."""
    declared = AudioFormat(encoding, 32_000 if encoding else None)
    packets = decoded(speex_packets(f"lv-0880-{band}.spx"), AudioFormat(Encoding.SPEEX, BANDS[band]))
    np.testing.assert_array_equal(decoded(cut(coded(f"lv-0880-{band}.spx"), 99), declared), packets)


@examples(15)
@given(st.lists(st.integers(0, len(FILE)), max_size=12))
def test_any_cutting_of_ogg_gives_the_same_samples(places: list[int]) -> None:
    messages = [FILE[a:b] for a, b in zip([0, *sorted(places)], [*sorted(places), len(FILE)], strict=True)]
    np.testing.assert_array_equal(decoded(messages, WIDE), decoded([FILE], WIDE))


def test_single_bytes_of_ogg_give_the_same_samples() -> None:
    np.testing.assert_array_equal(decoded(cut(FILE, 1), WIDE), decoded([FILE], WIDE))


def test_each_packet_yields_its_frames_at_once() -> None:
    """20 ms in a packet, or 80 ms in one of four frames."""
    for name, rate, length in (("lv-0880-wb.spx", 16_000, 0.02), ("lv-0880-nb.spx", 8_000, 0.08)):
        stream = AudioStream(AudioFormat(Encoding.SPEEX, rate), split=False)
        for number, packet in enumerate(speex_packets(name), 1):
            stream.feed(packet)
            assert stream.seconds == pytest.approx(min(number * length, 3.0))


def test_stereo_packets_keep_their_channels_apart() -> None:
    heard = decoded(speex_packets("lv-0880-stereo.spx"), AudioFormat(Encoding.SPEEX, 8_000, 2))
    left, right = np.sqrt((heard**2).mean(axis=1))
    assert left / right == pytest.approx(4.0, rel=0.1)
    assert level_correlation(heard[0]) > 0.95
    assert level_correlation(heard[1]) > 0.95


def test_a_bad_packet_among_good_ones_is_silence_of_its_length() -> None:
    heard = decoded([*PACKETS[:60], b"\xff" * 40, *PACKETS[61:]], WIDE)
    assert heard.shape == decoded(PACKETS, WIDE).shape
    assert np.abs(heard[0, 60 * 320 : 61 * 320]).max() == 0.0
    assert level_correlation(heard[0]) > 0.9


def test_messages_that_are_no_packets_are_refused_after_64() -> None:
    stream = AudioStream(WIDE, split=False)
    for _ in range(63):
        assert stream.feed(b"\xff" * 50).size == 0
    with pytest.raises(BadAudio, match="64 messages and not one Speex packet"):
        stream.feed(b"\xff" * 50)


def test_messages_that_are_no_packets_are_refused_at_the_end() -> None:
    with pytest.raises(BadAudio, match="no message was a Speex packet"):
        decoded([b"\xff" * 50], WIDE)


def test_a_message_too_long_for_a_packet_is_refused() -> None:
    """It would be many packets in one, of which only the first could be found."""
    long = b"".join(PACKETS)[:MESSAGE_BYTES]
    with pytest.raises(BadAudio, match="a message of 2048 bytes or more: must be one Speex packet each, or Ogg"):
        decoded([long], WIDE)


def test_noise_of_any_kind_does_no_harm() -> None:
    dice = random.Random(7)
    messages = [dice.randbytes(dice.randrange(1, 200)) for _ in range(300)]
    heard = decoded([*PACKETS, *messages], WIDE)
    assert np.isfinite(heard).all()
    assert heard.shape[1] < 300 * 64 * 320 + 48_000


@pytest.mark.parametrize("rate", [11_025, 48_000])
def test_another_rate_is_refused_before_any_byte(rate: int) -> None:
    with pytest.raises(BadAudio, match=f"sample rate {rate} Hz of Speex: must be one of 8000, 16000, 32000"):
        AudioStream(AudioFormat(Encoding.SPEEX, rate), split=False)


def test_bare_packets_need_a_rate_and_ogg_does_not() -> None:
    unsaid = AudioFormat(Encoding.SPEEX, None)
    with pytest.raises(BadAudio, match="sample rate None Hz of Speex"):
        decoded(PACKETS, unsaid)
    np.testing.assert_array_equal(decoded([FILE], unsaid), decoded([FILE], WIDE))


def test_ogg_that_ends_in_its_first_letters_is_refused() -> None:
    with pytest.raises(BadAudio, match="ended inside its first Ogg page"):
        decoded([b"Og", b"g"], WIDE)


def test_three_channels_are_refused() -> None:
    with pytest.raises(BadAudio, match="3 audio channels: must be 1 to 2"):
        AudioStream(AudioFormat(Encoding.SPEEX, 8_000, 3), split=True)
