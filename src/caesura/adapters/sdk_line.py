"""A line behind Deepgram's SDK: accepts its messages and produces the JSON that it expects, without importing it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from caesura.adapters.captured_line import CapturedLine
from caesura.client.config import Credentials, DeclaredAudio, LineConfig, Tuning, configure_line
from caesura.client.events import (
    Closed,
    Event,
    Final,
    Gap,
    Interim,
    Notice,
    Reconnected,
    Reconnecting,
    SpeechStarted,
    Stats,
    UtteranceEnd,
)
from caesura.client.line_actions import Phase
from caesura.client.recovery import Recovery
from caesura.client.retiming import MessageRetimer, Stretch, source_stretch
from caesura.containers import wav
from caesura.errors import BadAudio, CaesuraError, UsageError

FINISH_S = 60.0
"""How long the line may take to end after CloseStream; the exit of the SDK's context manager waits less."""

_USUAL_WAV_HEADER = 44
_FREE_TEXT = {"callback", "extra", "keyterm", "keywords", "replace", "search", "tag"}
"""Parameters whose value `True` may be a word to transcribe rather than a boolean."""

_log = logging.getLogger("caesura.adapters.deepgram")


class LineEnded(Exception):
    """The line has ended; `error` is None when it ended normally."""

    def __init__(self, error: CaesuraError | None) -> None:
        super().__init__(str(error or "the line is closed"))
        self.error = error


@dataclass(frozen=True, slots=True)
class SdkRequest:
    """Address that the SDK connects to, parsed."""

    url: str
    """Without the query."""
    parameters: dict[str, list[str]]

    @property
    def is_line(self) -> bool:
        """Whether it is a live stream whose results come back on the same socket. Only such a stream can be a line."""
        return urlsplit(self.url).path.rstrip("/").endswith("/v1/listen") and "callback" not in self.parameters

    @property
    def declared(self) -> DeclaredAudio:
        """The declared audio format; the server is left to refuse invalid numbers."""
        rate, channels = self._last("sample_rate"), self._last("channels")
        return DeclaredAudio(
            self._last("encoding") or None,
            int(rate) if rate.isdecimal() else 16_000,
            int(channels) if channels.isdecimal() else 1,
        )

    def _last(self, name: str) -> str:
        return self.parameters.get(name, [""])[-1]


def parse_address(address: str) -> SdkRequest:
    """Parse the SDK's address; booleans become lower case, which SDK 6.0 to 7.0 do not write."""
    parts = urlsplit(address)
    parameters: dict[str, list[str]] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        is_boolean = value in ("True", "False") and name not in _FREE_TEXT
        parameters.setdefault(name, []).append(value.lower() if is_boolean else value)
    return SdkRequest(urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")), parameters)


class SdkLine(CapturedLine):
    """A line in the role of the SDK's socket. May be used from any thread; no method blocks."""

    def __init__(
        self, request: SdkRequest, headers: Mapping[str, str], *, tuning: Tuning, pause_after_s: float
    ) -> None:
        """Starts nothing. Raises UsageError for invalid parameters."""
        super().__init__(_config(request, headers, tuning), pause_after_s=pause_after_s)
        self._retimer = MessageRetimer(self._to_source)
        self._has_audio = False
        self._finishing = False
        self._stats = Stats()
        self._closed: Closed | None = None

    # ---- from the SDK ----

    def accept(self, data: Any) -> Iterator[bytes]:
        """Accept a control message (text), or audio, which is returned in chunks for `send_captured`.

        Raises LineEnded when the line has ended, and UsageError for any other message.
        """
        if self._open_driver.done.done():
            raise LineEnded(self._open_driver.done.result().error)
        if isinstance(data, str):
            self._control(data)
            return iter(())
        return self.chunks(self._audio(bytes(data)))

    def detach(self) -> Future[None]:
        """End the SDK's use of the line, though it may go on reading.

        The returned future resolves when the line is to be abandoned: when everything was delivered, or when there is
        no connection and the SDK has not sent CloseStream.
        """
        has_closed = self._finishing
        self._finish()

        def is_over(machine: Recovery, now: float) -> bool:
            return machine.phase is Phase.CLOSED or not (has_closed or machine.phase is Phase.OPEN)

        return self._open_driver.when(is_over)

    # ---- to the SDK ----

    def next_message(self, wake: Callable[[], None]) -> str | None:
        """The next message; None when there is none yet, and then `wake` is called once there may be one.

        Raises LineEnded after the last one.
        """
        while self._closed is None:
            event = self._queue.take(wake)
            if event is None:
                return None
            text = self._to_message(event)
            if text is not None:
                return text
        raise LineEnded(self._closed.error)

    # ---- inside ----

    def _control(self, text: str) -> None:
        message = json.loads(text)
        match message.get("type"):
            case "KeepAlive":
                pass  # the line sends KeepAlive by itself
            case "Finalize":
                self.finalize(message.get("channel"))
            case "CloseStream":
                self._finish()
            case other:
                raise UsageError(
                    f"A line that reconnects cannot send {other}; KeepAlive, Finalize and CloseStream it can."
                )

    def _audio(self, data: bytes) -> bytes:
        begun, self._has_audio = self._has_audio, self._has_audio or bool(data)
        return data if begun or self._config.settings.pcm is None else _without_wav_header(data)

    def _finish(self) -> None:
        self._finishing = True
        self.end(FINISH_S)

    def _to_source(self, stretch: Stretch, epoch: int) -> Stretch | None:
        return self._open_driver.query(lambda machine, now: source_stretch(machine.timeline, stretch, epoch))

    def _to_message(self, event: Event) -> str | None:
        match event:
            case Interim() | Final():
                return self._retimer.results(event)
            case SpeechStarted():
                return self._retimer.speech_started(event)
            case UtteranceEnd():
                return self._retimer.utterance_end(event)
            case Notice(raw=raw):
                return raw
            case Stats():
                self._stats = event
            case Closed(code=code, error=error, raw=metadata):
                self._closed = event
                if code is not None and error is None and metadata:
                    return self._retimer.metadata(metadata, self._stats)
            case Gap(seconds=seconds, why=why):
                _log.warning("%.3f s of audio are lost: %s", seconds, why)
            case Reconnecting(attempt=attempt, delay_s=delay_s, why=why):
                _log.info("reconnecting in %.1f s, attempt %d: %s", delay_s, attempt, why)
            case Reconnected(outage_s=outage_s, replay_s=replay_s):
                _log.info("connected again after %.1f s; %.1f s of audio are sent again", outage_s, replay_s)
            case _:
                pass
        return None


def _config(request: SdkRequest, headers: Mapping[str, str], tuning: Tuning) -> LineConfig:
    # Nothing may be added to the query that the SDK sent.
    parameters: dict[str, list[str] | str | None] = dict.fromkeys(("encoding", "sample_rate", "channels"))
    for name, values in request.parameters.items():
        parameters[name] = values[0] if len(values) == 1 else values
    return configure_line(
        request.url,
        Credentials(),
        request.declared,
        live=True,
        tuning=replace(tuning, headers={**headers, **tuning.headers}, keep_transcript=False),
        faults=None,
        parameters=parameters,
    )


def _without_wav_header(data: bytes) -> bytes:
    """`data` without a WAV header: programs that read a file often send its header too, audible as a click."""
    if not data.startswith(wav.MAGICS):
        return data
    try:
        length = wav.header_bytes(data)
    except BadAudio:
        length = None
    return data[_USUAL_WAV_HEADER if length is None else length :]
