"""Download of models from the Hugging Face Hub or a mirror, verified against the checksums that the hub lists.

huggingface_hub does the listing, the transfer with its resumption and retries, the locking and the offline switch.
This module adds three things: a model appears in the store in one step, once all of its files are complete and
verified; an interrupted download resumes where it stopped, also in another process; and every failure is one plain
sentence.

The transfer is `http_get`, the HTTP half of `hf_hub_download`: the whole function would drop a partial file when the
process ends, write its own metadata beside the model, and use Xet storage on hosts that no mirror replaces.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

import httpx2
from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
from huggingface_hub.file_download import http_get
from huggingface_hub.hf_api import ModelInfo, RepoSibling
from huggingface_hub.utils import WeakFileLock, build_hf_headers  # type: ignore[attr-defined]  # exported lazily
from huggingface_hub.utils.sha import git_hash

from caesura.distribution import DISTRIBUTION
from caesura.engines.models.catalogue import CatalogueEntry
from caesura.engines.models.store import (
    OLD,
    PART,
    REQUIRED,
    USED,
    Manifest,
    ModelFile,
    integrity_errors,
    model_folder,
    read_manifest,
    sha256_of,
    write_manifest,
)
from caesura.errors import DownloadInterrupted, EngineError, LineError, Unreachable, UsageError

DEFAULT_ENDPOINT: Final = "https://huggingface.co"
LISTING_TIMEOUT_S: Final = 30.0
LOCK_TIMEOUT_S: Final = 0.1
"""Longest wait for another download into the same folder.

A download takes minutes, so a longer wait would be pointless.
"""

SPARE_BYTES: Final = 50_000_000
"""Free space that must be left on the disk, in bytes."""

_NO_NETWORK: Final = (
    "Is there a network, or a proxy to be named in HTTPS_PROXY? A mirror of the hub can be named with --endpoint"
)
_UNTRUSTED: Final = (
    "No certificate authority of this system vouches for it: install the system's list (on Debian and Ubuntu: "
    "apt install ca-certificates), or name a file of authorities in SSL_CERT_FILE"
)
_RESUMABLE: Final = "The received part is kept: the same command resumes from there"
_BUSY: Final = frozenset({408, 429, 500, 502, 503, 504})
_ABSENT: Final = frozenset({401, 403, 404})  # the hub answers 401 for a repository that does not exist, too

Report = Callable[[int, int], None]
"""Progress callback: number of bytes received so far, and of the whole model."""


@dataclass(frozen=True, slots=True)
class PulledModel:
    """A model in the store; `fresh` unless it was complete before."""

    folder: Path
    manifest: Manifest
    fresh: bool


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file as the hub lists it; small files have only `git_sha1`, their SHA-1 as a git blob."""

    name: str
    size: int
    sha256: str | None
    git_sha1: str | None


@dataclass(frozen=True, slots=True)
class HubModel:
    """The files of a model at `revision`, which is a commit whatever name was requested."""

    repo: str
    revision: str
    licence: str | None
    files: tuple[HubFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def pull(
    entry: CatalogueEntry,
    models: Path,
    *,
    endpoint: str = DEFAULT_ENDPOINT,
    revision: str | None = None,
    report: Report = lambda done, total: None,
) -> PulledModel:
    """Download a model unless the store has it already, complete and at the same commit.

    Args:
        entry: The model.
        models: Folder of the store.
        endpoint: URL of the hub.
        revision: Branch, tag or commit; None means that of the entry.
        report: Called as bytes come in.

    Raises:
        Unreachable: the hub does not answer, or HF_HUB_OFFLINE is set; what was there before is still there.
        UsageError: no such model, no room on the disk, or another download is running.
        DownloadInterrupted: the hub broke off or is busy; the next call resumes.
        LineError: the hub sent other bytes than it listed.
    """
    hub = Hub(endpoint)
    folder = model_folder(models, entry.name, entry.family)
    try:
        with _locked(folder.parent):
            model = hub.list_files(entry, revision or entry.revision)
            manifest = _already_there(folder, model)
            if manifest is not None:
                report(model.size, model.size)
                return PulledModel(folder, manifest, fresh=False)
            part = folder.with_name(folder.name + PART)
            part.mkdir(exist_ok=True)
            _check_room(part, model)
            manifest = _fetch_all(entry, model, part, hub, report)
            _publish(part, folder)
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error}; choose another folder with --models") from error
    return PulledModel(folder, manifest, fresh=True)


