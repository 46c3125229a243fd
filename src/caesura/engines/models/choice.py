"""The text behind `whisper:` in; which model it names, in which folder, on which device, out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from caesura.engines.models.catalogue import ALIASES, DEFAULT_MODEL, OFFERS, Offer, is_repo, offered
from caesura.engines.models.shelf import DEFAULT_MODELS, MANIFEST, lacking, read_manifest, shelf, wrong_sizes
from caesura.errors import EngineError

DEVICES: Final = ("cpu", "cuda")


@dataclass(frozen=True, slots=True)
class Choice:
    """A model and where it is to run. `offer` is None for a folder that was filled by hand."""

    name: str
    folder: Path
    device: str
    offer: Offer | None

    @property
    def text(self) -> str:
        """The same choice by its folder, which any process understands."""
        return f"{self.folder}@{self.device}"


def choose(text: str, models: Path | None = None) -> Choice:
    """The choice written as `MODEL`, `OWNER/NAME` or a folder, each with `@cpu` or `@cuda` behind it, or without.

    `models` is where pulled models lie, `DEFAULT_MODELS` otherwise. Nothing needs to lie there yet. A folder is told
    from a model by its beginning (`/`, `.`, `~` or a drive).

    Raises:
        UsageError: it is none of these.
        EngineError: the manifest of a folder cannot be read.
    """
    model, _, device = text.rpartition("@")
    if device not in DEVICES:
        model, device = text, DEVICES[0]
    model = model or DEFAULT_MODEL
    if model in OFFERS or model in ALIASES or is_repo(model):
        known = offered(model)
        return Choice(known.name, shelf(models or Path(DEFAULT_MODELS).expanduser(), known.name), device, known)
    if "/" not in model and "\\" not in model:
        offered(model)  # which says what there is
    folder = Path(model).expanduser().absolute()
    manifest = read_manifest(folder)
    offer = OFFERS.get(manifest.name) if manifest is not None else None
    return Choice(manifest.name if manifest is not None else folder.name, folder, device, offer)


def check_whole(choice: Choice) -> None:
    """See to it that the chosen model can be loaded, as far as that costs nothing.

    Raises:
        EngineError: it is not there, or not whole; the sentence says what to do.
    """
    folder = choice.folder
    if not folder.is_dir():
        raise EngineError(_not_there(choice))
    manifest = read_manifest(folder)
    wrong = [f"{name} is missing" for name in lacking(folder)]
    if manifest is not None:
        wrong = wrong or list(wrong_sizes(folder, manifest))
    if wrong:
        mend = f"`caesura models pull {choice.name}` mends it" if manifest is not None else _FORMAT
        raise EngineError(f"whisper: the model in {folder} is not whole: {', '.join(wrong)}; {mend}")


_FORMAT = "it must be a Whisper model in CTranslate2's format, with its tokenizer.json"


def _not_there(choice: Choice) -> str:
    if choice.offer is None:
        return (
            f"whisper: there is no folder {choice.folder}; name a folder with a Whisper model in CTranslate2's format"
        )
    size = f" ({choice.offer.size / 1e6:,.0f} MB)" if choice.offer.size else ""
    return (
        f"whisper: the model {choice.name} is not on this machine (looked in {choice.folder}). "
        f"`caesura models pull {choice.name}` downloads it{size}. Without network here, pull it on another machine "
        f"and copy that folder, with its {MANIFEST}, to the same place here, or name it: --engine whisper:/FOLDER"
    )
