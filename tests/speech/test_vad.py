"""The Silero VAD: the same probabilities however the samples are cut, and speech told from silence."""

from __future__ import annotations

import subprocess
import sys
import wave
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from caesura.errors import InternalError, UsageError
from caesura.speech import vad
from caesura.speech.vad import FRAME, SileroModel, SileroVad, load_silero

MODEL = load_silero()


def recording(seconds: float) -> NDArray[np.float32]:
    """The head of a recording that the engine's wheel brings along, as 16 kHz mono."""
    package = find_spec("moonshine_voice")
    assert package is not None
    assert package.origin is not None
    with wave.open(str(Path(package.origin).parent / "assets" / "beckett.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        data = file.readframes(int(seconds * 16_000))
    return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)


SPEECH = recording(6.0)
WHOLE = SileroVad(MODEL).hear(SPEECH)


def hear_in_pieces(samples: NDArray[np.float32], sizes: list[int]) -> NDArray[np.float32]:
    """What one VAD says when the samples come in pieces of these sizes, over and over."""
    listener = SileroVad(MODEL)
    told = []
    at = turn = 0
    while at < len(samples):
        size = sizes[turn % len(sizes)]
        told.append(listener.hear(samples[at : at + size]))
        at, turn = at + size, turn + 1
    return np.concatenate(told)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from([1, 63, 64, 320, 511, 512, 513, 800, 1024, 1600, 5000, 40_000]), min_size=1, max_size=8)
)
def test_any_chunking_gives_the_same_probabilities(sizes: list[int]) -> None:
    """Pieces around every boundary of frame and context."""
    samples = SPEECH[: min(len(SPEECH), 400 * max(sizes))]
    told = hear_in_pieces(samples, sizes)
    np.testing.assert_allclose(told, WHOLE[: len(samples) // FRAME], atol=1e-5)


def test_each_frame_is_told_by_the_sample_that_completes_it() -> None:
    """511 samples say nothing, the next one completes the frame."""
    listener = SileroVad(MODEL)
    assert listener.hear(SPEECH[:511]).shape == (0,)
    np.testing.assert_allclose(listener.hear(SPEECH[511:512]), WHOLE[:1], atol=1e-5)


def test_a_large_chunk_is_judged_in_bounded_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """More frames than go into one call come out the same."""
    monkeypatch.setattr(vad, "_ROWS_AT_ONCE", 7)
    np.testing.assert_allclose(SileroVad(MODEL).hear(SPEECH), WHOLE, atol=1e-5)


def test_it_tells_speech_from_silence_and_noise() -> None:
    """A recording has speech in every other frame; zeros and faint hiss never are."""
    hiss = np.random.default_rng(1).normal(0, 0.002, 32_000).astype(np.float32)
    assert float(np.mean(WHOLE > 0.5)) > 0.4
    assert SileroVad(MODEL).hear(np.zeros(32_000, np.float32)).max() < 0.3
    assert SileroVad(MODEL).hear(hiss).max() < 0.3


def test_channels_that_share_a_model_do_not_disturb_each_other() -> None:
    """Two listeners fed in turns answer as each would alone."""
    speech, silence = SileroVad(MODEL), SileroVad(MODEL)
    told = []
    for at in range(0, len(SPEECH), 800):
        told.append(speech.hear(SPEECH[at : at + 800]))
        silence.hear(np.zeros(800, np.float32))
    np.testing.assert_allclose(np.concatenate(told), WHOLE, atol=1e-5)


def test_it_keeps_nothing_of_a_large_chunk() -> None:
    """What is held after a minute of audio is less than one frame and its context."""
    listener = SileroVad(MODEL)
    listener.hear(np.zeros(16_000 * 10 + 5, np.float32))
    held = listener._held
    assert held is not None
    assert held.base is None
    assert len(held) < FRAME + 64


def test_no_samples_say_nothing() -> None:
    """An empty chunk is allowed and creates no state."""
    listener = SileroVad(MODEL)
    assert listener.hear(np.empty(0, np.float32)).shape == (0,)
    assert listener._held is None


@pytest.mark.parametrize("samples", [np.zeros(512, np.float64), np.zeros((1, 512), np.float32)])
def test_other_shapes_and_types_are_refused(samples: NDArray[np.float32]) -> None:
    """The sentence names the argument and what would be right."""
    with pytest.raises(UsageError, match=r"samples: float(32|64) of shape .* give float32 of shape \(n,\)"):
        SileroVad(MODEL).hear(samples)


def test_the_model_is_found_without_importing_the_package_that_brings_it() -> None:
    """faster_whisper would pull its own inference library into every process."""
    code = (
        "import sys; from caesura.speech.vad import load_silero; load_silero();"
        "sys.exit(any(name in sys.modules for name in ('faster_whisper', 'ctranslate2')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says what to install."""
    monkeypatch.setattr(vad, "find_spec", lambda name: None)
    with pytest.raises(InternalError, match=r"install caesura\[server\]"):
        load_silero()


def test_a_package_without_the_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The sentence says where it was looked for."""

    class Spec:
        origin = str(tmp_path / "__init__.py")

    monkeypatch.setattr(vad, "find_spec", lambda name: Spec)
    with pytest.raises(InternalError, match=r"no silero_vad\*\.onnx in .*assets"):
        load_silero()


def test_another_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later file with other inputs must not be fed as if it were this one."""
    monkeypatch.setattr(vad, "_ROW", 500)
    package = find_spec("faster_whisper")
    assert package is not None
    assert package.origin is not None
    path = next((Path(package.origin).parent / "assets").glob("silero_vad*.onnx"))
    with pytest.raises(InternalError, match="the voice activity network takes"):
        SileroModel(path)
