"""Which engines there are: a name in, what it is and how to load it out; the only importer of concrete engines.

Besides the names of the table, `package.module:attribute` names an `EngineSpec` of somebody else's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Final

from caesura.engines.base import Engine, EngineInfo
from caesura.errors import EngineError, UsageError


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """How an engine plugs in: what it is, known without loading it, and how to load it.

    `load` runs in each worker process, takes as long as it needs, and may raise EngineError with a
    sentence for the operator.
    """

    info: EngineInfo
    load: Callable[[], Engine]


# Concrete engines are imported when they are asked for: their libraries are large.


def _moonshine() -> EngineSpec:
    from caesura.engines.moonshine import INFO, load

    return EngineSpec(INFO, load)


def _scripted() -> EngineSpec:
    from caesura.engines.scripted import INFO, load

    return EngineSpec(INFO, load)


ENGINES: Final[Mapping[str, Callable[[], EngineSpec]]] = MappingProxyType(
    {"moonshine": _moonshine, "scripted": _scripted}
)
"""The engines that ship, by the names of `--engine`."""


def engine_spec(name: str) -> EngineSpec:
    """The engine called `name`: one of `ENGINES`, or `package.module:attribute`.

    Raises:
        UsageError: no such name; the sentence lists those there are.
        EngineError: a library that the engine needs is not installed.
    """
    if name in ENGINES:
        return _shipped(name)
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        names = ", ".join(sorted(ENGINES))
        raise UsageError(f"engine: no engine is called {name!r}; choose one of {names}, or package.module:attribute")
    return _plugged(name, module, attribute)


def engine_info(name: str) -> EngineInfo:
    """What the engine called `name` is; raises as `engine_spec` does."""
    return engine_spec(name).info


def load_engine(name: str) -> Engine:
    """The engine called `name`, ready to transcribe; takes seconds and much memory.

    Raises as `engine_spec` does, and EngineError when the engine cannot be loaded.
    """
    spec = engine_spec(name)
    try:
        return spec.load()
    except EngineError:
        raise
    except Exception as error:
        raise EngineError(f"engine {name} cannot be loaded: {_told(error)}") from error


def _shipped(name: str) -> EngineSpec:
    try:
        return ENGINES[name]()
    except ImportError as error:
        raise EngineError(f"engine {name} needs what is not installed: {error}; install caesura[server]") from error


def _plugged(name: str, module: str, attribute: str) -> EngineSpec:
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"engine: {name!r} cannot be imported: {_told(error)}") from error
    if not isinstance(found, EngineSpec):
        raise UsageError(f"engine: {name!r} is {type(found).__name__}; name a caesura.engines.registry.EngineSpec")
    return found


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
