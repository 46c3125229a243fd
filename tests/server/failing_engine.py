"""An engine that cannot be loaded, as when its files are missing."""

from __future__ import annotations

from caesura.engines.base import Engine, EngineInfo
from caesura.engines.registry import EngineSpec
from caesura.errors import EngineError


def _load() -> Engine:
    raise EngineError("the model file is missing; install it")


SPEC = EngineSpec(EngineInfo("failing", "0", "none", ("en",), 0.3, 10.0), _load)
