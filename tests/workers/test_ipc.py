"""Frames between server and worker survive encoding and decoding, however the bytes are split."""

from __future__ import annotations

import contextlib
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.engines.base import Hypothesis, Priority, SegmentJob
from caesura.engines.streaming import FeedJob
from caesura.errors import InternalError
from caesura.words import Word
from caesura.workers import ipc
from caesura.workers.ipc import (
    HEADER,
    MAX_FRAME,
    CloseStates,
    FeedStates,
    Frame,
    FrameReader,
    JobsFailed,
    LoadEngine,
    LoadFailed,
    Ready,
    Transcribe,
    Transcribed,
    decode,
    encode,
)

JOB_AUDIO = np.ones(100, np.float32)
HEARD = Hypothesis((Word("Hello.", 0.1, 0.5, 0.9),), (1, 5, 2))
PLAIN: list[Frame] = [
    LoadEngine("scripted", ("a", "b")),
    Ready(),
    LoadFailed("no"),
    JobsFailed("why"),
    Transcribed((HEARD,)),
    CloseStates((3, 5)),
]


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
    (frame,) = FrameReader().receive(encode(Transcribe((SegmentJob(audio, 12.5, Priority.FINAL, HEARD),))))
    assert isinstance(frame, Transcribe)
    (job,) = frame.jobs
    assert (job.at, job.priority, job.draft) == (12.5, Priority.FINAL, HEARD)
    assert job.audio.dtype == np.dtype(np.float32)
    np.testing.assert_array_equal(job.audio, audio)


def test_what_feeds_states_arrives_as_it_was() -> None:
    """Each state gets its own samples."""
    sent = FeedStates(
        tuple(FeedJob(state, JOB_AUDIO[:length] * state, 1.0, Priority.INTERIM) for state, length in ((4, 7), (9, 50)))
    )
    (frame,) = FrameReader().receive(encode(sent))
    assert isinstance(frame, FeedStates)
    assert [job.state for job in frame.jobs] == [4, 9]
    for got, job in zip(frame.jobs, sent.jobs, strict=True):
        np.testing.assert_array_equal(got.audio, job.audio)


def test_a_length_beyond_the_limit_is_refused_before_its_bytes_are_awaited() -> None:
    """Four stray bytes must not make the server buffer 4 GiB."""
    with pytest.raises(InternalError, match=f"{MAX_FRAME + 1} bytes; the most is {MAX_FRAME}"):
        list(FrameReader().receive(HEADER.pack(MAX_FRAME + 1)))


def test_a_frame_beyond_the_limit_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other end would refuse it."""
    monkeypatch.setattr(ipc, "MAX_FRAME", 100)
    with pytest.raises(InternalError, match="the most is 100"):
        encode(LoadFailed("x" * 200))


class Executed:
    """Writes a file when it is unpickled, as a worker that was taken over could have had the server do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def framed(head: bytes, behind: bytes = b"") -> bytes:
    """A frame with this head and these bytes behind it, without its length."""
    return HEADER.pack(len(head)) + head + behind


def test_nothing_in_a_frame_is_executed(tmp_path: Path) -> None:
    """Neither side executes data from the other."""
    trap = tmp_path / "executed"
    body = pickle.dumps(Executed(trap))
    for sent in (body, framed(body), framed(b"[]", body)):
        with pytest.raises(InternalError):
            list(FrameReader().receive(HEADER.pack(len(sent)) + sent))
    assert not trap.exists()


@pytest.mark.parametrize(
    "head",
    [
        b"null",
        b"[]",
        b'{"type":"ready"}',
        b'["ready",1]',
        b'["exec","ls"]',
        b'["jobs_failed",null]',
        b'["load_failed"]',
        b'["load","scripted",["a",1]]',
        b'["load",["scripted"],[]]',
        b'["transcribe",{}]',
        b'["feed",{}]',
        b'["feed",[1]]',
        b'["close",[1.5]]',
        b'["close",[true]]',
        b'["close",1]',
        b"[" * 100_000,
        b'["ready"',
        b'["ready"]["ready"]',
        b"\xff\xfe",
        b"1" * 5_000,
    ],
)
def test_an_invalid_frame_is_refused(head: bytes) -> None:
    with pytest.raises(InternalError, match="frame"):
        decode(framed(head))


@pytest.mark.parametrize(
    "frame",
    [
        *PLAIN,
        Transcribe((SegmentJob(JOB_AUDIO, 1.0, Priority.FINAL, HEARD),)),
        FeedStates((FeedJob(1, JOB_AUDIO, 1.0, Priority.FINAL), FeedJob(2, JOB_AUDIO, 1.0, Priority.FINAL))),
    ],
)
def test_every_frame_that_is_cut_short_or_too_long_is_refused(frame: Frame) -> None:
    body = encode(frame)[HEADER.size :]
    for end in range(len(body)):
        # A head may end in spaces, which are ignored.
        with pytest.raises(InternalError):
            decode(body[:end])
    with pytest.raises(InternalError, match="behind its"):
        decode(body + bytes(4))


@given(st.sampled_from(PLAIN), st.data())
def test_damaged_frames_are_refused_or_other_frames(frame: Frame, data: st.DataObject) -> None:
    """Never another exception, which the worker would end with, or the server's reader."""
    body = bytearray(encode(frame)[HEADER.size :])
    for at in data.draw(st.lists(st.integers(0, len(body) - 1), min_size=1, max_size=4)):
        body[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InternalError):
        assert isinstance(decode(body), Frame)


def test_arrays_can_be_written_to_and_are_aligned() -> None:
    """Engines of others may work in place, and native ones read words of 16 bytes."""
    body = bytearray(encode(Transcribe((SegmentJob(np.ones(100, np.float32), 1.0, Priority.FINAL),)))[HEADER.size :])
    frame = decode(body)
    assert isinstance(frame, Transcribe)
    audio = frame.jobs[0].audio
    audio[0] = 2.0
    assert audio.flags.aligned
    assert (len(body) - audio.nbytes) % 16 == 0


def test_the_module_loads_no_numpy() -> None:
    """A worker imports it before the number of threads is set."""
    code = "import sys, caesura.workers.worker_main; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
