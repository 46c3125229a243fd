"""What all connections of one server share: engine pool, ears, VAD, keys, records; started and stopped as one."""

from __future__ import annotations

import asyncio
import os
import uuid

from caesura.engines.base import EngineInfo
from caesura.engines.registry import engine_info
from caesura.pipeline.ears import Ears
from caesura.pipeline.pool import EnginePool
from caesura.protocol.messages import ModelInfo
from caesura.server.auth import Keyring
from caesura.server.records import Records
from caesura.server.settings import Settings
from caesura.speech.vad import SileroModel, load_silero

_NAMESPACE = uuid.UUID("6f1c0c0e-52c2-4f0c-9f0e-ca35a7a0ca35")


class Service:
    """The shared parts of a server. Construct, `start` inside a running loop, `stop`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.engine: EngineInfo = engine_info(settings.engine)
        self.model = model_info(self.engine)
        self.project = str(uuid.uuid5(_NAMESPACE, "project:default"))
        self.keyring = Keyring(settings.keys)
        self.records = Records()
        self.ears = Ears()
        self.pool = EnginePool(settings.engine, workers=settings.workers or os.cpu_count() or 1)
        self.live = 0
        """Connections that are open."""
        self._vad: SileroModel | None = None

    @property
    def vad(self) -> SileroModel:
        """The voice activity model, once started."""
        assert self._vad is not None, "start the service first"
        return self._vad

    @property
    def ready(self) -> bool:
        """Whether live connections can be served now."""
        return self._vad is not None and self.pool.ready

    async def start(self) -> None:
        """Load and start everything; returns when live connections can be served. Raises EngineError, UsageError."""
        self.ears.start()
        self._vad = await asyncio.to_thread(load_silero)
        await self.pool.start()

    async def stop(self) -> None:
        """Stop everything that runs."""
        await self.pool.stop()
        self.ears.stop()


def model_info(engine: EngineInfo) -> ModelInfo:
    """What the wire says of an engine; the same engine has the same UUID everywhere."""
    name = uuid.uuid5(_NAMESPACE, f"model:{engine.name}:{engine.version}")
    return ModelInfo(str(name), engine.name, engine.version, engine.arch)
