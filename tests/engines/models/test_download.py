"""Downloads from a hub on loopback: complete or not at all, resumed where they stopped, never unverified bytes."""

from __future__ import annotations

import errno
import fcntl
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import constants

from caesura.engines.models.catalogue import CatalogueEntry, find_model
from caesura.engines.models.download import PulledModel, pull
from caesura.engines.models.families import find_any
from caesura.engines.models.store import MANIFEST, installed, integrity_errors, missing_files, read_manifest
from caesura.errors import DownloadInterrupted, LineError, Unreachable, UsageError
from tests.engines.models.hub_server import REVISION, FakeHub, listing, model_files, serving
from tests.server.outbound.remote import certificate

pytestmark = pytest.mark.slow


class Puller:
    """Pulls the tiny model into a folder, and keeps the progress that is reported."""

    def __init__(self, hub: FakeHub, models: Path) -> None:
        self.hub, self.models = hub, models
        self.progress: list[tuple[int, int]] = []
        self.folder = models / "whisper" / "tiny"
        self.part = models / "whisper" / "tiny.part"

    def __call__(self, *, revision: str = "main") -> PulledModel:
        return pull(
            find_model("tiny"),
            self.models,
            endpoint=self.hub.url,
            revision=revision,
            report=lambda *counts: self.progress.append(counts),
        )

    def contents(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir() if path.name != MANIFEST}

    def ranges(self, name: str = "model.bin") -> list[str]:
        """The Range of each request for the file."""
        return [header for path, header in self.hub.requests if path.endswith(name)]

    def interrupt(self) -> None:
        """Has a download end with 70,000 bytes of the weights."""
        self.hub.cuts, self.hub.statuses = [70_000], {"model.bin": [200, 500]}
        with pytest.raises(DownloadInterrupted, match="The received part is kept: the same command resumes from there"):
            self()
        self.hub.requests.clear()


@pytest.fixture
def puller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Puller]:
    # The library keeps what came in pieces of 10 MB; smaller ones show the same with smaller files.
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10_000)
    with serving(FakeHub(model_files(200_000))) as hub:
        yield Puller(hub, tmp_path / "models")


def pulled_from(endpoint: str, models: Path, *, name: str = "tiny") -> PulledModel:
    return pull(find_model(name), models, endpoint=endpoint)


# ---- a complete download ----


def test_a_model_is_downloaded_completely_with_a_manifest(puller: Puller) -> None:
    pulled = puller()
    assert pulled.fresh
    assert puller.contents() == puller.hub.used_files()
    assert read_manifest(puller.folder) == pulled.manifest
    assert (pulled.manifest.revision, pulled.manifest.endpoint) == (REVISION, puller.hub.url)
    assert (pulled.manifest.name, pulled.manifest.licence) == ("tiny", "mit")
    assert list(integrity_errors(puller.folder, pulled.manifest)) == missing_files(puller.folder) == []
    assert installed(puller.models) == [puller.folder]
    assert not puller.part.exists()


def test_the_folder_holds_plain_files_and_nothing_of_the_library(puller: Puller) -> None:
    puller()
    assert {path.name for path in puller.folder.iterdir()} == {*puller.hub.used_files(), MANIFEST}
    assert not any(path.is_symlink() for path in puller.models.rglob("*"))


def test_progress_grows_to_the_whole(puller: Puller) -> None:
    puller()
    total = sum(map(len, puller.hub.used_files().values()))
    assert puller.progress == sorted(puller.progress)
    assert puller.progress[-1] == (total, total)
    assert {of for _, of in puller.progress} == {total}


def test_a_complete_model_is_not_downloaded_again(puller: Puller) -> None:
    puller()
    puller.hub.requests.clear()
    assert not puller().fresh
    assert puller.hub.requests == []
    assert puller.progress[-1][0] == puller.progress[-1][1]


def test_a_damaged_model_is_downloaded_again(puller: Puller) -> None:
    puller()
    (puller.folder / "model.bin").write_bytes(b"x" * 200_000)
    assert puller().fresh
    assert puller.contents() == puller.hub.used_files()


def test_an_unreadable_manifest_is_replaced(puller: Puller) -> None:
    puller()
    (puller.folder / MANIFEST).write_text("{")
    assert puller().fresh
    assert puller().fresh is False


