"""Speech to text for LiveKit Agents over a line of this client: true times, and no loss in outages.

AgentSession(stt=caesura.adapters.livekit.STT(url="ws://127.0.0.1:8080"), ...)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from caesura.adapters.capture import PAUSE_AFTER_S
from caesura.adapters.captured_line import ABORT_S, VoiceLine, voice_line
from caesura.client.address import Value
from caesura.client.config import Credentials, Tuning
from caesura.client.events import Event, Final, Gap, Interim, SpeechStarted, TimedWord, UtteranceEnd
from caesura.client.line import LineBase, connect
from caesura.errors import CaesuraError, LineError, Refused, UsageError

try:
    from livekit.agents import (
        DEFAULT_API_CONNECT_OPTIONS,
        NOT_GIVEN,
        APIConnectionError,
        APIConnectOptions,
        APIError,
        APIStatusError,
        LanguageCode,
        NotGivenOr,
        stt,
        utils,
    )
    from livekit.agents.log import logger
    from livekit.agents.types import TimedString
    from livekit.agents.utils import AudioBuffer, is_given
except ImportError as missing:
    needs = "caesura.adapters.livekit needs livekit-agents 1.8 or newer: pip install 'livekit-agents>=1.8'"
    raise ImportError(needs) from missing

SAME_MOMENT_S = 0.05
"""Tolerance in seconds: an interim and a final may differ by this much on when the same word ends."""
FINISH_S = 10.0
"""How long after the end of the input the last words may take."""
RECORDING_FINISH_S = 60.0
"""How long the last words of a recording may take."""


class STT(stt.STT):
    """Speech to text over a line that pauses and reconnects, for an AgentSession or on its own.

    Words have the time at which they were captured, with `start_time_offset` added as LiveKit expects it, and more in
    `metadata`. A flush sends Finalize; after the end of the input the stream ends with the last words.
    """

    def __init__(
        self,
        *,
        url: str = "ws://127.0.0.1:8080",
        key: str | None = None,
        token: str | None = None,
        model: str = "nova-3",
        language: str = "en",
        sample_rate: int = 16_000,
        interim_results: bool = True,
        tuning: Tuning | None = None,
        pause_after_s: float = PAUSE_AFTER_S,
        **parameters: Value | Iterable[Value],
    ) -> None:
        """Starts nothing.

        Args:
            url: `ws://host:port`, a full listen address, or `deepgram`.
            key: API key.
            token: temporary token, instead of a key.
            model: value of the wire parameter `model`.
            language: value of the wire parameter `language`, unless a stream sets another.
            sample_rate: in Hz; pushed audio is resampled to it.
            interim_results: whether there are interim transcripts.
            tuning: buffer size and timeouts; LiveKit's `conn_options.timeout` bounds the first connection too.
            pause_after_s: shortest gap between two frames that counts as a pause.
            **parameters: any other parameters of the wire, such as `endpointing=300` or `keyterm=["a", "b"]`;
                punctuation and VAD events are on by default.
        """
        super().__init__(
            capabilities=stt.STTCapabilities(
                streaming=True,
                interim_results=interim_results,
                aligned_transcript="word",
                offline_recognize=True,
                manual_flush=True,
            )
        )
        self._url = url
        self._credentials = Credentials(key, token)
        self._model = model
        self._language = language
        self._sample_rate = sample_rate
        self._tuning = tuning or Tuning()
        self._pause_after_s = pause_after_s
        self._parameters: dict[str, Any] = {
            "model": model,
            "interim_results": interim_results,
            "punctuate": True,
            "vad_events": True,
            **parameters,
        }

    @property
    def model(self) -> str:
        """Name of the model."""
        return self._model

    @property
    def provider(self) -> str:
        """Name of this package."""
        return "Caesura"

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> RecognizeStream:
        """A stream with a line of its own, which connects at once. Needs a running loop."""
        return RecognizeStream(self, self._language_of(language), self._sample_rate, conn_options)

    def line(self, language: str, conn_options: APIConnectOptions) -> VoiceLine:
        """A line for one stream."""
        return voice_line(
            self._url,
            self._credentials,
            self._sample_rate,
            tuning=self._tuning_for(conn_options),
            pause_after_s=self._pause_after_s,
            parameters={**self._parameters, "language": language},
        )

    async def _recognize_impl(
        self, buffer: AudioBuffer, *, language: NotGivenOr[str] = NOT_GIVEN, conn_options: APIConnectOptions
    ) -> stt.SpeechEvent:
        """Transcribe a recording over a line of its own, sent as fast as the server accepts it."""
        frame, spoken = utils.combine_frames(buffer), self._language_of(language)
        line = connect(
            self._url,
            key=self._credentials.key,
            token=self._credentials.token,
            sample_rate=frame.sample_rate,
            channels=frame.num_channels,
            live=False,
            tuning=self._tuning_for(conn_options),
            **{**self._parameters, "language": spoken, "interim_results": False, "vad_events": False},
        )
        try:
            async with line:
                async for _ in line.transcribe([frame.data.tobytes()]):
                    pass
                transcript = await line.finish(RECORDING_FINISH_S)
        except CaesuraError as error:
            raise api_error(error) from error
        data = _speech(transcript.text, transcript.words, spoken, 0.0)
        return stt.SpeechEvent(
            type=stt.SpeechEventType.FINAL_TRANSCRIPT,
            request_id=_request_id(line),
            alternatives=[data],
        )

    def _language_of(self, language: NotGivenOr[str]) -> str:
        return str(language) if is_given(language) else self._language

    def _tuning_for(self, conn_options: APIConnectOptions) -> Tuning:
        """Try the first connection no longer than LiveKit waits: it has fallbacks of its own."""
        within_s = self._tuning.open_within_s
        within_s = conn_options.timeout if within_s is None else min(within_s, conn_options.timeout)
        return replace(self._tuning, open_within_s=within_s)


class RecognizeStream(stt.RecognizeStream):
    """One stream; made by `STT.stream`."""

    def __init__(self, source: STT, language: str, sample_rate: int, conn_options: APIConnectOptions) -> None:
        """Starts at once, as LiveKit's streams do."""
        super().__init__(stt=source, conn_options=conn_options, sample_rate=sample_rate)
        self._source = source
        self._language = language
        self._speaking = False
        self._ended_at = 0.0
        """Source seconds of the end of the last utterance that has ended."""
        self._unreported_s = 0.0

    async def _run(self) -> None:
        line = self._source.line(self._language, self._conn_options)
        self._ended_at = 0.0
        opened = asyncio.wrap_future(line.begin())
        tasks = [asyncio.create_task(self._receive(line, opened)), asyncio.create_task(self._forward(line))]
        try:
            await asyncio.gather(*tasks)
        except CaesuraError as error:
            raise api_error(error, may_retry=not self._input_ch.closed) from error
        finally:
            line.end(ABORT_S)  # no effect if it has ended; otherwise the last words are not needed any more
            await utils.aio.cancel_and_wait(*tasks)
            self._report_usage(line)

    # ---- in ----

    async def _forward(self, line: VoiceLine) -> None:
        """Send all pushed frames up to the end of the input, from the time when the line begins to connect."""
        began = True
        async for item in self._input_ch:
            if isinstance(item, self._FlushSentinel):
                line.finalize()
                continue
            if item.num_channels != 1:
                raise UsageError(f"A stream has one voice: push mono frames, not {item.num_channels} channels.")
            if began:
                self.start_time = time.time() - item.duration
                began = False
            self._unreported_s += item.duration
            for chunk in line.chunks(item.data.tobytes()):
                line.send_captured(chunk)
                room = line.room()
                if room is not None:
                    await asyncio.wrap_future(room)
                    line.released()
        line.end(FINISH_S)

    # ---- out ----

    async def _receive(self, line: VoiceLine, opened: asyncio.Future[None]) -> None:
        """Emit LiveKit events for the line's events, up to its end."""
        began_at = time.perf_counter()
        await opened
        self._report_connection_acquired(time.perf_counter() - began_at, False)
        async for event in line:
            self._handle_event(event, line)

    def _handle_event(self, event: Event, line: VoiceLine) -> None:
        match event:
            case SpeechStarted(wall=wall):
                self._start_speaking(wall)
            case Interim() | Final():
                self._emit_words(event, line)
            case UtteranceEnd(wall=wall, source=source):
                self._ended_at = source or self._ended_at
                self._stop_speaking(wall)
            case Gap(seconds=seconds, why=why):
                logger.warning("%.2f s of audio are lost: %s", seconds, why)
            case _:
                pass

    def _emit_words(self, event: Interim | Final, line: VoiceLine) -> None:
        is_final = isinstance(event, Final)
        if event.text:
            if not self._has_ended(event.words):
                self._start_speaking(event.words[0].wall_start if event.words else None)
            data = _speech(event.text, event.words, self._language, self.start_time_offset)
            data.metadata = {"epoch": event.epoch, "words": [_times(word) for word in event.words]}
            self._emit(
                stt.SpeechEventType.FINAL_TRANSCRIPT if is_final else stt.SpeechEventType.INTERIM_TRANSCRIPT,
                request_id=_request_id(line),
                alternatives=[data],
                speech_end_time=_seconds(event.words[-1].wall_end) if event.words and is_final else None,
            )
        if not isinstance(event, Final):
            return
        self._report_usage(line)
        if event.speech_final or event.from_finalize:
            self._stop_speaking(event.words[-1].wall_end if event.words else None)

    def _has_ended(self, words: tuple[TimedWord, ...]) -> bool:
        """Whether these words belong to an utterance whose end was emitted before they became final."""
        return bool(words) and (words[-1].source_end or 0.0) <= self._ended_at + SAME_MOMENT_S

    def _start_speaking(self, wall: datetime | None) -> None:
        if not self._speaking:
            self._speaking = True
            self._emit(stt.SpeechEventType.START_OF_SPEECH, speech_start_time=_seconds(wall))

    def _stop_speaking(self, wall: datetime | None) -> None:
        if self._speaking:
            self._speaking = False
            self._emit(stt.SpeechEventType.END_OF_SPEECH, speech_end_time=_seconds(wall))

    def _report_usage(self, line: VoiceLine) -> None:
        seconds, self._unreported_s = self._unreported_s, 0.0
        if seconds > 0:
            usage = stt.RecognitionUsage(audio_duration=seconds)
            self._emit(stt.SpeechEventType.RECOGNITION_USAGE, request_id=_request_id(line), recognition_usage=usage)

    def _emit(self, kind: stt.SpeechEventType, **what: Any) -> None:
        self._event_ch.send_nowait(stt.SpeechEvent(type=kind, **what))


