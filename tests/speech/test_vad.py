"""The Silero VAD: the same probabilities however the samples are split; speech differs from silence."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
import wave
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from caesura.errors import InternalError, UsageError
from caesura.speech import vad
from caesura.speech.vad import FRAME, SileroModel, SileroVad, feed_together, load_silero
from tests.example_count import examples
from tests.speech import batched_vad_graph

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
WHOLE = SileroVad(MODEL).feed(SPEECH)


def hear_in_pieces(samples: NDArray[np.float32], sizes: list[int]) -> NDArray[np.float32]:
    """The probabilities of one detector that is fed the samples in pieces of these sizes, repeatedly."""
    channel = SileroVad(MODEL)
    parts = []
    at = turn = 0
    while at < len(samples):
        size = sizes[turn % len(sizes)]
        parts.append(channel.feed(samples[at : at + size]))
        at, turn = at + size, turn + 1
    return np.concatenate(parts)


@examples(25)
@given(
    st.lists(st.sampled_from([1, 63, 64, 320, 511, 512, 513, 800, 1024, 1600, 5000, 40_000]), min_size=1, max_size=8)
)
def test_any_chunking_gives_the_same_probabilities(sizes: list[int]) -> None:
    """Pieces around every boundary of frame and context."""
    samples = SPEECH[: min(len(SPEECH), 400 * max(sizes))]
    parts = hear_in_pieces(samples, sizes)
    np.testing.assert_allclose(parts, WHOLE[: len(samples) // FRAME], atol=1e-5)


def test_each_frame_is_computed_with_the_sample_that_completes_it() -> None:
    """511 samples give no probability; the next one completes the frame."""
    channel = SileroVad(MODEL)
    assert channel.feed(SPEECH[:511]).shape == (0,)
    np.testing.assert_allclose(channel.feed(SPEECH[511:512]), WHOLE[:1], atol=1e-5)


def test_a_large_chunk_is_judged_in_bounded_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """More frames than go into one call come out the same."""
    monkeypatch.setattr(vad, "_STEPS_AT_ONCE", 7)
    np.testing.assert_allclose(SileroVad(MODEL).feed(SPEECH), WHOLE, atol=1e-5)


def test_it_distinguishes_speech_from_silence_and_noise() -> None:
    """A recording has speech in every other frame; zeros and faint hiss never are."""
    hiss = np.random.default_rng(1).normal(0, 0.002, 32_000).astype(np.float32)
    assert float(np.mean(WHOLE > 0.5)) > 0.4
    assert SileroVad(MODEL).feed(np.zeros(32_000, np.float32)).max() < 0.3
    assert SileroVad(MODEL).feed(hiss).max() < 0.3


def test_channels_fed_together_get_what_each_gets_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever each brings: nothing, less than a frame, one frame, many; with more of them than go into one call."""
    monkeypatch.setattr(vad, "_STREAMS_AT_ONCE", 3)
    random = np.random.default_rng(2)
    parts = [SPEECH[at * 8_000 :] for at in range(5)] + [np.zeros(40_000, np.float32)]
    alone = [SileroVad(MODEL) for _ in parts]
    together = [SileroVad(MODEL) for _ in parts]
    at = [0] * len(parts)
    for _ in range(12):
        sizes = random.choice([0, 100, 512, 1600, 5000], len(parts))
        samples = [part[start : start + size] for part, start, size in zip(parts, at, sizes, strict=True)]
        at = [start + int(size) for start, size in zip(at, sizes, strict=True)]
        found = feed_together(list(zip(together, samples, strict=True)))
        for one, piece, probabilities in zip(alone, samples, found, strict=True):
            np.testing.assert_allclose(probabilities, one.feed(piece), atol=1e-5)


def test_after_an_error_no_channel_has_consumed_its_samples() -> None:
    """Channels that were fed together can be fed separately afterwards."""
    first, second = SileroVad(MODEL), SileroVad(MODEL)
    feed_together([(first, SPEECH[:1600]), (second, SPEECH[:700])])
    with pytest.raises(UsageError):
        feed_together([(first, SPEECH[1600:5000]), (second, SPEECH[700:5000].astype(np.float64))])
    again = np.concatenate([first.feed(SPEECH[1600:5000]), second.feed(SPEECH[700:5000])])
    np.testing.assert_allclose(again, np.concatenate([WHOLE[3:9], WHOLE[1:9]]), atol=1e-5)


