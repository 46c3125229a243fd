"""The protocols of the workers package, and what satisfies them."""

from __future__ import annotations

from caesura.workers.base import JobLost, Pool, Worker
from caesura.workers.pool import EnginePool
from caesura.workers.process_worker import ProcessWorker
from caesura.workers.thread_worker import ThreadWorker


def test_every_worker_and_the_pool_have_the_members_of_their_protocols() -> None:
    workers: list[type[Worker]] = [ProcessWorker, ThreadWorker]
    pools: list[type[Pool]] = [EnginePool]
    for protocol, classes in ((Worker, workers), (Pool, pools)):
        members = {name for name in vars(protocol) if not name.startswith("_")}
        for each in classes:
            assert members - {"interim_stretch"} <= set(dir(each))
    assert JobLost("why").reason == "why"
