"""Microphone sources over a fake sounddevice, and errors without one."""

from __future__ import annotations

import asyncio
import builtins
import sys
import threading
from collections.abc import Callable, Mapping
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from caesura.client.audio_spec import AudioSpec
from caesura.client.microphone import Microphone, MicrophoneFeed, microphone
from caesura.distribution import install_command
from caesura.errors import UsageError

BLOCK = bytes(range(200)) * 8
"""50 ms at 16 kHz."""


class PortAudioError(Exception):
    """As sounddevice has it."""


class Stream:
    """What sounddevice.RawInputStream would be; `capture` is PortAudio's thread."""

    def __init__(self, *, fails: Exception | None = None, **how: Any) -> None:
        if fails:
            raise fails
        self.how = how
        self.state = "made"
        self._adc = 50.0

    def start(self) -> None:
        self.state = "started"

    def close(self) -> None:
        self.state = "closed"
        self.how["finished_callback"]()

    def capture(self, data: bytes = BLOCK, *, overflow: bool = False, gap_s: float = 0.0) -> None:
        frames = len(data) // 2 // self.how["channels"]
        self._adc += gap_s
        time = SimpleNamespace(inputBufferAdcTime=self._adc)
        self.how["callback"](memoryview(data), frames, time, SimpleNamespace(input_overflow=overflow))
        self._adc += frames / self.how["samplerate"]


class Devices:
    """What stands in for the module sounddevice."""

    def __init__(self) -> None:
        self.streams: list[Stream] = []
        self.fails: Exception | None = None
        self.there: list[Mapping[str, object]] | Exception = [
            {"name": "Headset", "max_input_channels": 1, "default_samplerate": 44_100.0},
            {"name": "Speakers", "max_input_channels": 0, "default_samplerate": 48_000.0},
        ]

    def open(self, **how: Any) -> Stream:
        self.streams.append(Stream(fails=self.fails, **how))
        return self.streams[-1]

    def query(self) -> list[Mapping[str, object]]:
        if isinstance(self.there, Exception):
            raise self.there
        return self.there

    @property
    def stream(self) -> Stream:
        return self.streams[-1]


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> Devices:
    made = Devices()
    module: Any = ModuleType("sounddevice")
    module.RawInputStream = made.open
    module.PortAudioError = PortAudioError
    module.query_devices = made.query
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return made


def refusal(made: Microphone) -> str:
    with pytest.raises(UsageError) as caught, made:
        pass
    return str(caught.value)


def test_it_is_opened_as_it_was_requested(devices: Devices) -> None:
    with microphone(sample_rate=48_000, channels=2, frame_s=0.02, device="Headset") as made:
        assert made.parameters == {"encoding": "linear16", "sample_rate": 48_000, "channels": 2}
        assert (made.seconds, made.note, made.overflowed_s) == (None, "", 0.0)
        how = devices.stream.how
        assert (how["samplerate"], how["channels"], how["blocksize"]) == (48_000, 2, 960)
        assert (how["device"], how["dtype"]) == ("Headset", "int16")
        assert devices.stream.state == "started"
    assert devices.stream.state == "closed"


def test_what_is_recorded_comes_out_for_a_plain_loop(devices: Devices) -> None:
    with microphone() as made:
        for _ in range(3):
            devices.stream.capture()
        assert [next(made) for _ in range(3)] == [BLOCK] * 3


def test_what_is_recorded_comes_out_for_an_event_loop(devices: Devices) -> None:
    async def run() -> None:
        async with microphone() as made:
            waiting = asyncio.create_task(anext(made))
            await asyncio.sleep(0)
            devices.stream.capture()
            assert await waiting == BLOCK
            devices.stream.capture()
            assert await anext(made) == BLOCK

    asyncio.run(run())
    assert devices.stream.state == "closed"


