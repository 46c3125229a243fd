"""The recognizer protocol: our recognizer satisfies it, and a stream runs on any other that does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import numpy as np

from caesura.audio.format import AudioFormat, Encoding
from caesura.engines.base import Hypothesis, Samples, SegmentJob, Term
from caesura.engines.streaming import Job
from caesura.events import AudioFound, Drained, StreamEvent, TranscriptSegment
from caesura.formatting.style import Style
from caesura.pipeline.audio_thread import AudioThread
from caesura.pipeline.recognizer import NewRecognizer, RecognitionConfig, Recognizer, RecognizerEvent
from caesura.pipeline.segmented import SegmentedRecognizer
from caesura.pipeline.stream import Stream
from caesura.speech.diarizer import Diarizer
from caesura.speech.vad import load_silero
from caesura.words import Word
from tests.flow.inline import InlinePool


class WordEachSecond:
    """A recognizer that runs no jobs: it recognizes a word in each second, whatever is in it."""

    def __init__(self, index: int, config: RecognitionConfig, diarizer: Diarizer | None) -> None:
        self._index = index
        self._samples = 0
        self._start = 0
        self._events: list[RecognizerEvent] = []
        self.config = config
        self.diarizer = diarizer
        self.pauses = 0

    def feed(self, samples: Samples, voice: Iterable[float]) -> None:
        self._samples += len(samples)
        while self._samples - self._start >= 16_000:
            self._close(self._start + 16_000)

    def flush(self) -> None:
        self._close(self._samples)

    def end(self) -> None:
        self._close(self._samples)

    def stop(self) -> None:
        self._close(self._samples)

    def bias(self, terms: tuple[Term, ...]) -> None: ...

    def pause(self) -> None:
        self.pauses += 1

    def stretch_interims(self, factor: float) -> None: ...

    def receive(self, job: Job, hypothesis: Hypothesis) -> None: ...

    def next_job(self) -> SegmentJob | None:
        return None

    def events(self) -> list[RecognizerEvent]:
        events, self._events = self._events, []
        return events

    def _close(self, end: int) -> None:
        start, self._start = self._start, end
        word = Word("word", start / 16_000, end / 16_000, 1.0)
        self._events.append(TranscriptSegment(self._index, start / 16_000, end / 16_000, (word,), final=True))

    @property
    def settled_until_s(self) -> float:
        return self._start / 16_000

    @property
    def pending_s(self) -> float:
        return (self._samples - self._start) / 16_000

    pending_segments = 0
    job_out = False
    drained = True
    at_pause = True


def test_what_ships_makes_recognizers() -> None:
    makers: list[NewRecognizer] = [SegmentedRecognizer, WordEachSecond]
    config = RecognitionConfig(0.3, None, None, 10.0)
    made: list[Recognizer] = [make(0, config, None) for make in makers]
    assert all(each.drained and not each.job_out and each.pending_s == 0.0 for each in made)


def test_a_stream_runs_on_a_recognizer_without_segment_jobs() -> None:
    """As a streaming engine has it: words come without a job that the stream would see. It learns of a pause."""
    made: list[WordEachSecond] = []

    def make(index: int, config: RecognitionConfig, diarizer: Diarizer | None) -> WordEachSecond:
        made.append(WordEachSecond(index, config, diarizer))
        return made[-1]

    async def main() -> list[StreamEvent]:
        events: list[StreamEvent] = []
        over = asyncio.Event()
        thread = AudioThread(gather_s=0, clock=lambda: 0.0)
        thread.start()

        def drain(stream: Stream) -> None:
            events.extend(stream.events())
            if events and isinstance(events[-1], Drained):
                over.set()

        stream = Stream(
            AudioFormat(Encoding.LINEAR16, 16_000, 1),
            split=False,
            config=RecognitionConfig(0.3, None, None, 10.0),
            style=Style(),
            new_recognizer=make,
            vad=load_silero(),
            audio_thread=thread,
            pool=InlinePool(engine=None),  # type: ignore[arg-type]  # there are no jobs
            wake=lambda: drain(stream),
        )
        stream.feed(np.zeros(40_000, "<i2").tobytes())
        stream.release_held()
        stream.end()
        await asyncio.wait_for(over.wait(), 10)
        thread.stop()
        return events

    found, *segments, drained = asyncio.run(main())
    assert (found, drained) == (AudioFound(1), Drained(2.5))
    spans = [(each.start, each.end) for each in segments if isinstance(each, TranscriptSegment)]
    assert spans == [(0.0, 1.0), (1.0, 2.0), (2.0, 2.5)]
    assert [each.pauses for each in made] == [1]
