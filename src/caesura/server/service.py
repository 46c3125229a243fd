"""The parts that all connections of a server share: engines, audio thread, voice activity model, ledger, metrics."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import random
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, Protocol

from caesura.engines.base import EngineInfo
from caesura.engines.registry import engine_info
from caesura.errors import EngineError, UsageError
from caesura.ledger.access import Access
from caesura.ledger.database import open_ledger
from caesura.ledger.prices import read_prices
from caesura.ledger.projects import DEFAULT_PROJECT_ID
from caesura.ledger.scopes import ROLES
from caesura.pipeline.audio_thread import AudioThread
from caesura.pipeline.recognizer import NewRecognizer
from caesura.pipeline.segmented import SegmentedRecognizer
from caesura.pipeline.streaming import StreamingRecognizer
from caesura.protocol.catalogue import Catalogue, Offer
from caesura.protocol.messages import ModelInfo
from caesura.server.accounts.credentials import check_exposure
from caesura.server.accounts.ledger_writer import LedgerHealth, LedgerWriter
from caesura.server.accounts.session_log import SessionLog
from caesura.server.capacity import Capacity
from caesura.server.drain import Drain, OpenStream
from caesura.server.load_control import EngineLoad, LoadSampler
from caesura.server.metrics import EngineFigures, Metrics, ServerLoad
from caesura.server.outbound.guard import ALLOWED_PORTS, ReachPolicy
from caesura.server.outbound.http import Outbound, Timeouts
from caesura.server.pace import measure_pace
from caesura.server.settings import Settings
from caesura.server.shutdown import Shutdown
from caesura.speech.embedder import ARCH, NAME, VERSION, embedder_missing
from caesura.speech.vad import SileroModel, load_silero
from caesura.workers.base import NewWorker
from caesura.workers.pool import EnginePool
from caesura.workers.process_worker import ProcessWorker

_log = logging.getLogger("caesura.server")

_NAMESPACE = uuid.UUID("6f1c0c0e-52c2-4f0c-9f0e-ca35a7a0ca35")
POLLED_S = 60.0
"""Longest interval at which balancers ask for readiness."""


Unready = Literal["starting", "draining", "no workers", "ledger"]
"""Why a server cannot serve live connections; `ledger`: its keys have not been read yet."""


@dataclass(frozen=True, slots=True)
class LoadedEngine:
    """An engine of this server, with its pool and its load control."""

    info: EngineInfo
    model: ModelInfo
    pool: EnginePool
    load: EngineLoad
    new_recognizer: NewRecognizer
    """Factory of the recognizer of a live channel."""


class OpenConnection(OpenStream, Protocol):
    """Interface of a live connection towards the service."""

    def revoke(self) -> None:
        """End at once, because the key was revoked."""

    def stop(self) -> None:
        """Send the rest of the transcript, then close, because the server stops."""


class Service:
    """The shared parts of a server. Construct it, call `start` inside a running loop, and `stop` at the end."""

    def __init__(
        self,
        settings: Settings,
        *,
        random: Callable[[], float] = random.random,
        new_worker: NewWorker = ProcessWorker,
    ) -> None:
        if settings.capacity > settings.max_sessions:
            raise UsageError(
                f"--capacity {settings.capacity} is more than --max-sessions {settings.max_sessions}; give fewer, or 0 "
                "to have it measured"
            )
        self.settings = settings
        self.audio_thread = AudioThread(clock=time.monotonic)
        self.engines = tuple(_loaded_engine(name, settings, self.audio_thread, new_worker) for name in settings.engines)
        self.catalogue = Catalogue(
            tuple(_offer(engine) for engine in self.engines), settings.model_names, diarizes=embedder_missing() is None
        )
        _check_names(settings.model_names, self.catalogue)
        self.session_log = SessionLog()
        self.metrics = Metrics()
        self.metrics.watch(self._load)
        self.outbound = Outbound(
            ReachPolicy(
                private=settings.allow_private_urls,
                ports=None if settings.allow_private_urls else ALLOWED_PORTS,
            ),
            Timeouts(settings.url_connect_timeout_s, settings.url_response_timeout_s),
        )
        self.shutdown = Shutdown()
        self.sampler = LoadSampler([engine.load for engine in self.engines], front_cpu_s=self._front_cpu_s)
        self.random = random
        self.connections: dict[str | None, set[OpenConnection]] = defaultdict(set)
        """Open live connections, by the id of their key."""
        self._vad: SileroModel | None = None
        self._polled_at = -math.inf
        self._measured = False
        """The engines are loaded, and how many streams they can hold is known."""
        self._ledger_writer: LedgerWriter | None = None
        self._parts = contextlib.ExitStack()

    @property
    def vad(self) -> SileroModel:
        """The voice activity model, once started."""
        assert self._vad is not None, "start the service first"
        return self._vad

    @property
    def ledger_writer(self) -> LedgerWriter:
        """The writer of the ledger, once started."""
        assert self._ledger_writer is not None, "start the service first"
        return self._ledger_writer

    @property
    def live(self) -> int:
        """Number of open live connections."""
        return sum(map(len, self.connections.values()))

    @property
    def waiting(self) -> int:
        """Number of upgrades that wait for their turn."""
        return sum(engine.load.waiting for engine in self.engines)

    def engine(self, offer: Offer) -> LoadedEngine:
        """The engine behind an offer of the catalogue."""
        return next(engine for engine in self.engines if engine.model == offer.model)

    @contextlib.contextmanager
    def registered(self, connection: OpenConnection, api_key_id: str | None) -> Iterator[None]:
        """Context in which the connection counts as open, and is revoked together with its key."""
        of_key = self.connections[api_key_id]
        of_key.add(connection)
        try:
            with self.sampler.running():
                yield
        finally:
            of_key.discard(connection)
            if not of_key:
                self.connections.pop(api_key_id, None)

    def admit(self, presented: str | None) -> Access | None:
        """The access of this key or token; None if it is not valid."""
        access = self.ledger_writer.verify(presented)
        if access is None and self.settings.no_auth:
            return Access(DEFAULT_PROJECT_ID, None, ROLES["member"])
        return access

    @property
    def key_needed(self) -> bool:
        """Whether requests need a key. True also until the keys have been read, since nothing is admitted before."""
        return not self.admits_requests or (self.ledger_writer.key_required and not self.settings.no_auth)

    @property
    def admits_requests(self) -> bool:
        """Whether requests are admitted: the keys have been read, and the server does not refuse them to stop."""
        return self._ledger_writer is not None and self._ledger_writer.started and not self.shutdown.refusing

    @property
    def ready(self) -> bool:
        """Whether live connections should be sent here now."""
        return self.unready is None

    @property
    def unready(self) -> Unready | None:
        """Why no live connections should be sent here now; None if they should."""
        return "draining" if self.shutdown.begun else self._hindrance

    @property
    def serves_streams(self) -> bool:
        """Whether a live connection that is admitted can be served; also while a stopping server still admits some."""
        return self._hindrance is None

    @property
    def _hindrance(self) -> Unready | None:
        if self._ledger_writer is None or not self._ledger_writer.started:
            return "ledger"
        if not self._measured:
            return "starting"
        return None if all(engine.pool.ready for engine in self.engines) else "no workers"

    @property
    def full(self) -> bool:
        """Whether no engine has room for one more live stream."""
        return self.live + self.waiting >= self.settings.max_sessions or all(
            engine.load.full for engine in self.engines
        )

    async def start(self) -> None:
        """Load and start everything; returns when live connections can be served.

        Raises EngineError, LedgerError, UsageError.
        """
        await self._open_ledger()
        self.audio_thread.start()
        self._vad = await asyncio.to_thread(load_silero)
        await asyncio.gather(*(engine.pool.start() for engine in self.engines))
        if not self.settings.capacity:
            await asyncio.gather(*map(self._measure_pace, self.engines))
        self._measured = True

    async def _measure_pace(self, engine: LoadedEngine) -> None:
        try:
            pace_s = await measure_pace(engine.info, engine.pool, engine.new_recognizer, self.vad)
        except EngineError as error:
            _log.warning("engine %s: %s; how many streams it holds is not bounded by it", engine.info.name, error)
            return
        engine.load.capacity.measured(pace_s, workers=len(engine.pool.ready_workers))

    @property
    def room(self) -> int:
        """How many live streams all engines can hold."""
        streams = sum(engine.load.capacity.streams for engine in self.engines)
        return int(min(streams, self.settings.max_sessions))

    def _front_cpu_s(self) -> float:
        # Of the threads that work for live streams; recordings have their own.
        return time.thread_time() + self.audio_thread.cpu_s

    def polled(self) -> None:
        """Something asks whether live connections can be served: if they can, it may send some."""
        if self.ready:
            self._polled_at = time.monotonic()

    @property
    def is_polled(self) -> bool:
        """Whether something has been told lately that live connections can be served, and may still believe so."""
        return time.monotonic() - self._polled_at < POLLED_S

    def refuse_requests(self) -> None:
        """Refuse new requests; open streams and engines continue."""
        self.shutdown.begun = self.shutdown.refusing = True
        for engine in self.engines:
            engine.load.refuse_waiting()

    def end_streams(self, drain: Drain, *, now: float) -> None:
        """End the streams cleanly that are due; engines continue until `stop`."""
        for connection in drain.due(chain.from_iterable(self.connections.values()), now=now):
            connection.stop()

    def give_up(self) -> None:
        """Answer unfinished recordings with 503, because they have had their time."""
        self.shutdown.given_up.set()

    async def stop(self) -> None:
        """Stop everything that runs."""
        await asyncio.gather(*(engine.pool.stop() for engine in self.engines))
        self.audio_thread.stop()
        self.outbound.close()
        if self._ledger_writer is not None:
            await self._ledger_writer.stop()
        await asyncio.to_thread(self._parts.close)

    async def _open_ledger(self) -> None:
        where = self.settings.database
        if where is None:
            where = str(Path(self._parts.enter_context(TemporaryDirectory(prefix="caesura-"))) / "ledger.db")
        ledger = await asyncio.to_thread(open_ledger, where, now=datetime.now(UTC))
        self._parts.enter_context(ledger)
        prices = None if self.settings.prices is None else read_prices(Path(self.settings.prices))
        writer = LedgerWriter(ledger, flag_keys=self.settings.keys, prices=prices, on_revoked=self._revoked)
        self._ledger_writer = writer
        await writer.start()
        check_exposure(self.settings, keys_exist=writer.key_required)

    def _revoked(self, api_key_id: str) -> None:
        for connection in tuple(self.connections.get(api_key_id, ())):
            connection.revoke()

    def _load(self) -> ServerLoad:
        pools = [engine.pool for engine in self.engines]
        writer = self._ledger_writer
        ledger = writer.health if writer is not None else LedgerHealth(reachable=False, waiting=0, lost=0)
        return ServerLoad(
            live=self.live,
            capacity=self.room,
            workers=sum(pool.workers for pool in pools),
            workers_ready=sum(len(pool.ready_workers) for pool in pools),
            worker_restarts=sum(pool.restarts for pool in pools),
            withheld_words=sum(pool.withheld_words for pool in pools),
            waiting_s=sum(pool.waiting_s for pool in pools),
            oldest_wait_s=max(pool.oldest_wait_s for pool in pools),
            engines=tuple(
                EngineFigures(engine.info.name, engine.load.capacity.pace_s, engine.load.capacity.busy_ratio)
                for engine in self.engines
            ),
            overloaded=any(engine.load.refusing for engine in self.engines),
            interim_stretch=max(engine.load.interim_stretch for engine in self.engines),
            ledger_reachable=ledger.reachable,
            ledger_waiting=ledger.waiting,
            ledger_lost=ledger.lost,
            judged_alone=ledger.judged_alone,
        )


def _check_names(names: Mapping[str, str], catalogue: Catalogue) -> None:
    models = [offer.model.name for offer in catalogue.offers]
    for name, model in names.items():
        if model not in models:
            raise UsageError(
                f"--model-name {name}={model}: no engine runs that model; choose one of {', '.join(models)}"
            )


def _loaded_engine(name: str, settings: Settings, audio_thread: AudioThread, new_worker: NewWorker) -> LoadedEngine:
    info = engine_info(name)
    workers = settings.workers or os.cpu_count() or 1
    pool = EnginePool(name, workers=workers, max_jobs=info.max_jobs, max_states=info.max_states, new_worker=new_worker)
    new_recognizer = StreamingRecognizer if info.streaming else SegmentedRecognizer
    load = EngineLoad(info.name, pool, audio_thread, Capacity(fixed=settings.capacity))
    return LoadedEngine(info, model_info(info), pool, load, new_recognizer)


def _offer(engine: LoadedEngine) -> Offer:
    info = engine.info
    return Offer(engine.model, info.languages, info.biases, info.detects_language)


def model_info(engine: EngineInfo) -> ModelInfo:
    """The `model_info` of an engine; an engine has the same UUID on every server."""
    name = uuid.uuid5(_NAMESPACE, f"model:{engine.name}:{engine.version}")
    return ModelInfo(str(name), engine.name, engine.version, engine.arch)


def embedder_info() -> ModelInfo:
    """The `model_info` of the speaker embedder; a network has the same UUID on every server."""
    return ModelInfo(str(uuid.uuid5(_NAMESPACE, f"model:{NAME}:{VERSION}")), NAME, VERSION, ARCH)
