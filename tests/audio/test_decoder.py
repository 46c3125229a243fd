"""What every decoder owes its stream."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from caesura.audio.collector import Collector
from caesura.audio.container import ContainerDecoder, open_ogg
from caesura.audio.decoder import Decoder
from caesura.audio.flac import FlacDecoder
from caesura.audio.mp4 import Mp4Decoder
from caesura.audio.opus import OpusDecoder
from caesura.audio.pcm import Pcm, PcmDecoder
from caesura.audio.wav import WavDecoder
from tests.encodings import encode
from tests.signals import sound

DECODERS: dict[str, Callable[[Collector], Decoder]] = {
    "linear16": lambda into: PcmDecoder(into, Pcm.S16, 16_000, 1),
    "flac": FlacDecoder,
    "opus": lambda into: OpusDecoder(into, 1),
    "ogg-opus": open_ogg,
    "wav": WavDecoder,
    "mp4": Mp4Decoder,
    "mp3": ContainerDecoder,
}


@pytest.mark.parametrize("kind", DECODERS)
def test_all_samples_are_in_the_collector_after_finish(kind: str) -> None:
    collector, (data, _) = Collector(split=False), encode(sound(16_000, 0.5), 16_000, kind)
    decoder = DECODERS[kind](collector)
    for message in data if isinstance(data, list) else [data]:
        decoder.feed(message)
    decoder.finish()
    assert 0.5 <= collector.seconds < 0.7


@pytest.mark.parametrize("kind", DECODERS)
def test_close_may_come_first_and_again(kind: str) -> None:
    decoder = DECODERS[kind](Collector(split=False))
    decoder.close()
    decoder.close()