def test_a_newer_revision_replaces_the_older_one(puller: Puller) -> None:
    puller()
    puller.hub.files["model.bin"] += b"newer"
    puller.hub.revision = "f" * 40
    assert puller().fresh
    assert puller.contents() == puller.hub.used_files()
    assert [path.name for path in puller.folder.parent.iterdir() if path.name != ".lock"] == ["tiny"]


def test_a_commit_can_be_pinned(puller: Puller) -> None:
    assert puller(revision=REVISION).manifest.revision == REVISION
    assert all(f"/resolve/{REVISION}/" in path for path, _ in puller.hub.requests)


def test_no_token_and_no_telemetry_is_sent(puller: Puller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment holds for other programs."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    puller()
    assert not any("authorization" in headers or "cookie" in headers for headers in puller.hub.headers)
    assert "hf_secret" not in str(puller.hub.headers)
    assert all(path.startswith("/cdn/") or "/resolve/" in path for path, _ in puller.hub.requests)


# ---- other families ----


def zipformer_hub(*, without: str = "") -> FakeHub:
    """A hub that has the model `zipformer-en` at the commit of the catalogue, beside files that are not needed."""
    entry = find_any("sherpa:zipformer-en")
    files = {name: name.encode() * 100 for name in (*entry.files, "README.md", "encoder-fp32.onnx") if name != without}
    return FakeHub(files, repo=entry.repo, revision=entry.revision)


def test_a_model_of_another_family_is_downloaded_at_its_commit_with_its_own_files(tmp_path: Path) -> None:
    entry = find_any("zipformer-en")
    with serving(zipformer_hub()) as hub:
        pulled = pull(entry, tmp_path, endpoint=hub.url)
        assert pull(entry, tmp_path, endpoint=hub.url).fresh is False
    assert pulled.folder == tmp_path / "sherpa" / "zipformer-en"
    assert {path.name for path in pulled.folder.iterdir()} == {*entry.files, MANIFEST}
    assert pulled.manifest.revision == entry.revision
    assert sorted(hub.fetched()) == sorted(entry.files)
    assert installed(tmp_path, "sherpa") == [pulled.folder]
    assert installed(tmp_path) == []


def test_a_file_that_the_hub_lacks_is_named_before_anything_is_downloaded(tmp_path: Path) -> None:
    with (
        serving(zipformer_hub(without="tokens.txt")) as hub,
        pytest.raises(UsageError, match=r"has no tokens\.txt at revision 672fbf1.*; pull it without --revision"),
    ):
        pull(find_any("zipformer-en"), tmp_path, endpoint=hub.url)
    assert hub.requests == []


def test_a_licence_that_the_hub_does_not_name_is_that_of_the_catalogue(tmp_path: Path) -> None:
    hub = zipformer_hub()
    hub.listing = listing(hub).replace("license:mit", "license:other")
    with serving(hub):
        assert pull(find_any("zipformer-en"), tmp_path, endpoint=hub.url).manifest.licence == "Apache-2.0"


# ---- interruption and resumption ----


def test_a_cut_connection_is_resumed_where_it_was_cut(puller: Puller) -> None:
    puller.hub.cuts = [70_000, 50_000]
    puller()
    assert puller.contents() == puller.hub.used_files()
    assert puller.ranges() == ["", "bytes=70000-", "bytes=120000-"]


def test_a_hub_that_cannot_resume_starts_the_file_again(puller: Puller) -> None:
    puller.hub.cuts = [70_000]
    puller.hub.ignores_range = True
    puller()
    assert puller.contents() == puller.hub.used_files()
    assert puller.progress[-1][0] == puller.progress[-1][1]


def test_an_interrupted_download_is_not_a_model_and_resumes_in_the_next_call(puller: Puller) -> None:
    puller.interrupt()
    assert not puller.folder.exists()
    assert installed(puller.models) == []
    puller()
    assert puller.contents() == puller.hub.used_files()
    assert puller.ranges() == ["bytes=70000-"]


def test_a_download_that_another_release_left_unfinished_is_resumed(puller: Puller) -> None:
    """Partial files keep their place and name: `NAME.part/FILE.` and the beginning of the checksum."""
    puller.interrupt()
    (partial,) = puller.part.glob("model.bin.*")
    assert (partial.stat().st_size, len(partial.suffix)) == (70_000, 1 + 16)


def test_files_that_came_completely_are_not_requested_again(puller: Puller) -> None:
    puller.hub.files = dict(sorted(puller.hub.files.items()))  # config.json, model.bin, ...
    puller.interrupt()
    puller()
    assert "config.json" not in puller.hub.fetched()


def test_a_partial_file_of_another_revision_is_not_resumed(puller: Puller) -> None:
    puller.interrupt()
    puller.hub.files["model.bin"] = b"other" * 40_000
    puller()
    assert puller.contents() == puller.hub.used_files()
    assert puller.ranges() == [""]


def test_a_damaged_partial_file_is_thrown_away(puller: Puller) -> None:
    puller.interrupt()
    (partial,) = puller.part.glob("model.bin.*")
    partial.write_bytes(b"x" * 70_000)
    with pytest.raises(LineError, match=r"checksum differs.*Nothing was kept of it; pull again"):
        puller()
    puller()
    assert puller.contents() == puller.hub.used_files()


def test_a_partial_file_that_the_hub_cannot_resume_is_thrown_away(puller: Puller) -> None:
    puller.interrupt()
    (partial,) = puller.part.glob("model.bin.*")
    partial.write_bytes(b"x" * 300_000)
    with pytest.raises(DownloadInterrupted, match=r"cannot resume .*; the same command starts it again"):
        puller()
    puller()
    assert puller.contents() == puller.hub.used_files()


@pytest.mark.parametrize("status", [500, 503])
def test_a_busy_hub_interrupts_the_download(puller: Puller, status: int) -> None:
    puller.hub.statuses["config.json"] = [status]
    with pytest.raises(DownloadInterrupted, match=rf"is busy \({status}\); try again later"):
        puller()


def test_a_hub_that_is_busy_for_a_moment_is_tried_again(puller: Puller) -> None:
    puller.hub.statuses["config.json"] = [429]
    puller()
    assert puller.hub.fetched().count("config.json") == 2


# ---- files that differ from the listing ----


@pytest.mark.parametrize("name", ["model.bin", "config.json"])
def test_bytes_with_another_checksum_are_thrown_away(puller: Puller, name: str) -> None:
    puller.hub.sent[name] = b"?" * len(puller.hub.files[name])
    with pytest.raises(LineError, match=rf"{name}: the checksum differs from the one that .* listed"):
        puller()
    assert not puller.folder.exists()
    assert not list(puller.part.glob(f"{name}*"))
    puller.hub.sent.clear()
    puller()
    assert puller.contents() == puller.hub.used_files()


def test_more_bytes_than_listed_are_refused(puller: Puller) -> None:
    puller.hub.sent["model.bin"] = b"?" * 30_000_000
    with pytest.raises(LineError, match="sends more bytes than it listed"):
        puller()
    assert not puller.folder.exists()
    assert sum(path.stat().st_size for path in puller.part.iterdir()) < 1000


def test_fewer_bytes_than_listed_are_no_model(puller: Puller) -> None:
    puller.hub.sent["model.bin"] = puller.hub.files["model.bin"][:100_000]
    with pytest.raises(DownloadInterrupted, match=r"ended .*model\.bin early"):
        puller()
    assert not puller.folder.exists()


def test_a_failed_update_leaves_the_old_model_in_place(puller: Puller) -> None:
    puller()
    before = puller.contents()
    puller.hub.revision = "f" * 40
    puller.hub.files["model.bin"] = b"newer" * 40_000
    puller.hub.sent["model.bin"] = b"wrong" * 40_000
    with pytest.raises(LineError):
        puller()
    assert puller.contents() == before


def test_a_listing_cannot_name_files_outside_of_the_folder(puller: Puller) -> None:
    """Only names that a model has are taken from it."""
    fields = json.loads(listing(puller.hub))
    fields["siblings"].append({"rfilename": "../../evil", "size": 1, "blobId": "x"})
    puller.hub.listing = json.dumps(fields)
    puller()
    assert puller.contents() == puller.hub.used_files()


# ---- models that the hub does not have ----


def test_an_unknown_model_or_revision_is_a_usage_error(puller: Puller) -> None:
    with pytest.raises(UsageError, match=r"has no public no/such at revision main \(404\); check its name"):
        pulled_from(puller.hub.url, puller.models, name="no/such")
    with pytest.raises(UsageError, match=r"has no public .* at revision v9/x"):
        puller(revision="v9/x")


def test_a_file_that_is_listed_but_absent_is_named(puller: Puller) -> None:
    puller.hub.statuses["tokenizer.json"] = [404]
    with pytest.raises(UsageError, match=r"has no public Systran/faster-whisper-tiny/tokenizer.json"):
        puller()


def test_a_name_that_no_repository_can_have_is_refused(puller: Puller) -> None:
    with pytest.raises(UsageError, match=r"a/b--c is not the name of a repository"):
        pull(CatalogueEntry("a/b--c", "a/b--c", None, (), ""), puller.models, endpoint=puller.hub.url)
    assert puller.hub.headers == []


def test_a_repository_without_a_whisper_model_is_named(puller: Puller) -> None:
    del puller.hub.files["model.bin"], puller.hub.files["vocabulary.txt"]
    with pytest.raises(UsageError, match=r"has no model\.bin, vocabulary\.json: it is no Whisper model"):
        puller()


@pytest.mark.parametrize(
    "text", ["<html>", "[]", "{}", '{"id": "a", "sha": "a", "siblings": [{}]}', '{"id": "a"}', "null"]
)
def test_an_invalid_listing_is_reported(puller: Puller, text: str) -> None:
    puller.hub.listing = text
    with pytest.raises(LineError, match=r"gave no description of .*; is it a hub\?"):
        puller()


def test_a_file_without_checksum_is_refused(puller: Puller) -> None:
    fields = json.loads(listing(puller.hub))
    del fields["siblings"][1]["blobId"]
    puller.hub.listing = json.dumps(fields)
    with pytest.raises(LineError, match=r"lists config\.json without size and checksum; is it a hub\?"):
        puller()


def test_another_refusal_is_reported_with_its_status(puller: Puller) -> None:
    puller.hub.listing_status = 418
    with pytest.raises(LineError, match="answered 418 to the request for"):
        puller()


@pytest.mark.parametrize("endpoint", ["", "huggingface.co", "ftp://hub.example", "https://"])
def test_an_invalid_endpoint_url_is_named(endpoint: str, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"endpoint: .* is not the URL of a hub; the default is https://huggingface\.co"
    ):
        pulled_from(endpoint, tmp_path)


# ---- no network ----


def test_without_network_the_old_model_stays(puller: Puller) -> None:
    puller()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        puller.hub.url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Unreachable, match=r"cannot be reached .*network, or a proxy .*mirror .*--endpoint"):
            puller()
    assert puller.contents() == puller.hub.used_files()


