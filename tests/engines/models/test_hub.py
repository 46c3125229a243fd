"""A hub over HTTP: what it says models are, where their bytes begin, and each way in which it may fail."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import HfApi

from caesura.engines.models.hub import Expected, Hub
from caesura.errors import BrokeOff, LineError, Unreachable, UsageError
from tests.engines.models import hub_server
from tests.engines.models.hub_server import REVISION, model_files, serving
from tests.server.outbound.remote import certificate

pytestmark = pytest.mark.slow

REPO = "Systran/faster-whisper-tiny"


@pytest.fixture
def played() -> Iterator[hub_server.Hub]:
    with serving(hub_server.Hub(model_files())) as hub:
        yield hub


@pytest.fixture
def hub(played: hub_server.Hub) -> Iterator[Hub]:
    with Hub(played.url + "/") as client:
        yield client


def test_a_listing_has_the_files_of_use_with_their_checksums(played: hub_server.Hub, hub: Hub) -> None:
    listing = hub.listing(REPO, "main")
    assert (listing.revision, listing.licence) == (REVISION, "mit")
    assert {file.name for file in listing.files} == set(played.files) - {"README.md"}
    weights, config = (
        next(file for file in listing.files if file.name == name) for name in ("model.bin", "config.json")
    )
    assert weights == Expected("model.bin", 5000, hashlib.sha256(played.files["model.bin"]).hexdigest(), None)
    # What `git hash-object` says of a file that holds `{}`.
    assert config == Expected("config.json", 2, None, "9e26dfeeb6e641a33dae4961196235bdb965b21b")
    assert listing.size == sum(len(body) for name, body in played.files.items() if name != "README.md")


@pytest.mark.parametrize(("start", "begins"), [(0, 0), (17, 17), (4999, 4999)])
def test_bytes_begin_where_they_are_asked_to(hub: Hub, played: hub_server.Hub, start: int, begins: int) -> None:
    with hub.bytes_of(REPO, REVISION, "model.bin", start) as (told, blocks):
        assert told == begins
        assert b"".join(blocks) == played.files["model.bin"][begins:]


def test_a_hub_that_cannot_begin_in_the_middle_begins_at_the_start(hub: Hub, played: hub_server.Hub) -> None:
    played.ignores_range = True
    with hub.bytes_of(REPO, REVISION, "model.bin", 17) as (told, blocks):
        assert told == 0
        assert b"".join(blocks) == played.files["model.bin"]


def test_to_begin_behind_the_end_helps_nobody(hub: Hub) -> None:
    with (
        pytest.raises(BrokeOff, match=r"no bytes of model\.bin behind 5000"),
        hub.bytes_of(REPO, REVISION, "model.bin", 5000),
    ):
        pass


def test_a_cut_connection_breaks_off(hub: Hub, played: hub_server.Hub) -> None:
    played.cuts = [1500]
    with pytest.raises(BrokeOff, match="broke off"), hub.bytes_of(REPO, REVISION, "model.bin", 0) as (_, blocks):
        list(blocks)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_hub_breaks_off(hub: Hub, played: hub_server.Hub, status: int) -> None:
    played.busy = [status]
    with pytest.raises(BrokeOff, match=f"is busy \\({status}\\)"), hub.bytes_of(REPO, REVISION, "config.json", 0):
        pass


def test_a_model_that_is_not_there_is_the_callers_mistake(hub: Hub) -> None:
    with pytest.raises(UsageError, match=r"has no no/such at revision main for everybody \(404\); check its name"):
        hub.listing("no/such", "main")


def test_a_repository_without_a_whisper_model_is_named(hub: Hub, played: hub_server.Hub) -> None:
    del played.files["model.bin"], played.files["vocabulary.txt"]
    with pytest.raises(UsageError, match=r"has no model\.bin, vocabulary\.json: it is no Whisper model"):
        hub.listing(REPO, "main")


@pytest.mark.parametrize("listing", ["<html>", "[]", "{}", '{"sha": "a", "siblings": [{}]}', "null"])
def test_an_answer_that_is_no_listing_is_told(hub: Hub, played: hub_server.Hub, listing: str) -> None:
    played.listing = listing
    with pytest.raises(LineError, match=r"gave no description of .*; is it a hub\?"):
        hub.listing(REPO, "main")


def test_no_network_says_what_may_help() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        with (
            Hub(f"http://127.0.0.1:{taken.getsockname()[1]}") as hub,
            pytest.raises(Unreachable, match=r"cannot be reached .*network, or a proxy .*mirror .*--endpoint"),
        ):
            hub.listing(REPO, "main")


def test_an_unknown_host_is_no_network() -> None:
    def fail(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("Name or service not known", request=request)

    with Hub("https://hub.example", httpx2.MockTransport(fail)) as hub, pytest.raises(Unreachable, match="not known"):
        hub.listing(REPO, "main")


def test_a_certificate_is_judged_by_the_authorities_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that nobody vouches for is refused with what may help, and that help works."""
    tls, _ = certificate(tmp_path, "localhost")
    with serving(hub_server.Hub(model_files()), tls) as played:
        with (
            Hub(played.url) as hub,
            pytest.raises(Unreachable, match=r"CERTIFICATE_VERIFY_FAILED.*ca-certificates.*SSL_CERT_FILE"),
        ):
            hub.listing(REPO, "main")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        with Hub(played.url) as hub:
            assert hub.listing(REPO, "main").revision == REVISION


def test_a_mute_hub_breaks_off() -> None:
    def hang(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadTimeout("", request=request)

    with Hub("https://hub.example", httpx2.MockTransport(hang)) as hub, pytest.raises(BrokeOff, match="ReadTimeout"):
        hub.listing(REPO, "main")


def test_another_refusal_is_told_as_it_is() -> None:
    answer = httpx2.MockTransport(lambda request: httpx2.Response(418))
    with Hub("https://hub.example", answer) as hub, pytest.raises(LineError, match="answered 418"):
        hub.listing(REPO, "main")


@pytest.mark.parametrize("endpoint", ["", "huggingface.co", "ftp://hub.example", "https://"])
def test_an_endpoint_that_is_no_url_is_named(endpoint: str) -> None:
    with pytest.raises(UsageError, match=r"endpoint: .* is no URL of a hub; https://huggingface\.co is the usual one"):
        Hub(endpoint)


def test_the_hubs_own_library_reads_the_played_hub_the_same_way(played: hub_server.Hub, hub: Hub) -> None:
    """So the hub that these tests play speaks the real one's wire."""
    told = HfApi(endpoint=played.url, token=False).model_info(REPO, revision="main", files_metadata=True)
    listing = hub.listing(REPO, "main")
    assert told.sha == listing.revision
    theirs = {file.rfilename: (file.size, file.lfs.sha256 if file.lfs else None) for file in told.siblings or ()}
    ours = {file.name: (file.size, file.sha256) for file in listing.files}
    assert ours == {name: theirs[name] for name in ours}
