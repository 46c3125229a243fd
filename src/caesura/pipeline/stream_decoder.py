"""Decoding of one stream's audio in turns on the audio thread, with detection of voice in what each turn decoded.

A batch of bytes may decode to hours, so a turn ends after some time or some audio, and the rest of the batch is decoded
in the turns that follow. Turns of a stream that is ahead of real time come behind those of others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from caesura.audio.format import AudioFormat, Encoding
from caesura.audio.stream import AudioStream
from caesura.engines.base import SAMPLE_RATE, Samples
from caesura.errors import BadAudio
from caesura.pipeline.audio_thread import AudioThread, VoiceDetection
from caesura.pipeline.pace import PaceMeter
from caesura.speech.vad import SileroModel, SileroVad

TURN_S = 0.03
"""A turn on the audio thread ends after the step that takes it beyond this: other streams wait for theirs."""
TURN_AUDIO_S = 5.0
"""A turn also ends when it has decoded so much audio, of all channels together: that waits in memory for the loop."""
AHEAD_S = 2.0
"""Audio that a stream may decode beyond the time that passed, before its turns come behind those of others."""

_JOINABLE = frozenset({Encoding.LINEAR16, Encoding.LINEAR32, Encoding.MULAW, Encoding.ALAW})
"""Encodings in which messages have no bounds of their own: those of a batch are decoded as one."""


@dataclass(frozen=True, slots=True)
class DecodedTurn:
    """What one turn brought."""

    detections: list[VoiceDetection]
    """Samples and voice by channel; empty when there was no audio."""
    audio_s: float
    """Length of the audio, of all channels together."""
    refusal: str | None
    """Why the bytes behind that audio cannot be decoded; None: they can."""
    is_batch_done: bool
    """Whether nothing of the batch is left for another turn."""
    is_last: bool
    """Whether the audio of the stream is over."""


class StreamDecoder:
    """The decoder of one stream. Call it on the loop's thread; its turns run on the audio thread, one at a time."""

    def __init__(
        self,
        audio: AudioFormat,
        *,
        split: bool,
        vad: SileroModel,
        audio_thread: AudioThread,
        deliver: Callable[[DecodedTurn], None],
    ) -> None:
        """Start nothing.

        Args:
            audio: What the client declared about its bytes.
            split: Keep each channel apart; otherwise they are mixed to one.
            vad: The voice activity network.
            audio_thread: Where turns run.
            deliver: Called on the loop's thread with the outcome of each turn.
        """
        self._audio = AudioStream(audio, split=split)
        self._joinable = audio.encoding in _JOINABLE
        self._vad = vad
        self._vads: list[SileroVad] = []
        self._thread = audio_thread
        self._deliver = deliver
        self._pace = PaceMeter()
        self._work: Iterator[Samples] | None = None
        """The batch that is being decoded, from its first turn to its last."""
        self._finishing = False
        self._closed = False
        self.busy = False
        """A turn is on its way to the audio thread or back."""

    @property
    def seconds(self) -> float:
        """Length of the audio decoded so far."""
        return self._audio.seconds

    @property
    def has_work(self) -> bool:
        """Whether a batch was begun and is not decoded to its end."""
        return self._work is not None

    def begin(self, batch: list[bytes]) -> None:
        """Decode a batch of messages, and run its first turn."""
        if self._joinable:
            batch = [b"".join(batch)]
        self._work = (block for message in batch for block in self._audio.blocks(message))
        self.run_turn()

    def finish(self) -> None:
        """There are no more bytes: decode what the decoder kept back, and run its first turn."""
        self._work, self._finishing = self._audio.last_blocks(), True
        self.run_turn()

    def run_turn(self) -> None:
        """Run the next turn of the batch."""
        assert self._work is not None
        self.busy = True
        ahead = self._pace.ahead_s(self._thread.clock()) > AHEAD_S
        self._thread.submit(partial(self._turn, self._work), ahead=ahead)

    def drop(self) -> None:
        """Decode nothing more of the batch."""
        self._work = None

    def close(self) -> None:
        """Free the decoder; a turn that runs is still delivered. Idempotent."""
        self._closed = True
        if not self.busy:
            self._work = None
        self._audio.close()

    # ---- on the audio thread ----

    def _turn(self, work: Iterator[Samples]) -> Callable[[], None]:
        refusal, done = None, False
        blocks: list[Samples] = []
        decoded_s, until = 0.0, self._thread.clock() + TURN_S
        try:
            while decoded_s < TURN_AUDIO_S and self._thread.clock() < until:
                block = next(work)
                if block.shape[1]:
                    blocks.append(block)
                    decoded_s += block.size / SAMPLE_RATE
        except StopIteration:
            done = True
        except BadAudio as error:
            # What came before it is audio, and is taken first.
            refusal = str(error)
        except Exception as error:  # noqa: BLE001  # one stream's fault must not take the thread of all streams down
            refusal = f"{type(error).__name__} in the decoder"
        turn = DecodedTurn(self._detect_voice(blocks), decoded_s, refusal, done, done and self._finishing)
        return partial(self._turn_done, turn)

    def _detect_voice(self, blocks: list[Samples]) -> list[VoiceDetection]:
        if not blocks:
            return []
        samples = blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)
        while len(self._vads) < len(samples):
            self._vads.append(SileroVad(self._vad))
        return [self._thread.detect_voice(vad, row) for vad, row in zip(self._vads, samples, strict=True)]

    # ---- back on the loop's thread ----

    def _turn_done(self, turn: DecodedTurn) -> None:
        self.busy = False
        self._pace.add(turn.audio_s, len(turn.detections), self._thread.clock())
        if turn.is_batch_done or turn.refusal is not None or self._closed:
            self._work = None
        self._deliver(turn)
