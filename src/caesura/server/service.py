"""What all connections of one server share: engine pool, ears, VAD, keys, records; started and stopped as one."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from caesura.engines.base import EngineInfo
from caesura.engines.registry import engine_info
from caesura.errors import UsageError
from caesura.pipeline.ears import Ears
from caesura.pipeline.pool import EnginePool
from caesura.protocol.catalogue import Catalogue, Offer
from caesura.protocol.messages import ModelInfo
from caesura.server.auth import Keyring
from caesura.server.records import Records
from caesura.server.settings import Settings
from caesura.speech.vad import SileroModel, load_silero
from caesura.speech.voices import voices_there

_NAMESPACE = uuid.UUID("6f1c0c0e-52c2-4f0c-9f0e-ca35a7a0ca35")


@dataclass(frozen=True, slots=True)
class Running:
    """An engine that runs."""

    info: EngineInfo
    model: ModelInfo
    pool: EnginePool


class Service:
    """The shared parts of a server. Construct, `start` inside a running loop, `stop`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.engines = tuple(_running(name, settings) for name in settings.engines)
        self.catalogue = Catalogue(
            tuple(_offer(engine) for engine in self.engines), settings.model_names, diarizes=voices_there() is None
        )
        _check_names(settings.model_names, self.catalogue)
        self.project = str(uuid.uuid5(_NAMESPACE, "project:default"))
        self.keyring = Keyring(settings.keys)
        self.records = Records()
        self.ears = Ears()
        self.live = 0
        """Connections that are open."""
        self._vad: SileroModel | None = None

    @property
    def vad(self) -> SileroModel:
        """The voice activity model, once started."""
        assert self._vad is not None, "start the service first"
        return self._vad

    def engine(self, offer: Offer) -> Running:
        """The engine behind an offer of the catalogue."""
        return next(engine for engine in self.engines if engine.model == offer.model)

    @property
    def ready(self) -> bool:
        """Whether live connections can be served now."""
        return self._vad is not None and all(engine.pool.ready for engine in self.engines)

    async def start(self) -> None:
        """Load and start everything; returns when live connections can be served. Raises EngineError, UsageError."""
        self.ears.start()
        self._vad = await asyncio.to_thread(load_silero)
        await asyncio.gather(*(engine.pool.start() for engine in self.engines))

    async def stop(self) -> None:
        """Stop everything that runs."""
        await asyncio.gather(*(engine.pool.stop() for engine in self.engines))
        self.ears.stop()


def _check_names(names: Mapping[str, str], catalogue: Catalogue) -> None:
    models = [offer.model.name for offer in catalogue.offers]
    for name, model in names.items():
        if model not in models:
            raise UsageError(f"--model-name {name}={model}: no engine runs that model; choose of {', '.join(models)}")


def _running(name: str, settings: Settings) -> Running:
    info = engine_info(name)
    return Running(info, model_info(info), EnginePool(name, workers=settings.workers or os.cpu_count() or 1))


def _offer(engine: Running) -> Offer:
    info = engine.info
    return Offer(engine.model, info.languages, info.biases, info.detects_language)


def model_info(engine: EngineInfo) -> ModelInfo:
    """What the wire says of an engine; the same engine has the same UUID everywhere."""
    name = uuid.uuid5(_NAMESPACE, f"model:{engine.name}:{engine.version}")
    return ModelInfo(str(name), engine.name, engine.version, engine.arch)
