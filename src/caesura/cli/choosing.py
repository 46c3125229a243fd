"""What the flags say of engines and their models, in; the names by which any process loads them, out."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from caesura.cli.errors import require_server_extra
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


def chosen_engines(given: Iterable[str], model: str | None, models: Path) -> tuple[str, ...]:
    """The engines of the flags `--engine` and `--model`, each once, by the folder of its model where it has one.

    Raises:
        UsageError: no such engine or model, a model for engines that have but one, or no engine at all.
        EngineError: a model is not there, or not whole; the sentence says what to do.
    """
    with require_server_extra():
        from caesura.engines.registry import FAMILIES, placed
    names = [name for text in given for name in text.split()]
    if not names:
        raise UsageError("engine: none is named; give moonshine or another")
    if model and not any(name in FAMILIES for name in names):
        families, asked = ", ".join(FAMILIES), ", ".join(names)
        raise UsageError(
            f"model: {model!r} was asked of engine {asked!r}, which has no models to choose; {families} has"
        )
    found = (f"{name}:{model}" if model and name in FAMILIES else name for name in names)
    return tuple(dict.fromkeys(placed(name, models) for name in found))


def model_names(given: Iterable[str]) -> dict[str, str]:
    """What each name means, from pairs NAME=MODEL with blanks or commas between them.

    Raises:
        UsageError: a pair is none, or a name is given two meanings.
    """
    names: dict[str, str] = {}
    for pair in (pair for text in given for pair in text.replace(",", " ").split()):
        name, equals, model = pair.partition("=")
        if not (name and equals and model):
            raise UsageError(f"--model-name {pair}: give NAME=MODEL, for example nova-2=whisper-small")
        if names.setdefault(name, model) != model:
            raise UsageError(f"--model-name {pair}: {name} is {names[name]} already; give it one meaning")
    return names
