"""Pulling from a hub on loopback: whole or not at all, going on where it stopped, and never what was not promised."""

from __future__ import annotations

import errno
import fcntl
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from caesura.engines.models.catalogue import offered
from caesura.engines.models.hub import Hub
from caesura.engines.models.pull import WAITS_S, Pulled, pull
from caesura.engines.models.shelf import MANIFEST, faults, installed, lacking, read_manifest
from caesura.errors import LineError, Unreachable, UsageError
from tests.engines.models import hub_server
from tests.engines.models.hub_server import REVISION, model_files, serving

pytestmark = pytest.mark.slow


class Puller:
    """Pulls the tiny model into a folder, and keeps what it is told."""

    def __init__(self, played: hub_server.Hub, models: Path) -> None:
        self.played, self.models = played, models
        self.told: list[tuple[int, int]] = []
        self.waits: list[float] = []
        self.folder = models / "whisper" / "tiny"
        self.part = models / "whisper" / "tiny.part"

    def __call__(self) -> Pulled:
        with Hub(self.played.url) as hub:
            return pull(
                offered("tiny"), self.models, hub, wait=self.waits.append, told=lambda *sizes: self.told.append(sizes)
            )

    def contents(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir() if path.name != MANIFEST}


@pytest.fixture
def puller(tmp_path: Path) -> Iterator[Puller]:
    with serving(hub_server.Hub(model_files(200_000))) as played:
        yield Puller(played, tmp_path / "models")


def wanted(played: hub_server.Hub) -> dict[str, bytes]:
    return {name: body for name, body in played.files.items() if name != "README.md"}


def test_a_model_comes_whole_with_a_manifest(puller: Puller) -> None:
    pulled = puller()
    assert pulled.fresh
    assert puller.contents() == wanted(puller.played)
    assert read_manifest(puller.folder) == pulled.manifest
    assert (pulled.manifest.revision, pulled.manifest.endpoint) == (REVISION, puller.played.url)
    assert (pulled.manifest.name, pulled.manifest.licence) == ("tiny", "mit")
    assert list(faults(puller.folder, pulled.manifest)) == lacking(puller.folder) == []
    assert installed(puller.models) == [puller.folder]
    assert not puller.part.exists()


def test_progress_grows_to_the_whole(puller: Puller) -> None:
    puller()
    total = sum(map(len, wanted(puller.played).values()))
    assert puller.told == sorted(puller.told)
    assert puller.told[-1] == (total, total)
    assert {of for _, of in puller.told} == {total}


def test_what_is_there_already_is_not_fetched_again(puller: Puller) -> None:
    puller()
    puller.played.requests.clear()
    assert not puller().fresh
    assert puller.played.requests == []


def test_what_was_damaged_is_fetched_again(puller: Puller) -> None:
    puller()
    (puller.folder / "model.bin").write_bytes(b"x" * 200_000)
    assert puller().fresh
    assert puller.contents() == wanted(puller.played)


def test_a_manifest_that_cannot_be_read_is_replaced(puller: Puller) -> None:
    puller()
    (puller.folder / MANIFEST).write_text("{")
    assert puller().fresh
    assert puller().fresh is False


def test_a_newer_revision_replaces_the_older_one(puller: Puller) -> None:
    puller()
    puller.played.files["model.bin"] += b"newer"
    puller.played.revision = "f" * 40
    assert puller().fresh
    assert puller.contents() == wanted(puller.played)
    assert sorted(path.name for path in puller.folder.parent.iterdir()) == [".lock", "tiny"]


def test_a_cut_connection_goes_on_where_it_was_cut(puller: Puller) -> None:
    puller.played.cuts = [70_000, 50_000]
    puller()
    assert puller.contents() == wanted(puller.played)
    ranges = [header for path, header in puller.played.requests if path.endswith("model.bin")]
    assert ranges == ["", "bytes=70000-", "bytes=120000-"]
    assert puller.waits == [WAITS_S[0], WAITS_S[0]]


def test_a_hub_that_cannot_go_on_in_the_middle_begins_anew(puller: Puller) -> None:
    puller.played.cuts = [70_000]
    puller.played.ignores_range = True
    puller()
    assert puller.contents() == wanted(puller.played)


def test_a_busy_hub_is_waited_for_longer_each_time(puller: Puller) -> None:
    puller.played.busy = [503, 429, 503, 503]
    puller()
    assert puller.waits == list(WAITS_S)


