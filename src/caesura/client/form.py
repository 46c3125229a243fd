"""What audio is, as declared or as found in its header, in; what a server must be told about it out. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from caesura.client.framing import SAMPLE_BYTES
from caesura.errors import UsageError

MIN_RATE, MAX_RATE = 4_000, 192_000
MAX_CHANNELS = 20


@dataclass(frozen=True, slots=True)
class Form:
    """What a source yields.

    `encoding` is the wire's name for its samples, None for a container that says itself what it holds; `sample_rate`
    (Hz) and `channels` then say nothing. `seconds` is the length where it is known. `note` is empty, or one sentence
    about what its user should know.
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
        """What must be in the query; nothing for a container."""
        if self.encoding is None:
            return {}
        return {"encoding": self.encoding, "sample_rate": self.sample_rate, "channels": self.channels}


def checked(form: Form, name: str) -> Form:
    """The form, if it is one that can be sent. Raises UsageError, which says it of `name`."""
    if form.encoding is not None and form.encoding not in SAMPLE_BYTES:
        raise UsageError(f"{name}: raw audio cannot be {form.encoding}; it must be {', '.join(SAMPLE_BYTES)}.")
    if not MIN_RATE <= form.sample_rate <= MAX_RATE:
        raise UsageError(f"{name}: a sample rate of {form.sample_rate} Hz; it must be {MIN_RATE} to {MAX_RATE}.")
    if not 1 <= form.channels <= MAX_CHANNELS:
        raise UsageError(f"{name}: {form.channels} channels; there must be 1 to {MAX_CHANNELS}.")
    return form
