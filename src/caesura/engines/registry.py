"""Which engines there are: a name in, what it is and how to load it out; the only importer of concrete engines.

A name is one of the tables below, a family with a model behind it (`whisper:small`), the name of an entry point that
an installed package declares in the group `caesura.engines`, or `package.module:attribute`. The last two lead to an
`EngineSpec` of somebody else's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Final

from caesura.distribution import install_command
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


def _whisper(model: str) -> EngineSpec:
    from caesura.engines.whisper import info, load

    return EngineSpec(info(model), partial(load, model))


def _whisper_placed(model: str, models: Path) -> str:
    from caesura.engines.whisper import placed

    return placed(model, models)


@dataclass(frozen=True, slots=True)
class Family:
    """An engine that runs any of a family of models: how one is had by its name, and by its place on disk."""

    spec: Callable[[str], EngineSpec]
    placed: Callable[[str, Path], str]


FAMILIES: Final[Mapping[str, Family]] = MappingProxyType({"whisper": Family(_whisper, _whisper_placed)})
"""The engines that ship without a model: `NAME` means the usual one, `NAME:MODEL` another."""

GROUP: Final = "caesura.engines"
"""The group of entry points in which packages declare their engines."""


def engine_spec(name: str) -> EngineSpec:
    """The engine called `name`.

    Names that ship go before those of other packages.

    Raises:
        UsageError: no such name, or what is there is no engine; the sentence says what there is.
        EngineError: a library that the engine needs is not installed, or a model that must be there to be known is not.
    """
    head, colon, tail = name.partition(":")
    if name in ENGINES or head in FAMILIES:
        return _shipped(head, tail)
    if not colon:
        return _declared(name)
    if not (head and tail):
        raise _unknown(name)
    return _plugged(name, partial(_attribute, head, tail))


def placed(name: str, models: Path) -> str:
    """`name` as any process understands it: with the folder under `models` in place of a model that was pulled there.

    Names of engines that bring their model along stay as they are.

    Raises as `engine_spec` does, and EngineError when the model is not there; the sentence says what to do.
    """
    head, _, tail = name.partition(":")
    return f"{head}:{FAMILIES[head].placed(tail, models)}" if head in FAMILIES else name


def declared() -> dict[str, str]:
    """The engines that installed packages declare: name to package; names that ship are left out."""
    found = {point.name: _package(point) for point in entry_points(group=GROUP)}
    return {name: found[name] for name in sorted(found) if name not in ENGINES and name not in FAMILIES}


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


def _shipped(head: str, tail: str) -> EngineSpec:
    try:
        return ENGINES[head]() if head in ENGINES else FAMILIES[head].spec(tail)
    except ImportError as error:
        raise EngineError(f"engine {head} needs what is not installed: {error}; {install_command('server')}") from error


def _declared(name: str) -> EngineSpec:
    points = tuple(entry_points(group=GROUP, name=name))
    if not points:
        raise _unknown(name)
    if len(points) > 1:
        packages = " and ".join(sorted(map(_package, points)))
        values = " or ".join(sorted(point.value for point in points))
        raise UsageError(f"engine: {name!r} is declared by {packages}; name the one you mean by its path: {values}")
    return _plugged(name, points[0].load)


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.module


def _unknown(name: str) -> UsageError:
    names = ", ".join(sorted({*ENGINES, *FAMILIES, *declared()}))
    return UsageError(f"engine: no engine is called {name!r}; choose one of {names}, or package.module:attribute")


def _attribute(module: str, attribute: str) -> object:
    return getattr(import_module(module), attribute)


def _plugged(name: str, find: Callable[[], object]) -> EngineSpec:
    # Whatever somebody else's module does while it is imported, it is the operator who has to hear of it.
    try:
        found = find()
    except Exception as error:
        raise UsageError(f"engine: {name!r} cannot be imported: {_told(error)}") from error
    if not isinstance(found, EngineSpec):
        raise UsageError(f"engine: {name!r} is {type(found).__name__}; name a caesura.engines.registry.EngineSpec")
    return found


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
