"""Speech-to-text service for pipecat over a line of this client: true times, and no loss in outages.

stt = CaesuraSTTService(url="ws://127.0.0.1:8080")
Pipeline([transport.input(), stt, ...])
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

from caesura.adapters.capture import PAUSE_AFTER_S
from caesura.adapters.captured_line import ABORT_S, VoiceLine, voice_line
from caesura.client.config import Credentials, Tuning
from caesura.client.events import Event, Final, Gap, Interim, Reconnected, Reconnecting
from caesura.errors import CaesuraError, LineError

try:
    from pipecat.frames.frames import (
        CancelFrame,
        EndFrame,
        Frame,
        InterimTranscriptionFrame,
        STTMuteFrame,
        TranscriptionFrame,
        VADUserStoppedSpeakingFrame,
    )
    from pipecat.processors.frame_processor import FrameDirection, FrameProcessorSetup
    from pipecat.services.settings import STTSettings
    from pipecat.services.stt_service import STTService
    from pipecat.transcriptions.language import Language
    from pipecat.utils.errors import ErrorCategory
    from pipecat.utils.time import time_now_iso8601
    from pipecat.utils.types import NOT_GIVEN, NotGiven
except ImportError as missing:
    needs = "caesura.adapters.pipecat needs pipecat-ai 1.14 or newer: pip install 'pipecat-ai>=1.14'"
    raise ImportError(needs) from missing

SETUP_S = 10.0
"""How long a pipeline's start waits for the first connection; the line keeps trying after that."""


@dataclass
class CaesuraSTTSettings(STTSettings):
    """Settings that can change while the pipeline runs; each change opens a new connection, and no word is lost.

    `model`, `language` and `extra` are inherited. `extra` is for any other parameter of the wire, as
    `extra={"endpointing": 300, "keyterm": ["caesura"]}`.
    """

    interim_results: bool | NotGiven = field(default_factory=lambda: NOT_GIVEN)
    punctuate: bool | NotGiven = field(default_factory=lambda: NOT_GIVEN)


