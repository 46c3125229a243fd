"""Flags and variables that name engines and models in; names as the settings have them out."""

from __future__ import annotations

from collections.abc import Iterable

from caesura.errors import UsageError


def engine_names(given: Iterable[str], model: str | None) -> tuple[str, ...]:
    """Names of engines in their order, each once; `model` goes to the one `whisper` that names none itself.

    Raises:
        UsageError: `model` is given and no engine takes it, or no engine is named at all.
    """
    names = [name for text in given for name in text.split()]
    if model is not None:
        if "whisper" not in names:
            raise UsageError(f"--model {model}: it is the model of --engine whisper; give that too, or leave it out")
        names = [f"whisper:{model}" if name == "whisper" else name for name in names]
    if not names:
        raise UsageError("--engine: it is empty; give moonshine or another name")
    return tuple(dict.fromkeys(names))


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
