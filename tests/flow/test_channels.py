"""Twenty channels in one stream: each has segments, words and events of its own, on one clock."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from caesura.engines.base import Engine
from caesura.engines.registry import load_engine
from caesura.protocol.codec import write_server_message
from caesura.protocol.messages import SpeechStartedMessage, UtteranceEndMessage
from tests.encodings import encode, mux
from tests.flow.inline import Outcome, flow
from tests.recordings import recording

COUNT = 20
RATE = 16_000
STEP_S = 0.25
LINEAR = f"encoding=linear16&sample_rate={RATE}&channels={COUNT}&multichannel=true"
EVENTS = "&interim_results=true&endpointing=300&vad_events=true&utterance_end_ms=1000"
pytestmark = pytest.mark.slow


def staggered(names: tuple[str, ...], step_s: float = STEP_S, after_s: float = 2.0) -> NDArray[np.float32]:
    """One recording on each of 20 channels in turn, each a step later than on the channel before; (20, n)."""
    spoken = [recording(names[channel % len(names)]).samples for channel in range(COUNT)]
    begins = [round(channel * step_s * RATE) for channel in range(COUNT)]
    length = max(begin + len(one) for begin, one in zip(begins, spoken, strict=True)) + round(after_s * RATE)
    samples = np.zeros((COUNT, length), np.float32)
    for row, begin, one in zip(samples, begins, spoken, strict=True):
        row[begin : begin + len(one)] = one
    return samples


def sent(samples: NDArray[np.float32], kind: str = "linear16", size: int = 12_800) -> list[bytes]:
    """The channels interleaved, in messages."""
    data, _ = encode(samples, RATE, kind)
    assert isinstance(data, bytes)
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.fixture(scope="module")
def twenty() -> Outcome:
    """What a client receives of twenty channels with speech on each, a quarter of a second apart."""
    return flow(sent(staggered(("lv-0880",))), LINEAR + EVENTS)


def test_each_channel_has_finals_that_tile_the_stream(twenty: Outcome) -> None:
    """With words where it was spoken on this channel, and nowhere else."""
    assert twenty.metadata.channels == COUNT
    for channel in range(COUNT):
        at = 0.0
        for final in (message for message in twenty.finals if message.channel == channel):
            assert final.start == pytest.approx(at, abs=1e-6)
            at = final.start + final.duration
        assert at == pytest.approx(twenty.metadata.duration, abs=1e-6)
        words, begin = twenty.words(channel), channel * STEP_S
        assert len(words) >= 5
        assert begin - 0.1 <= words[0].start
        assert words[-1].end <= begin + 3.3


def test_each_message_says_which_channel_of_twenty_it_is_of(twenty: Outcome) -> None:
    indices = {
        kind: [
            json.loads(write_server_message(message))[name]
            for message in twenty.messages
            if type(message).__name__.removesuffix("Message") == kind
        ]
        for kind, name in (("Results", "channel_index"), ("SpeechStarted", "channel"), ("UtteranceEnd", "channel"))
    }
    for found in indices.values():
        assert sorted({tuple(index) for index in found}) == [(channel, COUNT) for channel in range(COUNT)]


def test_speech_starts_and_utterances_end_on_each_channel_at_its_own_time(twenty: Outcome) -> None:
    starts = [message for message in twenty.messages if isinstance(message, SpeechStartedMessage)]
    ends = [message for message in twenty.messages if isinstance(message, UtteranceEndMessage)]
    first = [next(start.timestamp for start in starts if start.channel == channel) for channel in range(COUNT)]
    np.testing.assert_allclose(np.diff(first), STEP_S, atol=0.1)
    for channel in range(COUNT):
        assert len([end for end in ends if end.channel == channel]) == 1
        speech_finals = [final for final in twenty.finals if final.channel == channel and final.speech_final]
        assert [bool(final.words) for final in speech_finals].count(True) >= 1


def test_finalize_of_one_channel_leaves_the_others_open() -> None:
    pieces = sent(staggered(("lv-0880",), step_s=0.0, after_s=0.0))
    half = len(pieces) // 2
    items: list[bytes | str] = [*pieces[:half], '{"type":"Finalize","channel":7}', *pieces[half:]]
    items.append('{"type":"Finalize"}')
    outcome = flow(items, LINEAR)
    answers = [message for message in outcome.results if message.from_finalize]
    assert (answers[0].channel, answers[0].channels) == (7, COUNT)
    assert sorted(answer.channel for answer in answers[1:]) == list(range(COUNT))
    cut_at = answers[0].start + answers[0].duration
    assert cut_at == pytest.approx(half * 12_800 / (COUNT * 2 * RATE), abs=1e-6)
    for channel in range(COUNT):
        bounds = [final.start for final in outcome.finals if final.channel == channel]
        assert (cut_at in bounds) == (channel == 7)


def test_a_nonexistent_channel_cannot_be_finalized() -> None:
    outcome = flow([*sent(staggered(("lv-0880",))[:, :RATE]), '{"type":"Finalize","channel":20}'], LINEAR)
    assert not [message for message in outcome.results if message.from_finalize]


@pytest.mark.parametrize(
    ("container", "codec", "options"),
    [("ogg", "libopus", {"mapping_family": "255"}), ("matroska", "pcm_s16le", {})],
)
def test_a_container_declares_twenty(container: str, codec: str, options: dict[str, str]) -> None:
    samples = staggered(("lv-0880",))
    data = mux(samples, RATE, container, codec, codec_options=options, bit_rate=640_000)
    outcome = flow([data[at : at + 8000] for at in range(0, len(data), 8000)], f"multichannel=true{EVENTS}")
    assert outcome.metadata.channels == COUNT
    assert outcome.metadata.duration == pytest.approx(samples.shape[1] / RATE, abs=0.1)
    first = [outcome.words(channel)[0].start for channel in range(COUNT)]
    assert np.diff(first).mean() == pytest.approx(STEP_S, abs=0.05)


@pytest.fixture(scope="module")
def moonshine() -> Engine:
    """One loaded engine."""
    return load_engine("moonshine")


@pytest.mark.parametrize("kind", ["linear16", "mulaw"])
def test_a_real_engine_transcribes_each_channel_by_itself(kind: str, moonshine: Engine) -> None:
    """Three recordings in turn: the words are those that each has alone."""
    names = ("lv-0880", "lv-0890", "LJ001-0002")
    query = f"encoding={kind}&sample_rate={RATE}"
    alone = []
    for name in names:
        samples = recording(name).samples
        mono = np.concatenate([samples, np.zeros(2 * RATE, np.float32)])[np.newaxis, :]
        alone.append(flow(sent(mono, kind), query, engine="moonshine", loaded=moonshine).text())
    together = flow(
        sent(staggered(names, step_s=0.0), kind),
        f"{query}&channels={COUNT}&multichannel=true",
        engine="moonshine",
        loaded=moonshine,
    )
    assert [together.text(channel) for channel in range(COUNT)] == [alone[channel % 3] for channel in range(COUNT)]
