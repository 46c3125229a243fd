"""A whole recording's bytes in, the words of each channel out: decoded and cut on a thread, heard on all workers.

The thread decodes, judges voice activity and cuts; each segment is then a job of its own in the pool. No more than
`most_jobs` are out at a time, and while they are the thread stands still, and with it whoever brings the bytes. So
memory holds the segments that are out and the words heard, and nothing else of a recording of any length; where
speakers are to be told apart also how the words sound, which later can be told from all of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from caesura.audio.format import AudioFormat, Samples
from caesura.audio.recording import RecordingDecoder
from caesura.engines.base import SAMPLE_RATE, Hypothesis, Priority, SegmentJob, Term
from caesura.errors import BadAudio, EngineError, InternalError
from caesura.pipeline.intake import Abandoned
from caesura.pipeline.segments import Segment, Segmenter
from caesura.speech.vad import SileroModel, SileroVad
from caesura.speech.voice import Voice, Voices
from caesura.words import Word
from caesura.workers.base import JobLost, Pool

_log = logging.getLogger("caesura.pipeline")

SPARE_JOBS = 2
"""Jobs that wait while every worker is busy, so that none is ever idle for want of the next."""
MOST_VOICES = 40_000
"""Windows of voice that are kept of one recording, 40 MiB: more than five hours of speech."""
SPARSE = 6
"""After that, of so many windows one is kept; from there on voices cost less memory than words."""


@dataclass(frozen=True, slots=True)
class Passage:
    """What was heard in one segment: words timed on the recording, and the language, from engines that find it."""

    start: float
    end: float
    words: tuple[Word, ...]
    language: str | None
    voices: Voices | None = None
    """How it sounds, on the recording's clock, where the speakers are to be told apart."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """All that was heard. `seconds` is the length of the audio; `channels` holds each one's passages in order."""

    seconds: float
    sha256: str
    """Of the bytes, in hexadecimal."""
    size: int
    """How many bytes there were."""
    channels: tuple[tuple[Passage, ...], ...]


@dataclass(frozen=True, slots=True)
class Listening:
    """How a recording is heard."""

    max_segment_s: float
    language: str | None = None
    """What is spoken, as a primary subtag; None where the engine is to find out."""
    terms: tuple[Term, ...] = ()
    split: bool = False
    """Each channel apart; otherwise all are mixed to one."""
    diarize: bool = False
    """Remember how each passage sounds, so that its speakers can be told."""


def main_language(passages: Iterable[Passage]) -> str | None:
    """The language in which most was said, by length; None when none was told."""
    lengths: Counter[str] = Counter()
    for passage in passages:
        if passage.language is not None and passage.words:
            lengths[passage.language] += round((passage.end - passage.start) * 1000)
    return max(lengths, key=lambda language: lengths[language], default=None)


class Recording:
    """One recording being heard. Make it on the loop's thread, `start` it, wait for `outcome`, then `close` it."""

    def __init__(
        self,
        pieces: Iterable[bytes],
        audio: AudioFormat,
        listening: Listening,
        *,
        vad: SileroModel,
        pool: Pool,
        spool: Callable[[], io.BufferedIOBase],
    ) -> None:
        """Starts nothing.

        Args:
            pieces: the bytes; iterated on the recording's thread, where it may wait, and end with Abandoned.
            audio: what was declared about them.
            listening: how to hear them.
            vad: the voice activity network.
            pool: where segments are heard.
            spool: opens a temporary file, for the one kind of recording that must be complete to be decoded.
        """
        self._pieces = pieces
        self._listening = listening
        self._vad = vad
        self._pool = pool
        self._spool = spool
        self._loop = asyncio.get_running_loop()
        self._outcome: asyncio.Future[Transcript] = self._loop.create_future()
        self._decoder = RecordingDecoder(audio, split=listening.split, on_samples=self._hear, spool=self._opened)
        self._file: io.BufferedIOBase | None = None
        self._room = threading.Semaphore(pool.workers + SPARE_JOBS)
        self._closed = False
        # The thread's own.
        self._vads: list[SileroVad] = []
        self._segmenters: list[Segmenter] = []
        # The loop's own.
        self._out = 0
        self._voices = 0
        self._channels: list[list[Passage | None]] = []
        self._decoded: tuple[float, str, int] | None = None

    def start(self) -> None:
        """Begin to decode, on a thread of its own."""
        threading.Thread(target=self._work, name="caesura-recording", daemon=True).start()

    async def outcome(self) -> Transcript:
        """All that was heard.

        Raises:
            BadAudio: it is no audio, or breaks in the middle.
            EngineError: a segment could not be heard although it was tried again.
            InternalError: something broke inside.
            Abandoned: `close` was called, or the bytes were given up.
        """
        # Shielded: who waits may be cancelled and wait again.
        return await asyncio.shield(self._outcome)

    @property
    def seconds(self) -> float:
        """Length of the audio decoded so far."""
        return self._decoder.seconds

    @property
    def channels(self) -> int:
        """Channels heard apart; 0 before the first audio."""
        return len(self._segmenters)

    def close(self) -> None:
        """Give up what is still to be done; at the end of everything too. Idempotent."""
        self._closed = True
        self._pool.cancel(id(self))
        self._room.release()
        self._conclude(Abandoned())
        self._outcome.exception()

    # ---- on the recording's own thread ----

    def _work(self) -> None:
        try:
            told = partial(self._listened, *self._listen())
        except Abandoned as error:
            told = partial(self._conclude, error)
        except BadAudio as error:
            told = partial(self._conclude, error)
        except Exception as error:  # noqa: BLE001  # it is told to whoever waits, who must not wait for ever
            if not self._closed:
                _log.exception("a recording broke")
            told = partial(self._conclude, InternalError(f"{type(error).__name__} in a recording"))
        finally:
            self._decoder.close()
            if self._file is not None:
                self._file.close()
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(told)

    def _listen(self) -> tuple[float, str, int]:
        digest, size = hashlib.sha256(), 0
        for piece in self._pieces:
            digest.update(piece)
            size += len(piece)
            self._decoder.feed(piece)
        self._decoder.finish()
        for channel, segmenter in enumerate(self._segmenters):
            self._send(channel, segmenter.end())
        return self._decoder.seconds, digest.hexdigest(), size

    def _opened(self) -> io.BufferedIOBase:
        self._file = self._spool()
        return self._file

    def _hear(self, samples: Samples) -> None:
        while len(self._vads) < len(samples):
            self._vads.append(SileroVad(self._vad))
            self._segmenters.append(Segmenter(self._listening.max_segment_s))
        for channel, row in enumerate(samples):
            voice = self._vads[channel].hear(row)
            self._send(channel, self._segmenters[channel].hear(row, voice))
        if self._closed:
            raise Abandoned

    def _send(self, channel: int, segments: Iterable[Segment]) -> None:
        for segment in segments:
            self._room.acquire()
            if self._closed:
                raise Abandoned
            try:
                self._loop.call_soon_threadsafe(self._submit, channel, segment)
            except RuntimeError:
                raise Abandoned from None

    # ---- on the loop's thread ----

    def _submit(self, channel: int, segment: Segment) -> None:
        if self._closed:
            return
        while len(self._channels) <= channel:
            self._channels.append([])
        passages = self._channels[channel]
        passages.append(None)
        at, length = segment.first / SAMPLE_RATE, len(segment.samples) / SAMPLE_RATE
        listening = self._listening
        job = SegmentJob(
            audio=segment.samples,
            at=at,
            priority=Priority.RECORDING,
            breaks_off=segment.breaks_off,
            language=listening.language,
            terms=listening.terms,
            voices=listening.diarize,
        )
        self._out += 1
        answer = partial(self._answered, passages, len(passages) - 1, at, at + length)
        self._pool.submit(id(self), job, answer)

    def _answered(
        self, passages: list[Passage | None], place: int, start: float, end: float, result: Hypothesis | JobLost
    ) -> None:
        if self._closed:
            return
        self._room.release()
        self._out -= 1
        if isinstance(result, JobLost):
            self._conclude(EngineError(result.reason))
            return
        words = tuple(word.shifted(start) for word in result.words)
        passages[place] = Passage(start, end, words, result.language, self._kept(result.voices, start))
        self._finish()

    def _kept(self, voices: Sequence[Voice], at: float) -> Voices | None:
        kept = voices if self._voices < MOST_VOICES else voices[SPARSE // 2 :: SPARSE] or voices[:1]
        self._voices += len(kept)
        return Voices.packed(kept, at) if kept else None

    def _listened(self, seconds: float, sha256: str, size: int) -> None:
        self._decoded = seconds, sha256, size
        self._finish()

    def _finish(self) -> None:
        if self._decoded is None or self._out or self._outcome.done():
            return
        self._channels += [[] for _ in range(len(self._channels), max(len(self._segmenters), 1))]
        channels = tuple(tuple(filter(None, passages)) for passages in self._channels)
        self._outcome.set_result(Transcript(*self._decoded, channels))

    def _conclude(self, error: Exception) -> None:
        if not self._outcome.done():
            self._outcome.set_exception(error)