def test_closing_it_is_its_end(devices: Devices) -> None:
    """Of whatever waits, too."""
    feed = MicrophoneFeed(AudioSpec("linear16", 16_000), 0.05, None)
    feed.interrupt()
    assert feed.block() == b""
    with microphone() as made:
        devices.stream.capture()
        assert next(made) == BLOCK
        closer = threading.Thread(target=made.close)
        closer.start()
        assert list(iter(lambda: next(made, b""), b"")) == []
        closer.join()
    assert devices.stream.state == "closed"


def test_audio_that_is_not_read_is_lost_after_half_a_minute_and_counted(devices: Devices) -> None:
    with microphone() as made:
        for _ in range(20 * 30 + 3):
            devices.stream.capture()
        assert made.overflowed_s == pytest.approx(0.15)
        assert all(next(made) == BLOCK for _ in range(600))
        devices.stream.capture(BLOCK[::-1])
        assert next(made) == BLOCK[::-1]
        assert made.overflowed_s == pytest.approx(0.15)


@pytest.mark.parametrize(("gap_s", "lost_s"), [(0.2, 0.2), (0.0, 0.05)])
def test_what_the_system_lost_is_counted(devices: Devices, gap_s: float, lost_s: float) -> None:
    """By the device's clock; where it stands still, one block is the least that can be missing."""
    with microphone() as made:
        devices.stream.capture()
        devices.stream.capture(overflow=True, gap_s=gap_s)
        devices.stream.capture()
        assert made.overflowed_s == pytest.approx(lost_s)


def test_the_first_block_may_follow_a_loss_too(devices: Devices) -> None:
    with microphone() as made:
        devices.stream.capture(overflow=True)
        assert made.overflowed_s == pytest.approx(0.05)


def test_a_microphone_that_is_unplugged_raises_after_its_last_words(devices: Devices) -> None:
    with microphone(device=3) as made:
        devices.stream.capture()
        devices.stream.how["finished_callback"]()
        assert next(made) == BLOCK
        with pytest.raises(UsageError, match=r"^The microphone 3 stopped by itself; it may have been unplugged\.$"):
            next(made)


@pytest.mark.parametrize("error", [PortAudioError("Invalid sample rate [PaErrorCode -9997]"), ValueError("No such")])
def test_a_device_that_is_not_to_be_had_is_named_with_those_that_are(devices: Devices, error: Exception) -> None:
    devices.fails = error
    assert refusal(microphone(device="Mic")) == (
        f"The microphone 'Mic' cannot be opened with 16000 Hz, 1 channel(s): {error}. "
        "There are: 'Headset' (44100 Hz, 1 channel(s))."
    )


@pytest.mark.parametrize("there", [[], PortAudioError("no host")])
def test_no_device_at_all_is_reported(devices: Devices, there: list[Mapping[str, object]] | Exception) -> None:
    devices.fails, devices.there = PortAudioError("Error querying device -1"), there
    assert refusal(microphone()).endswith("Error querying device -1. There is no microphone here.")


def test_what_no_microphone_can_do_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match=r"^The microphone: 0 channels; there must be 1 to 20\.$"):
        microphone(channels=0)


def test_without_sounddevice_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert refusal(microphone()) == (
        "A microphone needs the package sounddevice and the library PortAudio, and sounddevice is not installed: "
        f"{install_command('mic')} (on Linux also the library itself, on Debian and Ubuntu: apt install "
        "libportaudio2)."
    )


def test_without_portaudio_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """sounddevice looks for the library when it is imported."""
    real: Callable[..., Any] = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "sounddevice":
            raise OSError("PortAudio library not found")
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    assert f"and PortAudio was not found: {install_command('mic')}" in refusal(microphone())


def test_a_microphone_is_live_and_does_not_stand_still_in_a_pause() -> None:
    """It has to be read on, since what it captures meanwhile is skipped by the sample."""
    source = microphone()
    assert (source.is_live, source.waits_in_pauses) == (True, False)
