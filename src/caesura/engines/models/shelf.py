"""Models on disk: a folder in; which model lies there, whether it is whole, and what it understands, out.

The layout is `MODELS/whisper/NAME/`, the files of a model beside a manifest that says what they must be. A folder with
the suffix `.part` is a download that is not whole, and is never taken for a model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from caesura.engines.models.catalogue import WHISPER_CODES, subtag
from caesura.errors import EngineError

DEFAULT_MODELS: Final = "~/.cache/caesura/models"
"""Where models lie unless the operator says otherwise."""

MANIFEST: Final = "caesura-model.json"
PART: Final = ".part"
OLD: Final = ".old"

NEEDED: Final = ("model.bin", "config.json", "tokenizer.json")
VOCABULARIES: Final = ("vocabulary.json", "vocabulary.txt")
"""One of these is needed, too."""
WANTED: Final = frozenset((*NEEDED, *VOCABULARIES, "preprocessor_config.json"))
"""Everything that is of use; large-v3 tells its shape in the last one."""

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Piece:
    """One file of a model: its name, its bytes, and their SHA-256 in hex."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What lies in a model's folder, and where it came from."""

    name: str
    repo: str
    revision: str
    endpoint: str
    licence: str
    files: tuple[Piece, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(piece.size for piece in self.files)


def shelf(models: Path, name: str) -> Path:
    """Where the model called `name` belongs, be it there or not."""
    return models / "whisper" / name.replace("/", "--")


def installed(models: Path) -> list[Path]:
    """The folders of all models that were pulled whole, by name."""
    found = (manifest.parent for manifest in (models / "whisper").glob(f"*/{MANIFEST}"))
    return sorted(folder for folder in found if folder.suffix not in {PART, OLD})


def read_manifest(folder: Path) -> Manifest | None:
    """What was written when the model was pulled; None for a folder that was filled by hand.

    Raises:
        EngineError: there is a manifest, but it cannot be read.
    """
    path = folder / MANIFEST
    try:
        told: Any = json.loads(path.read_text("utf-8"))
        files = tuple(Piece(str(piece["name"]), int(piece["size"]), str(piece["sha256"])) for piece in told["files"])
        texts = {key: str(told[key]) for key in ("name", "repo", "revision", "endpoint", "licence")}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(f"{path} cannot be read ({error}); remove {folder} and pull the model again") from error
    return Manifest(**texts, files=files)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Say what lies in `folder`. Raises OSError."""
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2) + "\n", "utf-8")


def lacking(folder: Path) -> list[str]:
    """The files that a model cannot do without and that are not in `folder`."""
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in VOCABULARIES):
        missing.append(VOCABULARIES[0])
    return missing


def wrong_sizes(folder: Path, manifest: Manifest) -> Iterator[str]:
    """A sentence for each file that is not there or not as long as it must be; costs nothing."""
    for piece in manifest.files:
        path = folder / piece.name
        size = path.stat().st_size if path.is_file() else None
        if size is None:
            yield f"{piece.name} is missing"
        elif size != piece.size:
            yield f"{piece.name} has {size} bytes instead of {piece.size}"


def faults(folder: Path, manifest: Manifest) -> Iterator[str]:
    """A sentence for each file that is not what it was when it was pulled; reads all of them. Raises OSError."""
    found = list(wrong_sizes(folder, manifest))
    yield from found
    if not found:
        for piece in manifest.files:
            if sha256_of(folder / piece.name) != piece.sha256:
                yield f"{piece.name} is not what was pulled: its SHA-256 is another one"


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def languages_of(folder: Path) -> tuple[str, ...]:
    """The subtags of the languages that a model's vocabulary has; English alone where it is an English model.

    Raises:
        EngineError: there is no vocabulary, or it cannot be read.
    """
    marks = set(_vocabulary(folder))
    # Both have marks for all languages; the empty token is the one that CTranslate2 goes by.
    if "" not in marks:
        return ("en",)
    return tuple(subtag(code) for code in WHISPER_CODES if f"<|{code}|>" in marks)


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
