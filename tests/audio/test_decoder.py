"""The contract that every decoder keeps."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from caesura.audio.amr import NARROW, WIDE, AmrDecoder
from caesura.audio.collector import Collector
from caesura.audio.container import ContainerDecoder, open_ogg
from caesura.audio.decoder import Decoder
from caesura.audio.flac import FlacDecoder
from caesura.audio.g729 import G729Decoder
from caesura.audio.mp4 import Mp4Decoder
from caesura.audio.opus import OpusDecoder
from caesura.audio.pcm import Pcm, PcmDecoder
from caesura.audio.speex import SpeexDecoder
from caesura.audio.wav import WavDecoder
from tests.coded_recordings import coded, speex_packets
from tests.encodings import encode
from tests.signals import run, sound

DECODERS: dict[str, Callable[[Collector], Decoder]] = {
    "linear16": lambda into: PcmDecoder(into, Pcm.S16, 16_000, 1),
    "flac": FlacDecoder,
    "opus": lambda into: OpusDecoder(into, 1),
    "ogg-opus": open_ogg,
    "wav": WavDecoder,
    "mp4": Mp4Decoder,
    "mp3": ContainerDecoder,
}
CODED: dict[str, tuple[Callable[[Collector], Decoder], list[bytes]]] = {
    "amr-nb": (lambda into: AmrDecoder(into, NARROW), [coded("lv-0880.amr")[:856]]),
    "amr-wb": (lambda into: AmrDecoder(into, WIDE), [coded("lv-0880.awb")[:850]]),
    "g729": (G729Decoder, [coded("lv-0880.g729")[:600]]),
    "speex": (lambda into: SpeexDecoder(into, 16_000, 1), speex_packets("lv-0880-wb.spx")[:30]),
    "ogg-speex": (lambda into: SpeexDecoder(into, None, 1), [coded("lv-0880-wb.spx")]),
}


@pytest.mark.parametrize("kind", DECODERS)
def test_all_samples_are_in_the_collector_after_finish(kind: str) -> None:
    collector, (data, _) = Collector(split=False), encode(sound(16_000, 0.5), 16_000, kind)
    decoder = DECODERS[kind](collector)
    for message in data if isinstance(data, list) else [data]:
        run(decoder.feed(message))
    run(decoder.finish())
    assert 0.5 <= collector.seconds < 0.7


@pytest.mark.parametrize("kind", CODED)
def test_all_samples_of_a_recording_are_in_the_collector_after_finish(kind: str) -> None:
    make, messages = CODED[kind]
    collector = Collector(split=False)
    decoder = make(collector)
    for message in messages:
        run(decoder.feed(message))
    run(decoder.finish())
    assert 0.5 <= collector.seconds <= 3.0


@pytest.mark.parametrize("kind", CODED)
def test_a_recording_is_dropped_after_close(kind: str) -> None:
    make, messages = CODED[kind]
    decoder = make(Collector(split=False))
    run(decoder.feed(messages[0]))
    decoder.close()
    decoder.close()


@pytest.mark.parametrize("kind", DECODERS)
def test_close_may_be_called_first_and_repeatedly(kind: str) -> None:
    decoder = DECODERS[kind](Collector(split=False))
    decoder.close()
    decoder.close()
