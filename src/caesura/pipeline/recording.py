"""Transcription of whole recordings: decoded and cut on a thread, transcribed by all workers at once.

The thread decodes, detects voice activity and cuts; each segment is then a job of its own in the pool. Only a few more
jobs than workers are out at a time; while they are, the thread waits, and with it the sender of the bytes.
So memory holds the segments that are out and the words recognized, and nothing else of a recording of any length; with
diarization also the speaker embeddings, which are clustered at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from caesura.audio.format import AudioFormat, Samples
from caesura.audio.recording import RecordingDecoder
from caesura.engines.base import SAMPLE_RATE, Hypothesis, Priority, SegmentJob, Term
from caesura.errors import BadAudio, EngineError, InternalError
from caesura.pipeline.byte_pipe import Cancelled
from caesura.pipeline.segmenter import Segment, Segmenter
from caesura.speech.embedding import PackedEmbeddings, SpeakerEmbedding
from caesura.speech.vad import SileroModel, SileroVad
from caesura.words import DetectedLanguage, LanguageTally, Word
from caesura.workers.base import JobLost, Pool

_log = logging.getLogger("caesura.pipeline")

PAUSE_S = 0.35
"""Silence that ends a segment, unless the engine needs more."""
SPARE_JOBS = 2
"""Jobs that wait while every worker is busy, so that no worker is idle between two jobs."""
MAX_EMBEDDINGS = 40_000
"""Embeddings that are kept of one recording, 40 MiB: more than five hours of speech."""
KEPT_ONE_IN = 6
"""After that, of so many embeddings one is kept; from there on they cost less memory than words."""


@dataclass(frozen=True, slots=True)
class RecognizedSegment:
    """Transcript of one segment: words timed on the recording, and the language, from engines that detect it.

    `language_confidence`: the probability that the engine gave to that language; None where it does not know one.
    """

    start: float
    end: float
    words: tuple[Word, ...]
    language: str | None
    embeddings: PackedEmbeddings | None = None
    """Speaker embeddings, timed on the recording, with diarization."""
    language_confidence: float | None = None


@dataclass(frozen=True, slots=True)
class RecordingTranscript:
    """The whole transcript. `seconds` is the length of the audio; `channels` holds each one's segments in order."""

    seconds: float
    sha256: str
    """Of the bytes, in hexadecimal."""
    size: int
    """How many bytes there were."""
    channels: tuple[tuple[RecognizedSegment, ...], ...]


@dataclass(frozen=True, slots=True)
class RecordingConfig:
    """How a recording is transcribed; lengths in seconds."""

    max_segment_s: float
    pause_s: float = PAUSE_S
    """Silence that ends a segment."""
    language: str | None = None
    """The language spoken, as a primary subtag; None where the engine is to detect it."""
    detectable_languages: tuple[str, ...] = ()
    """Primary subtags of the engine's among which it is to detect the language; empty: all of them."""
    terms: tuple[Term, ...] = ()
    split: bool = False
    """Transcribe each channel separately; otherwise all are mixed to one."""
    diarize: bool = False
    """Keep speaker embeddings of each segment."""


def main_language(segments: Iterable[RecognizedSegment]) -> DetectedLanguage | None:
    """The language of most speech, by length, with a confidence weighted by length; None when no segment has one."""
    tally = LanguageTally()
    for segment in segments:
        if segment.words:
            tally.add(segment.language, segment.language_confidence, round((segment.end - segment.start) * 1000))
    return tally.dominant()


