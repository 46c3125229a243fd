"""Families of models: what each engine that runs downloaded models can run, and which library and files it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from caesura.engines.models.catalogue import ALIASES, CATALOGUE, DEFAULT_MODEL, WHISPER, CatalogueEntry, find_model
from caesura.engines.models.onnx_catalogue import (
    ONNX_ASR,
    ONNX_ASR_ALIASES,
    ONNX_ASR_CATALOGUE,
    ONNX_ASR_DEFAULT,
    SHERPA,
    SHERPA_CATALOGUE,
    SHERPA_DEFAULT,
)
from caesura.engines.models.store import REQUIRED
from caesura.errors import UsageError


@dataclass(frozen=True, slots=True)
class FamilyCatalogue:
    """The models of one engine.

    `library` is the distribution that runs them, which the extra called `name` installs. `required` are the files of
    any such model, as patterns: of each group one file must exist. `contents` says the same to a user. `devices` are
    where they run. `entries` and `aliases` are by name; `default` is the model when none is named.
    """

    name: str
    library: str
    entries: Mapping[str, CatalogueEntry]
    default: str
    required: tuple[tuple[str, ...], ...]
    contents: str
    aliases: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[str, ...] = ("cpu",)

    def get(self, name: str) -> CatalogueEntry | None:
        """The entry called `name`, or by an alias; None if there is none."""
        return self.entries.get(self.aliases.get(name, name))

    def find(self, name: str) -> CatalogueEntry:
        """The entry called `name`; for Whisper also that of a repository, `OWNER/NAME`.

        Raises:
            UsageError: no model of this family has that name; the sentence lists the names.
        """
        entry = self.get(name)
        if entry is not None:
            return entry
        if self.name == WHISPER:
            return find_model(name)
        names = ", ".join(self.entries)
        raise UsageError(f"model: no model of {self.name} is called {name!r}; choose one of {names}, or a folder")


CATALOGUES: Final[Mapping[str, FamilyCatalogue]] = MappingProxyType(
    {
        family.name: family
        for family in (
            FamilyCatalogue(
                name=WHISPER,
                library="faster-whisper",
                entries=CATALOGUE,
                default=DEFAULT_MODEL,
                required=REQUIRED,
                contents="a Whisper model in CTranslate2's format, with its tokenizer.json",
                aliases=ALIASES,
                devices=("cpu", "cuda"),
            ),
            FamilyCatalogue(
                name=ONNX_ASR,
                library="onnx-asr",
                entries=ONNX_ASR_CATALOGUE,
                default=ONNX_ASR_DEFAULT,
                required=(("*.onnx",), ("*vocab*", "config.json")),
                contents="an ONNX model that onnx-asr runs, with its config.json",
                aliases=ONNX_ASR_ALIASES,
            ),
            FamilyCatalogue(
                name=SHERPA,
                library="sherpa-onnx",
                entries=SHERPA_CATALOGUE,
                default=SHERPA_DEFAULT,
                required=(("*encoder*.onnx",), ("*decoder*.onnx",), ("*joiner*.onnx",), ("tokens.txt",)),
                contents="a streaming transducer that sherpa-onnx runs, with its tokens.txt",
            ),
        )
    }
)
"""Families by the name that stands before the colon of `--engine`."""


def find_any(name: str) -> CatalogueEntry:
    """Look up a model of any family.

    Args:
        name: `FAMILY:NAME`, as behind `--engine`; `NAME` alone where only one family has it; or `OWNER/NAME` of any
            Whisper model in CTranslate2's format on the hub. `FAMILY:` means the family's default.

    Raises:
        UsageError: no model has that name; the sentence lists the names.
    """
    head, colon, tail = name.partition(":")
    if colon and head in CATALOGUES:
        family = CATALOGUES[head]
        return family.find(tail or family.default)
    found = (family.get(name) for family in CATALOGUES.values())
    entry = next((entry for entry in found if entry is not None), None)
    if entry is not None:
        return entry
    try:
        return find_model(name)
    except UsageError as error:
        raise UsageError(f"{error}; or, of other families, {', '.join(_names_of_others())}") from None


def _names_of_others() -> list[str]:
    return [f"{key}:{name}" for key, family in CATALOGUES.items() if key != WHISPER for name in family.entries]