class Hub:
    """Client of one hub. Sends no token: the models are public, and a mirror need not learn who the user is."""

    def __init__(self, endpoint: str) -> None:
        """Sends nothing yet. Raises UsageError when `endpoint` is not a URL."""
        parts = urlsplit(endpoint)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise UsageError(f"endpoint: {endpoint!r} is not the URL of a hub; the default is {DEFAULT_ENDPOINT}")
        self.endpoint = endpoint.rstrip("/")
        name, version = "caesura", importlib.metadata.version(DISTRIBUTION)
        self._api = HfApi(endpoint=self.endpoint, token=False, library_name=name, library_version=version)
        # Not compressed: a resumed transfer counts the bytes of the file, not those on the wire.
        self._headers = build_hf_headers(
            token=False, headers={"Accept-Encoding": "identity"}, library_name=name, library_version=version
        )

    def list_files(self, entry: CatalogueEntry, revision: str) -> HubModel:
        """List the files of a model that are needed, at a branch, tag or commit.

        Raises:
            Unreachable: the hub does not answer, or HF_HUB_OFFLINE is set.
            DownloadInterrupted: the hub is busy.
            UsageError: no such model or revision, or files that the model needs are not there.
            LineError: the answer is not a listing.
        """
        repo = entry.repo
        with _translated_errors(self.endpoint, f"{repo} at revision {revision}"):
            try:
                info = self._api.model_info(repo, revision=revision, files_metadata=True, timeout=LISTING_TIMEOUT_S)
                model = _parse_listing(entry, info)
            except HFValidationError as error:
                raise UsageError(f"model: {repo} is not the name of a repository on a hub: {error}") from error
            except HfHubHTTPError:  # some are ValueErrors as well
                raise
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise LineError(f"{self.endpoint} gave no description of {repo}: {error}; is it a hub?") from error
        _check_format(entry, model)
        return model

    def fetch(self, model: HubModel, file: HubFile, path: Path, report: Callable[[int], None]) -> None:
        """Download the part of a file of `model` that `path` does not contain yet, and append it.

        Raises:
            Unreachable, DownloadInterrupted, UsageError: as in `list_files`; what came stays in `path`.
            LineError: the hub sends more bytes than it listed; `path` is removed.
        """
        url = hf_hub_url(model.repo, file.name, revision=model.revision, endpoint=self.endpoint)
        with _translated_errors(self.endpoint, f"{model.repo}/{file.name}"), path.open("ab") as out:
            try:
                http_get(
                    url,
                    out,
                    resume_size=out.tell(),
                    headers=self._headers,
                    expected_size=file.size,
                    displayed_filename=file.name,
                    tqdm_class=cast(Any, partial(_TransferProgress, file, report)),
                )
            except _TooManyBytes as error:
                path.unlink()
                raise LineError(f"{file.name}: {self.endpoint} sends more bytes than it listed") from error
            except HfHubHTTPError as error:
                if error.response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    path.unlink()  # the hub's file ends before ours: resuming would fail for ever
                raise
            out.flush()
            os.fsync(out.fileno())


class _TransferProgress:
    """The part of tqdm's interface that `http_get` uses: counts the bytes of a file and reports their number."""

    def __init__(self, file: HubFile, report: Callable[[int], None], *, initial: int = 0, **_: object) -> None:
        self._file, self._report, self._count = file, report, initial

    def __enter__(self) -> _TransferProgress:
        return self

    def __exit__(self, *_: object) -> None:
        """Closes nothing: the bar belongs to the caller."""

    def update(self, count: int) -> None:
        self._count += count
        # Checked before writing: a hub that sends without end must not fill the disk.
        if self._count > self._file.size:
            raise _TooManyBytes
        self._report(self._count)


class _TooManyBytes(Exception):
    """More bytes arrived than the listing says that the file has."""


@contextmanager
def _translated_errors(endpoint: str, what: str) -> Iterator[None]:
    """Context that translates errors of huggingface_hub and of the network into those of this package."""
    try:
        yield
    except OfflineModeIsEnabled as error:
        raise Unreachable(
            "HF_HUB_OFFLINE is set, which forbids downloads; unset it to pull a model", retryable=False
        ) from error
    except HfHubHTTPError as error:
        raise _status_error(endpoint, what, error.response.status_code) from error
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError, httpx2.UnsupportedProtocol) as error:
        hint = _UNTRUSTED if "CERTIFICATE_VERIFY_FAILED" in str(error) else _NO_NETWORK
        raise Unreachable(f"{endpoint} cannot be reached ({error}). {hint}") from error
    except httpx2.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise DownloadInterrupted(f"{endpoint} broke off: {reason}. {_RESUMABLE}") from error
    except OSError as error:
        if error.errno is not None:
            raise
        # http_get reports a file that ended early as an OSError of its own, without a number.
        raise DownloadInterrupted(f"{endpoint} ended {what} early. {_RESUMABLE}") from error


def _status_error(endpoint: str, what: str, status: int) -> LineError | UsageError:
    if status in _BUSY:
        return DownloadInterrupted(f"{endpoint} is busy ({status}); try again later. {_RESUMABLE}")
    if status in _ABSENT:
        return UsageError(f"{endpoint} has no public {what} ({status}); check its name and revision")
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return DownloadInterrupted(f"{endpoint} cannot resume {what}; the same command starts it again")
    return LineError(f"{endpoint} answered {status} to the request for {what}")


