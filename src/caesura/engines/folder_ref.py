"""References to the models of streaming engines: a folder, and the languages of the model in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from caesura.engines.models.catalogue import WHISPER_CODES, subtag
from caesura.errors import EngineError, UsageError

_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "chinese": "zh",
        "english": "en",
        "french": "fr",
        "german": "de",
        "japanese": "ja",
        "korean": "ko",
        "russian": "ru",
        "spanish": "es",
        "cn": "zh",
        "kz": "kk",
        "ua": "uk",
        "vn": "vi",
    }
)
"""What publishers write in the names of models instead of a language's subtag."""
_SUBTAGS: Final = frozenset(map(subtag, WHISPER_CODES)) | {"eo", "ga", "ky", "ug"}
_TAG: Final = re.compile(r"[A-Za-z]{2,3}")


@dataclass(frozen=True, slots=True)
class FolderRef:
    """A folder with a model, which need not exist yet, and the primary subtags of its languages."""

    folder: Path
    languages: tuple[str, ...]

    @property
    def text(self) -> str:
        """The same reference with an absolute path and its languages, which any process can resolve."""
        return f"{self.folder}@{','.join(self.languages)}"


def parse_folder_ref(engine: str, text: str) -> FolderRef:
    """Parse what follows `ENGINE:`: a folder, optionally with `@` and its languages, as in `/srv/model@de` or `@zh,en`.

    Without `@` the languages are those that the folder's name contains, as the publishers of models name them.

    Raises:
        UsageError: no folder, which begins with `/`, `.` or `~`; or its languages are not known.
    """
    path, at, named = text.rpartition("@") if "@" in text else (text, "", "")
    if not path.startswith(("/", ".", "~")):
        raise UsageError(f"engine: {engine}:{text} names no folder; give {engine}:/FOLDER, ./FOLDER or ~/FOLDER")
    folder = Path(path).expanduser().absolute()
    languages = tuple(named.lower().split(",")) if at else _languages_in(folder.name)
    if not languages or not all(map(_TAG.fullmatch, languages)):
        raise UsageError(
            f"engine: {engine}:{text} does not say its language; add it, for example {engine}:{path}@en, or @zh,en"
        )
    return FolderRef(folder, languages)


def check_files(engine: str, folder: Path, missing: tuple[str, ...], kind: str) -> None:
    """Raise EngineError when there is no such folder, or files of its model are `missing`; `kind` says what belongs."""
    if not folder.is_dir():
        raise EngineError(f"{engine}: there is no folder {folder}; name one with {kind}")
    if missing:
        raise EngineError(f"{engine}: the model in {folder} lacks {' and '.join(missing)}; it must be {kind}")


def _languages_in(name: str) -> tuple[str, ...]:
    parts = (_NAMES.get(part, part) for part in re.split(r"[-_.]", name.lower()))
    return tuple(dict.fromkeys(part for part in parts if part in _SUBTAGS))
