from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
from corpus import Clip, ClipSet, find_sets, sample
from load import decode


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose manifest has all that a manifest may have."""
    lines = [
        {"file": "a.wav", "text": "one", "seconds": 1.0},
        {"file": "b.wav", "text": "two", "seconds": 1.0, "set": "noisy", "snr_db": 5, "speech_id": "s1"},
        {"file": "c.wav", "text": "three", "seconds": 1.0, "set": "noisy", "snr_db": 10},
        {"file": "d.wav", "text": "vier", "seconds": 1.0, "set": "german", "language": "de"},
        {"file": "e.wav", "text": None, "seconds": 1.0, "set": "unknown"},
        {"file": "f.wav", "text": "", "seconds": 1.0, "set": "hum", "language": "zxx"},
        {"file": "g.wav", "text": "yes no", "seconds": 1.0, "set": "two", "channel_texts": ["yes", "no"]},
        {"file": "h.wav", "text": "hi", "seconds": 1.0, "set": "timed", "word_times": [["hi", 0.25, 0.5]]},
        {"file": "bad/i.wav", "text": "example of text", "seconds": 1.0, "set": "wrong"},
    ]
    (tmp_path / "manifest.jsonl").write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    return tmp_path


def clips(count: int) -> ClipSet:
    return ClipSet(
        "set", tuple(Clip(str(at), "yes", "en", 1.0 + at, lambda: np.zeros(1, np.int16)) for at in range(count))
    )


def test_sets_are_named_by_source_and_condition(folder: Path) -> None:
    """What has no reference, or another language than the engine, is no set."""
    names = [each.name for each in find_sets([folder], ["en"], ["bad/*"])]
    assert names == [folder.name, "noisy, 10 dB", "noisy, 5 dB", "hum", "two", "timed"]


def test_an_engine_of_more_languages_is_given_more(folder: Path) -> None:
    assert "german" in [each.name for each in find_sets([folder], ["en", "de"])]


def test_each_channel_with_a_text_is_a_recording(folder: Path) -> None:
    [two] = [each for each in find_sets([folder], ["en"]) if each.name == "two"]
    assert [clip.text for clip in two.clips] == ["yes", "no"]


def test_word_times_are_read(folder: Path) -> None:
    [timed] = [each for each in find_sets([folder], ["en"]) if each.name == "timed"]
    assert timed.clips[0].word_starts == (("hi", 0.25),)


def test_recordings_of_one_utterance_are_known_by_its_name(folder: Path) -> None:
    sets = {each.name: each for each in find_sets([folder], ["en"])}
    assert sets["noisy, 5 dB"].clips[0].utterance == "s1"
    assert sets["noisy, 10 dB"].clips[0].utterance == "c"


def test_a_folder_without_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="lists the recordings"):
        find_sets([tmp_path], ["en"])


def test_a_sample_repeats_and_is_just_long_enough() -> None:
    drawn = sample(clips(20), 12.0, 10.0)
    assert drawn.seconds - drawn.clips[-1].seconds < 12.0 <= drawn.seconds
    assert max(clip.seconds for clip in drawn.clips) <= 10.0
    assert [clip.name for clip in drawn.clips] == [clip.name for clip in sample(clips(20), 12.0, 10.0).clips]


def test_a_channel_is_decoded_by_itself(tmp_path: Path) -> None:
    pcm = np.stack([np.full(8000, 1000), np.full(8000, -3000)], axis=1).astype(np.int16)
    path = tmp_path / "two.wav"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=8000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="stereo")
        frame.sample_rate = 8000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    middles = [int(decode(path, channel)[8000]) for channel in (0, 1, None)]
    assert middles == pytest.approx([1000, -3000, -1000], abs=40)
    assert len(decode(path)) == 16000
