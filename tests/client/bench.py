"""A line's machine on a test bench: a caller, a socket and a pretend server fed by hand, and time as a variable.

One sample is one millisecond, the unit of the wire, so every place is exact. A captured sample holds its own number
(`voice`), so what reached a server can be read off it.
"""

from __future__ import annotations

import json
from array import array
from math import inf
from typing import Any, TypeVar

from caesura.client.events import Closed, Event, Final, Gap, Sent, Stats
from caesura.client.framing import Pcm
from caesura.client.reconnect import Backoff, refusal
from caesura.client.recovery import Action, LineSettings, Phase, Recovery
from caesura.client.supply import STEADY_S
from caesura.errors import CaesuraError
from caesura.protocol.client_session import Watch

RATE = 1000
MONO = Pcm("linear16", RATE, 2)
STEREO = Pcm("linear16", RATE, 4)

KEEPALIVE = '{"type":"KeepAlive"}'
FINALIZE = '{"type":"Finalize"}'
CLOSE_STREAM = '{"type":"CloseStream"}'

PATIENT = Watch(ping_s=inf, stall_s=inf, mute_s=inf)
"""A watch that lets a server be silent, and a socket slow."""

MOST_FRAMES = 100_000
"""How many frames may follow one step, before that is an endless loop."""

E = TypeVar("E")


def voice(first: int, samples: int, channels: int = 1) -> bytes:
    """Captured samples `first` and following, each holding its number."""
    return array("H", [each for each in range(first, first + samples) for _ in range(channels)]).tobytes()


def quiet(samples: int) -> bytes:
    """So many samples in which nobody speaks."""
    return bytes(2 * samples)


def loud(samples: int) -> bytes:
    """So many samples in which somebody speaks: bursts that stand out from what is between them."""
    return array("h", [20_000 if each % 50 == 0 else 0 for each in range(samples)]).tobytes()


def numbers(data: bytes, channels: int = 1) -> list[int]:
    """Which samples these are."""
    return array("H", data)[::channels].tolist()


def results(
    start: float,
    end: float,
    *words: tuple[str, float, float],
    final: bool = True,
    channel: tuple[int, int] = (0, 1),
    **flags: bool,
) -> str:
    """A Results message."""
    said = [{"word": word, "start": first, "end": last, "confidence": 0.9} for word, first, last in words]
    text = " ".join(word for word, _, _ in words)
    return json.dumps(
        {
            "type": "Results",
            "channel_index": channel,
            "start": start,
            "duration": round(end - start, 3),
            "is_final": final,
            "channel": {"alternatives": [{"transcript": text, "confidence": 0.9, "words": said}]},
            **flags,
        }
    )


def metadata(duration: float = 0.0) -> str:
    """The last message of a stream."""
    return json.dumps({"type": "Metadata", "duration": duration, "channels": 1})