def _parse_listing(entry: CatalogueEntry, info: ModelInfo) -> HubModel:
    if not info.sha:
        raise ValueError("it names no commit")
    licences = [tag.removeprefix("license:") for tag in info.tags or () if tag.startswith("license:")]
    used = entry.files or USED
    files = tuple(_parse_file(sibling) for sibling in info.siblings or () if sibling.rfilename in used)
    return HubModel(entry.repo, info.sha, licences[0] if licences else None, files)


def _parse_file(sibling: RepoSibling) -> HubFile:
    if sibling.lfs is not None:
        return HubFile(sibling.rfilename, int(sibling.lfs.size), str(sibling.lfs.sha256), None)
    if sibling.size is None or sibling.blob_id is None:
        raise ValueError(f"it lists {sibling.rfilename} without size and checksum")
    return HubFile(sibling.rfilename, int(sibling.size), None, sibling.blob_id)


def _check_format(entry: CatalogueEntry, model: HubModel) -> None:
    names = {file.name for file in model.files}
    required = tuple((name,) for name in entry.files) or REQUIRED
    missing = ", ".join(group[0] for group in required if names.isdisjoint(group))
    if missing and entry.files:
        raise UsageError(f"{model.repo} has no {missing} at revision {model.revision}; pull it without --revision")
    if missing:
        raise UsageError(f"{model.repo} has no {missing}: it is no Whisper model in CTranslate2's format")


def _already_there(folder: Path, model: HubModel) -> Manifest | None:
    try:
        manifest = read_manifest(folder)
    except EngineError:
        return None  # it is replaced
    if manifest is None or manifest.revision != model.revision or any(integrity_errors(folder, manifest)):
        return None
    return manifest


def _fetch_all(entry: CatalogueEntry, model: HubModel, part: Path, hub: Hub, report: Report) -> Manifest:
    files: list[ModelFile] = []
    for file in model.files:
        before = sum(done.size for done in files)
        files.append(_fetch(model, file, part, hub, partial(_report_sum, report, model.size, before)))
    for leftover in {path.name for path in part.iterdir()} - {file.name for file in files}:
        (part / leftover).unlink()
    licence = model.licence if model.licence and model.licence != "other" else entry.licence
    manifest = Manifest(entry.name, entry.repo, model.revision, hub.endpoint, licence, tuple(files))
    write_manifest(part, manifest)
    return manifest


def _report_sum(report: Report, total: int, before: int, count: int) -> None:
    report(before + count, total)


def _fetch(model: HubModel, file: HubFile, part: Path, hub: Hub, report: Callable[[int], None]) -> ModelFile:
    complete = part / file.name
    # The checksum in its name keeps bytes of another revision from being resumed.
    partial_file = part / f"{file.name}.{(file.sha256 or file.git_sha1 or '')[:16]}"
    if complete.is_file():
        complete.replace(partial_file)  # it may be of another revision: verified again below
    hub.fetch(model, file, partial_file, report)
    sha256 = sha256_of(partial_file)
    if not _is_as_listed(partial_file, file, sha256):
        partial_file.unlink()
        raise LineError(
            f"{file.name}: the checksum differs from the one that {hub.endpoint} listed. "
            "Nothing was kept of it; pull again, and if it happens again, from another --endpoint"
        )
    report(file.size)
    partial_file.replace(complete)
    return ModelFile(file.name, file.size, sha256)


def _is_as_listed(path: Path, file: HubFile, sha256: str) -> bool:
    if path.stat().st_size != file.size:
        return False
    if file.sha256 is not None:
        return sha256 == file.sha256
    return git_hash(path.read_bytes()) == file.git_sha1


def _check_room(part: Path, model: HubModel) -> None:
    there = sum(path.stat().st_size for path in part.iterdir() if path.is_file())
    needed = model.size - there + SPARE_BYTES
    free = shutil.disk_usage(part).free
    if free < needed:
        raise UsageError(
            f"models: {part.parent} has room for {free / 1e6:,.0f} MB, the model needs {needed / 1e6:,.0f} MB; "
            "make room, or name a folder on another disk with --models"
        )


def _publish(part: Path, folder: Path) -> None:
    """Move the verified folder to the model's place; the old model stays until then."""
    old = folder.with_name(folder.name + OLD)
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    part.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _locked(parent: Path) -> Iterator[None]:
    """Context that locks the store against other downloads; the lock ends with the process, however it ends."""
    parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(WeakFileLock(parent / ".lock", timeout=LOCK_TIMEOUT_S))
        except TimeoutError as error:
            raise UsageError(
                f"models: another `caesura models pull` is running in {parent}; wait until it has ended"
            ) from error
        yield
