"""Decodes a stream's messages in any supported format to 16 kHz float32 samples, without delay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from caesura.audio.amr import NARROW, WIDE, AmrDecoder
from caesura.audio.collector import Collector
from caesura.audio.container import ContainerDecoder, open_ogg
from caesura.audio.decoder import Decoder
from caesura.audio.flac import FlacDecoder
from caesura.audio.format import AudioFormat, Encoding, Samples, check_channels, check_rate
from caesura.audio.g729 import G729Decoder
from caesura.audio.opus import OpusDecoder
from caesura.audio.pcm import RAW, PcmDecoder
from caesura.audio.speex import SpeexDecoder, check_speex_rate
from caesura.errors import BadAudio, UsageError


class AudioStream:
    """Decodes the audio of one stream as it arrives.

    `split` True keeps every channel apart, False mixes them down to one (their mean). Use it from one
    thread; only `close` may be called from another. Nothing is allocated before the first byte. The
    samples that `feed` and `finish` return, laid end to end, do not depend on how the bytes were cut,
    except for bare Opus and Speex, where a message is a packet, and for SID frames of G.729, which end a message.
    """

    def __init__(self, format: AudioFormat, *, split: bool, into: Collector | None = None) -> None:
        """`into` collects the samples and has the same `split`; one that passes samples on bounds memory."""
        self._format = format
        self._collector = into if into is not None else Collector(split=split)
        self._decoder: Decoder | None = None
        self._refusal: BadAudio | None = None
        self._finished = False
        self._closed = False
        self._check(format)

    def _check(self, format: AudioFormat) -> None:
        match format.encoding:
            case Encoding.LINEAR16 | Encoding.LINEAR32 | Encoding.MULAW | Encoding.ALAW:
                self._collector.declare(check_rate(format.sample_rate), check_channels(format.channels))
            case Encoding.AMR_NB | Encoding.AMR_WB | Encoding.G729:
                check_channels(format.channels, 1)
            case Encoding.SPEEX:
                if format.sample_rate is not None:
                    check_speex_rate(format.sample_rate)
                check_channels(format.channels, 2)
            case Encoding.OPUS:
                check_channels(format.channels, 2)
            case None | Encoding.FLAC | Encoding.OGG_OPUS:
                pass
            case _:
                assert_never(format.encoding)

    @property
    def channels(self) -> int | None:
        """Number of output channels: 1 when mixed down, otherwise None until the audio has declared it."""
        return self._collector.channels

    @property
    def seconds(self) -> float:
        """Length of what was decoded: source samples over source rate, never rounded on the way."""
        return self._collector.seconds

    def feed(self, message: bytes) -> Samples:
        """Decode the next bytes, of any number.

        Returns all samples that became available, shape (channels, n), n 0 when there are none;
        (1, 0) while the number of channels is unknown. After `close` the bytes are dropped.

        Raises:
            BadAudio: the bytes are certainly not in the declared format, or in no known one; raised again by every
                later call.
            UsageError: the stream was finished.
        """
        for _ in self._feeding(message):
            pass
        return self._collector.take()

    def blocks(self, message: bytes) -> Iterator[Samples]:
        """Decode the next bytes, and yield their samples block by block, because a few bytes may decode to hours.

        Nothing is decoded before the iteration, which must reach its end before the next call. Each block takes some
        milliseconds at most, has about a second of audio at most, and may be empty. Blocks before BadAudio are valid.
        Raises as `feed` does.
        """
        yield from self._taken(self._feeding(message))

    def _feeding(self, message: bytes) -> Iterator[None]:
        if self._finished:
            raise UsageError("the audio stream is finished: feed a new one")
        if message and not self._closed:
            yield from self._run(message)

    def finish(self) -> Samples:
        """Flush decoder and resampler, as no more bytes will come; a second call returns no samples.

        A truncated stream is decoded as far as it goes.

        Raises:
            BadAudio: there were bytes, but they ended before any audio, or were none.
        """
        for _ in self._finishing():
            pass
        return self._collector.take()

    def last_blocks(self) -> Iterator[Samples]:
        """Flush decoder and resampler, and yield the last samples block by block. Raises as `finish` does."""
        yield from self._taken(self._finishing())

    def _taken(self, steps: Iterator[None]) -> Iterator[Samples]:
        try:
            for _ in steps:
                yield self._collector.take()
        except BadAudio:
            yield self._collector.take()
            raise
        yield self._collector.take()

    def _finishing(self) -> Iterator[None]:
        if not self._finished and not self._closed:
            yield from self._run(None)
            self._collector.finish()
            yield
        self._finished = True

    def close(self) -> None:
        """Stop decoding and free the decoder's thread; idempotent; may be called from any thread."""
        self._closed = True
        if self._decoder is not None:
            self._decoder.close()

    def _run(self, message: bytes | None) -> Iterator[None]:
        if self._refusal is not None:
            raise self._refusal
        try:
            if message is None:
                if self._decoder is not None:
                    yield from self._decoder.finish()
            else:
                yield from self._opened().feed(message)
        except BadAudio as refusal:
            self._refusal = refusal
            if self._decoder is not None:
                self._decoder.close()
            raise

    def _opened(self) -> Decoder:
        if self._decoder is None:
            self._decoder = _open(self._collector, self._format)
            if self._closed:
                self._decoder.close()
        return self._decoder


def _open(into: Collector, declared: AudioFormat) -> Decoder:
    match declared.encoding:
        case None:
            return ContainerDecoder(into)
        case Encoding.FLAC:
            return FlacDecoder(into)
        case Encoding.OGG_OPUS:
            return open_ogg(into)
        case Encoding.OPUS:
            return OpusDecoder(into, declared.channels)
        case Encoding.AMR_NB:
            return AmrDecoder(into, NARROW)
        case Encoding.AMR_WB:
            return AmrDecoder(into, WIDE)
        case Encoding.SPEEX:
            return SpeexDecoder(into, declared.sample_rate, declared.channels)
        case Encoding.G729:
            return G729Decoder(into)
        case Encoding.LINEAR16 | Encoding.LINEAR32 | Encoding.MULAW | Encoding.ALAW:
            rate = check_rate(declared.sample_rate)
            return PcmDecoder(into, RAW[declared.encoding], rate, declared.channels)
