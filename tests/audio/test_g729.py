"""G.729 frames, with and without pauses."""

from __future__ import annotations

import itertools
import random
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.audio.collector import Collector
from caesura.audio.format import AudioFormat, Encoding
from caesura.audio.g729 import G729Decoder
from caesura.audio.stream import AudioStream
from caesura.errors import BadAudio
from tests.coded_recordings import coded, level_correlation
from tests.example_count import examples
from tests.signals import Samples, cut, decoded, run

DECLARED = AudioFormat(Encoding.G729, 8_000)
DATA = coded("lv-0880.g729")
SID = bytes.fromhex("1802")
"""What bcg729 writes for a pause."""


def seconds(messages: list[bytes]) -> float:
    """How long these messages are."""
    collector = Collector(split=False)
    decoder = G729Decoder(collector)
    for message in messages:
        run(decoder.feed(message))
    run(decoder.finish())
    return collector.seconds


def test_it_sounds_like_its_original() -> None:
    heard = decoded(cut(DATA, 20), DECLARED)
    assert heard.shape == (1, len(DATA) // 10 * 160)
    assert level_correlation(heard[0]) > 0.95


@examples(30)
@given(
    first=st.integers(1, 500).filter(lambda size: size % 10 not in (0, 2)),
    places=st.lists(st.integers(0, len(DATA)), max_size=12),
)
def test_any_cutting_gives_the_same_samples(first: int, places: list[int]) -> None:
    """Once a message has ended inside a frame, what looks like a pause at the end of another is half a frame."""
    edges = [first, *sorted(place for place in places if place > first), len(DATA)]
    messages = [DATA[:first], *(DATA[a:b] for a, b in itertools.pairwise(edges))]
    np.testing.assert_array_equal(decoded(messages, DECLARED), decoded([DATA], DECLARED))


@cache
def repeated(times: int) -> Samples:
    """The samples of the recording said so many times, in one message."""
    return decoded([DATA * times], DECLARED)


@pytest.mark.parametrize("size", [1, 7, 10, 20, 30, 160, 256, 500, 512, 1024, 4096, 8192])
def test_chunks_of_the_usual_sizes_give_the_same_samples(size: int) -> None:
    """512 and 8192 leave two bytes over, but are no packets."""
    times = 4 if size > 512 else 1
    np.testing.assert_array_equal(decoded(cut(DATA * times, size), DECLARED), repeated(times))


@pytest.mark.parametrize("frames", [0, 1, 2, 4, 24])
def test_a_pause_at_the_end_of_a_message_is_10_ms_of_silence(frames: int) -> None:
    speech = DATA[: frames * 10]
    messages = [DATA[:1000], speech + SID, DATA[1000:]]
    heard, whole = decoded(messages, DECLARED), decoded([DATA], DECLARED)
    assert heard.shape[1] == whole.shape[1] + (frames + 1) * 160
    at = (100 + frames) * 160
    assert np.abs(heard[0, at + 40 : at + 120]).max() < 0.02
    assert level_correlation(np.concatenate([heard[0, : 100 * 160], heard[0, at + 160 :]])) > 0.95


def test_a_lost_frame_takes_its_time() -> None:
    """Ten zero bytes mark a lost frame."""
    assert seconds([DATA[:500], bytes(10), DATA[510:]]) == seconds([DATA])


def test_a_frame_cut_off_at_the_end_is_dropped() -> None:
    assert seconds([DATA[:105]]) == pytest.approx(0.1)
    assert seconds([DATA[:7]]) == 0.0


@pytest.mark.parametrize(
    "data",
    [random.Random(5).randbytes(1000), b'{"type":"KeepAlive"}' * 50, DATA[5:]],
    ids=["noise", "json", "begins inside a frame"],
)
def test_bytes_that_are_not_g729_are_refused_after_64_frames(data: bytes) -> None:
    stream = AudioStream(DECLARED, split=False)
    stream.feed(data[:630])
    with pytest.raises(BadAudio, match=r"the parity is right in \d+ of the first 64 G\.729 frames: must be frames"):
        stream.feed(data[630:])


@pytest.mark.parametrize("size", [12, 32, 242])
def test_a_client_whose_cuts_all_look_like_pauses_is_not_left_with_noise(size: int) -> None:
    """It gets an error, since the frames are misaligned after the first cut."""
    with pytest.raises(BadAudio, match="the parity is right"):
        decoded(cut(DATA * 3, size), DECLARED)


def test_silence_in_front_does_not_count_as_wrong_parity() -> None:
    assert seconds([bytes(1000), DATA]) == pytest.approx(1.0 + len(DATA) / 1000)


def test_two_channels_are_refused() -> None:
    with pytest.raises(BadAudio, match="2 audio channels: must be 1"):
        AudioStream(AudioFormat(Encoding.G729, 8_000, 2), split=True)
