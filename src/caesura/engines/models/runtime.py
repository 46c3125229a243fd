"""Finds the versions of the libraries that run downloaded models, or says how to install one."""

from __future__ import annotations

import importlib.metadata
from typing import Final

from caesura.distribution import install_command
from caesura.engines.models.catalogue import WHISPER
from caesura.engines.models.families import CATALOGUES
from caesura.errors import EngineError

LIBRARY: Final = CATALOGUES[WHISPER].library


def library_version(family: str = WHISPER) -> str:
    """Version of the library that runs the models of a family, found without importing it.

    Raises:
        EngineError: it is not installed.
    """
    library = CATALOGUES[family].library
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError as error:
        raise not_installed(library, family) from error


def not_installed(package: str, family: str = WHISPER) -> EngineError:
    """The error for a missing `package` of a family's engine; it says how to install it."""
    command = install_command(CATALOGUES[family].extra)
    return EngineError(f"engine {family} needs the package {package}: `{command}` installs it")
