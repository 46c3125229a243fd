"""Store of downloaded models: one folder for each model, with a manifest of its files and their checksums.

The layout is `MODELS/FAMILY/NAME/`, for example `MODELS/whisper/small/`. A folder with the suffix `.part` is an
unfinished download and never counts as a model. Nothing here needs the network or huggingface_hub: a server checks and
loads its model offline.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

from caesura.engines.models.catalogue import WHISPER, WHISPER_CODES, subtag
from caesura.errors import EngineError

DEFAULT_MODELS: Final = "~/.cache/caesura/models"
"""Folder of the models unless the operator names another."""

MANIFEST: Final = "caesura-model.json"
PART: Final = ".part"
OLD: Final = ".old"

VOCABULARIES: Final = ("vocabulary.json", "vocabulary.txt")
"""Vocabulary files of a Whisper model, of which one is required."""
REQUIRED: Final = (("model.bin",), ("config.json",), ("tokenizer.json",), VOCABULARIES)
"""Files of a Whisper model in CTranslate2's format: of each group one is required."""
USED: Final = frozenset((*chain.from_iterable(REQUIRED), "preprocessor_config.json"))
"""All files of a Whisper model that are used; the last one describes the input of large-v3."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model: its name, its size in bytes, and its SHA-256 in hex."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Files of a model's folder, and the repository, commit and endpoint that they came from."""

    name: str
    repo: str
    revision: str
    endpoint: str
    licence: str
    files: tuple[ModelFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def model_folder(models: Path, name: str, family: str = WHISPER) -> Path:
    """Path of the folder of the model called `name`; it need not exist."""
    return models / family / name.replace("/", "--")


def installed(models: Path, family: str = WHISPER) -> list[Path]:
    """Folders of all models of a family that were downloaded completely, sorted by name."""
    found = (manifest.parent for manifest in (models / family).glob(f"*/{MANIFEST}"))
    return sorted(folder for folder in found if folder.suffix not in {PART, OLD})


def read_manifest(folder: Path) -> Manifest | None:
    """Read the manifest that the download wrote; None for a folder that was filled by hand.

    Raises:
        EngineError: there is a manifest, but it cannot be read.
    """
    path = folder / MANIFEST
    try:
        fields: Any = json.loads(path.read_text("utf-8"))
        files = tuple(ModelFile(str(file["name"]), int(file["size"]), str(file["sha256"])) for file in fields["files"])
        texts = {key: str(fields[key]) for key in ("name", "repo", "revision", "endpoint", "licence")}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(f"{path} cannot be read ({error}); remove {folder} and pull the model again") from error
    return Manifest(**texts, files=files)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of the model in `folder`. Raises OSError."""
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2) + "\n", "utf-8")


def missing_files(folder: Path, required: Sequence[Sequence[str]] = REQUIRED) -> list[str]:
    """The first pattern of each group in `required` of which `folder` has no file."""
    return [group[0] for group in required if not any(_any_file(folder, pattern) for pattern in group)]


def _any_file(folder: Path, pattern: str) -> bool:
    return any(path.is_file() for path in folder.glob(pattern))


def size_errors(folder: Path, manifest: Manifest) -> Iterator[str]:
    """One sentence for each file that is missing or has the wrong size, found without reading the files."""
    for file in manifest.files:
        path = folder / file.name
        size = path.stat().st_size if path.is_file() else None
        if size is None:
            yield f"{file.name} is missing"
        elif size != file.size:
            yield f"{file.name} has {size} bytes instead of {file.size}"


def integrity_errors(folder: Path, manifest: Manifest) -> Iterator[str]:
    """One sentence for each file that differs from the downloaded one, found by reading all files. Raises OSError."""
    errors = list(size_errors(folder, manifest))
    yield from errors
    if not errors:
        for file in manifest.files:
            if sha256_of(folder / file.name) != file.sha256:
                yield f"{file.name} differs from what was pulled: its SHA-256 is another one"


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hex. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def languages_of(folder: Path) -> tuple[str, ...]:
    """BCP-47 subtags of the languages in a model's vocabulary; English alone for an English model.

    Raises:
        EngineError: there is no vocabulary, or it cannot be read.
    """
    tokens = set(_vocabulary(folder))
    # English models have the language tokens too; CTranslate2 recognises them by the empty token that they lack.
    if "" not in tokens:
        return ("en",)
    return tuple(subtag(code) for code in WHISPER_CODES if f"<|{code}|>" in tokens)


def _vocabulary(folder: Path) -> list[str]:
    try:
        for name in VOCABULARIES:
            path = folder / name
            if path.is_file():
                text = path.read_text("utf-8")
                return list(json.loads(text)) if path.suffix == ".json" else text.removesuffix("\n").split("\n")
    except (OSError, ValueError, TypeError) as error:
        raise EngineError(f"the vocabulary in {folder} cannot be read: {error}") from error
    raise EngineError(f"{folder} holds no {VOCABULARIES[0]}")
