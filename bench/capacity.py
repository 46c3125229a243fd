"""Bench of admission: what a server says it can hold, and how late finals are when more is offered.

    python bench/capacity.py --engine moonshine --seconds 40

Offers 0.5, 0.8, 1, 1.5 and 2 times the streams that a new server says it has room for, each time to a server of its
own; clients come one after the other over ten seconds, and those that get a 429 do not come again. Then, with servers
that admit every stream, looks for the largest number whose finals stay below 500 ms at the 95th percentile.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from live import Measurements, Stream, shuffled
from load import BUNDLED, Server, UpgradeRejected, run, serving
from report import above_zero, console, percentile, progress_bar, write
from rich.table import Table

SHARES = (0.5, 0.8, 1.0, 1.5, 2.0)
ARRIVE_S = 10.0
LATE_MS = 500.0
STEP = 0.1
"""The largest number is looked for in steps of this share of what the server said."""
MOST_STEPS = 10
PARAMETERS = {"interim_results": "true", "punctuate": "true", "endpointing": "300", "model": "nova-3"}


@dataclass(slots=True)
class Offer:
    """What came of offering a number of streams to one server; latencies in ms."""

    says: int
    """Streams that the server said it has room for, before the first came."""
    offered: int
    admitted: int = 0
    refused: list[float] = field(default_factory=list)
    """How long each refusal took."""
    final_p50: float = 0.0
    final_p95: float = 0.0
    interims: int = 0
    broken: int = 0
    says_at_end: int = 0


async def offer(arguments: argparse.Namespace, share: float, *, says: int = 0) -> Offer:
    """Offer that share of what a new server says; with `says`, of that number, to a server that admits all."""
    flags = ["--workers", str(arguments.workers)]
    async with serving(None, None, engine=arguments.engine, flags=flags, refuses=not says) as server:
        said = says or round(server.metric("caesura_streams_capacity"))
        found = Offer(said, max(1, round(said * share)))
        measured = Measurements()
        frames = shuffled(arguments.speech, found.offered, arguments.seconds, arguments.pause)
        with progress_bar() as progress:
            progress.add_task(f"{found.offered} streams, {share:g} of {said}", total=None)
            clients = [_client(server, part, measured, found, index) for index, part in enumerate(frames)]
            watching = asyncio.create_task(_watch(server, found, arguments.seconds))
            await asyncio.gather(*clients)
            await watching
    finals = [1000 * value for value in measured.final]
    found.final_p50, found.final_p95 = percentile(finals, 0.5), percentile(finals, 0.95)
    found.interims, found.broken = len(measured.cursor), measured.broken
    return found


async def _client(server: Server, frames: Sequence[bytes], measured: Measurements, found: Offer, index: int) -> None:
    await asyncio.sleep(ARRIVE_S * index / found.offered)
    stream = Stream(frames, measured)
    asked_at = time.monotonic()
    try:
        await stream.open(server.url, PARAMETERS)
    except UpgradeRejected as rejected:
        if rejected.status != 429:
            raise
        found.refused.append(1000 * (time.monotonic() - asked_at))
        return
    found.admitted += 1
    stream.start(asyncio.get_running_loop().time())
    await stream.ended()


async def _watch(server: Server, found: Offer, seconds: float) -> None:
    await asyncio.sleep(seconds)
    found.says_at_end = round(await asyncio.to_thread(server.metric, "caesura_streams_capacity"))


async def largest(arguments: argparse.Namespace, says: int) -> list[Offer]:
    """Offers, each larger than the one before, to servers that admit all; finals of the last one are too late."""
    found: list[Offer] = []
    for step in range(MOST_STEPS):
        found.append(await offer(arguments, 0.8 + step * STEP, says=says))
        if found[-1].final_p95 > LATE_MS:
            break
    return found


def show(title: str, offers: Sequence[Offer]) -> None:
    """A table with a row for each offer."""
    table = Table(title=title, title_justify="left")
    columns = "says, offered, admitted, final p50/p95 ms, refused, in p95 ms, interims, broken, says then"
    for name in columns.split(", "):
        table.add_column(name, justify="right")
    for each in offers:
        latency = f"{each.final_p50:.0f}/{each.final_p95:.0f}"
        refused_in = f"{percentile(each.refused, 0.95):.0f}" if each.refused else "-"
        numbers = (each.interims, each.broken, each.says_at_end)
        row = (each.says, each.offered, each.admitted, latency, len(each.refused), refused_in, *numbers)
        table.add_row(*map(str, row))
    console.print(table)


def main() -> None:
    """Read the arguments, measure, and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--engine", default="moonshine", help="of the servers (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=0, help="of each server; 0: one for each core")
    parser.add_argument(
        "--seconds", type=above_zero(float), default=40.0, help="of audio in each stream (default: %(default)s)"
    )
    parser.add_argument("--pause", type=float, default=0.7, help="seconds between recordings (default: %(default)s)")
    parser.add_argument("--speech", type=Path, default=BUNDLED, help="folder with manifest.jsonl and its recordings")
    arguments = parser.parse_args()
    offers = [run(offer(arguments, share)) for share in SHARES]
    show(f"what is offered to a server that refuses, {arguments.engine}", offers)
    admitting = run(largest(arguments, offers[0].says))
    show("the same to a server that admits all", admitting)
    in_time = max((each.offered for each in admitting if each.final_p95 <= LATE_MS), default=0)
    console.print(f"says {offers[0].says}; finals stay below {LATE_MS:.0f} ms (p95) with up to {in_time} streams")
    write("capacity", arguments, {"refusing": offers, "admitting": admitting, "largest": in_time})


if __name__ == "__main__":
    main()
