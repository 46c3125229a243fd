"""What the flags say of an engine and its model, in; the name by which any process loads it, out."""

from __future__ import annotations

import os
from pathlib import Path

from caesura.cli.failing import server_extra
from caesura.errors import UsageError


def models_folder(given: str | None) -> Path:
    """Where models lie: `given`, or what the system's variables say, or the usual place."""
    from caesura.engines.models.shelf import DEFAULT_MODELS

    if given:
        return Path(given).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(cache):
        return Path(cache) / "caesura" / "models"
    return Path(DEFAULT_MODELS).expanduser()


def chosen_engine(engine: str, model: str | None, models: Path) -> str:
    """The engine of the flags `--engine` and `--model`, by the folder of its model where it has one.

    Raises:
        UsageError: no such engine or model, or a model for an engine that has but one.
        EngineError: the model is not there, or not whole; the sentence says what to do.
    """
    with server_extra():
        from caesura.engines.registry import FAMILIES, placed
    if not model:
        return placed(engine, models)
    if engine not in FAMILIES:
        names = ", ".join(FAMILIES)
        raise UsageError(f"model: {model!r} was asked of engine {engine!r}, which has no models to choose; {names} has")
    return placed(f"{engine}:{model}", models)
