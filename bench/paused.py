"""Bench of paused sessions: memory and CPU of thousands of them held by KeepAlive, and how punctually they time out.

    python bench/paused.py --sessions 5000 --seconds 60

Every session sends KeepAlive each `--every` seconds, spread evenly. None may be closed, and none may receive a message.
Then KeepAlive stops, and each must receive Metadata and NET-0001 one idle window after its own last KeepAlive.
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
    Connection,
    Server,
    Usage,
    audio_frames,
    open_connection,
    raise_socket_limit,
    recordings,
    run,
    serving,
)
from report import Figures, above_zero, common_arguments, progress_bar, publish, repeat, spread

NET_0001 = (
    "Deepgram did not receive audio data or a text message within the timeout window. See https://dpgr.am/net0001"
)
TICKS = 100
"""Groups of sessions; the groups send their KeepAlive one after the other."""
CONNECTING = 64
"""Connections that are opened at the same time."""
WARM_UP = 20
"""Sessions opened and closed before memory is first measured, so that what is loaded once is not counted."""
LATEST_S = 15.0
"""How long to wait for a session after its deadline."""


class Session:
    """One paused client."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.kept_alive_at = 0.0
        self.messages = 0
        self.metadata = 0

    def receive(self, payload: bytes, _: float) -> None:
        """Count the messages; none should come before the end."""
        self.messages += 1
        self.metadata += json.loads(payload)["type"] == "Metadata"

    def keep_alive(self, now: float) -> None:
        """Send one KeepAlive."""
        assert self.connection is not None
        self.connection.send(KEEP_ALIVE)
        self.kept_alive_at = now

    @property
    def closed(self) -> Closed | None:
        """How the connection was closed; None while it is open."""
        assert self.connection is not None
        return self.connection.closed.result() if self.connection.closed.done() else None


async def measure(arguments: argparse.Namespace, audio: Sequence[bytes], number: int) -> Figures:
    """One run."""
    flags = ["--workers", str(arguments.workers or 1), "--idle-timeout", str(arguments.idle_timeout)]
    flags += ["--max-sessions", str(arguments.sessions + 100)]
    async with serving(arguments.url, arguments.pid, engine=arguments.engine, flags=flags) as server:
        await _warm_up(server)
        empty = server.front()
        sessions = [Session() for _ in range(arguments.sessions)]
        keeping = asyncio.create_task(_keep_alive(sessions, arguments.every))
        with progress_bar() as progress:
            task = progress.add_task(f"run {number}: opening", total=len(sessions))
            opened_s = await _open(server, sessions, lambda: progress.advance(task))
            await _send_audio(sessions[: arguments.with_audio], audio)
            task = progress.add_task(f"run {number}: holding", total=arguments.seconds)
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
            progress.update(task, completed=arguments.seconds, description=f"run {number}: waiting for the end")
            await _all_closed(sessions, arguments.idle_timeout)
    figures: dict[str, float] = {
        "sessions": len(sessions),
        "held": kept[True],
        "closed while held by KeepAlive": len(sessions) - kept[True] - answered,
        "sent a message while held": answered,
        "connects per second": len(sessions) / opened_s,
    }
    figures |= _cost(empty, before, after, held, len(sessions))
    figures["load generator CPU, % of a core"] = 100 * load / held
    return figures | _timeouts(sessions, arguments.idle_timeout)


async def _warm_up(server: Server) -> None:
    connections = [await open_connection(server.url, lambda *_: None) for _ in range(WARM_UP)]
    for connection in connections:
        connection.close()
    await asyncio.sleep(0.5)


async def _open(server: Server, sessions: Sequence[Session], opened: Callable[[], object]) -> float:
    """Open all sessions. Returns the seconds that took."""
    semaphore = asyncio.Semaphore(CONNECTING)
    loop = asyncio.get_running_loop()
    begun = loop.time()

    async def open_one(session: Session) -> None:
        async with semaphore:
            session.connection = await open_connection(server.url, session.receive)
            session.kept_alive_at = time.monotonic()
        opened()

    await asyncio.gather(*(open_one(session) for session in sessions))
    return loop.time() - begun


async def _send_audio(sessions: Sequence[Session], audio: Sequence[bytes]) -> None:
    for session in sessions:
        assert session.connection is not None
        for data in audio:
            session.connection.send(data)
        session.kept_alive_at = time.monotonic()
        await asyncio.sleep(0)


async def _keep_alive(sessions: Sequence[Session], every: float) -> None:
    """Send KeepAlive for each open session once in `every` seconds."""
    loop = asyncio.get_running_loop()
    groups = [sessions[index::TICKS] for index in range(TICKS)]
    due = loop.time()
    while True:
        for group in groups:
            due += every / TICKS
            await asyncio.sleep(max(0.0, due - loop.time()))
            now = time.monotonic()
            for session in group:
                if session.connection is not None:
                    session.keep_alive(now)


async def _all_closed(sessions: Sequence[Session], idle_timeout_s: float) -> None:
    closed = [session.connection.closed for session in sessions if session.connection is not None]
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


def _timeouts(sessions: Sequence[Session], idle_timeout_s: float) -> dict[str, float]:
    """How many timed out as they should, and how long after their deadline."""
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
    """Read the arguments, measure, and report."""
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
    parser.add_argument("--with-audio", type=int, default=0, help="number of sessions that send 1 s of audio first")
    parser.add_argument("--speech", type=Path, default=BUNDLED, help="folder with manifest.jsonl and its recordings")
    arguments = parser.parse_args()
    if arguments.every >= arguments.idle_timeout:
        parser.error(f"--every {arguments.every:g} does not hold sessions that end after {arguments.idle_timeout:g} s")
    raise_socket_limit(arguments.sessions)
    audio = audio_frames(recordings(arguments.speech)[0].pcm[:RATE])
    runs = repeat(arguments.runs, lambda number: run(measure(arguments, audio, number)))
    publish("paused", f"{arguments.sessions} sessions held by KeepAlive", arguments, runs)


if __name__ == "__main__":
    main()
