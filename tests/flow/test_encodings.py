"""Every encoding and container gives the same words at the same times as plain samples do."""

from __future__ import annotations

import numpy as np
import pytest

from caesura.engines.base import Engine
from caesura.engines.registry import load_engine
from tests.coded_recordings import coded, speex_packets
from tests.encodings import KINDS, encode
from tests.flow.inline import Outcome, flow
from tests.recordings import recording

RECORDING = "lv-0890"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def moonshine() -> Engine:
    """One loaded engine for all of them."""
    return load_engine("moonshine")


@pytest.fixture(scope="module")
def plain(moonshine: Engine) -> Outcome:
    """The transcript of the samples themselves."""
    return said("linear16", moonshine)


SINGLE = 12_000
"""As many bytes go one by one, into the first words and past every header; the rest would show the same."""


def cut(data: bytes, piece: int) -> list[bytes]:
    """The bytes in pieces; only the first SINGLE of them in single bytes."""
    first = [data[at : at + 1] for at in range(SINGLE)] if piece == 1 else []
    rest, piece = data[len(first) :], 997 if piece == 1 else piece
    return first + [rest[at : at + piece] for at in range(0, len(rest), piece)]


def said(kind: str, engine: Engine, piece: int = 4000) -> Outcome:
    """The recording sent as `kind` in pieces; bare packets stay whole."""
    data, declared = encode(recording(RECORDING).samples[np.newaxis, :], 16_000, kind)
    query = "punctuate=true&endpointing=400"
    if declared.encoding is not None:
        query += f"&encoding={declared.encoding}&sample_rate={declared.sample_rate}&channels={declared.channels}"
    pieces = data if isinstance(data, list) else cut(data, piece)
    return flow(pieces, query, engine="moonshine", loaded=engine)


def test_the_plain_samples_give_the_reference(plain: Outcome) -> None:
    """The transcript with which the others are compared is correct."""
    assert plain.text().replace("-", " ") == recording(RECORDING).text


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "linear16"])
def test_each_kind_gives_the_same_words(kind: str, moonshine: Engine, plain: Outcome) -> None:
    """Lossy ones too; their times may differ by what a codec delays and an aligner wavers."""
    outcome = said(kind, moonshine)
    assert outcome.close is not None
    assert outcome.close.code == 1000
    assert outcome.text() == plain.text()
    assert outcome.metadata.duration == pytest.approx(plain.metadata.duration, abs=0.15)
    shifts = [abs(mine.start - theirs.start) for mine, theirs in zip(outcome.words(), plain.words(), strict=True)]
    # AAC without an edit list begins with 1024 samples of the encoder's own: 64 ms at this rate.
    assert sorted(shifts)[len(shifts) // 2] < 0.08
    assert max(shifts) < 0.4


@pytest.mark.parametrize(
    ("kind", "piece"),
    [(kind, piece) for kind in ("wav", "webm", "mp3", "mulaw", "flac") for piece in (997, 1 << 20)]
    + [(kind, 1) for kind in ("webm", "mp3", "mulaw")],
)
def test_where_the_bytes_are_cut_does_not_matter(kind: str, piece: int, moonshine: Engine, plain: Outcome) -> None:
    """From single bytes to the whole file in one message."""
    assert said(kind, moonshine, piece).text() == plain.text()


TELEPHONES = [
    ("encoding=amr-nb&sample_rate=8000", [coded("lv-0880.amr")], 3.0),
    ("encoding=amr-nb", [coded("lv-0880.amr")[6:]], 3.0),
    ("encoding=amr-wb&sample_rate=16000", [coded("lv-0880.awb")], 4.0),
    ("", [coded("lv-0880.awb")], 4.0),
    ("encoding=g729&sample_rate=8000", [coded("lv-0880.g729")], 3.0),
    ("encoding=speex&sample_rate=8000", speex_packets("lv-0880-nb.spx"), 3.0),
    ("encoding=speex&sample_rate=16000", speex_packets("lv-0880-wb.spx"), 3.0),
    ("encoding=speex&sample_rate=16000", [coded("lv-0880-wb.spx")], 3.0),
    ("encoding=speex&sample_rate=8000&channels=2", speex_packets("lv-0880-stereo.spx"), 3.0),
    ("", [coded("lv-0880-nb.spx")], 3.0),
]


@pytest.mark.parametrize(
    ("query", "messages", "seconds"), TELEPHONES, ids=lambda value: value if isinstance(value, str) else ""
)
@pytest.mark.parametrize("piece", [20, 50_000])
def test_telephone_codecs_give_the_same_words(
    query: str, messages: list[bytes], seconds: float, piece: int, moonshine: Engine
) -> None:
    """But for `ill disposed`, which the engine takes for other words at each bandwidth."""
    if len(messages) == 1:
        messages = [messages[0][at : at + piece] for at in range(0, len(messages[0]), piece)]
    outcome = flow(messages, query, engine="moonshine", loaded=moonshine)
    assert outcome.close is not None
    assert outcome.close.code == 1000
    assert outcome.metadata.duration == pytest.approx(seconds, abs=0.02)
    words = outcome.text().split()
    assert (words[:4], words[-2:]) == (["he", "was", "not", "an"], ["young", "man"])