def api_error(error: CaesuraError, *, may_retry: bool = True) -> APIError:
    """LiveKit's exception for the end of a line: retryable if the error may be temporary and `may_retry` is set."""
    match error:
        case Refused(status=status, dg_error=words, request_id=request_id):
            return APIStatusError(
                str(error), status_code=status, request_id=request_id or None, body=words or None, retryable=may_retry
            )
        case _:
            return APIConnectionError(str(error), retryable=may_retry and isinstance(error, LineError))


def _speech(text: str, words: tuple[TimedWord, ...], language: str, offset: float) -> stt.SpeechData:
    timed = [
        TimedString(
            word.text,
            start_time=(word.source_start or 0.0) + offset,
            end_time=(word.source_end or 0.0) + offset,
            confidence=word.confidence,
            start_time_offset=offset,
        )
        for word in words
    ]
    return stt.SpeechData(
        language=LanguageCode(language),
        text=text,
        start_time=timed[0].start_time if timed else offset,
        end_time=timed[-1].end_time if timed else offset,
        confidence=sum(word.confidence for word in words) / len(words) if words else 0.0,
        speaker_id=_speaker(words),
        words=timed or None,
    )


def _speaker(words: tuple[TimedWord, ...]) -> str | None:
    """Id of the speaker of most words. It includes the connection, since each connection numbers its speakers anew."""
    spoken = [(word.epoch, word.speaker) for word in words if word.speaker is not None]
    if not spoken:
        return None
    epoch, speaker = max(set(spoken), key=spoken.count)
    return f"S{speaker}" if epoch == 0 else f"E{epoch}S{speaker}"


def _times(word: TimedWord) -> dict[str, Any]:
    return {
        "stream_start": word.stream_start,
        "stream_end": word.stream_end,
        "wall_start": _seconds(word.wall_start),
        "wall_end": _seconds(word.wall_end),
    }


def _seconds(wall: datetime | None) -> float | None:
    return None if wall is None else wall.timestamp()


def _request_id(line: LineBase) -> str:
    ids = line.stats.request_ids
    return ids[-1] if ids else ""
