"""A microphone in; what it hears, as a source of audio, out."""

from __future__ import annotations

import threading
from collections import deque
from types import ModuleType
from typing import Any

from caesura.client.form import Form, checked
from caesura.client.sources import AudioSource
from caesura.distribution import install_command
from caesura.errors import UsageError

FRAME_S = 0.05
QUEUE_S = 30.0
"""What nobody takes is kept so long; what is heard after that is lost, and counted."""

Device = int | str | None
"""A number or a part of a name, as `python -m sounddevice` lists them; None is the system's own choice."""

_ENCODING = "linear16"


def microphone(
    *, sample_rate: int = 16_000, channels: int = 1, frame_s: float = FRAME_S, device: Device = None
) -> Microphone:
    """What a microphone hears from `with` or `async with` on, as linear16; it ends with `close`.

    `sample_rate` in Hz, `channels` of the device, chunks of `frame_s` seconds. Raises UsageError, when it is opened,
    if sounddevice or PortAudio is missing or the device is not to be had like that.
    """
    form = checked(Form(_ENCODING, sample_rate, channels), "The microphone")
    return Microphone(MicrophoneFeed(form, frame_s, device), frame_s=frame_s)


class Microphone(AudioSource):
    """An AudioSource that goes on until it is closed. What it heard before its first reader came is not lost."""

    def __init__(self, feed: MicrophoneFeed, *, frame_s: float) -> None:
        super().__init__(feed, frame_s=frame_s)
        self._microphone = feed

    @property
    def is_live(self) -> bool:
        """It is."""
        return True

    @property
    def stands_still(self) -> bool:
        """It hears on while nobody reads it."""
        return False

    @property
    def overflowed_s(self) -> float:
        """Seconds that were heard but lost, because nobody took them in time; they are missing between two chunks."""
        return self._microphone.overflowed_s


class MicrophoneFeed:
    """Blocks as PortAudio's thread delivers them, in a queue of at most QUEUE_S."""

    def __init__(self, form: Form, frame_s: float, device: Device) -> None:
        self._form = form
        self._block_frames = max(1, round(form.sample_rate * frame_s))
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
        return self._lost_frames / self._form.sample_rate

    def open(self) -> Form:
        """Begins to listen. Raises UsageError."""
        sounddevice = _sounddevice()
        try:
            self._stream = sounddevice.RawInputStream(
                samplerate=self._form.sample_rate,
                blocksize=self._block_frames,
                device=self._device,
                channels=self._form.channels,
                dtype="int16",
                callback=self._heard,
                finished_callback=self._finished,
            )
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            raise UsageError(self._not_to_be_had(sounddevice, error)) from error
        return self._form

    def block(self) -> bytes:
        """All that is in the queue, waiting for something; nothing once it was interrupted. Raises UsageError."""
        with self._change:
            self._change.wait_for(lambda: self._blocks or self._stopped or self._closed)
            data = b"".join(self._blocks)
            self._blocks.clear()
            self._frames = 0
        if not data and not self._closed:
            raise UsageError(f"{self._called()} stopped by itself; it may have been unplugged.")
        return data

    def interrupt(self) -> None:
        """Ends the waiting."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    def close(self) -> None:
        """Gives the microphone back."""
        if self._stream is not None:
            self._stream.close()

    def _heard(self, data: Any, frames: int, time: Any, status: Any) -> None:
        # On PortAudio's thread, every `frame_s`.
        began = float(time.inputBufferAdcTime)
        with self._change:
            if status.input_overflow:
                self._lost_frames += self._gap(began)
            self._due = began + frames / self._form.sample_rate
            if self._frames + frames > QUEUE_S * self._form.sample_rate:
                self._lost_frames += frames
            else:
                self._blocks.append(bytes(data))
                self._frames += frames
                self._change.notify_all()

    def _gap(self, began: float) -> int:
        # PortAudio says that something was lost, not how much; its clock does, where the driver keeps one.
        missed = 0 if self._due is None else round((began - self._due) * self._form.sample_rate)
        return missed if missed > 0 else self._block_frames

    def _finished(self) -> None:
        with self._change:
            self._stopped = True
            self._change.notify_all()

    def _called(self) -> str:
        return "The microphone" if self._device is None else f"The microphone {self._device!r}"

    def _not_to_be_had(self, sounddevice: ModuleType, error: Exception) -> str:
        wanted = f"{self._form.sample_rate} Hz, {self._form.channels} channel(s)"
        return f"{self._called()} cannot be opened with {wanted}: {error}. {_there_are(sounddevice)}"


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


def _there_are(sounddevice: ModuleType) -> str:
    """The microphones that can be had, and how."""
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
