"""Catalogue of Whisper models: name, repository, size, languages, licence, accuracy and cost of each."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from caesura.errors import UsageError

WHISPER: Final = "whisper"
"""Name of this family of models, in `--engine` and as a folder of the store."""

DEFAULT_MODEL: Final = "small"
"""Model of `--engine whisper` when none is named."""

_IN_ORDER = (
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml "
    "cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am "
    "yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su yue"
)
WHISPER_CODES: Final = tuple(_IN_ORDER.split())
"""Language codes of Whisper, in the order of its tokens; the last one came with large-v3."""

# The only code of Whisper that is not the BCP-47 subtag of its language.
_SUBTAGS: Final = MappingProxyType({"jw": "jv"})
_CODES: Final = MappingProxyType({subtag: code for code, subtag in _SUBTAGS.items()})

_ENGLISH: Final = ("en",)
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class CpuCost(enum.Enum):
    """What a model costs on the CPU, in three classes, for a server core."""

    LOW = "low: several live streams on a core"
    MEDIUM = "medium: about one live stream on a core"
    HIGH = "high: recordings on the CPU, live streams on a GPU"


@dataclass(frozen=True, slots=True)
class PublishedWer:
    """A word error rate that others have published: its value in percent, the test, and where it is published."""

    percent: float
    test: str
    source: str


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A model that can be downloaded.

    `repo` is its repository on the hub and `revision` the branch, tag or commit to download. `size` is its approximate
    size in bytes (None: unknown), `languages` the BCP-47 subtags that it transcribes (empty: only its vocabulary says).
    `family` is the engine that runs it and `kind` the name by which that engine's library knows its architecture.
    `files` are the names of the files that are needed; empty means those of a Whisper model.
    """

    name: str
    repo: str
    size: int | None
    languages: tuple[str, ...]
    licence: str
    wer: PublishedWer | None = None
    cpu: CpuCost | None = None
    revision: str = "main"
    family: str = WHISPER
    kind: str = WHISPER
    files: tuple[str, ...] = ()


def subtag(code: str) -> str:
    """BCP-47 primary subtag of the language with Whisper's code `code`."""
    return _SUBTAGS.get(code, code)


def whisper_code(language: str) -> str:
    """Whisper's code of the language with this BCP-47 primary subtag."""
    return _CODES.get(language, language)


def _subtags(count: int) -> tuple[str, ...]:
    return tuple(map(subtag, WHISPER_CODES[:count]))


_ALL: Final = _subtags(99)
_ALL_AND_CANTONESE: Final = _subtags(100)


# Mean of eight English sets: AMI, Earnings22, GigaSpeech, LibriSpeech clean and other, SPGISpeech, TED-LIUM, VoxPopuli.
_MEAN_WER: Final = MappingProxyType(
    {
        "tiny.en": 12.81,
        "base.en": 10.32,
        "small.en": 8.59,
        "medium.en": 8.09,
        "large-v1": 7.94,
        "large-v2": 7.84,
        "large-v3": 7.44,
        "large-v3-turbo": 7.83,
        "distil-small.en": 8.57,
        "distil-medium.en": 8.77,
        "distil-large-v2": 7.92,
        "distil-large-v3": 7.52,
        "distil-large-v3.5": 7.21,
    }
)


def leaderboard(percent: float) -> PublishedWer:
    """Mean word error rate of the Open ASR Leaderboard, whose models run in full precision on a GPU."""
    return PublishedWer(percent, "mean of 8 English sets, full precision", "Open ASR Leaderboard, short form")


def _cpu(name: str) -> CpuCost:
    return CpuCost.MEDIUM if name.startswith("tiny") else CpuCost.HIGH


def _entries() -> dict[str, CatalogueEntry]:
    # Sizes in MB: two bytes for each parameter.
    systran = "Systran/faster-whisper-"
    rows = (
        ("tiny", systran + "tiny", 75, _ALL),
        ("tiny.en", systran + "tiny.en", 75, _ENGLISH),
        ("base", systran + "base", 145, _ALL),
        ("base.en", systran + "base.en", 145, _ENGLISH),
        ("small", systran + "small", 484, _ALL),
        ("small.en", systran + "small.en", 484, _ENGLISH),
        ("medium", systran + "medium", 1_528, _ALL),
        ("medium.en", systran + "medium.en", 1_528, _ENGLISH),
        ("large-v1", systran + "large-v1", 3_087, _ALL),
        ("large-v2", systran + "large-v2", 3_087, _ALL),
        ("large-v3", systran + "large-v3", 3_087, _ALL_AND_CANTONESE),
        ("large-v3-turbo", "mobiuslabsgmbh/faster-whisper-large-v3-turbo", 1_618, _ALL_AND_CANTONESE),
        ("distil-small.en", "Systran/faster-distil-whisper-small.en", 332, _ENGLISH),
        ("distil-medium.en", "Systran/faster-distil-whisper-medium.en", 789, _ENGLISH),
        ("distil-large-v2", "Systran/faster-distil-whisper-large-v2", 1_513, _ENGLISH),
        ("distil-large-v3", "Systran/faster-distil-whisper-large-v3", 1_513, _ENGLISH),
        ("distil-large-v3.5", "distil-whisper/distil-large-v3.5-ct2", 1_513, _ENGLISH),
    )
    published = {name: leaderboard(percent) for name, percent in _MEAN_WER.items()}
    return {
        name: CatalogueEntry(name, repo, size * 1_000_000, languages, "MIT", published.get(name), _cpu(name))
        for name, repo, size, languages in rows
    }


CATALOGUE: Final[Mapping[str, CatalogueEntry]] = MappingProxyType(_entries())
"""Whisper models by name."""

ALIASES: Final[Mapping[str, str]] = MappingProxyType({"large": "large-v3", "turbo": "large-v3-turbo"})


def is_repo(name: str) -> bool:
    """Whether `name` has the form of a repository on the hub, `OWNER/NAME`."""
    return _REPO.fullmatch(name) is not None


def find_model(name: str) -> CatalogueEntry:
    """Look up a Whisper model by name.

    Args:
        name: A name in `CATALOGUE`, an alias, or `OWNER/NAME` of any Whisper model in CTranslate2's format on the hub.

    Raises:
        UsageError: no model has that name; the sentence lists the names.
    """
    entry = CATALOGUE.get(ALIASES.get(name, name))
    if entry is not None:
        return entry
    if is_repo(name):
        return CatalogueEntry(name, name, None, (), "see its page")
    raise UsageError(f"model: no Whisper model is called {name!r}; choose one of {', '.join(CATALOGUE)}, or OWNER/NAME")
