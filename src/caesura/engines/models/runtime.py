"""Finds the versions of the libraries that engines run on, or says how to install one."""

from __future__ import annotations

import importlib.metadata
from typing import Final

from caesura.distribution import install_command
from caesura.engines.models.catalogue import WHISPER
from caesura.engines.models.families import CATALOGUES
from caesura.errors import EngineError

LIBRARY: Final = CATALOGUES[WHISPER].library


def library_version(engine: str, package: str) -> str:
    """Version of an engine's library, found without importing it. Raises EngineError when it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError as error:
        raise not_installed(engine, package) from error


def not_installed(engine: str, package: str) -> EngineError:
    """The error for a missing `package` of an engine; it says how to install the extra of the same name."""
    return EngineError(f"engine {engine} needs the package {package}: `{install_command(engine)}` installs it")
