"""Fake recognizer: finds a Voice's words in linear16 audio and emits what a server's pipeline would emit for them.

It emits interims, finals that tile the stream, and utterance ends. Everything happens at a sample, not at a message:
the events do not depend on how the audio was cut into messages.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from caesura.events import AudioFound, Drained, SpeechBegan, StreamEvent, TranscriptSegment, UtteranceEnded
from caesura.testing.voice import CONFIDENCE, SAMPLE_BYTES, Voice
from caesura.words import Word


@dataclass(frozen=True, slots=True)
class RecognizerTiming:
    """When events are emitted. Durations are in seconds of audio; None means never."""

    longest_s: float
    """Longest segment; at this length it becomes final."""
    endpoint_s: float | None = None
    """Silence that ends an utterance and its segment."""
    interim_s: float | None = None
    """Audio between interims."""
    gap_s: float | None = None
    """Silence after which UtteranceEnded is emitted."""


class FakeRecognizer:
    """Recognizes the words of a Voice in a stream of linear16 with any number of channels."""

    def __init__(
        self, voice: Voice, timing: RecognizerTiming, sample_rate: int, channels: int = 1, *, split: bool = False
    ) -> None:
        """`channels` are interleaved; with `split` each of them is recognized, otherwise only the first."""
        self._voice = voice
        self._channels = channels
        self._sample_rate = sample_rate
        self._recognizers = [
            ChannelRecognizer(number, timing, sample_rate) for number in range(channels if split else 1)
        ]
        self._odd = b""
        self._found = False

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return SAMPLE_BYTES * self._channels

    @property
    def pending(self) -> bool:
        """Is there a word that is not final yet?"""
        return any(each.pending for each in self._recognizers)

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Recognize the next bytes; they may end inside a frame."""
        data = self._odd + data
        whole = len(data) - len(data) % self.frame_bytes
        self._odd = data[whole:]
        events: list[StreamEvent] = []
        if whole and not self._found:
            self._found = True
            events.append(AudioFound(len(self._recognizers)))
        for number, each in enumerate(self._recognizers):
            for word, samples in self._voice.runs(self._channel(data[:whole], number)):
                events += each.feed(word, samples)
        return events

    def flush(self, channel: int | None) -> list[StreamEvent]:
        """Finalize `channel`, or all channels for None; a final is emitted even without words."""
        return [each.flush() for each in self._recognizers if channel in (None, each.channel)]

    def end(self) -> list[StreamEvent]:
        """End the audio: finalize the rest."""
        events: list[StreamEvent] = [final for each in self._recognizers for final in each.end()]
        return [*events, Drained(self._recognizers[0].at / self._sample_rate)]

    def _channel(self, data: bytes, channel: int) -> bytes:
        return data if self._channels == 1 else array("h", data)[channel :: self._channels].tobytes()


@dataclass(slots=True)
class _SpokenWord:
    text: str
    first: int
    last: int