def test_the_offline_switch_of_the_library_is_obeyed(puller: Puller) -> None:
    """HF_HUB_OFFLINE is read when the library is imported, so another process is needed."""
    code = (
        "from caesura.engines.models.download import *\nfrom caesura.engines.models.catalogue import find_model\n"
        f"try: pull(find_model('tiny'), Path({str(puller.models)!r}), endpoint={puller.hub.url!r})\n"
        "except Unreachable as error: print(error, error.retryable)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "HF_HUB_OFFLINE is set, which forbids downloads; unset it to pull a model False\n"
    assert puller.hub.headers == []


@pytest.fixture
def new_session() -> Iterator[Callable[[], None]]:
    """The library keeps one HTTP client in the process, which reads the authorities when it is made."""
    from huggingface_hub import close_session

    close_session()
    yield close_session
    close_session()


def test_a_certificate_is_judged_by_the_authorities_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_session: Callable[[], None]
) -> None:
    """One that no authority has signed is refused with advice, which works."""
    tls, _ = certificate(tmp_path, "localhost")
    with serving(FakeHub(model_files()), tls) as hub:
        with pytest.raises(Unreachable, match=r"CERTIFICATE_VERIFY_FAILED.*ca-certificates.*SSL_CERT_FILE"):
            pulled_from(hub.url, tmp_path)
        new_session()
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        assert pulled_from(hub.url, tmp_path).manifest.revision == REVISION


# ---- the disk ----


def test_a_full_disk_is_found_before_anything_is_fetched(puller: Puller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=50_100_000))
    with pytest.raises(UsageError, match=r"has room for 50 MB, the model needs 50 MB; make room, or name a folder"):
        puller()
    assert puller.hub.requests == []


def test_an_error_of_the_disk_is_a_usage_error(puller: Puller, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "disk_usage", full)
    with pytest.raises(UsageError, match=r"cannot be written: .*No space left.*--models"):
        puller()


def test_a_second_download_at_the_same_time_is_refused(puller: Puller) -> None:
    puller.folder.parent.mkdir(parents=True)
    with (puller.folder.parent / ".lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="another `caesura models pull` is running"):
            puller()
    assert puller().fresh
