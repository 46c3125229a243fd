"""Linear16 in; what was said in it out, as a server's pipeline tells it: interims, finals that tile the stream, ends.

Everything happens at a sample, not at a message: the same audio is told the same way however it was cut up.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from caesura.events import AudioFound, Drained, SpeechBegan, StreamEvent, TranscriptSegment, UtteranceEnded
from caesura.testing.voice import CONFIDENCE, SAMPLE_BYTES, Voice
from caesura.words import Word


@dataclass(frozen=True, slots=True)
class Pace:
    """When something is told; lengths in seconds of audio, None: never."""

    longest_s: float
    """A segment so long is final."""
    endpoint_s: float | None = None
    """Silence that ends an utterance, and its segment."""
    interim_s: float | None = None
    """Audio between interims."""
    gap_s: float | None = None
    """Silence after which UtteranceEnded is told."""


class Ears:
    """Listens to a stream of linear16 that says the words of a Voice."""

    def __init__(self, voice: Voice, pace: Pace, sample_rate: int, channels: int = 1, *, split: bool = False) -> None:
        """`channels` are interleaved; each is heard apart when `split`, else only the first one is."""
        self._voice = voice
        self._channels = channels
        self._sample_rate = sample_rate
        self._ears = [Ear(channel, pace, sample_rate) for channel in range(channels if split else 1)]
        self._odd = b""
        self._found = False

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return SAMPLE_BYTES * self._channels

    @property
    def pending(self) -> bool:
        """Whether a word was heard that is not final."""
        return any(ear.pending for ear in self._ears)

    def hear(self, data: bytes) -> list[StreamEvent]:
        """Take the next bytes; a frame may be cut in two by their end."""
        data = self._odd + data
        whole = len(data) - len(data) % self.frame_bytes
        self._odd = data[whole:]
        events: list[StreamEvent] = []
        if whole and not self._found:
            self._found = True
            events.append(AudioFound(len(self._ears)))
        for channel, ear in enumerate(self._ears):
            for word, samples in self._voice.runs(self._channel(data[:whole], channel)):
                events += ear.hear(word, samples)
        return events

    def flush(self, channel: int | None) -> list[StreamEvent]:
        """Make everything heard on `channel`, None: on all of them, final; told even when that is nothing."""
        return [ear.flush() for ear in self._ears if channel in (None, ear.channel)]

    def end(self) -> list[StreamEvent]:
        """The audio is over: the rest is final."""
        events: list[StreamEvent] = [heard for ear in self._ears for heard in ear.end()]
        return [*events, Drained(self._ears[0].at / self._sample_rate)]

    def _channel(self, data: bytes, channel: int) -> bytes:
        return data if self._channels == 1 else array("h", data)[channel :: self._channels].tobytes()


@dataclass(slots=True)
class _Said:
    text: str
    first: int
    last: int


class Ear:
    """Listens to one channel: runs in, events out. Inside, everything is counted in samples."""

    def __init__(self, channel: int, pace: Pace, sample_rate: int) -> None:
        """`sample_rate` in Hz. A constructor of state: nothing was heard yet."""
        self.channel = channel
        self.at = 0
        """How much was heard."""
        self._rate = sample_rate
        self._longest = max(1, round(pace.longest_s * sample_rate))
        self._endpoint, self._interim, self._gap = map(self._length, (pace.endpoint_s, pace.interim_s, pace.gap_s))
        self._start = 0
        """Where the segment begins."""
        self._said: list[_Said] = []
        """The words that began in it."""
        self._run: str | None = None
        self._run_start = 0
        self._open: _Said | None = None
        """The word that is being said; None in silence, and when the word's beginning is final already."""
        self._owed = False
        """Something was said that no endpoint has closed."""
        self._voice_end = 0
        self._interim_at = 0
        self._last_word_end: int | None = None
        """Of an utterance whose gap is not told."""

    @property
    def pending(self) -> bool:
        """Whether a word was heard that is not final."""
        return bool(self._said)

    def hear(self, word: str | None, samples: int) -> Iterator[StreamEvent]:
        """Take `samples` samples in which `word` is said, None: silence; a run may come in parts."""
        if word != self._run:
            yield from self._turn(word)
        stop = self.at + samples
        while self.at < stop:
            self._go(min(stop, self._next()))
            yield from self._arrived()

    def flush(self) -> TranscriptSegment:
        """Make everything final."""
        return self._final(self.at, endpoint=True, flushed=True)

    def end(self) -> list[TranscriptSegment]:
        """The audio is over: one last final, none when everything is."""
        return [self._final(self.at, endpoint=self._endpoint is not None)] if self.at > self._start else []

    # ---- through the samples ----

    def _turn(self, word: str | None) -> Iterator[StreamEvent]:
        self._run, self._run_start, self._open = word, self.at, None
        if word is None:
            return
        self._open = _Said(word, self.at, self.at)
        self._said.append(self._open)
        if not self._owed:
            self._owed = True
            yield SpeechBegan(self.channel, self.at / self._rate)

    def _go(self, to: int) -> None:
        self.at = to
        if self._run is not None:
            self._voice_end = to
        if self._open is not None:
            self._open.last = self._last_word_end = to

    def _next(self) -> int:
        """Where something is due next."""
        dues = (self._start + self._longest, self._endpoint_due, self._interim_due, self._gap_due)
        return min(due for due in dues if due is not None)

    def _arrived(self) -> Iterator[StreamEvent]:
        if self.at == self._endpoint_due:
            yield self._final(self.at, endpoint=True)
        elif self.at == self._start + self._longest:
            yield self._final(self._cut(), endpoint=self._endpoint is not None and not self._owed)
        elif self.at == self._interim_due:
            self._interim_at = self.at
            yield self._heard(self.at, self._said)
        if self.at == self._gap_due:
            yield self._gap_event()

    @property
    def _endpoint_due(self) -> int | None:
        if self._endpoint is None or self._run is not None or not self._owed:
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

    # ---- what is told ----

    def _cut(self) -> int:
        """Where a segment that is too long ends: before the word that is being said, in it when there is no before."""
        return self._run_start if self._run is not None and self._run_start > self._start else self.at

    def _final(self, end: int, *, endpoint: bool, flushed: bool = False) -> TranscriptSegment:
        told = [said for said in self._said if said.first < end]
        self._said = self._said[len(told) :]
        heard = self._heard(end, told, final=True, endpoint=endpoint, flushed=flushed)
        self._start, self._interim_at = end, self.at
        if endpoint:
            self._owed = self._run is not None
        if not self._said:
            self._open = None
        return heard

    def _heard(
        self, end: int, told: list[_Said], *, final: bool = False, endpoint: bool = False, flushed: bool = False
    ) -> TranscriptSegment:
        rate = self._rate
        words = tuple(Word(said.text, said.first / rate, said.last / rate, CONFIDENCE) for said in told)
        return TranscriptSegment(self.channel, self._start / rate, end / rate, words, final, endpoint, flushed)

    def _gap_event(self) -> UtteranceEnded:
        last, self._last_word_end = self._last_word_end, None
        return UtteranceEnded(self.channel, last / self._rate if last is not None and self._owed else None)

    def _length(self, seconds: float | None) -> int | None:
        return None if seconds is None else max(1, round(seconds * self._rate))
