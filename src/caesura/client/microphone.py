"""Microphone as a source of audio, by way of PortAudio (sounddevice)."""

from __future__ import annotations

import threading
from collections import deque
from types import ModuleType
from typing import Any

from caesura.client.audio_spec import AudioSpec, checked_spec
from caesura.client.sources import AudioSource
from caesura.distribution import install_command
from caesura.errors import UsageError

FRAME_S = 0.05
QUEUE_S = 30.0
"""Audio that is not read is kept so long; what is recorded after that is lost, and counted."""

Device = int | str | None
"""A number or a part of a name, as `python -m sounddevice` lists them; None is the system's own choice."""

_ENCODING = "linear16"


def microphone(
    *, sample_rate: int = 16_000, channels: int = 1, frame_s: float = FRAME_S, device: Device = None
) -> Microphone:
    """Audio of a microphone from `with` or `async with` on, as linear16, until `close`.

    `sample_rate` in Hz, `channels` of the device, chunks of `frame_s` seconds. Raises UsageError, when it is opened,
    if sounddevice or PortAudio is missing or the device does not support this.
    """
    spec = checked_spec(AudioSpec(_ENCODING, sample_rate, channels), "The microphone")
    return Microphone(MicrophoneFeed(spec, frame_s, device), frame_s=frame_s)


class Microphone(AudioSource):
    """AudioSource that records until it is closed; what it recorded before it is first read is kept."""

    def __init__(self, feed: MicrophoneFeed, *, frame_s: float) -> None:
        super().__init__(feed, frame_s=frame_s)
        self._microphone = feed

    @property
    def is_live(self) -> bool:
        """A microphone is live."""
        return True

    @property
    def waits_in_pauses(self) -> bool:
        """It goes on recording while it is not read."""
        return False

    @property
    def overflowed_s(self) -> float:
        """Seconds lost because they were not read in time; they are missing between two chunks."""
        return self._microphone.overflowed_s


class MicrophoneFeed:
    """Queue of at most QUEUE_S of the blocks that PortAudio's thread delivers."""

    def __init__(self, spec: AudioSpec, frame_s: float, device: Device) -> None:
        self._spec = spec
        self._block_frames = max(1, round(spec.sample_rate * frame_s))
        self._device = device
        self._stream: Any = None
        self._blocks: deque[bytes] = deque()
        self._change = threading.Condition()
        self._frames = 0
        self._lost_frames = 0
        self._due: float | None = None
        self._stopped = False
        self._closed = False

    @property
    def overflowed_s(self) -> float:
        """Seconds lost so far."""
        return self._lost_frames / self._spec.sample_rate

    def open(self) -> AudioSpec:
        """Start recording. Raises UsageError."""
        sounddevice = _sounddevice()
        try:
            self._stream = sounddevice.RawInputStream(
                samplerate=self._spec.sample_rate,
                blocksize=self._block_frames,
                device=self._device,
                channels=self._spec.channels,
                dtype="int16",
                callback=self._recorded,
                finished_callback=self._finished,
            )
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            raise UsageError(self._open_failure(sounddevice, error)) from error
        return self._spec

    def block(self) -> bytes:
        """Everything in the queue, waiting until there is something; b"" after an interrupt. Raises UsageError."""
        with self._change:
            self._change.wait_for(lambda: self._blocks or self._stopped or self._closed)
            data = b"".join(self._blocks)
            self._blocks.clear()
            self._frames = 0
        if not data and not self._closed:
            raise UsageError(f"{self._display_name()} stopped by itself; it may have been unplugged.")
        return data

    def interrupt(self) -> None:
        """End the waiting of `block`."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    def close(self) -> None:
        """Release the device."""
        if self._stream is not None:
            self._stream.close()

    def _recorded(self, data: Any, frames: int, time: Any, status: Any) -> None:
        # Called on PortAudio's thread, every `frame_s`.
        began = float(time.inputBufferAdcTime)
        with self._change:
            if status.input_overflow:
                self._lost_frames += self._gap(began)
            self._due = began + frames / self._spec.sample_rate
            if self._frames + frames > QUEUE_S * self._spec.sample_rate:
                self._lost_frames += frames
            else:
                self._blocks.append(bytes(data))
                self._frames += frames
                self._change.notify_all()

    def _gap(self, began: float) -> int:
        # PortAudio reports that something was lost, not how much; its clock shows how much, where the driver keeps one.
        missed = 0 if self._due is None else round((began - self._due) * self._spec.sample_rate)
        return missed if missed > 0 else self._block_frames

    def _finished(self) -> None:
        with self._change:
            self._stopped = True
            self._change.notify_all()

    def _display_name(self) -> str:
        return "The microphone" if self._device is None else f"The microphone {self._device!r}"

    def _open_failure(self, sounddevice: ModuleType, error: Exception) -> str:
        wanted = f"{self._spec.sample_rate} Hz, {self._spec.channels} channel(s)"
        return f"{self._display_name()} cannot be opened with {wanted}: {error}. {_available_devices(sounddevice)}"


def _sounddevice() -> ModuleType:
    try:
        import sounddevice
    except ImportError as error:
        raise UsageError(_missing("sounddevice is not installed")) from error
    except OSError as error:
        raise UsageError(_missing("PortAudio was not found")) from error
    module: ModuleType = sounddevice
    return module


def _missing(what: str) -> str:
    return (
        f"A microphone needs the package sounddevice and the library PortAudio, and {what}: {install_command('mic')} "
        "(on Linux also the library itself, on Debian and Ubuntu: apt install libportaudio2)."
    )


def _available_devices(sounddevice: ModuleType) -> str:
    """A sentence that lists the microphones of this machine."""
    try:
        devices = [device for device in sounddevice.query_devices() if device["max_input_channels"]]
    except sounddevice.PortAudioError:
        devices = []
    if not devices:
        return "There is no microphone here."
    names = (
        f"{device['name']!r} ({device['default_samplerate']:.0f} Hz, {device['max_input_channels']} channel(s))"
        for device in devices
    )
    return f"There are: {', '.join(names)}."
