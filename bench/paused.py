"""Thousands of sessions in, held by KeepAlive alone; what each costs, and how punctual their end is, out.

    python bench/paused.py --sessions 5000 --seconds 60

Every session sends KeepAlive each `--every` seconds, spread evenly. None may be closed and none may get a message. Then
KeepAlive stops, and each must get Metadata and NET-0001 one idle window after its own last KeepAlive.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from load import (
    BUNDLED,
    KEEP_ALIVE,
    RATE,
    Closed,
    Line,
    Server,
    Usage,
    allow_sockets,
    audio_frames,
    dial,
    recordings,
    run,
    serving,
)
from report import Figures, above_zero, common_arguments, progress_bar, publish, repeat, spread

NET_0001 = (
    "Deepgram did not receive audio data or a text message within the timeout window. See https://dpgr.am/net0001"
)
TICKS = 100
"""Into so many groups the sessions are divided, which send their KeepAlive one after the other."""
DIALLING = 64
"""Connections that are being opened at the same time."""
WARM_UP = 20
"""Sessions opened and closed before memory is looked at first, so that what is loaded once is not counted."""
LATEST_S = 15.0
"""How long after its deadline a session may still be waited for."""


class Session:
    """One paused client."""

    def __init__(self) -> None:
        self.line: Line | None = None
        self.kept_alive_at = 0.0
        self.messages = 0
        self.metadata = 0

    def told(self, payload: bytes, _: float) -> None:
        """Count what comes; nothing should, before the end."""
        self.messages += 1
        self.metadata += json.loads(payload)["type"] == "Metadata"

    def keep_alive(self, now: float) -> None:
        """Send one KeepAlive."""
        assert self.line is not None
        self.line.send(KEEP_ALIVE)
        self.kept_alive_at = now

    @property
    def closed(self) -> Closed | None:
        """How it ended, if it has."""
        assert self.line is not None
        return self.line.closed.result() if self.line.closed.done() else None


async def measure(arguments: argparse.Namespace, audio: Sequence[bytes], turn: int) -> Figures:
    """One run."""
    flags = ["--workers", str(arguments.workers or 1), "--idle-timeout", str(arguments.idle_timeout)]
    flags += ["--max-sessions", str(arguments.sessions + 100)]
    async with serving(arguments.url, arguments.pid, engine=arguments.engine, flags=flags) as server:
        await _warm_up(server)
        empty = server.front()
        sessions = [Session() for _ in range(arguments.sessions)]
        keeping = asyncio.create_task(_keep_alive(sessions, arguments.every))
        with progress_bar() as progress:
            task = progress.add_task(f"run {turn}: opening", total=len(sessions))
            opened_s = await _open(server, sessions, lambda: progress.advance(task))
            await _send_audio(sessions[: arguments.with_audio], audio)
            task = progress.add_task(f"run {turn}: holding", total=arguments.seconds)
            await asyncio.sleep(arguments.every)
            begun, before, load = time.monotonic(), server.front(), time.process_time()
            while (held := time.monotonic() - begun) < arguments.seconds:
                await asyncio.sleep(min(1.0, arguments.seconds - held))
                progress.update(task, completed=held)
            after, load = server.front(), time.process_time() - load
            held = time.monotonic() - begun
            kept = Counter(session.closed is None and session.messages == 0 for session in sessions)
            answered = sum(session.closed is None and session.messages > 0 for session in sessions)
            keeping.cancel()
            progress.update(task, completed=arguments.seconds, description=f"run {turn}: waiting for the end")
            await _all_closed(sessions, arguments.idle_timeout)
    figures: dict[str, float] = {
        "sessions": len(sessions),
        "held": kept[True],
        "closed while held by KeepAlive": len(sessions) - kept[True] - answered,
        "given a message while held": answered,
        "connects per second": len(sessions) / opened_s,
    }
    figures |= _cost(empty, before, after, held, len(sessions))
    figures["load generator CPU, % of a core"] = 100 * load / held
    return figures | _ends(sessions, arguments.idle_timeout)


async def _warm_up(server: Server) -> None:
    lines = [await dial(server.url, lambda *_: None) for _ in range(WARM_UP)]
    for line in lines:
        line.hang_up()
    await asyncio.sleep(0.5)


async def _open(server: Server, sessions: Sequence[Session], opened: Callable[[], object]) -> float:
    """Open all; returns the seconds it took."""
    gate = asyncio.Semaphore(DIALLING)
    loop = asyncio.get_running_loop()
    begun = loop.time()

    async def one(session: Session) -> None:
        async with gate:
            session.line = await dial(server.url, session.told)
            session.kept_alive_at = time.monotonic()
        opened()

    await asyncio.gather(*(one(session) for session in sessions))
    return loop.time() - begun


async def _send_audio(sessions: Sequence[Session], audio: Sequence[bytes]) -> None:
    for session in sessions:
        assert session.line is not None
        for data in audio:
            session.line.send(data)
        session.kept_alive_at = time.monotonic()
        await asyncio.sleep(0)


async def _keep_alive(sessions: Sequence[Session], every: float) -> None:
    """Each session's turn comes once in `every` seconds; those not open yet are left out."""
    loop = asyncio.get_running_loop()
    groups = [sessions[number::TICKS] for number in range(TICKS)]
    due = loop.time()
    while True:
        for group in groups:
            due += every / TICKS
            await asyncio.sleep(max(0.0, due - loop.time()))
            now = time.monotonic()
            for session in group:
                if session.line is not None:
                    session.keep_alive(now)


