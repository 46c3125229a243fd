"""The hub that models come from: a model's place there in; what its files must be, and their bytes, out.

The wire is that of the Hugging Face Hub, which its mirrors speak too: `/api/models/REPO/revision/REVISION?blobs=true`
tells sizes and checksums, `/REPO/resolve/REVISION/FILE` gives the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx2

from caesura.engines.models.shelf import NEEDED, VOCABULARIES, WANTED
from caesura.errors import BrokeOff, LineError, Unreachable, UsageError

DEFAULT_ENDPOINT: Final = "https://huggingface.co"
CONNECT_TIMEOUT_S: Final = 10.0
READ_TIMEOUT_S: Final = 30.0
"""A hub that sends nothing for so long has hung."""

MAX_LISTING: Final = 4 * 1024 * 1024
_NO_NETWORK: Final = (
    "Is there a network, or a proxy to be named in HTTPS_PROXY? A mirror of the hub can be named with --endpoint"
)
_UNTRUSTED: Final = (
    "No certificate authority of this system vouches for it: install the system's list (on Debian and Ubuntu: "
    "apt install ca-certificates), or name a file of authorities in SSL_CERT_FILE"
)
_BUSY: Final = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Expected:
    """One file as the hub describes it: `sha256` of its bytes, or, for small files, `git`, its SHA-1 as a git blob."""

    name: str
    size: int
    sha256: str | None
    git: str | None


@dataclass(frozen=True, slots=True)
class Listing:
    """What a model consists of; `revision` is the commit, whatever name it was asked for by."""

    revision: str
    licence: str | None
    files: tuple[Expected, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


class Hub:
    """One hub, over one HTTP client; to be used in a `with`."""

    def __init__(self, endpoint: str = DEFAULT_ENDPOINT, transport: httpx2.BaseTransport | None = None) -> None:
        """Speaks to `endpoint`, a URL; nothing is sent yet. Raises UsageError when it is none."""
        parts = urlsplit(endpoint)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise UsageError(f"endpoint: {endpoint!r} is no URL of a hub; {DEFAULT_ENDPOINT} is the usual one")
        self.endpoint = endpoint.rstrip("/")
        self._client = httpx2.Client(
            transport=transport,
            follow_redirects=True,
            timeout=httpx2.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            headers={"Accept-Encoding": "identity"},
        )

    def __enter__(self) -> Hub:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def listing(self, repo: str, revision: str) -> Listing:
        """What the model at `repo` consists of, at a branch, tag or commit.

        Raises:
            Unreachable: the hub does not answer.
            BrokeOff: it is busy.
            UsageError: there is no such model or revision, or it is no Whisper model in CTranslate2's format.
            LineError: its answer makes no sense.
        """
        url = f"{self.endpoint}/api/models/{repo}/revision/{quote(revision, safe='')}"
        with self._translated():
            answer = self._client.get(url, params={"blobs": "true"})
            self._check(answer, f"{repo} at revision {revision}")
        try:
            listing = _parsed(answer.json())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LineError(f"{self.endpoint} gave no description of {repo}: {error}; is it a hub?") from error
        _check_format(repo, listing)
        return listing

    @contextmanager
    def bytes_of(self, repo: str, revision: str, name: str, start: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        """The bytes of a file from `start` on, or from 0 if the hub cannot begin there: first where, then the bytes.

        Raises as `listing` does, also from the iterator.
        """
        headers = {"Range": f"bytes={start}-"} if start else {}
        url = f"{self.endpoint}/{repo}/resolve/{revision}/{quote(name)}"
        with self._translated(), self._client.stream("GET", url, headers=headers) as answer:
            if start and answer.status_code == httpx2.codes.RANGE_NOT_SATISFIABLE:
                raise BrokeOff(f"{self.endpoint} has no bytes of {name} behind {start}")
            self._check(answer, f"{repo}/{name}")
            begins = start if _begins_at(answer, start) else 0
            yield begins, answer.iter_raw()

    def _check(self, answer: httpx2.Response, what: str) -> None:
        status = answer.status_code
        if status in _BUSY:
            raise BrokeOff(f"{self.endpoint} is busy ({status})")
        if status in {401, 403, 404}:
            # The hub answers 401 for a model that does not exist, too.
            raise UsageError(f"{self.endpoint} has no {what} for everybody ({status}); check its name and revision")
        if not answer.is_success:
            raise LineError(f"{self.endpoint} answered {status} {answer.reason_phrase} when asked for {what}")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError, httpx2.UnsupportedProtocol) as error:
            hint = _UNTRUSTED if "CERTIFICATE_VERIFY_FAILED" in str(error) else _NO_NETWORK
            raise Unreachable(f"{self.endpoint} cannot be reached ({error}). {hint}") from error
        except httpx2.HTTPError as error:
            raise BrokeOff(f"{self.endpoint} broke off: {str(error) or type(error).__name__}") from error


def _begins_at(answer: httpx2.Response, start: int) -> bool:
    told = answer.headers.get("Content-Range", "")
    return answer.status_code == httpx2.codes.PARTIAL_CONTENT and told.startswith(f"bytes {start}-")


def _parsed(told: Any) -> Listing:
    files = tuple(_expected(file) for file in told["siblings"] if file["rfilename"] in WANTED)
    licences = [tag.removeprefix("license:") for tag in told.get("tags") or () if tag.startswith("license:")]
    return Listing(str(told["sha"]), licences[0] if licences else None, files)


def _expected(told: Any) -> Expected:
    large = told.get("lfs")
    if large:
        return Expected(told["rfilename"], int(large["size"]), str(large["sha256"]), None)
    return Expected(told["rfilename"], int(told["size"]), None, str(told["blobId"]))


def _check_format(repo: str, listing: Listing) -> None:
    names = {file.name for file in listing.files}
    missing = [name for name in NEEDED if name not in names]
    if not names & set(VOCABULARIES):
        missing.append(VOCABULARIES[0])
    if missing:
        raise UsageError(f"{repo} has no {', '.join(missing)}: it is no Whisper model in CTranslate2's format")
