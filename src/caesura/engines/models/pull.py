"""Models from a hub to disk: what the hub says a model is, in; a folder that holds exactly that, out.

What was downloaded stays in a folder `.part` until all of it is there and agrees with the hub's checksums; then that
folder becomes the model's in one step. A pull that was broken off goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

from caesura.engines.models.catalogue import Offer
from caesura.engines.models.hub import Expected, Hub, Listing
from caesura.engines.models.shelf import (
    OLD,
    PART,
    Manifest,
    Piece,
    faults,
    read_manifest,
    shelf,
    write_manifest,
)
from caesura.errors import BrokeOff, EngineError, LineError, UsageError

WAITS_S: Final = (1.0, 2.0, 4.0, 8.0)
"""How long to wait before each new try; bytes that came in between begin the row anew."""

SPARE_BYTES: Final = 50_000_000
"""Room that must be left on the disk."""

Told = Callable[[int, int], None]
"""Called with how many bytes are there, and of how many."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """A model that is on disk now; `fresh` unless it was there before."""

    folder: Path
    manifest: Manifest
    fresh: bool


def pull(
    offer: Offer, models: Path, hub: Hub, *, wait: Callable[[float], None], told: Told, revision: str = "main"
) -> Pulled:
    """Have the model `offer` under `models`, as the hub has it now at `revision`.

    Raises:
        Unreachable: the hub does not answer; what was there before is still there.
        UsageError: no such model, no room on the disk, or another pull is at work.
        LineError: the hub kept breaking off, or gave other bytes than it had promised.
    """
    folder = shelf(models, offer.name)
    try:
        with _alone(folder.parent):
            listing = hub.listing(offer.repo, revision)
            there = _there(folder, listing)
            if there is not None:
                told(listing.size, listing.size)
                return Pulled(folder, there, fresh=False)
            part = folder.with_name(folder.name + PART)
            part.mkdir(exist_ok=True)
            _check_room(part, listing)
            manifest = _fetch_all(offer, listing, part, hub, wait, told)
            _put(part, folder)
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error}; choose another folder with --models") from error
    return Pulled(folder, manifest, fresh=True)


def _there(folder: Path, listing: Listing) -> Manifest | None:
    try:
        manifest = read_manifest(folder)
    except EngineError:
        return None  # it is replaced
    if manifest is None or manifest.revision != listing.revision or any(faults(folder, manifest)):
        return None
    return manifest


def _fetch_all(
    offer: Offer, listing: Listing, part: Path, hub: Hub, wait: Callable[[float], None], told: Told
) -> Manifest:
    pieces: list[Piece] = []
    for file in listing.files:
        fetch = _Fetch(offer.repo, listing.revision, file, part)
        fetch.run(hub, wait, partial(_tell, told, sum(piece.size for piece in pieces), listing.size))
        pieces.append(Piece(file.name, file.size, fetch.sha256))
    for stranger in {path.name for path in part.iterdir()} - {piece.name for piece in pieces}:
        (part / stranger).unlink()
    licence = listing.licence or offer.licence
    manifest = Manifest(offer.name, offer.repo, listing.revision, hub.endpoint, licence, tuple(pieces))
    write_manifest(part, manifest)
    return manifest


def _tell(told: Told, before: int, total: int, size: int) -> None:
    told(before + size, total)


class _Fetch:
    # One file on its way. Its bytes so far lie under a name with its checksum in it, so that bytes of another
    # revision are never continued.

    def __init__(self, repo: str, revision: str, file: Expected, part: Path) -> None:
        self._repo, self._revision, self._file = repo, revision, file
        self._done = part / file.name
        self._half = part / f"{file.name}.{(file.sha256 or file.git or '')[:16]}"

    def run(self, hub: Hub, wait: Callable[[float], None], told: Callable[[int], None]) -> None:
        half = self._done if self._done.is_file() else self._half
        if half == self._done:
            self._done.replace(self._half)
        with self._half.open("a+b") as out:
            self._begin(out)
            resumed = self._size > 0
            self._fill(hub, out, wait, told)
            if not self._agrees() and resumed:
                self._empty(out)
                self._fill(hub, out, wait, told)
            out.flush()
            os.fsync(out.fileno())
        if not self._agrees():
            self._half.unlink()
            raise LineError(
                f"{self._file.name}: what came is not what {hub.endpoint} promised: its checksum is another one. "
                "Nothing was kept of it; pull again, and if it happens again, from another --endpoint"
            )
        self._half.replace(self._done)

    @property
    def sha256(self) -> str:
        return str(self._sha256.hexdigest())

    def _begin(self, out: IO[bytes]) -> None:
        # What is there already has to go through the digests as well.
        self._forget()
        out.seek(0)
        while block := out.read(1 << 20):
            self._count(block)
        if self._size > self._file.size:
            self._empty(out)

    def _forget(self) -> None:
        self._size = 0
        self._sha256: Any = hashlib.sha256()
        # How git names a file; it serves against accidents, as everything that the hub itself tells does.
        self._git: Any = hashlib.sha1(b"blob %d\0" % self._file.size, usedforsecurity=False)

    def _empty(self, out: IO[bytes]) -> None:
        out.seek(0)
        out.truncate()
        self._forget()

    def _count(self, block: bytes) -> None:
        self._size += len(block)
        self._sha256.update(block)
        self._git.update(block)

    def _agrees(self) -> bool:
        if self._file.sha256 is not None:
            return self.sha256 == self._file.sha256
        return bool(self._git.hexdigest() == self._file.git)

    def _fill(self, hub: Hub, out: IO[bytes], wait: Callable[[float], None], told: Callable[[int], None]) -> None:
        failures = 0
        told(self._size)
        while self._size < self._file.size:
            before = self._size
            try:
                self._stream(hub, out, told)
            except BrokeOff as error:
                failures = 1 if self._size > before else failures + 1
                if failures > len(WAITS_S):
                    raise LineError(f"{error}. What came is kept: the same command goes on from there") from error
                wait(WAITS_S[failures - 1])

    def _stream(self, hub: Hub, out: IO[bytes], told: Callable[[int], None]) -> None:
        with hub.bytes_of(self._repo, self._revision, self._file.name, self._size) as (begins, blocks):
            if begins != self._size:
                self._empty(out)
            for block in blocks:
                if self._size + len(block) > self._file.size:
                    self._empty(out)
                    raise LineError(f"{self._file.name}: {hub.endpoint} sends more than the bytes it promised")
                out.write(block)
                self._count(block)
                told(self._size)
        if self._size < self._file.size:
            raise BrokeOff(f"{hub.endpoint} ended {self._file.name} early")


def _check_room(part: Path, listing: Listing) -> None:
    there = sum(path.stat().st_size for path in part.iterdir() if path.is_file())
    needed = listing.size - there + SPARE_BYTES
    free = shutil.disk_usage(part).free
    if free < needed:
        raise UsageError(
            f"models: {part.parent} has room for {free / 1e6:,.0f} MB, the model needs {needed / 1e6:,.0f} MB; "
            "make room, or name a folder on another disk with --models"
        )


def _put(part: Path, folder: Path) -> None:
    old = folder.with_name(folder.name + OLD)
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    part.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _alone(shelves: Path) -> Iterator[None]:
    # Two pulls into one folder would write over each other. The lock goes with the process, however it ends.
    shelves.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":
        yield
        return
    import fcntl

    with (shelves / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"models: another `caesura models pull` is at work in {shelves}; let it end") from error
        yield
