"""Name of the distribution on package indexes, and the command that installs one of its extras.

The import package and the command are called caesura; the distribution is not, because that name belongs to another
project on PyPI (docs/decisions/0001-distribution-name.md). Every message that says what to install goes through here.
"""

from __future__ import annotations

import json
import shlex
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

DISTRIBUTION: Final = "caesura-stt"


def install_command(extra: str) -> str:
    """Shell command that installs `extra` into this environment, from the same place as Caesura itself."""
    return f"pip install {requirement(extra)}"


def requirement(extra: str) -> str:
    """Arguments for `pip install` that name Caesura with `extra`, quoted for a shell.

    A clone, a wheel or a repository is named by its location, and the index is used only if Caesura came from one: a
    package of the same name there may be missing, older, or somebody else's.
    """
    origin = _origin()
    if origin is None:
        return shlex.quote(f"{DISTRIBUTION}[{extra}]")
    url = str(origin["url"])
    if origin.get("dir_info", {}).get("editable"):
        return f"-e {shlex.quote(f'{url2pathname(urlsplit(url).path)}[{extra}]')}"
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        url = f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
    return shlex.quote(f"{DISTRIBUTION}[{extra}] @ {url}")


def _origin() -> Any:
    # The installer's record (PEP 610); None if Caesura came from an index or runs from a source folder.
    from importlib.metadata import PackageNotFoundError, distribution  # takes some 20 ms

    try:
        record = distribution(DISTRIBUTION).read_text("direct_url.json")
    except PackageNotFoundError:
        return None
    return None if record is None else json.loads(record)
