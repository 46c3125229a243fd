"""Resolves the flags that select engines and models to engine names that any process can load."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from caesura.cli.errors import require_server_extra
from caesura.errors import UsageError


def models_folder(given: str | None) -> Path:
    """Folder of the models: `given`, or else the cache folder that the environment names, or else the default."""
    from caesura.engines.models.store import DEFAULT_MODELS

    if given:
        return Path(given).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(cache):
        return Path(cache) / "caesura" / "models"
    return Path(DEFAULT_MODELS).expanduser()


def resolve_engines(given: Iterable[str], model: str | None, models: Path) -> tuple[str, ...]:
    """Resolve the flags `--engine` and `--model` to engine names, each once, with the folder of the model if any.

    Raises:
        UsageError: no such engine or model, a model for engines that have only one, or no engine at all.
        EngineError: a model is missing or incomplete; the sentence says what to do.
    """
    with require_server_extra():
        from caesura.engines.registry import FAMILIES, with_model_folder
    names = [name for text in given for name in text.split()]
    if not names:
        raise UsageError("engine: none is named; give moonshine or another")
    if model and not any(name in FAMILIES for name in names):
        families, engines = " and ".join(FAMILIES), ", ".join(names)
        raise UsageError(
            f"model: {model!r} does not apply to engine {engines!r}, which has no models to choose; {families} have"
        )
    found = (f"{name}:{model}" if model and name in FAMILIES else name for name in names)
    return tuple(dict.fromkeys(with_model_folder(name, models) for name in found))


def model_names(given: Iterable[str]) -> dict[str, str]:
    """Parse pairs NAME=MODEL, with blanks or commas between them, to a mapping of names to models.

    Raises:
        UsageError: a pair is incomplete, or a name is given two models.
    """
    names: dict[str, str] = {}
    for pair in (pair for text in given for pair in text.replace(",", " ").split()):
        name, equals, model = pair.partition("=")
        if not (name and equals and model):
            raise UsageError(f"--model-name {pair}: give NAME=MODEL, for example nova-2=whisper-small")
        if names.setdefault(name, model) != model:
            raise UsageError(f"--model-name {pair}: {name} is {names[name]} already; give it one meaning")
    return names
