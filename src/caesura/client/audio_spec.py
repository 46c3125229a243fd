"""Specification of a source's audio (encoding, sample rate, channels), and its parameters on the wire. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from caesura.client.pcm import SAMPLE_BYTES
from caesura.errors import UsageError

MIN_RATE, MAX_RATE = 4_000, 192_000
MAX_CHANNELS = 20


@dataclass(frozen=True, slots=True)
class AudioSpec:
    """Audio that a source yields.

    `encoding` is the wire's name for its samples, None for a container, which declares its contents itself; then
    `sample_rate` (Hz) and `channels` have no meaning. `seconds` is the length where it is known. `note` is empty, or
    one sentence for the user.
    """

    encoding: str | None
    sample_rate: int = 0
    channels: int = 1
    seconds: float | None = None
    note: str = ""

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel; 1 for a container."""
        return SAMPLE_BYTES[self.encoding] * self.channels if self.encoding else 1

    @property
    def bytes_per_s(self) -> int:
        """Bytes of one second; 0 for a container."""
        return self.frame_bytes * self.sample_rate if self.encoding else 0

    @property
    def parameters(self) -> dict[str, str | int]:
        """Query parameters that declare the audio; none for a container."""
        if self.encoding is None:
            return {}
        return {"encoding": self.encoding, "sample_rate": self.sample_rate, "channels": self.channels}


def checked_spec(spec: AudioSpec, name: str) -> AudioSpec:
    """`spec`, if it can be sent. Raises UsageError about the source called `name`."""
    if spec.encoding is not None and spec.encoding not in SAMPLE_BYTES:
        raise UsageError(f"{name}: raw audio cannot be {spec.encoding}; it must be {', '.join(SAMPLE_BYTES)}.")
    if not MIN_RATE <= spec.sample_rate <= MAX_RATE:
        raise UsageError(f"{name}: a sample rate of {spec.sample_rate} Hz; it must be {MIN_RATE} to {MAX_RATE}.")
    if not 1 <= spec.channels <= MAX_CHANNELS:
        raise UsageError(f"{name}: {spec.channels} channels; there must be 1 to {MAX_CHANNELS}.")
    return spec
