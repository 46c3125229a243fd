"""The transcription of one connection's audio: decoding, voice activity, channels and jobs brought together.

Bytes and marks (flush, end) are handled in the order they came. Decoding and voice activity run on the audio thread, a
batch of bytes at a time and in turns: a few bytes may decode to hours. Everything else runs on the loop's thread and
never waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from caesura.audio.format import AudioFormat, Encoding
from caesura.audio.speex import MESSAGE_BYTES
from caesura.audio.stream import AudioStream
from caesura.engines.base import SAMPLE_RATE, Hypothesis, Samples, SegmentJob, Term
from caesura.errors import BadAudio
from caesura.events import AudioFound, AudioRefused, Drained, EngineFailed, StreamEvent
from caesura.formatting.style import Style
from caesura.pipeline.channel import Channel, Hearing
from caesura.pipeline.ears import Ears
from caesura.pipeline.pace import Pace
from caesura.pipeline.scribe import Scribe
from caesura.speech.vad import FRAME, SileroModel, SileroVad
from caesura.workers.base import JobLost, Pool

_log = logging.getLogger("caesura.pipeline")

BATCH_BYTES = 64 * 1024
"""What goes to the audio thread at once; a larger message is decoded in pieces."""
TURN_S = 0.03
"""A turn on the audio thread ends after the step that takes it beyond this: other streams wait for theirs."""
TURN_AUDIO_S = 5.0
"""Or when it has made so much audio, of all channels together: it waits in memory for the loop."""
SLICE_S = 0.5
"""Audio that is judged at once, of all channels together; some milliseconds of work."""
AHEAD_S = 2.0
"""Audio that a stream may have made beyond the time that passed, before its turns come behind those of others."""
SMALL_BYTES = 16 * 1024
"""Less than this waits a moment for more, unless a mark came behind it."""
SMALL_MESSAGES = 64
"""And fewer messages than this."""
ROOM_BYTES = 256 * 1024
"""Undecoded bytes beyond which a stream is full."""
ROOM_ITEMS = 1024
"""Messages and marks that wait, beyond which a stream is full."""
ROOM_SEGMENTS = 256
"""Segments of a channel whose words are not told yet, beyond which a stream is full."""
ROOM_S = 30.0
"""Decoded seconds of all channels, beyond the longest segment of each, not covered by a final: then it is full."""
QUIET_S = 12.0
"""So much silence a channel may hold around its longest segment, without a job that is out and would make room."""


@dataclass(frozen=True, slots=True)
class _Flush:
    channel: int | None


@dataclass(frozen=True, slots=True)
class _Change:
    features: dict[str, bool]
    terms: tuple[Term, ...] | None


class _Rest:
    pass


class _End:
    pass


_Item = bytes | _Flush | _Change | _Rest | _End
_Heard = list[tuple[Samples, NDArray[np.float32]]]
"""By channel: samples, shape (n,), and the probabilities of the voice activity frames that they completed."""


class Stream:
    """Hears one connection's audio. `feed`, `flush` and `end` never block; `tell` is called on the loop's thread.

    After `Drained`, `AudioRefused` or `EngineFailed` nothing more is told. `close` gives everything up at once.
    """

    def __init__(
        self,
        audio: AudioFormat,
        *,
        split: bool,
        hearing: Hearing,
        style: Style,
        vad: SileroModel,
        ears: Ears,
        pool: Pool,
        tell: Callable[[StreamEvent], None],
    ) -> None:
        self._audio = AudioStream(audio, split=split)
        self._declared = audio.channels if split and audio.encoding is not None else 1
        self._whole = audio.encoding is Encoding.OPUS
        self._most_bytes = MESSAGE_BYTES if audio.encoding is Encoding.SPEEX else BATCH_BYTES
        self._hearing = hearing
        self._style = style
        self._pace = Pace()
        self._vad = vad
        self._ears = ears
        self._pool = pool
        self._tell = tell
        self._items: deque[_Item] = deque()
        self._bytes = 0
        self._busy = False
        self._work: Iterator[_Heard] | None = None
        """The batch that is being decoded, from its first turn to its last."""
        self._last = False
        self._gathering = False
        self._ending = False
        self._over = False
        self._refusal: str | None = None
        self._vads: list[SileroVad] = []
        self._doing = "the decoder"
        """For the log and the close frame: where the audio thread is."""
        self._channels: list[Channel] = []
        self._scribes: list[Scribe] = []
        self._room: asyncio.Event | None = None

    # ---- what came ----

    def feed(self, data: bytes) -> None:
        """Take the next bytes of audio, one message as it came; they are dropped once the audio is over."""
        if self._over or self._ending:
            return
        if self._whole or len(data) <= self._most_bytes:
            self._items.append(data)
        else:
            self._items.extend(data[at : at + self._most_bytes] for at in range(0, len(data), self._most_bytes))
        self._bytes += len(data)
        if self._bytes >= SMALL_BYTES or len(self._items) >= SMALL_MESSAGES:
            self._pump()
        elif not self._busy and not self._gathering:
            self._gathering = True
            self._ears.soon(self._gathered)

    def _gathered(self) -> None:
        self._gathering = False
        self._pump()

    def flush(self, channel: int | None) -> None:
        """Make everything before this final, on one channel or all."""
        self._items.append(_Flush(channel))
        self._pump()

    def change(self, features: Mapping[str, bool], terms: tuple[Term, ...] | None) -> None:
        """Write the audio after this with these fields of the style; `terms` None leaves what is preferred."""
        self._items.append(_Change(dict(features), terms))
        self._pump()

    def tell_held(self) -> None:
        """Audio pauses: tell the finals that wait for the end of a number, also those that are still to be heard."""
        self._items.append(_Rest())
        self._pump()

    def end(self) -> None:
        """There is no more audio: tell the rest, then `Drained`."""
        self._items.append(_End())
        self._pump()

    def close(self) -> None:
        """Give up: no more events, no more work. Idempotent."""
        self._over = True
        self._items.clear()
        if not self._busy:
            self._work = None
        self._audio.close()
        for channel in range(len(self._channels)):
            self._pool.cancel((id(self), channel))
        self._wake()

    # ---- bounds ----

    @property
    def seconds(self) -> float:
        """Length of the audio decoded so far."""
        return self._audio.seconds

    @property
    def channels(self) -> int:
        """Channels that are transcribed apart; 0 before the first audio."""
        return len(self._channels)

    @property
    def job_out(self) -> bool:
        """Whether a job of this stream waits for a worker or is being done."""
        return any(channel.job_out for channel in self._channels)

    @property
    def full(self) -> bool:
        """Whether more audio should wait: decoding or the engine is behind."""
        if self._over or self._ending:
            return False
        return self._bytes > ROOM_BYTES or len(self._items) > ROOM_ITEMS or self._behind

    @property
    def _behind(self) -> bool:
        channels = self._channels
        # Whatever each of them holds, one channel then waits for the engine, whose answer makes room.
        most_s = ROOM_S + len(channels) * self._hearing.max_segment_s + (len(channels) - 1) * QUIET_S
        return sum(channel.pending_s for channel in channels) > most_s or any(
            channel.pending_segments > ROOM_SEGMENTS for channel in channels
        )

    async def room(self) -> None:
        """Wait until the stream is not full."""
        while self.full:
            if self._room is None:
                self._room = asyncio.Event()
            await self._room.wait()

    def _wake(self) -> None:
        if self._room is not None and not self.full:
            self._room.set()
            self._room = None

    # ---- items in their order ----

    def _pump(self) -> None:
        while not self._busy and not self._over and not self._ending:
            if self._work is not None:
                if not self._behind:
                    self._go_on_decoding()
                return
            if not self._items:
                return
            item = self._items[0]
            match item:
                case bytes():
                    if self._behind:
                        return
                    self._listen(self._batch())
                case _Flush(channel):
                    self._items.popleft()
                    self._flush(channel)
                case _Change(features, terms):
                    self._items.popleft()
                    self._change(features, terms)
                case _Rest():
                    self._items.popleft()
                    for scribe in self._scribes:
                        scribe.rest()
                case _End():
                    self._items.clear()
                    self._finish()
                case _:
                    assert_never(item)

    def _batch(self) -> list[bytes]:
        batch: list[bytes] = []
        size = 0
        while self._items and isinstance(item := self._items[0], bytes):
            if batch and size + len(item) > BATCH_BYTES:
                break
            batch.append(item)
            size += len(item)
            self._items.popleft()
        self._bytes -= size
        return batch

    def _flush(self, wanted: int | None) -> None:
        if not self._channels:
            self._open(self._declared)
        for index, channel in enumerate(self._channels):
            if wanted is None or wanted == index:
                channel.flush()

    def _change(self, features: dict[str, bool], terms: tuple[Term, ...] | None) -> None:
        # Channels that are still to come begin with it.
        self._style = self._style.changed(features)
        if terms is not None:
            self._hearing = replace(self._hearing, terms=terms)
        for channel, scribe in zip(self._channels, self._scribes, strict=True):
            scribe.change(self._audio.seconds, features)
            channel.prefer(self._hearing.terms)

    def _finish(self) -> None:
        self._work, self._last = self._judged(self._audio.last_blocks()), True
        self._go_on_decoding()

    def _listen(self, batch: list[bytes]) -> None:
        self._work = self._judged(block for message in batch for block in self._audio.blocks(message))
        self._go_on_decoding()

    def _go_on_decoding(self) -> None:
        assert self._work is not None
        self._busy = True
        self._ears.do(partial(self._turn, self._work), ahead=self._pace.ahead_s(self._ears.clock()) > AHEAD_S)

    # ---- on the ears' thread ----

    def _turn(self, work: Iterator[_Heard]) -> Callable[[], None]:
        refusal, done = None, False
        slices: list[_Heard] = []
        made_s, until = 0.0, self._ears.clock() + TURN_S
        try:
            while made_s < TURN_AUDIO_S and self._ears.clock() < until:
                heard = next(work)
                made_s += sum(len(samples) for samples, _ in heard) / SAMPLE_RATE
                slices += [heard] if heard else []
        except StopIteration:
            done = True
        except BadAudio as error:
            refusal = str(error)
        except Exception as error:  # noqa: BLE001  # one stream's fault must not take the thread of all streams down
            refusal = f"{type(error).__name__} in {self._doing}"
        return partial(self._heard, _joined(slices), made_s, refusal, done)

    def _judged(self, blocks: Iterable[Samples]) -> Iterator[_Heard]:
        """What is decoded, in slices that have been judged; an empty one after each step that makes none."""
        waiting: list[Samples] = []
        size = 0
        fault: Exception | None = None
        decoding = iter(blocks)
        while True:
            self._doing = "the decoder"
            try:
                block = next(decoding, None)
            except Exception as error:  # noqa: BLE001  # what came before it is audio, and is judged first
                block, fault = None, error
            if block is not None and block.shape[1]:
                waiting.append(block)
                size += block.size
            if waiting and (block is None or size >= SLICE_S * SAMPLE_RATE):
                samples = waiting[0] if len(waiting) == 1 else np.concatenate(waiting, axis=1)
                waiting, size = [], 0
                yield from self._judge(samples)
            if fault is not None:
                self._doing = "the decoder"
                raise fault
            if block is None:
                return
            yield []

    def _judge(self, samples: Samples) -> Iterator[_Heard]:
        while len(self._vads) < len(samples):
            self._vads.append(SileroVad(self._vad))
        step = max(FRAME, int(SLICE_S * SAMPLE_RATE) // len(samples))
        for at in range(0, samples.shape[1], step):
            self._doing = "voice activity detection"
            part = samples[:, at : at + step]
            yield [(row, vad.hear(row)) for row, vad in zip(part, self._vads, strict=True)]

    # ---- back on the loop's thread ----

    def _heard(self, heard: _Heard, made_s: float, refusal: str | None, done: bool) -> None:
        self._busy = False
        self._pace.made(made_s, len(heard), self._ears.clock())
        if done or refusal is not None or self._over:
            self._work = None
        if not self._over:
            self._safely(partial(self._take, heard, refusal, done and self._last))

    def _take(self, heard: _Heard, refusal: str | None, last: bool) -> None:
        if heard and len(self._channels) < len(heard):
            self._open(len(heard))
        for channel, scribe, (samples, voice) in zip(self._channels, self._scribes, heard, strict=False):
            scribe.go_on()
            channel.stretch_interims(self._pool.interim_stretch)
            channel.hear(samples, voice)
        self._advance()
        if refusal is not None or last:
            self._refusal = refusal
            self._ending = True
            for channel in self._channels:
                channel.end()
            self._drain()
        self._pump()
        self._wake()

    def _open(self, count: int) -> None:
        self._say(AudioFound(count))
        for index in range(len(self._channels), count):
            scribe = Scribe(self._style, self._hearing.language or "multi", self._say)
            self._scribes.append(scribe)
            self._channels.append(Channel(index, self._hearing, _Desk(self, index), scribe.hear))

    def _advance(self) -> None:
        for channel, scribe in zip(self._channels, self._scribes, strict=True):
            scribe.advance(channel.vouched_s)

    def _say(self, event: StreamEvent) -> None:
        # Whoever is told may close the stream at once, in the middle of what else there is to tell.
        if not self._over:
            self._tell(event)

    def _answered(self, answer: Callable[[Hypothesis], None], result: Hypothesis | JobLost) -> None:
        if self._over:
            return
        if isinstance(result, JobLost):
            self._fail(result.reason)
        else:
            self._safely(partial(self._take_answer, answer, result))

    def _take_answer(self, answer: Callable[[Hypothesis], None], result: Hypothesis) -> None:
        answer(result)
        self._advance()
        self._drain()
        self._pump()
        self._wake()

    def _safely(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception:  # noqa: BLE001  # our own mistake ends this stream, aloud, and no other
            _log.exception("a stream broke")
            self._fail("a fault inside")

    def _fail(self, reason: str) -> None:
        if not self._over:
            self.close()
            self._tell(EngineFailed(reason, self.seconds))

    def _drain(self) -> None:
        if not self._ending or self._over or not all(channel.drained for channel in self._channels):
            return
        for scribe in self._scribes:
            scribe.end()
        self.close()
        if self._refusal is not None:
            self._tell(AudioRefused(self._refusal, self.seconds))
        else:
            self._tell(Drained(self.seconds))


def _joined(slices: list[_Heard]) -> _Heard:
    """One channel's samples and probabilities in one piece each."""
    if len(slices) < 2:
        return slices[0] if slices else []
    return [
        (np.concatenate([samples for samples, _ in parts]), np.concatenate([voice for _, voice in parts]))
        for parts in zip(*slices, strict=True)
    ]


class _Desk:
    """A channel's transcriber: the pool, with the channel as owner."""

    __slots__ = ("_owner", "_stream")

    def __init__(self, stream: Stream, index: int) -> None:
        self._stream = stream
        self._owner = (id(stream), index)

    def submit(self, job: SegmentJob, answer: Callable[[Hypothesis], None]) -> None:
        if not self._stream._over:
            self._stream._pool.submit(self._owner, job, partial(self._stream._answered, answer))

    def cancel(self) -> None:
        self._stream._pool.cancel(self._owner)
