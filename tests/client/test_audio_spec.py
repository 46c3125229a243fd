"""Specifications of audio: their parameters, and which cannot be sent."""

from __future__ import annotations

import pytest

from caesura.client.audio_spec import AudioSpec, checked_spec
from caesura.errors import UsageError


@pytest.mark.parametrize(("encoding", "size"), [("linear16", 4), ("linear32", 8), ("mulaw", 2), ("alaw", 2)])
def test_samples_are_counted_and_declared(encoding: str, size: int) -> None:
    spec = AudioSpec(encoding, 8_000, 2)
    assert (spec.frame_bytes, spec.bytes_per_s) == (size, size * 8_000)
    assert spec.parameters == {"encoding": encoding, "sample_rate": 8_000, "channels": 2}


def test_a_container_declares_nothing() -> None:
    spec = AudioSpec(None)
    assert (spec.frame_bytes, spec.bytes_per_s, spec.parameters) == (1, 0, {})


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (AudioSpec("opus", 16_000), "a.raw: raw audio cannot be opus; it must be linear16, linear32, mulaw, alaw."),
        (AudioSpec("linear16", 100), "a.raw: a sample rate of 100 Hz; it must be 4000 to 192000."),
        (AudioSpec("linear16", 16_000, 0), "a.raw: 0 channels; there must be 1 to 20."),
    ],
)
def test_what_cannot_be_sent_is_refused(spec: AudioSpec, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        checked_spec(spec, "a.raw")
    assert str(caught.value) == sentence