def test_the_network_is_the_one_of_the_package_rewritten() -> None:
    """The file is reproduced from the original, to the byte, and gives the same probabilities and states."""
    assert batched_vad_graph.batched() == vad.WEIGHTS.read_bytes()
    original = onnxruntime.InferenceSession(batched_vad_graph.ORIGINAL, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(5)
    rows = [random.normal(0, 0.2, (length, 576)).astype(np.float32) for length in (3, 1, 7)]
    h, c = random.normal(0, 0.3, (2, 1, len(rows), 128)).astype(np.float32)
    probabilities, hn, cn = MODEL.run(rows, h, c)
    for stream, each in enumerate(rows):
        one = slice(stream, stream + 1)
        expected = original.run(None, {"input": each, "h": h[:, one].copy(), "c": c[:, one].copy()})
        for found, right in zip((probabilities[stream], hn[:, one], cn[:, one]), expected, strict=True):
            np.testing.assert_allclose(found, right, atol=1e-4)


def test_channels_that_share_a_model_do_not_disturb_each_other() -> None:
    """Two listeners fed in turns answer as each would alone."""
    speech, silence = SileroVad(MODEL), SileroVad(MODEL)
    parts = []
    for at in range(0, len(SPEECH), 800):
        parts.append(speech.feed(SPEECH[at : at + 800]))
        silence.feed(np.zeros(800, np.float32))
    np.testing.assert_allclose(np.concatenate(parts), WHOLE, atol=1e-5)


def test_it_keeps_nothing_of_a_large_chunk() -> None:
    """After ten seconds of audio it holds its state and less than one frame with its context."""
    channel = SileroVad(MODEL)
    channel.feed(np.zeros(FRAME, np.float32))
    chunk = np.zeros(16_000 * 10 + 5, np.float32)
    tracemalloc.start()
    try:
        channel.feed(chunk)
        assert tracemalloc.get_traced_memory()[0] < 16_384
    finally:
        tracemalloc.stop()


def test_no_samples_give_no_probabilities() -> None:
    """An empty chunk is allowed, and changes nothing."""
    channel = SileroVad(MODEL)
    assert channel.feed(np.empty(0, np.float32)).shape == (0,)
    np.testing.assert_array_equal(channel.feed(SPEECH), SileroVad(MODEL).feed(SPEECH))


@pytest.mark.parametrize("samples", [np.zeros(512, np.float64), np.zeros((1, 512), np.float32)])
def test_other_shapes_and_types_are_refused(samples: NDArray[np.float32]) -> None:
    """The sentence names the argument and what would be right."""
    with pytest.raises(UsageError, match=r"samples: float(32|64) of shape .* give float32 of shape \(n,\)"):
        SileroVad(MODEL).feed(samples)


def test_nothing_large_is_imported() -> None:
    """The network needs onnxruntime and numpy, and no package that brings a whole inference library along."""
    code = (
        "import sys; from caesura.speech.vad import load_silero; load_silero();"
        "sys.exit(any(name in sys.modules for name in ('faster_whisper', 'ctranslate2', 'torch', 'onnx')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_missing_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(vad, "WEIGHTS", tmp_path / "gone.onnx")
    with pytest.raises(InternalError, match=r"gone\.onnx: No such file or directory; install this package again"):
        load_silero()


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One bit is enough."""
    damaged = bytearray(vad.WEIGHTS.read_bytes())
    damaged[700_000] ^= 1
    monkeypatch.setattr(vad, "WEIGHTS", tmp_path / "silero.onnx")
    vad.WEIGHTS.write_bytes(damaged)
    with pytest.raises(InternalError, match=r"silero\.onnx has the SHA-256 [0-9a-f]{64}, expected 2f0e64a6"):
        load_silero()


def test_another_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later file with other inputs must not be fed as if it were this one."""
    monkeypatch.setattr(vad, "_ROW", 500)
    with pytest.raises(InternalError, match=r"the voice activity network takes .*576.*expected .*500"):
        SileroModel(vad.WEIGHTS.read_bytes())


def far_away(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """A voice across a room: four times its own energy in reverberation, 0.6 s of it, at -54 dBFS."""
    reverberation = np.random.default_rng(3).normal(size=9600) * np.exp(-6.9 * np.arange(9600) / 9600)
    reverberation /= np.sqrt(np.sum(reverberation**2))
    reverberation[0] = 0.5
    wet = np.convolve(samples, reverberation)[: len(samples)]
    quiet: NDArray[np.float32] = (wet / np.sqrt(np.mean(wet**2)) * 0.002).astype(np.float32)
    return quiet


def test_a_voice_across_the_room_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Amplified as needed; without that the network finds next to nothing of it."""
    far = far_away(SPEECH)
    found = float(np.mean(SileroVad(MODEL).feed(far) > 0.5))
    monkeypatch.setattr(vad, "MAX_GAIN", 1.0)
    unamplified = float(np.mean(SileroVad(MODEL).feed(far) > 0.5))
    assert found > 0.9 * float(np.mean(WHOLE > 0.5))
    assert unamplified < 0.5 * found


def test_telephone_speech_is_found() -> None:
    """300 to 3400 Hz with nothing beside it, as a call without noise has."""
    spectrum = np.fft.rfft(SPEECH)
    hertz = np.fft.rfftfreq(len(SPEECH), 1 / 16_000)
    spectrum[(hertz < 300) | (hertz > 3400)] = 0
    call = np.fft.irfft(spectrum, len(SPEECH)).astype(np.float32)
    assert float(np.mean(SileroVad(MODEL).feed(call) > 0.5)) > 0.9 * float(np.mean(WHOLE > 0.5))


def test_speech_of_the_usual_level_is_hardly_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only before its first word and in its pauses is it quiet enough: almost no frame has another probability."""
    parts = SileroVad(MODEL).feed(SPEECH)
    monkeypatch.setattr(vad, "MAX_GAIN", 1.0)
    assert float(np.mean((parts > 0.5) == (SileroVad(MODEL).feed(SPEECH) > 0.5))) > 0.97


def test_the_same_quiet_audio_in_pieces_is_amplified_alike() -> None:
    quiet = (SPEECH * np.float32(0.02)).astype(np.float32)
    whole = SileroVad(MODEL).feed(quiet)
    channel = SileroVad(MODEL)
    pieces = [channel.feed(quiet[at : at + 777]) for at in range(0, len(quiet), 777)]
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-5)
