"""Finds the version of faster-whisper, the library that runs Whisper models, or says how to install it."""

from __future__ import annotations

import importlib.metadata
from typing import Final

from caesura.distribution import install_command
from caesura.errors import EngineError

LIBRARY: Final = "faster-whisper"


def library_version() -> str:
    """Version of faster-whisper, found without importing it. Raises EngineError when it is not installed."""
    try:
        return importlib.metadata.version(LIBRARY)
    except importlib.metadata.PackageNotFoundError as error:
        raise not_installed(LIBRARY) from error


def not_installed(package: str) -> EngineError:
    """The error for a missing `package` of the engine whisper; it says how to install it."""
    return EngineError(f"engine whisper needs the package {package}: `{install_command('whisper')}` installs it")
