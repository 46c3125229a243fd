"""Turns of one stream on the audio thread; streams as a whole are in test_stream.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from caesura.audio.format import AudioFormat, Encoding
from caesura.pipeline.stream_decoder import TURN_AUDIO_S, DecodedTurn, StreamDecoder
from caesura.speech.vad import SileroModel
from tests.watched_audio_thread import WatchedAudioThread

LINEAR = AudioFormat(Encoding.LINEAR16, 16_000, 1)
SECOND = bytes(32_000)


class NoVoice:
    """In the place of the network: no frame is voiced."""

    def run(
        self, rows: Sequence[NDArray[np.float32]], h: NDArray[np.float32], c: NDArray[np.float32]
    ) -> tuple[list[NDArray[np.float32]], NDArray[np.float32], NDArray[np.float32]]:
        return [np.zeros(len(each), np.float32) for each in rows], h, c


def turns(steps: Callable[[StreamDecoder], None], audio: AudioFormat = LINEAR) -> list[DecodedTurn]:
    """All turns of a batch, and of each that `steps` begins."""

    async def main() -> list[DecodedTurn]:
        found: list[DecodedTurn] = []
        thread = WatchedAudioThread(clock=lambda: 0.0)
        thread.start()

        def deliver(turn: DecodedTurn) -> None:
            found.append(turn)
            if decoder.has_work:
                decoder.run_turn()

        decoder = StreamDecoder(
            audio, split=False, vad=cast(SileroModel, NoVoice()), audio_thread=thread, deliver=deliver
        )
        try:
            steps(decoder)
            async with asyncio.timeout(20):
                await thread.until_idle()
        finally:
            thread.stop()
        assert not decoder.busy
        return found

    return asyncio.run(main())


def test_a_turn_brings_samples_and_voice_of_each_channel() -> None:
    (turn,) = turns(lambda decoder: decoder.begin([SECOND, SECOND]))
    (detection,) = turn.detections
    assert (len(detection.samples), turn.audio_s, turn.refusal) == (32_000, 2.0, None)
    assert detection.probabilities is not None
    assert (turn.is_batch_done, turn.is_last) == (True, False)


def test_a_batch_that_decodes_to_much_audio_takes_several_turns() -> None:
    found = turns(lambda decoder: decoder.begin([SECOND] * 12))
    assert [turn.is_batch_done for turn in found] == [False] * (len(found) - 1) + [True]
    assert max(turn.audio_s for turn in found) <= TURN_AUDIO_S + 1.0
    assert sum(turn.audio_s for turn in found) == 12.0


def test_the_last_turn_is_marked_even_without_audio() -> None:
    (turn,) = turns(StreamDecoder.finish)
    assert (turn.detections, turn.is_batch_done, turn.is_last) == ([], True, True)


def test_bytes_that_cannot_be_decoded_are_refused_and_end_the_batch() -> None:
    found = turns(lambda decoder: decoder.begin([b"no container"] * 6_000), AudioFormat(None, None))
    assert found[-1].refusal is not None
    assert not found[-1].is_last


@pytest.mark.parametrize("end", [StreamDecoder.close, StreamDecoder.drop])
def test_a_batch_that_is_given_up_takes_no_further_turn(end: Callable[[StreamDecoder], None]) -> None:
    def steps(decoder: StreamDecoder) -> None:
        decoder.begin([SECOND] * 12)
        end(decoder)

    assert len(turns(steps)) == 1
