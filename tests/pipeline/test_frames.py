"""Frames between front and worker: what goes in comes out, whole, however the bytes are cut."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.engines.base import Hypothesis, SegmentJob
from caesura.errors import InternalError
from caesura.pipeline import frames
from caesura.pipeline.frames import (
    HEADER,
    MAX_FRAME,
    Failed,
    Frame,
    FrameReader,
    Load,
    Ready,
    Refused,
    Transcribe,
    Transcribed,
    encode,
)
from caesura.words import Word

HEARD = Hypothesis((Word("Hello.", 0.1, 0.5, 0.9),), (1, 5, 2))
PLAIN: list[Frame] = [Load("scripted", ("a", "b")), Ready(), Refused("no"), Failed("why"), Transcribed((HEARD,))]


@given(st.lists(st.sampled_from(PLAIN), max_size=5), st.integers(1, 300))
def test_frames_come_out_whole_from_pieces_of_any_size(sent: list[Frame], size: int) -> None:
    """Several in one piece, or one in many."""
    data = b"".join(encode(frame) for frame in sent)
    reader = FrameReader()
    received = [frame for at in range(0, len(data), size) for frame in reader.receive(data[at : at + size])]
    assert received == sent


def test_audio_and_draft_arrive_as_they_were() -> None:
    """Every sample, its type, and the draft of the job."""
    audio = np.random.default_rng(2).normal(0, 1, 160_000).astype(np.float32)
    (frame,) = FrameReader().receive(encode(Transcribe((SegmentJob(audio, 12.5, True, HEARD),))))
    assert isinstance(frame, Transcribe)
    (job,) = frame.jobs
    assert (job.at, job.final, job.draft) == (12.5, True, HEARD)
    assert job.audio.dtype == np.dtype(np.float32)
    np.testing.assert_array_equal(job.audio, audio)


def test_a_length_beyond_the_limit_is_refused_before_its_bytes_are_awaited() -> None:
    """Four stray bytes must not make the front buffer 4 GiB."""
    with pytest.raises(InternalError, match=f"{MAX_FRAME + 1} bytes; the most is {MAX_FRAME}"):
        list(FrameReader().receive(HEADER.pack(MAX_FRAME + 1)))


def test_a_frame_beyond_the_limit_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other end would refuse it."""
    monkeypatch.setattr(frames, "MAX_FRAME", 100)
    with pytest.raises(InternalError, match="the most is 100"):
        encode(Refused("x" * 200))


def test_a_foreign_value_is_refused() -> None:
    """Only the listed kinds are frames."""
    body = pickle.dumps({"type": "Ready"})
    with pytest.raises(InternalError, match="holds dict"):
        list(FrameReader().receive(HEADER.pack(len(body)) + body))


def test_the_module_loads_no_numpy() -> None:
    """A worker imports it before it has said how many threads there shall be."""
    code = "import sys, caesura.pipeline.worker; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
