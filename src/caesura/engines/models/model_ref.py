"""References to Whisper models: parses the text after `whisper:` into a model, its folder and its device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from caesura.engines.models.catalogue import ALIASES, CATALOGUE, DEFAULT_MODEL, CatalogueEntry, find_model, is_repo
from caesura.engines.models.store import (
    DEFAULT_MODELS,
    MANIFEST,
    missing_files,
    model_folder,
    read_manifest,
    size_errors,
)
from caesura.errors import EngineError

DEVICES: Final = ("cpu", "cuda")


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model and the device it is to run on. `entry` is None for a folder that was filled by hand."""

    name: str
    folder: Path
    device: str
    entry: CatalogueEntry | None

    @property
    def text(self) -> str:
        """The same reference with the model named by its folder, which any process can resolve."""
        return f"{self.folder}@{self.device}"


def parse_model_ref(text: str, models: Path | None = None) -> ModelRef:
    """Parse a reference: `MODEL`, `OWNER/NAME` or a folder, optionally followed by `@cpu` or `@cuda`.

    Nothing needs to exist in the folder yet.

    Args:
        text: The reference; a folder begins with `/`, `.`, `~` or a drive. Empty means the default model.
        models: Folder of the downloaded models; None means `DEFAULT_MODELS`.

    Raises:
        UsageError: the text has none of these forms.
        EngineError: the manifest of a folder cannot be read.
    """
    model, _, device = text.rpartition("@")
    if device not in DEVICES:
        model, device = text, DEVICES[0]
    model = model or DEFAULT_MODEL
    if model in CATALOGUE or model in ALIASES or is_repo(model):
        entry = find_model(model)
        folder = model_folder(models or Path(DEFAULT_MODELS).expanduser(), entry.name)
        return ModelRef(entry.name, folder, device, entry)
    if "/" not in model and "\\" not in model:
        find_model(model)  # raises the error that lists the names
    folder = Path(model).expanduser().absolute()
    manifest = read_manifest(folder)
    if manifest is None:
        return ModelRef(folder.name, folder, device, None)
    return ModelRef(manifest.name, folder, device, CATALOGUE.get(manifest.name))


def check_complete(ref: ModelRef) -> None:
    """Check that the model's files exist and have the right sizes, without reading them.

    Raises:
        EngineError: the model is missing or incomplete; the sentence says what to do.
    """
    folder = ref.folder
    if not folder.is_dir():
        raise EngineError(_not_found(ref))
    manifest = read_manifest(folder)
    errors = [f"{name} is missing" for name in missing_files(folder)]
    if manifest is not None:
        errors = errors or list(size_errors(folder, manifest))
    if errors:
        hint = f"`caesura models pull {ref.name}` repairs it" if manifest is not None else _FORMAT
        raise EngineError(f"whisper: the model in {folder} is incomplete: {', '.join(errors)}; {hint}")


_FORMAT = "it must be a Whisper model in CTranslate2's format, with its tokenizer.json"


def _not_found(ref: ModelRef) -> str:
    if ref.entry is None:
        return f"whisper: there is no folder {ref.folder}; name a folder with a Whisper model in CTranslate2's format"
    size = f" ({ref.entry.size / 1e6:,.0f} MB)" if ref.entry.size else ""
    return (
        f"whisper: the model {ref.name} is not on this machine (looked in {ref.folder}). "
        f"`caesura models pull {ref.name}` downloads it{size}. Without network here, pull it on another machine "
        f"and copy that folder, with its {MANIFEST}, to the same place here, or name it: --engine whisper:/FOLDER"
    )
