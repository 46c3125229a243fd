"""Line and `connect` for callers without an event loop; the same names as in `line`, without `await`."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Generator, Iterable, Iterator
from types import TracebackType
from typing import Self

from caesura.client.address import Value
from caesura.client.config import Credentials, DeclaredAudio, Tuning, configure_line
from caesura.client.events import Closed, Event, Sent, Transcript
from caesura.client.faults import Faults
from caesura.client.line import LineBase, as_bytes, held
from caesura.client.sources import AudioSource
from caesura.errors import UsageError


class SyncLine(LineBase):
    """A line for callers without an event loop, made by `connect`; it runs on the background loop."""

    def send(self, audio: bytes | bytearray | memoryview, *, at: float | None = None) -> Sent:
        """Send captured audio, and return what became of it; see `caesura.client.line.Line.send`.

        Live audio never waits. Audio that can wait, with `live=False` or faster than it can have been captured, waits
        here until there is room for it, or the line is resumed; nothing of it is dropped unless the line is closed.
        Raises UsageError also where the thread that paused the line would wait for its own `resume`.
        """
        data = as_bytes(audio)
        while (sent := self._try_send(data, at=at)) is None:
            self._check_pause()
            self._when_room().result()
        return sent

    def _check_pause(self) -> None:
        if self.is_paused and self._paused_by == threading.get_ident():
            raise UsageError(
                "This thread has paused the line, and a recording waits until it is resumed: resume it first, or send "
                "from another thread."
            )

    def __enter__(self) -> Self:
        self._check_unopened()
        try:
            self._start().opened.result()
        except BaseException:  # a signal handler may raise anything here
            self._abandon()
            raise
        return self

    def open(self) -> Self:
        """Open the line without a `with`; `finish` closes it."""
        return self.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.finish()

    def __iter__(self) -> Iterator[Event]:
        _ = self._open_driver
        ready = threading.Event()
        try:
            while True:
                event = self._queue.take(ready.set)
                if event is None:
                    ready.wait()
                    ready.clear()
                    continue
                yield event
                if isinstance(event, Closed):
                    if event.error is not None:
                        raise event.error
                    return
        finally:
            self._queue.cancel_wake(ready.set)

    def finish(self, timeout: float | None = None) -> Transcript:
        """Drain and close; see `caesura.client.line.Line.finish`."""
        return self._with_drops(self._begin_finish(timeout).result())

    def transcribe(self, audio: Iterable[bytes]) -> Generator[Event, None, None]:
        """Send what `audio` yields on another thread, finish at its end, and iterate over the events."""
        _ = self._open_driver
        feeder = _Feeder(self, audio)
        feeder.start()
        try:
            yield from self
        finally:
            feeder.stopped = True
        if feeder.error is not None:
            raise feeder.error

    def _feed(self, audio: Iterable[bytes], feeder: _Feeder) -> None:
        with contextlib.ExitStack() as opened:
            if isinstance(audio, AudioSource):
                opened.enter_context(audio)
                self._check_source(audio)
            for chunk in audio:
                if feeder.stopped:
                    return
                for piece in self._chunks(chunk):
                    while self._try_send(piece) is None:
                        with held(audio):
                            self._when_room().result()


Line = SyncLine
"""The public name, in `caesura.sync`."""


class _Feeder(threading.Thread):
    """Thread that sends audio until its end, or until the caller stops iterating."""

    def __init__(self, line: SyncLine, audio: Iterable[bytes]) -> None:
        super().__init__(name="caesura-feeder", daemon=True)
        self._line = line
        self._audio = audio
        self.stopped = False
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self._line._feed(self._audio, self)
        except Exception as error:  # noqa: BLE001  # raised again where the events are read
            self.error = error
        finally:
            self._line._finish_soon()


def connect(
    url: str = "ws://127.0.0.1:8080",
    *,
    key: str | None = None,
    token: str | None = None,
    encoding: str | None = "linear16",
    sample_rate: int = 16_000,
    channels: int = 1,
    live: bool = True,
    tuning: Tuning | None = None,
    faults: Faults | None = None,
    **parameters: Value | Iterable[Value],
) -> SyncLine:
    """A line to a server of this wire; enter it (`with`) or `open` it, once. Arguments as for `caesura.connect`."""
    config = configure_line(
        url,
        Credentials(key, token),
        DeclaredAudio(encoding, sample_rate, channels),
        live=live,
        tuning=tuning or Tuning(),
        faults=faults,
        parameters=parameters,
    )
    for warning in config.warnings:
        warnings.warn(warning, UserWarning, stacklevel=2)
    return SyncLine(config)