def test_in_the_end_it_gives_up_and_keeps_what_came(puller: Puller) -> None:
    puller.played.cuts = [70_000, 0, 0, 0, 0]
    with pytest.raises(LineError, match="What came is kept: the same command goes on from there"):
        puller()
    assert not puller.folder.exists()
    assert installed(puller.models) == []
    puller.played.requests.clear()
    puller()
    assert puller.contents() == wanted(puller.played)
    assert puller.played.requests[0][1] == "bytes=70000-"


def test_files_that_came_whole_are_not_fetched_a_second_time(puller: Puller) -> None:
    puller.played.files = dict(sorted(puller.played.files.items()))  # config.json, model.bin, ...
    puller.played.cuts = [0] * 5
    with pytest.raises(LineError):
        puller()
    puller.played.requests.clear()
    puller()
    assert "config.json" not in puller.played.fetched()


def test_half_a_file_of_another_revision_is_not_continued(puller: Puller) -> None:
    puller.played.cuts = [70_000, 0, 0, 0, 0]
    with pytest.raises(LineError):
        puller()
    puller.played.files["model.bin"] = b"other" * 40_000
    puller()
    assert puller.contents() == wanted(puller.played)


def test_half_a_file_that_was_damaged_is_begun_anew(puller: Puller) -> None:
    puller.played.cuts = [70_000, 0, 0, 0, 0]
    with pytest.raises(LineError):
        puller()
    (half,) = puller.part.glob("model.bin.*")
    half.write_bytes(b"x" * 70_000)
    puller()
    assert puller.contents() == wanted(puller.played)


@pytest.mark.parametrize("name", ["model.bin", "config.json"])
def test_bytes_that_were_not_promised_are_thrown_away(puller: Puller, name: str) -> None:
    puller.played.given[name] = b"?" * len(puller.played.files[name])
    with pytest.raises(LineError, match=rf"{name}: what came is not what .* promised: its checksum is another one"):
        puller()
    assert not puller.folder.exists()
    assert not list(puller.part.glob(f"{name}*"))
    puller.played.given.clear()
    puller()
    assert puller.contents() == wanted(puller.played)


def test_more_bytes_than_promised_are_refused(puller: Puller) -> None:
    puller.played.given["model.bin"] = b"?" * 300_000
    with pytest.raises(LineError, match="sends more than the bytes it promised"):
        puller()
    assert not puller.folder.exists()
    assert sum(path.stat().st_size for path in puller.part.iterdir()) < 1000


def test_fewer_bytes_than_promised_are_no_model(puller: Puller) -> None:
    puller.played.given["model.bin"] = puller.played.files["model.bin"][:100_000]
    with pytest.raises(LineError):
        puller()
    assert not puller.folder.exists()


def test_without_network_what_was_there_stays(puller: Puller) -> None:
    puller()
    puller.played.url = "http://127.0.0.1:9"
    with pytest.raises(Unreachable):
        puller()
    assert puller.contents() == wanted(puller.played)


def test_a_failed_update_leaves_the_old_model_in_place(puller: Puller) -> None:
    puller()
    before = puller.contents()
    puller.played.revision = "f" * 40
    puller.played.files["model.bin"] = b"newer" * 40_000
    puller.played.given["model.bin"] = b"wrong" * 40_000
    with pytest.raises(LineError):
        puller()
    assert puller.contents() == before


def test_a_full_disk_is_told_before_anything_is_fetched(puller: Puller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=50_100_000))
    with pytest.raises(UsageError, match=r"has room for 50 MB, the model needs 50 MB; make room, or name a folder"):
        puller()
    assert puller.played.requests == []


def test_a_disk_that_fails_is_told(puller: Puller, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "disk_usage", full)
    with pytest.raises(UsageError, match=r"cannot be written: .*No space left.*--models"):
        puller()


def test_two_pulls_at_once_do_not_write_over_each_other(puller: Puller) -> None:
    puller.folder.parent.mkdir(parents=True)
    with (puller.folder.parent / ".lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="another `caesura models pull` is at work"):
            puller()
    assert puller().fresh


def test_a_listing_cannot_name_files_outside_of_the_folder(puller: Puller) -> None:
    """Only names that a model has are taken from it."""
    told = json.loads(hub_server._listing(puller.played))
    told["siblings"].append({"rfilename": "../../evil", "size": 1, "blobId": "x"})
    puller.played.listing = json.dumps(told)
    puller()
    assert puller.contents() == wanted(puller.played)
