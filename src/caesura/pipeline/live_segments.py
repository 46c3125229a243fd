"""Segments of a live channel: from voice activity, where each one ends, and whether that is an endpoint.

A pure machine. A segment with speech ends when it has been silent for the endpointing window, one without speech when
it is long enough that finals should cover it; both end when the client flushes. Where the stream is stopped, speech
that goes on stays open, for its owner to cut. What is done with a segment, and how long ones are cut, is its owner's
business. Positions are samples at 16 kHz.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from caesura.engines.base import SAMPLE_RATE
from caesura.pipeline.segmenter import MIN_SPEECH, PADDING
from caesura.speech.endpointer import Endpointer
from caesura.speech.vad import FRAME

MAX_SILENCE = 5 * SAMPLE_RATE
"""A segment without speech is closed when it is this long, so that finals cover silence too."""
KEPT_SILENCE = SAMPLE_RATE // 2
"""Audio that stays open when such a segment is closed: speech that is not confirmed yet may begin in it."""
CHUNK_PAUSE = SAMPLE_RATE
"""Without endpointing, a pause this long still closes a segment, without being an endpoint."""
STOP_PAUSE = 3 * SAMPLE_RATE // 10
"""After so much without voice no word is cut by a stop: the closure of a stop consonant is shorter."""


@dataclass(slots=True)
class ClosedSegment:
    """A segment whose end is decided and whose words are not emitted yet. `onset` None: it has no speech."""

    end: int
    onset: int | None
    speech_end: int
    endpoint: bool
    flushed: bool


class LiveSegments:
    """The segments of one channel: those that are closed, for the owner to remove from the left, and the open one."""

    def __init__(self, endpointing: int | None) -> None:
        """`endpointing`: samples of silence that end an utterance; None: no endpointing."""
        self.window = endpointing if endpointing is not None else CHUNK_PAUSE
        """Samples of silence that close a segment."""
        self._endpoints = endpointing is not None
        self.endpointer = Endpointer()
        """Voice activity in the open segment."""
        self.closed: deque[ClosedSegment] = deque()
        self.open = 0
        """Where the segment begins that still grows."""
        self._unended: int | None = None
        """Where speech ended that is closed already, but whose endpoint is still to come."""
        self._at_endpoint = True
        """The open segment follows an endpoint, or begins the stream."""
        self.stopped = False
        """The audio is over because the stream was stopped."""
        self.speech_left = False
        """It was stopped in speech, which the owner still has to cut."""

    def feed(self, probability: float) -> int | None:
        """Take the next frame. Returns where speech began if the frame confirms the first speech of the segment."""
        began = self.endpointer.feed(probability)
        began = None if began is None else max(began, self.open)
        self._close_where_silent()
        return began

    def flush(self, end: int) -> None:
        """The client wants a final up to `end`, the end of the audio."""
        self._close(end, endpoint=True, flushed=True)

    def finish(self, end: int) -> None:
        """The audio is over, and ends at `end`."""
        if end > self.open:
            self._close(end, endpoint=self._endpoints, flushed=False)

    def stop(self, end: int) -> None:
        """The stream is stopped at `end`: what is open is closed, except for speech that goes on.

        The last of the silence stays open too: voice is found a little after a word has begun.
        """
        endpointer = self.endpointer
        silent_until = end if endpointer.possible_onset is None else endpointer.possible_onset
        self.stopped = True
        if endpointer.onset is None:
            self.finish(silent_until - PADDING)
        elif silent_until - endpointer.speech_end >= STOP_PAUSE:
            self.finish(max(silent_until - PADDING, endpointer.speech_end + PADDING))
        else:
            self.speech_left = True

    def cut(self, at: int) -> None:
        """The first segment whose words are not emitted is cut at `at`: it begins there from now on."""
        head = self.closed[0] if self.closed else None
        if head is not None and head.onset is not None:
            head.onset = max(head.onset, at)
        else:
            self.endpointer.carry(at)
            self.open = at

    @property
    def at_pause(self) -> bool:
        """Whether nothing is being said: no voice since the last endpoint, whose final is out, or for STOP_PAUSE."""
        endpointer = self.endpointer
        if endpointer.unvoiced >= STOP_PAUSE:
            return True
        return self._at_endpoint and not self.closed and endpointer.voiced_frames == 0

    @property
    def onset(self) -> int | None:
        """Position at which speech began in the open segment, confirmed or not."""
        endpointer = self.endpointer
        return endpointer.onset if endpointer.onset is not None else endpointer.possible_onset

    def _close_where_silent(self) -> None:
        endpointer = self.endpointer
        if endpointer.possible_onset is not None:
            return
        if endpointer.onset is not None:
            if endpointer.silence >= self.window:
                self._close(endpointer.voiced, endpoint=self._endpoints, flushed=False)
            elif endpointer.silence >= MAX_SILENCE:
                self._unended = endpointer.speech_end
                self._close(endpointer.voiced, endpoint=False, flushed=False)
        elif self._unended is not None and endpointer.voiced - self._unended >= self.window:
            self._close(endpointer.voiced, endpoint=True, flushed=False)
        elif endpointer.voiced - self.open >= MAX_SILENCE + KEPT_SILENCE:
            endpoint = self._endpoints and self._unended is None
            self._close(endpointer.voiced - KEPT_SILENCE, endpoint=endpoint, flushed=False)

    def _close(self, end: int, *, endpoint: bool, flushed: bool) -> None:
        endpointer = self.endpointer
        onset = self.onset if endpointer.voiced_frames * FRAME >= MIN_SPEECH else None
        speech_end = endpointer.speech_end if endpointer.onset is not None and not endpointer.speaking else end
        self.closed.append(ClosedSegment(end, onset, speech_end, endpoint, flushed))
        self.open = end
        self._at_endpoint = endpoint
        if endpoint:
            self._unended = None
        endpointer.segment()
