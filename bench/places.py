"""Bench of admission with a project limit: how long a server waits for the place of a request.

    python bench/places.py --database postgresql://caesura@/bench --rate 500 --seconds 10

Requests of one project come at random, on average `--rate` a second, in turn to `--servers` servers that share the
ledger; all of them get a place, stay for `--stay` seconds, and are recorded, as streams are. Without `--database` the
ledger is a new file in SQLite. Each server is a ledger writer in a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from load import run
from report import Figures, above_zero, publish, repeat, spread

from caesura.ledger.database import open_ledger
from caesura.ledger.projects import create_project
from caesura.ledger.requests import Method, Outcome, RequestRecord
from caesura.server.accounts.ledger_writer import LedgerWriter


@dataclass(frozen=True, slots=True)
class Offer:
    """What one server is offered."""

    location: str
    project_id: str
    rate: float
    seconds: float
    stay_s: float
    seed: int


@dataclass(slots=True)
class Outcomes:
    """What became of the requests of one or more servers."""

    waited_ms: list[float] = field(default_factory=list)
    refused: int = 0
    judged_alone: int = 0


def measure(arguments: argparse.Namespace, location: str) -> Figures:
    """Run once, with a limit that is never reached, and without one."""
    with open_ledger(location, now=datetime.now(UTC)) as ledger, ledger.writing() as connection:
        now = datetime.now(UTC)
        limited = create_project(connection, str(uuid.uuid4()), now=now, concurrency_limit=1_000_000).project_id
        free = create_project(connection, str(uuid.uuid4()), now=now).project_id
    bounded, unbounded = (_offer_all(arguments, location, project_id) for project_id in (limited, free))
    return {
        **spread("added with a limit", "ms", bounded.waited_ms),
        **spread("added without", "ms", unbounded.waited_ms),
        "requests": len(bounded.waited_ms),
        "judged alone": bounded.judged_alone,
        "refused": bounded.refused,
    }


def _offer_all(arguments: argparse.Namespace, location: str, project_id: str) -> Outcomes:
    """Offer requests of the project to all servers at the same time."""
    rate = arguments.rate / arguments.servers
    offers = [
        Offer(location, project_id, rate, arguments.seconds, arguments.stay, seed) for seed in range(arguments.servers)
    ]
    total = Outcomes()
    with ProcessPoolExecutor(arguments.servers, multiprocessing.get_context("spawn")) as processes:
        for each in processes.map(_serve, offers):
            total.waited_ms += each.waited_ms
            total.refused += each.refused
            total.judged_alone += each.judged_alone
    return total


def _serve(offer: Offer) -> Outcomes:
    return run(_offer(offer))


async def _offer(offer: Offer) -> Outcomes:
    found = Outcomes()
    with open_ledger(offer.location, now=datetime.now(UTC)) as ledger:
        writer = LedgerWriter(ledger)
        await writer.start()
        numbers = random.Random(offer.seed)
        loop = asyncio.get_running_loop()
        due = loop.time()
        end = due + offer.seconds
        async with asyncio.TaskGroup() as tasks:
            while due < end:
                await asyncio.sleep(due - loop.time())
                tasks.create_task(_request(writer, offer, found))
                due += numbers.expovariate(offer.rate)
        found.judged_alone = writer.health.judged_alone
        await writer.stop()
    return found


async def _request(writer: LedgerWriter, offer: Offer, found: Outcomes) -> None:
    request_id = str(uuid.uuid4())
    asked_at = time.perf_counter()
    granted = await writer.reserve(request_id, offer.project_id)
    found.waited_ms.append(1000 * (time.perf_counter() - asked_at))
    if not granted:
        found.refused += 1
        return
    writer.begin_request(_record(writer, request_id, offer.project_id, Outcome.OPEN))
    await asyncio.sleep(offer.stay_s)
    writer.end_request(_record(writer, request_id, offer.project_id, Outcome.SUCCEEDED))


def _record(writer: LedgerWriter, request_id: str, project_id: str, outcome: Outcome) -> RequestRecord:
    return RequestRecord(
        request_id=request_id,
        project_id=project_id,
        api_key_id=None,
        server_id=writer.server_id,
        model_uuid=str(uuid.UUID(int=0)),
        model_name="none",
        created=datetime.now(UTC),
        path="/v1/listen",
        method=Method.STREAMING,
        code=101,
        outcome=outcome,
        billed_seconds=0.0 if outcome is Outcome.OPEN else 60.0,
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="URL of an empty ledger; left out, a new file in SQLite")
    parser.add_argument("--rate", type=above_zero(float), default=500.0, help="requests a second")
    parser.add_argument("--seconds", type=above_zero(float), default=10.0)
    parser.add_argument("--stay", type=above_zero(float), default=2.0, help="seconds that a request stays open")
    parser.add_argument("--servers", type=above_zero(int), default=2)
    parser.add_argument("--runs", type=above_zero(int), default=3, help="number of runs; the median is shown")
    arguments = parser.parse_args(argv)
    with TemporaryDirectory(prefix="caesura-bench-") as folder:
        location = arguments.database or str(Path(folder) / "ledger.db")
        runs = repeat(arguments.runs, lambda _: measure(arguments, location))
    arguments.database = location.partition(":")[0] if "://" in location else "sqlite"
    publish("places", f"Admission with a project limit ({arguments.database})", arguments, runs)


if __name__ == "__main__":
    main()