class Bench:
    """Drives one machine as its shell does: tell it what happened, carry out its actions, wake it at its deadline."""

    def __init__(
        self,
        pcm: Pcm | None = MONO,
        *,
        wall_offset_s: float = 0.0,
        retry: Backoff | None = None,
        open_line: bool = True,
        **settings: Any,
    ) -> None:
        """`open_line`: the line is started and its first connection opened, at 0."""
        self.now = 0.0
        self.chance = 0.5
        """What the next draw of jitter gives."""
        self.takes = True
        """Does the socket take frames? Otherwise one is handed to it, and stuck."""
        self.answers = True
        """Are pings answered, at once?"""
        self.machine = Recovery(
            LineSettings(pcm=pcm, backoff=retry or Backoff(), **settings),
            random=lambda: self.chance,
            wall_offset_s=wall_offset_s,
        )
        self.frame_bytes = pcm.frame_bytes if pcm else 1
        self.connections: list[list[tuple[float, bytes | str]]] = []
        """What each connection's socket was handed, and when."""
        self.actions: list[tuple[float, Action]] = []
        self.events: list[tuple[float, Event]] = []
        self.places: list[int] = []
        """The plain model of the capture clock: where each numbered sample lies in the source."""
        self._place = 0
        self._paused_at = 0.0
        self._skipped = 0
        self.ending = False
        """Is no more audio taken?"""
        self.stuck = False
        """Is a frame at the socket, which has not taken it?"""
        self._connected = False
        self._closing = False
        if open_line:
            self.start()
            self.open()

    # ---- time ----

    def until(self, at: float) -> None:
        """Nothing happens until `at`; deadlines up to then are kept, the one at `at` itself too."""
        while (deadline := self.machine.next_deadline()) is not None and deadline <= at:
            before = (deadline, self.machine.phase)
            self.now = max(self.now, deadline)
            self.machine.handle_deadline(now=self.now)
            self.settle()
            assert (self.machine.next_deadline(), self.machine.phase) != before, "a deadline that is kept is over"
        self.now = max(self.now, at)

    def wait(self, seconds: float) -> None:
        """Nothing happens for so long."""
        self.until(self.now + seconds)

    # ---- the caller ----

    def start(self) -> None:
        self.machine.start(now=self.now)
        self.settle()

    def send(self, data: bytes, *, at: float | None = None) -> Sent:
        sent = self.machine.send(data, now=self.now, at=at)
        self.settle()
        return sent

    def speak(self, seconds: float, *, piece_s: float = 0.125) -> None:
        """A live voice: numbered samples, each piece sent when it is complete."""
        for _ in range(round(seconds / piece_s)):
            self.wait(piece_s)
            self.say(round(piece_s * RATE))

    def say(self, samples: int) -> Sent:
        """Numbered samples, sent at once."""
        first = len(self.places)
        if self.machine.paused:
            self._skipped += samples
        elif not self.ending and self.machine.phase is not Phase.CLOSED:
            self.places += range(self._place, self._place + samples)
            self._place += samples
        return self.send(voice(first, samples, self.frame_bytes // 2))

    def stream(self, seconds: float, sound: bytes = b"", *, piece_s: float = 0.25) -> None:
        """A live source: pieces of `sound`, by default of silence, each sent when it is complete."""
        piece = sound or quiet(round(piece_s * RATE))
        for _ in range(round(seconds / piece_s)):
            self.wait(piece_s)
            self.send(piece)

    def pause(self) -> None:
        if not self.machine.paused:
            self._paused_at, self._skipped = self.now, 0
        self.machine.pause(now=self.now)
        self.settle()

    def resume(self) -> None:
        if self.machine.paused:
            elapsed = round((self.now - self._paused_at) * RATE)
            went_on = self._skipped > 0 and elapsed - self._skipped <= STEADY_S * RATE
            self._place += self._skipped if went_on else elapsed
        self.machine.resume(now=self.now)
        self.settle()

    def finalize(self) -> None:
        self.machine.finalize()
        self.settle()

    def finish(self, timeout_s: float = 10.0) -> None:
        self.ending = True
        self.machine.finish(timeout_s, now=self.now)
        self.settle()

    # ---- the connection ----

    def open(self, request_id: str = "") -> None:
        """The attempt succeeds."""
        assert self.machine.phase is Phase.CONNECTING, self.machine.phase
        self.machine.opened(request_id, now=self.now)
        self.connections.append([])
        self._connected, self._closing, self.takes, self.stuck = True, False, True, False
        self.settle()

    def fail(self, error: CaesuraError | int) -> None:
        """The attempt fails, or is answered with this HTTP status."""
        self.machine.failed(refusal(error) if isinstance(error, int) else error, now=self.now)
        self.settle()

    def cut(self, code: int = 1006, reason: str = "") -> None:
        """The connection ends."""
        self._connected = False
        self.machine.closed(code, reason, now=self.now)
        self.settle()

    def reopen(self, request_id: str = "") -> None:
        """Wait for the next attempt; it succeeds."""
        deadline = self.machine.next_deadline()
        assert self.machine.phase is Phase.WAITING
        assert deadline is not None
        self.until(deadline)
        self.open(request_id)

    def take(self) -> None:
        """The socket takes frames again, and the one that is stuck."""
        self.takes = True
        if self.stuck:
            self.stuck = False
            self.machine.frame_taken(now=self.now)
        self.settle()
        self.until(self.now)

    def hear(self, text: str) -> None:
        """The server says something."""
        self.machine.receive_text(text, now=self.now)
        self.settle()

    # ---- what follows ----

    def settle(self) -> None:
        """Carry out what the machine wants, as long as it wants anything."""
        for action in self.machine.actions():
            assert not self.ended, f"{action} after Closed"
            self.actions.append((self.now, action))
            if action in (Action.ABORT, Action.CLOSE):
                self._connected = False
            if action is Action.PING and self.answers:
                self.machine.receive_pong(now=self.now)
        self.events += [(self.now, event) for event in self.machine.events()]
        self._write()
        if self.machine.phase is Phase.CLOSED:
            assert self.machine.next_deadline() is None
            assert self.machine.actions() == []

    def _write(self) -> None:
        for _ in range(MOST_FRAMES):
            frame = self.machine.next_frame(now=self.now)
            if frame is None:
                return
            assert self._connected, "a frame without a connection"
            assert frame, "an empty frame ends the stream"
            assert not self._closing, f"{frame!r} after CloseStream"
            assert isinstance(frame, str) or len(frame) % self.frame_bytes == 0
            self._closing = frame == CLOSE_STREAM
            self.connections[-1].append((self.now, frame))
            if not self.takes:
                self.stuck = True
                return
            self.machine.frame_taken(now=self.now)
        raise AssertionError("the machine never comes to rest")

    # ---- what is seen ----

    @property
    def ended(self) -> bool:
        return bool(self.events) and isinstance(self.events[-1][1], Closed)

    @property
    def frames(self) -> list[tuple[float, bytes | str]]:
        """What the newest connection's socket was handed."""
        return self.connections[-1]

    @property
    def texts(self) -> list[tuple[float, str]]:
        """Control messages on the newest connection."""
        return [(at, frame) for at, frame in self.frames if isinstance(frame, str)]

    @property
    def audio(self) -> bytes:
        """All audio on the newest connection."""
        return b"".join(frame for _, frame in self.frames if isinstance(frame, bytes))

    @property
    def heard(self) -> list[int]:
        """Numbers of the samples on the newest connection."""
        return numbers(self.audio, self.frame_bytes // 2)

    def got(self, kind: type[E]) -> list[E]:
        """All events of one kind."""
        return [event for _, event in self.events if isinstance(event, kind)]

    @property
    def words(self) -> list[str]:
        """All words of finals."""
        return [word.word for final in self.got(Final) for word in final.words]

    @property
    def gaps(self) -> list[tuple[float, float]]:
        """Those with a range."""
        return [(gap.start, gap.end) for gap in self.got(Gap) if gap.start is not None and gap.end is not None]

    @property
    def closed(self) -> Closed:
        """The end, which must be the last event and the only one of its kind."""
        (only,) = self.got(Closed)
        assert self.events[-1][1] is only
        return only

    @property
    def stats(self) -> Stats:
        return self.machine.stats(now=self.now)

    def times(self, wanted: Action) -> list[float]:
        """When the machine wanted this."""
        return [at for at, action in self.actions if action is wanted]


class Server:
    """A pretend server on a bench: it knows which samples it hears, and says what words they are.

    Word number n of a channel begins with sample n * `word` and has `word` samples. It is told by the segment that
    hears its first sample; who does not hear that hears no word. What the server says waits in `said`.
    """

    def __init__(self, bench: Bench, *, word: int = 10, channels: int = 1) -> None:
        self._bench = bench
        self._word = word
        self._channels = channels
        self._read = 0
        self.said: list[str] = []
        """Not yet delivered."""
        self.heard: list[int] = []
        """Numbers of the samples of this connection."""
        self.told = [0] * channels
        """Up to where finals go on this connection, in stream samples."""

    def connect(self) -> None:
        """A new connection: nothing was heard on it, and what was on its way on the old one is gone."""
        self._read, self.said, self.heard, self.told = 0, [], [], [0] * self._channels

    def listen(self) -> None:
        """Take what the socket was handed since the last time; Finalize and CloseStream are answered."""
        frames = self._bench.frames[: -1 if self._bench.stuck else None]
        for _, frame in frames[self._read :]:
            match frame:
                case bytes():
                    self.heard += numbers(frame, self._channels)
                case _ if frame == FINALIZE:
                    self.said += [self._final(each, len(self.heard), from_finalize=True) for each in self._all]
                case _ if frame == CLOSE_STREAM:
                    self.said += [self._final(each, len(self.heard)) for each in self._all]
                    self.said.append(metadata(len(self.heard) / RATE))
        self._read = len(frames)

    def cut(self, channel: int = 0, *, least: int = 1) -> None:
        """Say a final up to the last whole word, when that is at least `least` samples long."""
        end = len(self.heard)
        while end > self.told[channel] and not self._is_border(end):
            end -= 1
        if end - self.told[channel] >= least:
            self.said.append(self._final(channel, end))

    def murmur(self, channel: int = 0) -> None:
        """Say an interim."""
        self.said.append(self._results(channel, len(self.heard), final=False))

    def deliver(self, messages: int = 1_000_000) -> None:
        """So many of the messages that wait arrive."""
        for _ in range(min(messages, len(self.said))):
            if not self.said or self._bench.machine.phase is not Phase.OPEN:
                return
            self._bench.hear(self.said.pop(0))

    @property
    def _all(self) -> range:
        return range(self._channels)

    def _is_border(self, at: int) -> bool:
        return (self.heard[at - 1] + 1) % self._word == 0

    def _final(self, channel: int, end: int, **flags: bool) -> str:
        text = self._results(channel, end, final=True, **flags)
        self.told[channel] = end
        return text

    def _results(self, channel: int, end: int, *, final: bool, **flags: bool) -> str:
        start = self.told[channel]
        words = [
            (f"{channel}:{self.heard[at] // self._word}", at / RATE, self._end_of_word(at, end) / RATE)
            for at in range(start, end)
            if self.heard[at] % self._word == 0
        ]
        place = (channel, self._channels)
        return results(start / RATE, end / RATE, *words, final=final, channel=place, **flags)

    def _end_of_word(self, at: int, end: int) -> int:
        last = at + 1
        while last < end and self.heard[last] == self.heard[last - 1] + 1 and self.heard[last] % self._word:
            last += 1
        return last


def check_words(bench: Bench, *, word: int = 10, channels: int = 1, lost: bool = False) -> None:
    """Each channel's finals say each word once, in order, and where it was captured; all of them, unless `lost`."""
    gone = {place for start, end in bench.gaps for place in range(round(start * RATE), round(end * RATE))}
    assert lost or not gone
    onsets = range(0, len(bench.places), word)
    for channel in range(channels):
        finals = [final for final in bench.got(Final) if final.channel == channel]
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