class RecordingTranscriber:
    """Transcribes one recording. Make it on the loop's thread, `start` it, wait for `outcome`, then `close` it."""

    def __init__(
        self,
        pieces: Iterable[bytes],
        audio: AudioFormat,
        config: RecordingConfig,
        *,
        vad: SileroModel,
        pool: Pool,
        spool: Callable[[], io.BufferedIOBase],
    ) -> None:
        """Starts nothing.

        Args:
            pieces: the bytes; iterated on the recording's thread, where the iterator may wait, and raise Cancelled.
            audio: the declared format of the bytes.
            config: how to transcribe them.
            vad: the voice activity network.
            pool: where segments are transcribed.
            spool: opens a temporary file, for the one kind of recording that must be complete to be decoded.
        """
        self._pieces = pieces
        self._config = config
        self._vad = vad
        self._pool = pool
        self._spool = spool
        self._loop = asyncio.get_running_loop()
        self._outcome: asyncio.Future[RecordingTranscript] = self._loop.create_future()
        self._decoder = RecordingDecoder(audio, split=config.split, on_samples=self._segment, spool=self._open_spool)
        self._file: io.BufferedIOBase | None = None
        self._room = threading.Semaphore(pool.workers + SPARE_JOBS)
        self._closed = False
        # The thread's own.
        self._vads: list[SileroVad] = []
        self._segmenters: list[Segmenter] = []
        # The loop's own.
        self._out = 0
        self._embeddings = 0
        self._channels: list[list[RecognizedSegment | None]] = []
        self._decoded: tuple[float, str, int] | None = None

    def start(self) -> None:
        """Begin to decode, on a thread of its own."""
        threading.Thread(target=self._work, name="caesura-recording", daemon=True).start()

    async def outcome(self) -> RecordingTranscript:
        """The whole transcript.

        Raises:
            BadAudio: the bytes are no audio, or break in the middle.
            EngineError: a segment could not be transcribed although it was tried again.
            InternalError: a fault of ours.
            Cancelled: `close` was called, or the bytes were cancelled.
        """
        # Shielded: a caller may be cancelled and wait again.
        return await asyncio.shield(self._outcome)

    @property
    def seconds(self) -> float:
        """Length of the audio decoded so far."""
        return self._decoder.seconds

    @property
    def channels(self) -> int:
        """Channels transcribed separately; 0 before the first audio."""
        return len(self._segmenters)

    def close(self) -> None:
        """Cancel what is still to be done; also to be called at the end. Idempotent."""
        self._closed = True
        self._pool.cancel(id(self))
        self._room.release()
        self._conclude(Cancelled())
        self._outcome.exception()

    # ---- on the recording's own thread ----

    def _work(self) -> None:
        try:
            outcome = partial(self._decoding_done, *self._decode())
        except Cancelled as error:
            outcome = partial(self._conclude, error)
        except BadAudio as error:
            outcome = partial(self._conclude, error)
        except Exception as error:  # noqa: BLE001  # a caller must not wait for ever
            if not self._closed:
                _log.exception("a recording broke")
            outcome = partial(self._conclude, InternalError(f"{type(error).__name__} in a recording"))
        finally:
            self._decoder.close()
            if self._file is not None:
                self._file.close()
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(outcome)

    def _decode(self) -> tuple[float, str, int]:
        digest, size = hashlib.sha256(), 0
        for piece in self._pieces:
            digest.update(piece)
            size += len(piece)
            self._decoder.feed(piece)
        self._decoder.finish()
        for channel, segmenter in enumerate(self._segmenters):
            self._send(channel, segmenter.end())
        return self._decoder.seconds, digest.hexdigest(), size

    def _open_spool(self) -> io.BufferedIOBase:
        self._file = self._spool()
        return self._file

    def _segment(self, samples: Samples) -> None:
        while len(self._vads) < len(samples):
            self._vads.append(SileroVad(self._vad))
            self._segmenters.append(Segmenter(self._config.max_segment_s, self._config.pause_s))
        for channel, row in enumerate(samples):
            voice = self._vads[channel].feed(row)
            self._send(channel, self._segmenters[channel].feed(row, voice))
        if self._closed:
            raise Cancelled

    def _send(self, channel: int, segments: Iterable[Segment]) -> None:
        for segment in segments:
            self._room.acquire()
            if self._closed:
                raise Cancelled
            try:
                self._loop.call_soon_threadsafe(self._submit, channel, segment)
            except RuntimeError:
                raise Cancelled from None

    # ---- on the loop's thread ----

    def _submit(self, channel: int, segment: Segment) -> None:
        if self._closed:
            return
        while len(self._channels) <= channel:
            self._channels.append([])
        segments = self._channels[channel]
        segments.append(None)
        at, length = segment.first / SAMPLE_RATE, len(segment.samples) / SAMPLE_RATE
        config = self._config
        job = SegmentJob(
            audio=segment.samples,
            at=at,
            priority=Priority.RECORDING,
            language=config.language,
            detectable_languages=config.detectable_languages,
            terms=config.terms,
            embed_speakers=config.diarize,
        )
        self._out += 1
        deliver = partial(self._receive, segments, len(segments) - 1, at, at + length)
        self._pool.submit(id(self), job, deliver)

    def _receive(
        self,
        segments: list[RecognizedSegment | None],
        index: int,
        start: float,
        end: float,
        result: Hypothesis | JobLost,
    ) -> None:
        if self._closed:
            return
        self._room.release()
        self._out -= 1
        if isinstance(result, JobLost):
            self._conclude(EngineError(result.reason))
            return
        words = tuple(word.shifted(start) for word in result.words)
        embeddings = self._packed(result.speaker_embeddings, start)
        segments[index] = RecognizedSegment(start, end, words, result.language, embeddings, result.language_confidence)
        self._finish()

    def _packed(self, embeddings: Sequence[SpeakerEmbedding], at: float) -> PackedEmbeddings | None:
        some = embeddings[KEPT_ONE_IN // 2 :: KEPT_ONE_IN] or embeddings[:1]
        kept = embeddings if self._embeddings < MAX_EMBEDDINGS else some
        self._embeddings += len(kept)
        return PackedEmbeddings.packed(kept, at) if kept else None

    def _decoding_done(self, seconds: float, sha256: str, size: int) -> None:
        self._decoded = seconds, sha256, size
        self._finish()

    def _finish(self) -> None:
        if self._decoded is None or self._out or self._outcome.done():
            return
        self._channels += [[] for _ in range(len(self._channels), max(len(self._segmenters), 1))]
        channels = tuple(tuple(filter(None, segments)) for segments in self._channels)
        self._outcome.set_result(RecordingTranscript(*self._decoded, channels))

    def _conclude(self, error: Exception) -> None:
        if not self._outcome.done():
            self._outcome.set_exception(error)
