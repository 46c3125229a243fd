"""References to models: parses the text after `whisper:` or another family into a model, its folder and its device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from caesura.engines.models.catalogue import WHISPER, CatalogueEntry, is_repo
from caesura.engines.models.families import CATALOGUES
from caesura.engines.models.store import (
    DEFAULT_MODELS,
    MANIFEST,
    missing_files,
    model_folder,
    read_manifest,
    size_errors,
)
from caesura.errors import EngineError, UsageError

DEVICES: Final = ("cpu", "cuda")


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model and the device it is to run on. `entry` is None for a folder that was filled by hand."""

    name: str
    folder: Path
    device: str
    entry: CatalogueEntry | None
    family: str = WHISPER

    @property
    def text(self) -> str:
        """The same reference with the model named by its folder, which any process can resolve."""
        return f"{self.folder}@{self.device}"


def parse_model_ref(text: str, models: Path | None = None, family: str = WHISPER) -> ModelRef:
    """Parse a reference: `MODEL` or a folder, optionally followed by `@cpu` or `@cuda`; for Whisper also `OWNER/NAME`.

    Nothing needs to exist in the folder yet.

    Args:
        text: The reference; a folder begins with `/`, `.`, `~` or a drive. Empty means the default model.
        models: Folder of the downloaded models; None means `DEFAULT_MODELS`.
        family: The family of the model.

    Raises:
        UsageError: the text has none of these forms, or the family does not run on that device.
        EngineError: the manifest of a folder cannot be read.
    """
    catalogue = CATALOGUES[family]
    model, device = _split(text)
    if device not in catalogue.devices:
        raise UsageError(f"engine: {family} does not run on {device}; leave @{device} out")
    model = model or catalogue.default
    if catalogue.get(model) is not None or is_repo(model):
        entry = catalogue.find(model)
        folder = model_folder(models or Path(DEFAULT_MODELS).expanduser(), entry.name, family)
        return ModelRef(entry.name, folder, device, entry, family)
    if "/" not in model and "\\" not in model:
        catalogue.find(model)  # raises the error that lists the names
    folder = Path(model).expanduser().absolute()
    manifest = read_manifest(folder)
    if manifest is None:
        return ModelRef(folder.name, folder, device, None, family)
    return ModelRef(manifest.name, folder, device, catalogue.entries.get(manifest.name), family)


def _split(text: str) -> tuple[str, str]:
    model, _, device = text.rpartition("@")
    return (model, device) if device in DEVICES else (text, DEVICES[0])


def check_complete(ref: ModelRef) -> None:
    """Check that the model's files exist and have the right sizes, without reading them.

    Raises:
        EngineError: the model is missing or incomplete; the sentence says what to do.
    """
    folder = ref.folder
    if not folder.is_dir():
        raise EngineError(_not_found(ref))
    manifest = read_manifest(folder)
    errors = [f"{name} is missing" for name in missing_files(folder, CATALOGUES[ref.family].required)]
    if manifest is not None:
        errors = errors or list(size_errors(folder, manifest))
    if errors:
        hint = f"it must be {CATALOGUES[ref.family].contents}"
        if manifest is not None:
            hint = f"`caesura models pull {ref.name}` repairs it"
        raise EngineError(f"{ref.family}: the model in {folder} is incomplete: {', '.join(errors)}; {hint}")


def _not_found(ref: ModelRef) -> str:
    if ref.entry is None:
        contents = CATALOGUES[ref.family].contents
        return f"{ref.family}: there is no folder {ref.folder}; name a folder with {contents}"
    size = f" ({ref.entry.size / 1e6:,.0f} MB)" if ref.entry.size else ""
    return (
        f"{ref.family}: the model {ref.name} is not on this machine (looked in {ref.folder}). "
        f"`caesura models pull {ref.name}` downloads it{size}. Without network here, pull it on another machine "
        f"and copy that folder, with its {MANIFEST}, to the same place here, or name it: --engine {ref.family}:/FOLDER"
    )
