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
    """Shell command that installs `extra` into this environment, from where Caesura itself was installed."""
    return f"pip install {requirement(extra)}"


def requirement(extra: str) -> str:
    """Arguments of `pip install` that stand for Caesura with `extra`, quoted for a shell.

    An index is named only when Caesura came from one: a clone, a wheel and a repository are named by their place,
    because what an index has under the same name may be missing, older, or not ours.
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
    # What the installer wrote down (PEP 610); None where Caesura came from an index or runs from a folder of sources.
    from importlib.metadata import PackageNotFoundError, distribution  # some 20 ms, for a message that is rare

    try:
        record = distribution(DISTRIBUTION).read_text("direct_url.json")
    except PackageNotFoundError:
        return None
    return None if record is None else json.loads(record)