class CaesuraSTTService(STTService):
    """Speech to text over a line that pauses and reconnects.

    It connects when the pipeline is set up, sends Finalize when VAD detects the end of speech and when it is muted,
    and at the end pushes the last words before EndFrame. Live audio never waits. `result` of a frame is the Interim or
    Final of this package, whose words have source and wall times; `timestamp` is the wall time of its first word.

    A line that ends with an error pushes an ErrorFrame and makes the service unusable, so that a ServiceSwitcher moves
    on: it ends only for an error that is permanent (a refused key) or after `tuning`'s time for reconnecting. Lost
    audio is an ErrorFrame too. `on_connected` and `on_disconnected` report every reconnect.
    """

    Settings = CaesuraSTTSettings
    _settings: CaesuraSTTSettings

    def __init__(
        self,
        *,
        url: str = "ws://127.0.0.1:8080",
        key: str | None = None,
        token: str | None = None,
        sample_rate: int | None = None,
        settings: CaesuraSTTSettings | None = None,
        tuning: Tuning | None = None,
        pause_after_s: float = PAUSE_AFTER_S,
        finish_s: float = 5.0,
        ttfs_p99_latency: float | None = 0.5,
        **kwargs: Any,
    ) -> None:
        """Starts nothing.

        Args:
            url: `ws://host:port`, a full listen address, or `deepgram`.
            key: API key.
            token: temporary token, instead of a key.
            sample_rate: in Hz; None takes the pipeline's.
            settings: model "nova-3", English, interims and punctuation unless they say otherwise.
            tuning: buffer size and timeouts of the line.
            pause_after_s: shortest gap between two frames that counts as a pause.
            finish_s: how long the end of the pipeline waits for the last words.
            ttfs_p99_latency: passed to STTService; measure it for your deployment.
            **kwargs: passed to STTService.
        """
        store = self.Settings(model="nova-3", language=Language.EN, interim_results=True, punctuate=True)
        if settings is not None:
            store.apply_update(settings)
        super().__init__(sample_rate=sample_rate, settings=store, ttfs_p99_latency=ttfs_p99_latency, **kwargs)
        self._url = url
        self._credentials = Credentials(key, token)
        self._tuning = tuning or Tuning()
        self._pause_after_s = pause_after_s
        self._finish_s = finish_s
        self._line: VoiceLine | None = None
        self._readers: dict[VoiceLine, asyncio.Task[None]] = {}
        """Tasks that read the events of lines: of the newest, and of older ones whose last words are still to come."""

    # ---- lifetime of a service ----

    def can_generate_metrics(self) -> bool:
        """Always true: the service reports usage, and the time from the end of speech to its words."""
        return True

    async def setup(self, setup: FrameProcessorSetup) -> None:
        """Connect; the sample rate is known now."""
        await super().setup(setup)
        opened = self._connect()
        await asyncio.wait({opened}, timeout=SETUP_S)

    async def stop(self, frame: EndFrame) -> None:
        """Push the last words; EndFrame follows them."""
        self._end(self._finish_s)
        if self._readers:
            await asyncio.wait(self._readers.values(), timeout=self._finish_s + ABORT_S)
        await super().stop(frame)

    async def cancel(self, frame: CancelFrame) -> None:
        """End without the last words."""
        await super().cancel(frame)
        await self._abort()

    async def cleanup(self) -> None:
        """End all lines and tasks."""
        await super().cleanup()
        await self._abort()

    # ---- from the pipeline ----

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        """Send audio; a recording waits for room, live audio does not."""
        line = self._line
        if line is not None:
            line.send_captured(audio)
            if (room := line.room()) is not None:
                await asyncio.wrap_future(room)
                line.released()
        yield None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Send Finalize when the user has stopped speaking or is muted."""
        await super().process_frame(frame, direction)
        if self._line is None:
            return
        if isinstance(frame, VADUserStoppedSpeakingFrame):
            self.request_finalize()
            self._line.finalize()
        elif isinstance(frame, STTMuteFrame) and frame.mute:
            self._line.finalize()

    async def _update_settings(self, delta: STTSettings) -> dict[str, Any]:
        changed: dict[str, Any] = await super()._update_settings(delta)
        if changed:
            await self._request_reconnect()
        return changed

    async def _do_reconnect(self) -> None:
        """Send the next audio to a new line; the old one still delivers its last words."""
        self._end(self._finish_s)
        self._connect()

    # ---- lines ----

    def _connect(self) -> asyncio.Future[None]:
        """Start a new line, which accepts audio at once. The future resolves when it is open."""
        settings = self._settings
        parameters: dict[str, Any] = {
            "model": settings.model,
            "language": settings.language and str(settings.language),
            "interim_results": settings.interim_results,
            "punctuate": settings.punctuate,
            **settings.extra,
        }
        line = self._line = voice_line(
            self._url,
            self._credentials,
            self.sample_rate,
            tuning=self._tuning,
            pause_after_s=self._pause_after_s,
            parameters=parameters,
        )
        opened = asyncio.wrap_future(line.begin())
        self._readers[line] = self.create_task(self._receive(line, opened), "receive")
        return opened

    def _end(self, timeout_s: float) -> None:
        self._line = None
        for line in self._readers:
            line.end(timeout_s)

    async def _abort(self) -> None:
        self._end(ABORT_S)
        for reader in tuple(self._readers.values()):
            await self.cancel_task(reader)

    async def _receive(self, line: VoiceLine, opened: asyncio.Future[None]) -> None:
        """Push frames for a line's events, up to its end."""
        try:
            await opened
            await self._call_event_handler("on_connected")
            async for event in line:
                await self._handle_event(event)
            await self._call_event_handler("on_disconnected")
        except CaesuraError as error:
            await self._failed(error)
        finally:
            del self._readers[line]

    async def _failed(self, error: CaesuraError) -> None:
        """The line has ended for good; a new one would fail the same way."""
        self._line = None
        await self._call_event_handler("on_connection_error", str(error))
        category = ErrorCategory.CONNECTIVITY if isinstance(error, LineError) else None
        await self.push_error(str(error), exception=error, category=category, force_treat_as_permanent=True)

    # ---- to the pipeline ----

    async def _handle_event(self, event: Event) -> None:
        match event:
            case Interim(text=text) if text:
                await self.push_frame(InterimTranscriptionFrame(*self._content(event), result=event))
            case Final():
                await self._push_final(event)
            case Reconnecting(attempt=1):
                await self._call_event_handler("on_disconnected")
            case Reconnected():
                await self._call_event_handler("on_connected")
            case Gap(seconds=seconds, why=why):
                lost = f"{seconds:.2f} s of audio" if seconds else "Some audio"
                await self.push_error(f"{lost} is lost: {why}.", category=ErrorCategory.CONNECTIVITY)
            case _:
                pass

    async def _push_final(self, event: Final) -> None:
        if event.from_finalize:
            self.confirm_finalize()
        if event.text:
            await self.emit_stt_usage_metrics()
            await self.push_frame(TranscriptionFrame(*self._content(event), result=event))
        elif event.from_finalize:
            # Everything was final already, so the response to the end of speech is complete now.
            await self.stop_ttfb_metrics()
            await self._cancel_ttfb_timeout()

    def _content(self, event: Interim | Final) -> tuple[str, str, str, Language | None]:
        """Text, user id, timestamp and language of a frame."""
        spoken_at = event.words[0].wall_start if event.words else None
        timestamp = time_now_iso8601() if spoken_at is None else spoken_at.isoformat(timespec="milliseconds")
        return event.text, self._user_id, timestamp, _language(self._settings.language)


def _language(language: Any) -> Language | None:
    """The language as pipecat's type; None when pipecat does not know it."""
    try:
        return Language(language)
    except ValueError:
        return None