async def _all_closed(sessions: Sequence[Session], idle_timeout_s: float) -> None:
    closed = [session.line.closed for session in sessions if session.line is not None]
    await asyncio.wait(closed, timeout=idle_timeout_s + LATEST_S)


def _cost(
    empty: Usage | None, before: Usage | None, after: Usage | None, held_s: float, count: int
) -> dict[str, float]:
    if empty is None or before is None or after is None:
        return {}
    cpu = 100 * (after.cpu_s - before.cpu_s) / held_s
    return {
        "front memory, MiB": after.rss_mib,
        "front memory per session, KiB": 1024 * (after.rss_mib - empty.rss_mib) / count,
        "front CPU, % of a core": cpu,
        "front CPU per session, % of a core": cpu / count,
    }


def _ends(sessions: Sequence[Session], idle_timeout_s: float) -> dict[str, float]:
    """How many ended as they should, and how long after their deadline."""
    lateness = []
    wrong = 0
    for session in sessions:
        closed = session.closed
        if closed is None or (closed.code, closed.reason, session.metadata) != (1011, NET_0001, 1):
            wrong += 1
        else:
            lateness.append(1000 * (closed.at - session.kept_alive_at - idle_timeout_s))
    figures: dict[str, float] = {
        "ended with Metadata, 1011 and the NET-0001 sentence": len(lateness),
        "ended otherwise or not at all": wrong,
        "lateness min ms": min(lateness, default=float("nan")),
    }
    return figures | spread("lateness", "ms", lateness)


def main() -> None:
    """Read the arguments, measure, report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    common_arguments(parser, engine="scripted")
    parser.add_argument("--sessions", type=above_zero(int), default=5000, help="how many (default: %(default)s)")
    parser.add_argument("--seconds", type=above_zero(float), default=60.0, help="to hold them (default: %(default)s)")
    parser.add_argument(
        "--every", type=above_zero(float), default=4.0, help="seconds between KeepAlives (default: %(default)s)"
    )
    parser.add_argument(
        "--idle-timeout", type=above_zero(float), default=10.0, help="the server's (default: %(default)s)"
    )
    parser.add_argument("--with-audio", type=int, default=0, help="so many sessions send 1 s of audio first")
    parser.add_argument("--speech", type=Path, default=BUNDLED, help="folder with manifest.jsonl and its recordings")
    arguments = parser.parse_args()
    if arguments.every >= arguments.idle_timeout:
        parser.error(f"--every {arguments.every:g} does not hold sessions that end after {arguments.idle_timeout:g} s")
    allow_sockets(arguments.sessions)
    audio = audio_frames(recordings(arguments.speech)[0].pcm[:RATE])
    runs = repeat(arguments.runs, lambda turn: run(measure(arguments, audio, turn)))
    publish("paused", f"{arguments.sessions} sessions held by KeepAlive", arguments, runs)


if __name__ == "__main__":
    main()