class ChannelRecognizer:
    """Recognizes one channel from runs of equal samples. Internally everything is counted in samples."""

    def __init__(self, channel: int, timing: RecognizerTiming, sample_rate: int) -> None:
        """`sample_rate` in Hz."""
        self.channel = channel
        self.at = 0
        """Samples recognized so far."""
        self._rate = sample_rate
        self._longest = max(1, round(timing.longest_s * sample_rate))
        self._endpoint, self._interim, self._gap = map(
            self._length, (timing.endpoint_s, timing.interim_s, timing.gap_s)
        )
        self._start = 0
        """Start of the open segment."""
        self._words: list[_SpokenWord] = []
        """Words that began in the open segment."""
        self._run: str | None = None
        self._run_start = 0
        self._open: _SpokenWord | None = None
        """Word being spoken; None in silence, and if the word's beginning is final already."""
        self._in_utterance = False
        """Whether speech has occurred that no endpoint has closed."""
        self._voice_end = 0
        self._interim_at = 0
        self._last_word_end: int | None = None
        """End of the last word of an utterance whose UtteranceEnded is still to come."""

    @property
    def pending(self) -> bool:
        """Is there a word that is not final yet?"""
        return bool(self._words)

    def feed(self, word: str | None, samples: int) -> Iterator[StreamEvent]:
        """Recognize `samples` samples in which `word` is spoken, or silence if it is None; a run may come in parts."""
        if word != self._run:
            yield from self._start_run(word)
        stop = self.at + samples
        while self.at < stop:
            self._advance(min(stop, self._next_due()))
            yield from self._due_events()

    def flush(self) -> TranscriptSegment:
        """Finalize everything."""
        return self._final(self.at, endpoint=True, flushed=True)

    def end(self) -> list[TranscriptSegment]:
        """End the audio: emit one last final, unless everything is final already."""
        return [self._final(self.at, endpoint=self._endpoint is not None)] if self.at > self._start else []

    # ---- through the samples ----

    def _start_run(self, word: str | None) -> Iterator[StreamEvent]:
        self._run, self._run_start, self._open = word, self.at, None
        if word is None:
            return
        self._open = _SpokenWord(word, self.at, self.at)
        self._words.append(self._open)
        if not self._in_utterance:
            self._in_utterance = True
            yield SpeechBegan(self.channel, self.at / self._rate)

    def _advance(self, to: int) -> None:
        self.at = to
        if self._run is not None:
            self._voice_end = to
        if self._open is not None:
            self._open.last = self._last_word_end = to

    def _next_due(self) -> int:
        """Sample at which the next event is due."""
        dues = (self._start + self._longest, self._endpoint_due, self._interim_due, self._gap_due)
        return min(due for due in dues if due is not None)

    def _due_events(self) -> Iterator[StreamEvent]:
        if self.at == self._endpoint_due:
            yield self._final(self.at, endpoint=True)
        elif self.at == self._start + self._longest:
            yield self._final(self._cut_point(), endpoint=self._endpoint is not None and not self._in_utterance)
        elif self.at == self._interim_due:
            self._interim_at = self.at
            yield self._segment(self.at, self._words)
        if self.at == self._gap_due:
            yield self._gap_event()

    @property
    def _endpoint_due(self) -> int | None:
        if self._endpoint is None or self._run is not None or not self._in_utterance:
            return None
        return self._voice_end + self._endpoint

    @property
    def _interim_due(self) -> int | None:
        return None if self._interim is None else self._interim_at + self._interim

    @property
    def _gap_due(self) -> int | None:
        if self._gap is None or self._run is not None or self._last_word_end is None:
            return None
        return self._voice_end + self._gap

    # ---- events ----

    def _cut_point(self) -> int:
        """End of a segment that is too long: the start of the word being spoken, or here if it fills the segment."""
        return self._run_start if self._run is not None and self._run_start > self._start else self.at

    def _final(self, end: int, *, endpoint: bool, flushed: bool = False) -> TranscriptSegment:
        words = [spoken for spoken in self._words if spoken.first < end]
        self._words = self._words[len(words) :]
        segment = self._segment(end, words, final=True, endpoint=endpoint, flushed=flushed)
        self._start, self._interim_at = end, self.at
        if endpoint:
            self._in_utterance = self._run is not None
        if not self._words:
            self._open = None
        return segment

    def _segment(
        self,
        end: int,
        words: list[_SpokenWord],
        *,
        final: bool = False,
        endpoint: bool = False,
        flushed: bool = False,
    ) -> TranscriptSegment:
        rate = self._rate
        timed = tuple(Word(spoken.text, spoken.first / rate, spoken.last / rate, CONFIDENCE) for spoken in words)
        return TranscriptSegment(self.channel, self._start / rate, end / rate, timed, final, endpoint, flushed)

    def _gap_event(self) -> UtteranceEnded:
        last, self._last_word_end = self._last_word_end, None
        return UtteranceEnded(self.channel, last / self._rate if last is not None and self._in_utterance else None)

    def _length(self, seconds: float | None) -> int | None:
        return None if seconds is None else max(1, round(seconds * self._rate))
