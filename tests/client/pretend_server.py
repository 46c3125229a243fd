"""Pretend server on a test bench: reads the bench's frames and answers with Results for the samples it was sent."""

from __future__ import annotations

from caesura.client.events import Final
from caesura.client.line_actions import Phase
from tests.client.bench import CLOSE_STREAM, FINALIZE, RATE, Bench, metadata, numbers, results


class PretendServer:
    """A pretend server on a bench: it knows which samples it receives, and sends the words that they are.

    Word number n of a channel begins with sample n * `word` and has `word` samples. It is in the segment that
    contains its first sample; without that sample it is in none. Messages wait in `outgoing`.
    """

    def __init__(self, bench: Bench, *, word: int = 10, channels: int = 1) -> None:
        self._bench = bench
        self._word = word
        self._channels = channels
        self._read = 0
        self.outgoing: list[str] = []
        """Not yet delivered."""
        self.received: list[int] = []
        """Numbers of the samples of this connection."""
        self.covered = [0] * channels
        """Up to where finals go on this connection, in stream samples."""

    def connect(self) -> None:
        """A new connection: nothing was received on it, and messages on the old one are lost."""
        self._read, self.outgoing, self.received, self.covered = 0, [], [], [0] * self._channels

    def listen(self) -> None:
        """Take what the socket was handed since the last time; Finalize and CloseStream are answered."""
        frames = self._bench.frames[: -1 if self._bench.stuck else None]
        for _, frame in frames[self._read :]:
            match frame:
                case bytes():
                    self.received += numbers(frame, self._channels)
                case _ if frame == FINALIZE:
                    self.outgoing += [self._final(each, len(self.received), from_finalize=True) for each in self._all]
                case _ if frame == CLOSE_STREAM:
                    self.outgoing += [self._final(each, len(self.received)) for each in self._all]
                    self.outgoing.append(metadata(len(self.received) / RATE))
        self._read = len(frames)

    def cut(self, channel: int = 0, *, least: int = 1) -> None:
        """Send a final up to the last whole word, when that is at least `least` samples long."""
        end = len(self.received)
        while end > self.covered[channel] and not self._is_border(end):
            end -= 1
        if end - self.covered[channel] >= least:
            self.outgoing.append(self._final(channel, end))

    def send_interim(self, channel: int = 0) -> None:
        """Send an interim."""
        self.outgoing.append(self._results(channel, len(self.received), final=False))

    def deliver(self, messages: int = 1_000_000) -> None:
        """So many of the messages that wait arrive."""
        for _ in range(min(messages, len(self.outgoing))):
            if not self.outgoing or self._bench.machine.phase is not Phase.OPEN:
                return
            self._bench.receive(self.outgoing.pop(0))

    @property
    def _all(self) -> range:
        return range(self._channels)

    def _is_border(self, at: int) -> bool:
        return (self.received[at - 1] + 1) % self._word == 0

    def _final(self, channel: int, end: int, **flags: bool) -> str:
        text = self._results(channel, end, final=True, **flags)
        self.covered[channel] = end
        return text

    def _results(self, channel: int, end: int, *, final: bool, **flags: bool) -> str:
        start = self.covered[channel]
        words = [
            (f"{channel}:{self.received[at] // self._word}", at / RATE, self._end_of_word(at, end) / RATE)
            for at in range(start, end)
            if self.received[at] % self._word == 0
        ]
        place = (channel, self._channels)
        return results(start / RATE, end / RATE, *words, final=final, channel=place, **flags)

    def _end_of_word(self, at: int, end: int) -> int:
        last = at + 1
        while last < end and self.received[last] == self.received[last - 1] + 1 and self.received[last] % self._word:
            last += 1
        return last


def check_words(bench: Bench, *, word: int = 10, channels: int = 1, lost: bool = False) -> None:
    """Each channel's finals say each word once, in order, and where it was captured; all of them, unless `lost`."""
    gone = {place for start, end in bench.gaps for place in range(round(start * RATE), round(end * RATE))}
    assert lost or not gone
    onsets = range(0, len(bench.places), word)
    for channel in range(channels):
        finals = [final for final in bench.events_of(Final) if final.channel == channel]
        said = [each for final in finals for each in final.words]
        assert [each.word for each in said] == [
            f"{channel}:{onset // word}" for onset in onsets if bench.places[onset] not in gone
        ]
        for each in said:
            onset = int(each.word.partition(":")[2]) * word
            assert each.source_start == bench.places[onset] / RATE
            assert each.source_end is not None
            assert 0 < round((each.source_end - each.source_start) * RATE) <= word
        assert " ".join(final.text for final in finals if final.text) == " ".join(each.word for each in said)
