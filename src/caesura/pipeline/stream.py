"""The transcription of one connection's audio: decoding, voice activity, recognizers and formatters brought together.

Bytes and marks (flush, end) are handled in the order they came. Decoding, voice activity and speaker labelling run on
the audio thread, a batch of bytes at a time and in turns: a few bytes may decode to hours. Everything else runs on the
loop's thread and never waits. A stream holds its events until its owner drains `events()`,
and calls `wake` when work from another thread or a result of the pool has made new ones.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import assert_never

from caesura.audio.format import AudioFormat
from caesura.engines.base import Hypothesis, SegmentJob, Term
from caesura.engines.streaming import FeedJob, Job
from caesura.events import AudioFound, AudioRefused, Drained, EngineFailed, StreamEvent
from caesura.formatting.style import Style
from caesura.pipeline.audio_thread import AudioThread, VoiceDetection
from caesura.pipeline.formatter import ChannelFormatter
from caesura.pipeline.recognizer import NewRecognizer, RecognitionConfig, Recognizer
from caesura.pipeline.stream_decoder import DecodedTurn, StreamDecoder
from caesura.pipeline.stream_input import EndMark, FlushMark, Mark, ReconfigureMark, ReleaseHeldMark, StreamInput
from caesura.speech.diarizer import Diarizer
from caesura.speech.vad import SileroModel
from caesura.workers.base import JobLost, StreamPool

_log = logging.getLogger("caesura.pipeline")

ROOM_SEGMENTS = 256
"""Segments of a channel whose words are not emitted yet, beyond which a stream is full."""
ROOM_S = 30.0
"""Decoded seconds of all channels, beyond the longest segment of each, not covered by a final: then it is full."""
MAX_SILENCE_S = 12.0
"""Silence that a channel may hold around its longest segment, without a job that is out and would make room."""


@dataclass(slots=True)
class _Channel:
    """The parts of one channel."""

    recognizer: Recognizer
    formatter: ChannelFormatter
    diarizer: Diarizer | None
    job: Job | None = None
    """The job that the pool has."""


class Stream:
    """Transcribes one connection's audio; everything but its turns on the audio thread is called on the loop's thread.

    `feed`, `flush`, `reconfigure`, `release_held`, `end` and `stop` never block; drain `events()` after each of them
    and after each `wake`. After `Drained`, `AudioRefused` or `EngineFailed` there are no more. `close` cancels
    the rest.
    """

    def __init__(
        self,
        audio: AudioFormat,
        *,
        split: bool,
        config: RecognitionConfig,
        style: Style,
        new_recognizer: NewRecognizer,
        vad: SileroModel,
        audio_thread: AudioThread,
        pool: StreamPool,
        wake: Callable[[], None],
    ) -> None:
        """Start nothing.

        Args:
            audio: What the client declared about its bytes.
            split: Transcribe each channel separately; otherwise they are mixed to one.
            config: How each channel is recognized.
            style: How words are formatted.
            new_recognizer: Makes the recognizer of a channel.
            vad: The voice activity network.
            audio_thread: Where audio is decoded.
            pool: Where the recognizers' jobs are done.
            wake: Called on the loop's thread when there may be new events, never from inside another method.
        """
        self._input = StreamInput(audio)
        self._decoder = StreamDecoder(audio, split=split, vad=vad, audio_thread=audio_thread, deliver=self._decoded)
        self._declared = audio.channels if split and audio.encoding is not None else 1
        self._config = config
        self._style = style
        self._new_recognizer = new_recognizer
        self._thread = audio_thread
        self._pool = pool
        self._wake = wake
        self._events: list[StreamEvent] = []
        self._gathering = False
        self._ending = False
        self._stopping = False
        self._over = False
        self._refusal: str | None = None
        self._channels: list[_Channel] = []
        self._behind = False
        """More decoded audio waits for the engine than there is room for."""
        self._room: asyncio.Event | None = None

    # ---- input ----

    def feed(self, data: bytes) -> None:
        """Take the next bytes of audio, one message as it came; they are dropped once the audio is over."""
        if self._over or self._ending:
            return
        self._input.add_audio(data)
        if self._input.is_large:
            self._pump()
        elif not self._decoder.busy and not self._gathering:
            self._gathering = True
            self._thread.gather(self._gathered)

    def _gathered(self) -> None:
        self._gathering = False
        self._pump()
        if self._events:
            self._wake()

    def flush(self, channel: int | None) -> None:
        """Make everything before this final, on one channel or all."""
        self._input.add_mark(FlushMark(channel))
        self._pump()

    def reconfigure(self, features: Mapping[str, bool], terms: tuple[Term, ...] | None) -> None:
        """Format the audio after this with these fields of the style; `terms` None leaves the preferred terms."""
        self._input.add_mark(ReconfigureMark(dict(features), terms))
        self._pump()

    def release_held(self) -> None:
        """Audio pauses: emit the finals that wait for the end of a number, also those that are still to come."""
        self._input.add_mark(ReleaseHeldMark())
        self._pump()

    def end(self) -> None:
        """There is no more audio: emit the rest, then `Drained`."""
        self._input.add_mark(EndMark())
        self._pump()

    def stop(self) -> None:
        """No more audio is taken: emit the rest, but of speech that goes on only whole words, then `Drained`.

        That has the seconds that finals cover: what lies behind can be heard whole by whoever is sent it next.
        """
        self._input.add_mark(EndMark(is_stop=True))
        self._pump()

    def close(self) -> None:
        """Cancel: no more events, no more work. Idempotent."""
        self._over = True
        self._events.clear()
        self._release()

    def _release(self) -> None:
        self._input.clear()
        self._decoder.close()
        for index in range(len(self._channels)):
            self._pool.cancel(self._owner(index))
        self._signal_room()

    # ---- output ----

    def events(self) -> list[StreamEvent]:
        """The events since the last call, in order; each is returned once."""
        events, self._events = self._events, []
        return events

    @property
    def seconds(self) -> float:
        """Length of the audio decoded so far."""
        return self._decoder.seconds

    @property
    def covered_s(self) -> float:
        """Length of the audio that finals of all channels cover."""
        return self.seconds - max((channel.recognizer.pending_s for channel in self._channels), default=0.0)

    @property
    def at_pause(self) -> bool:
        """Whether nothing is being said on any channel at the end of what was decoded, so that `stop` cuts no word."""
        return all(channel.recognizer.at_pause for channel in self._channels)

    @property
    def job_out(self) -> bool:
        """Whether a job of this stream waits for a worker or is being done."""
        return any(channel.recognizer.job_out for channel in self._channels)

    # ---- bounds ----

    @property
    def full(self) -> bool:
        """Whether more audio should wait: decoding or the engine is behind."""
        if self._over or self._ending:
            return False
        return self._input.is_full or self._behind

    def _measure_room(self) -> None:
        """Call after recognizers were fed, flushed or given a result: `full` is read for each message."""
        channels = self._channels
        # Whatever each of them holds, one channel then waits for the engine, whose result makes room.
        most_s = ROOM_S + len(channels) * self._config.max_segment_s + (len(channels) - 1) * MAX_SILENCE_S
        pending_s, most_segments = 0.0, 0
        for channel in channels:
            pending_s += channel.recognizer.pending_s
            most_segments = max(most_segments, channel.recognizer.pending_segments)
        self._behind = pending_s > most_s or most_segments > ROOM_SEGMENTS

    async def room(self) -> None:
        """Wait until the stream is not full."""
        while self.full:
            if self._room is None:
                self._room = asyncio.Event()
            await self._room.wait()

    def _signal_room(self) -> None:
        if self._room is not None and not self.full:
            self._room.set()
            self._room = None

    # ---- items in their order ----

    def _pump(self) -> None:
        while not (self._decoder.busy or self._over or self._ending):
            if self._decoder.has_work or self._input.audio_is_next:
                if self._behind:
                    return
                if self._decoder.has_work:
                    self._decoder.run_turn()
                else:
                    self._decoder.begin(self._input.take_batch())
            elif (mark := self._input.take_mark()) is not None:
                self._handle_mark(mark)
            else:
                return

    def _handle_mark(self, mark: Mark) -> None:
        match mark:
            case FlushMark(channel):
                self._flush(channel)
            case ReconfigureMark(features, terms):
                self._reconfigure(features, terms)
            case ReleaseHeldMark():
                for each in self._channels:
                    each.recognizer.pause()
                    self._events += each.formatter.release_held()
            case EndMark(is_stop):
                self._stopping = is_stop
                self._input.clear()
                self._decoder.finish()
            case _:
                assert_never(mark)

    def _flush(self, wanted: int | None) -> None:
        if not self._channels:
            self._open_channels(self._declared)
        for index, channel in enumerate(self._channels):
            if wanted is None or wanted == index:
                channel.recognizer.flush()
                self._drain_recognizer(index)
        self._measure_room()

    def _reconfigure(self, features: dict[str, bool], terms: tuple[Term, ...] | None) -> None:
        # Channels that are still to come begin with it.
        self._style = self._style.changed(features)
        if terms is not None:
            self._config = replace(self._config, terms=terms)
        for channel in self._channels:
            channel.formatter.change_style(self.seconds, features)
            channel.recognizer.bias(self._config.terms)

    # ---- what was decoded ----

    def _decoded(self, turn: DecodedTurn) -> None:
        if not self._over:
            self._step(partial(self._recognize, turn.detections, turn.refusal, turn.is_last))

    def _recognize(self, detections: list[VoiceDetection], refusal: str | None, last: bool) -> None:
        if len(self._channels) < len(detections):
            self._open_channels(len(detections))
        for index, detection in enumerate(detections):
            if detection.probabilities is None:
                self._decoder.drop()
                refusal = f"{type(detection.error).__name__} in voice activity detection"
                break
            channel = self._channels[index]
            channel.formatter.resume()
            channel.recognizer.stretch_interims(self._pool.interim_stretch)
            channel.recognizer.feed(detection.samples, detection.probabilities)
            self._drain_recognizer(index)
        if refusal is not None or last:
            self._refusal = refusal
            self._ending = True
            for index, channel in enumerate(self._channels):
                if self._stopping:
                    channel.recognizer.stop()
                else:
                    channel.recognizer.end()
                self._drain_recognizer(index)

    def _open_channels(self, count: int) -> None:
        self._events.append(AudioFound(count))
        for index in range(len(self._channels), count):
            diarizer = Diarizer() if self._config.diarize else None
            recognizer = self._new_recognizer(index, self._config, diarizer)
            formatter = ChannelFormatter(self._style, self._config.language or "multi")
            self._channels.append(_Channel(recognizer, formatter, diarizer))

    def _drain_recognizer(self, index: int) -> None:
        """Format what the recognizer emitted, and have its new job done in place of the one that is out."""
        channel = self._channels[index]
        for event in channel.recognizer.events():
            self._events += channel.formatter.format(event)
        self._events += channel.formatter.settle(channel.recognizer.settled_until_s)
        job = channel.recognizer.next_job()
        if job is not None:
            self._submit(index, job, replaces=channel.job is not None)
            channel.job = job

    def _submit(self, index: int, job: Job, *, replaces: bool) -> None:
        owner, deliver = self._owner(index), partial(self._receive, index, job)
        match job:
            case FeedJob():
                self._pool.feed(owner, job, deliver)
            case SegmentJob():
                if replaces:
                    self._pool.cancel(owner)
                self._pool.submit(owner, job, deliver)
            case _:
                assert_never(job)

    def _owner(self, index: int) -> tuple[int, int]:
        return id(self), index

    def _receive(self, index: int, job: Job, result: Hypothesis | JobLost) -> None:
        """Take a result of the pool."""
        if self._over:
            return
        channel = self._channels[index]
        channel.job = None
        if isinstance(result, JobLost):
            self._fail(result.reason)
            self._wake()
        elif channel.diarizer is not None and result.words:
            # Clustering takes up to some 10 ms: not on the loop.
            self._thread.submit(partial(self._label, channel.diarizer, index, job, result))
        else:
            self._step(partial(self._feed_hypothesis, index, job, result))

    def _label(self, diarizer: Diarizer, index: int, job: Job, hypothesis: Hypothesis) -> Callable[[], None]:
        """On the audio thread: the hypothesis with speakers, to be taken on the loop's."""
        try:
            words = diarizer.label(hypothesis.words, hypothesis.speaker_embeddings)
        except Exception as error:  # noqa: BLE001  # one stream's fault must not take the thread of all streams down
            return partial(self._labelling_failed, error)
        return partial(self._feed_labelled, index, job, replace(hypothesis, words=words))

    def _feed_labelled(self, index: int, job: Job, hypothesis: Hypothesis) -> None:
        if not self._over:
            self._step(partial(self._feed_hypothesis, index, job, hypothesis))

    def _labelling_failed(self, error: Exception) -> None:
        _log.error("diarization failed", exc_info=error)
        if not self._over:
            self._fail("internal error")
            self._wake()

    def _feed_hypothesis(self, index: int, job: Job, hypothesis: Hypothesis) -> None:
        self._channels[index].recognizer.receive(job, hypothesis)
        self._drain_recognizer(index)

    def _step(self, step: Callable[[], None]) -> None:
        """Run a step caused by another thread or the pool, carry on with what follows, and wake the owner."""
        try:
            step()
            self._measure_room()
            self._finish_if_drained()
            self._pump()
            self._signal_room()
        except Exception:  # noqa: BLE001  # our own fault ends this stream, with a log entry, and no other
            _log.exception("a fault in a stream")
            self._fail("internal error")
        if self._events:
            self._wake()

    def _finish_if_drained(self) -> None:
        if not self._ending or self._over or not all(channel.recognizer.drained for channel in self._channels):
            return
        for channel in self._channels:
            self._events += channel.formatter.end()
        refusal, seconds = self._refusal, self.covered_s if self._stopping else self.seconds
        self._end_with(Drained(seconds) if refusal is None else AudioRefused(refusal, seconds))

    def _fail(self, reason: str) -> None:
        self._end_with(EngineFailed(reason, self.seconds))

    def _end_with(self, event: StreamEvent) -> None:
        self._events.append(event)
        self._over = True
        self._release()
