"""Registry of speech engines: resolves a name to an `EngineSpec`; the only importer of concrete engines.

A name is one of the tables below, a family followed by a model (`whisper:small`), the name of an entry point that
an installed package declares in the group `caesura.engines`, or `package.module:attribute`. The last two lead to the
`EngineSpec` of another package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from caesura.distribution import install_command
from caesura.engines.base import Engine, EngineInfo
from caesura.engines.streaming import SegmentsByStreaming, StreamingEngine
from caesura.errors import EngineError, UsageError

AnyEngine = Engine | StreamingEngine[Any]
"""A loaded engine of either kind."""


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """Plug-in interface of an engine: its properties, known without loading it, and how to load it.

    `load` runs in each worker process, takes as long as it needs, and may raise EngineError with a
    sentence for the operator. It returns a `StreamingEngine` if `info.streaming` is set, otherwise an `Engine`.
    """

    info: EngineInfo
    load: Callable[[], AnyEngine]


# Concrete engines are imported only when they are used: their libraries are large.


def _moonshine() -> EngineSpec:
    from caesura.engines.moonshine import INFO, load

    return EngineSpec(INFO, load)


def _scripted() -> EngineSpec:
    from caesura.engines.scripted import INFO, load

    return EngineSpec(INFO, load)


ENGINES: Final[Mapping[str, Callable[[], EngineSpec]]] = MappingProxyType(
    {"moonshine": _moonshine, "scripted": _scripted}
)
"""Built-in engines, by their names for `--engine`."""


def _whisper(model: str) -> EngineSpec:
    from caesura.engines.whisper import info, load

    return EngineSpec(info(model), partial(load, model))


def _whisper_resolved(model: str, models: Path) -> str:
    from caesura.engines.whisper import with_model_folder

    return with_model_folder(model, models)


def _onnx_asr(model: str) -> EngineSpec:
    from caesura.engines.onnx_asr import info, load

    return EngineSpec(info(model), partial(load, model))


def _onnx_asr_resolved(model: str, models: Path) -> str:
    from caesura.engines.onnx_asr import with_model_folder

    return with_model_folder(model, models)


def _sherpa(model: str) -> EngineSpec:
    from caesura.engines.sherpa import info, load

    return EngineSpec(info(model), partial(load, model))


def _sherpa_resolved(model: str, models: Path) -> str:
    from caesura.engines.sherpa import with_model_folder

    return with_model_folder(model, models)


def _vosk(model: str) -> EngineSpec:
    from caesura.engines.vosk import info, load

    return EngineSpec(info(model), partial(load, model))


def _vosk_resolved(model: str, models: Path) -> str:
    from caesura.engines.vosk import with_model_folder

    return with_model_folder(model)


@dataclass(frozen=True, slots=True)
class ModelFamily:
    """An engine that runs any of a family of models.

    `spec` returns the engine for a model's name; `with_model_folder` replaces the name by the model's folder.
    """

    spec: Callable[[str], EngineSpec]
    with_model_folder: Callable[[str, Path], str]


FAMILIES: Final[Mapping[str, ModelFamily]] = MappingProxyType(
    {
        "onnx-asr": ModelFamily(_onnx_asr, _onnx_asr_resolved),
        "sherpa": ModelFamily(_sherpa, _sherpa_resolved),
        "vosk": ModelFamily(_vosk, _vosk_resolved),
        "whisper": ModelFamily(_whisper, _whisper_resolved),
    }
)
"""Built-in engines that run any of a family of models: `NAME:MODEL`, or `NAME` alone if there is a default model."""

GROUP: Final = "caesura.engines"
"""Group of entry points in which packages declare their engines."""


def engine_spec(name: str) -> EngineSpec:
    """Resolve the engine called `name`.

    Built-in names take precedence over those of other packages.

    Raises:
        UsageError: there is no such name, or it is not an engine's; the sentence lists the names.
        EngineError: a library that the engine needs is not installed, or a folder contains no model.
    """
    head, colon, tail = name.partition(":")
    if name in ENGINES or head in FAMILIES:
        return _shipped(head, tail)
    if not colon:
        return _declared(name)
    if not (head and tail):
        raise _unknown(name)
    return _external_spec(name, partial(_attribute, head, tail))


def with_model_folder(name: str, models: Path) -> str:
    """Replace a model's name in `name` by its folder under `models`, so that any process can resolve it.

    Names of engines that include their model stay as they are.

    Raises as `engine_spec` does, and EngineError when the model is not there; the sentence says what to do.
    """
    head, _, tail = name.partition(":")
    return f"{head}:{FAMILIES[head].with_model_folder(tail, models)}" if head in FAMILIES else name


def declared() -> dict[str, str]:
    """Engines that installed packages declare, as names and packages, without built-in names."""
    found = {point.name: _package(point) for point in entry_points(group=GROUP)}
    return {name: found[name] for name in sorted(found) if name not in ENGINES and name not in FAMILIES}


def engine_info(name: str) -> EngineInfo:
    """Properties of the engine called `name`. Raises as `engine_spec` does."""
    return engine_spec(name).info


def load_engine(name: str) -> Engine:
    """Load the engine called `name` for whole segments, a streaming one too; takes seconds and much memory.

    Raises as `load_any_engine` does.
    """
    engine = load_any_engine(name)
    return SegmentsByStreaming(engine) if isinstance(engine, StreamingEngine) else engine


def load_any_engine(name: str) -> AnyEngine:
    """Load the engine called `name`, of whichever kind; takes seconds and much memory.

    Raises as `engine_spec` does, and EngineError when the engine cannot be loaded, or is not of the kind that its
    properties say.
    """
    spec = engine_spec(name)
    try:
        engine = spec.load()
    except EngineError:
        raise
    except Exception as error:
        raise EngineError(f"engine {name} cannot be loaded: {_describe(error)}") from error
    if isinstance(engine, StreamingEngine) is not spec.info.streaming:
        kind = "lacks open, feed, results or close" if spec.info.streaming else "has the methods of a streaming engine"
        raise EngineError(f"engine {name}: EngineInfo.streaming is {spec.info.streaming}, and what it loads {kind}")
    return engine


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
    return _external_spec(name, points[0].load)


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.module


def _unknown(name: str) -> UsageError:
    names = ", ".join(sorted({*ENGINES, *FAMILIES, *declared()}))
    return UsageError(f"engine: no engine is called {name!r}; choose one of {names}, or package.module:attribute")


def _attribute(module: str, attribute: str) -> object:
    return getattr(import_module(module), attribute)


def _external_spec(name: str, find: Callable[[], object]) -> EngineSpec:
    # The module of another package may raise anything while it is imported; the operator has to see what.
    try:
        found = find()
    except Exception as error:
        raise UsageError(f"engine: {name!r} cannot be imported: {_describe(error)}") from error
    if not isinstance(found, EngineSpec):
        raise UsageError(f"engine: {name!r} is {type(found).__name__}; name a caesura.engines.registry.EngineSpec")
    return found


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
