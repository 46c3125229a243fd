"""Admission by credential and query, with a stand-in for the service in any state."""

from __future__ import annotations

import asyncio
import dataclasses
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlencode

import pytest

from caesura.ledger.access import Access
from caesura.ledger.projects import DEFAULT_PROJECT_ID
from caesura.ledger.scopes import LISTEN, READ_USAGE
from caesura.protocol import closing
from caesura.protocol.catalogue import Catalogue, Offer
from caesura.protocol.closing import Refusal
from caesura.protocol.messages import ModelInfo
from caesura.server.accounts.credentials import Credential
from caesura.server.admission import Admitted, admit, admit_recording, admit_stream
from caesura.server.load_control import LoadSampler
from caesura.server.outbound.guard import ReachPolicy
from caesura.server.outbound.http import Outbound
from caesura.server.service import Service
from caesura.server.settings import Settings
from caesura.server.shutdown import Shutdown

ENGLISH = Offer(ModelInfo("uuid-en", "english", "1", "arch"), ("en",))
GERMAN = Offer(ModelInfo("uuid-de", "german", "1", "arch"), ("de",), biases=True)
RIGHT = Credential("right", None)


@dataclass
class FakeLedgerWriter:
    """Stands in for the ledger."""

    credit: bool = True
    capacity: bool = True
    calls: list[str] = field(default_factory=list)
    limited: bool = False
    places: int = 1
    """Places of the project that are left over all servers."""
    asked: Callable[[], object] = lambda: None
    """Called while the ledger is asked for a place."""
    moves: list[str] = field(default_factory=list)

    def is_limited(self, project_id: str) -> bool:
        self.calls.append(project_id)
        return self.limited

    async def reserve(self, request_id: str, project_id: str) -> bool:
        self.calls.append(project_id)
        self.moves.append(f"reserve {request_id}")
        self.asked()
        self.capacity = False
        return self.places > 0

    def release(self, request_id: str) -> None:
        self.moves.append(f"release {request_id}")

    def has_credit(self, project_id: str) -> bool:
        self.calls.append(project_id)
        return self.credit

    def has_capacity(self, project_id: str) -> bool:
        self.calls.append(project_id)
        return self.capacity


@dataclass
class FakeService:
    """Stands in for the service: all that admission uses of it."""

    admits_requests: bool = True
    serves_streams: bool = True
    live: int = 0
    waiting: int = 0
    scopes: frozenset[str] = frozenset({LISTEN})
    ledger_writer: FakeLedgerWriter = field(default_factory=FakeLedgerWriter)
    settings: Settings = field(default_factory=lambda: Settings(max_sessions=3))
    catalogue: Catalogue = field(default_factory=lambda: Catalogue((ENGLISH, GERMAN), {"nova-2": "german"}))
    # A context that has read the system's certificates costs 20 ms, and nothing is requested here.
    outbound: Outbound = field(default_factory=lambda: Outbound(tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)))

    def admit(self, presented: str | None) -> Access | None:
        return Access("project", "key", self.scopes) if presented == "right" else None

    def verdict(self, query: str = "", *, secret: str = "right", recording: bool = False) -> Admitted | Refusal:
        credential = dataclasses.replace(RIGHT, secret=secret)
        return admit(cast(Service, self), credential, query.encode(), recording=recording)


@dataclass
class Load:
    """Stands in for the load of an engine."""

    room: bool = True
    refusing: bool = False
    full: bool = False
    turns: list[bool] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def enter(self, stream: str) -> bool:
        self.calls.append(f"enter {stream}")
        return self.room and not self.refusing and not self.full

    async def turn(self, stream: str) -> bool:
        self.calls.append(f"turn {stream}")
        return self.turns.pop(0)

    def left(self, stream: str) -> None:
        self.calls.append(f"left {stream}")


@dataclass
class Engine:
    """Stands in for a running engine."""

    load: Load


@dataclass
class FakeBusyService(FakeService):
    """A service with an engine that has a load."""

    load: Load = field(default_factory=Load)
    shutdown: Shutdown = field(default_factory=Shutdown)
    sampler: LoadSampler = field(default_factory=lambda: LoadSampler([]))

    def engine(self, offer: Offer) -> Engine:
        return Engine(self.load)

    def random(self) -> float:
        return 0.5

    def stream(self) -> Admitted | Refusal:
        return asyncio.run(admit_stream(cast(Service, self), RIGHT, b"", request_id="id"))


TOO_MANY_NOW = dataclasses.replace(closing.TOO_MANY_REQUESTS, retry_after_s=2)


def test_a_stream_for_which_there_is_room_does_not_wait() -> None:
    service = FakeBusyService()
    assert isinstance(service.stream(), Admitted)
    assert service.load.calls == ["enter id"]


def test_a_stream_waits_for_its_turn_and_is_judged_again_when_it_has_it() -> None:
    service = FakeBusyService(load=Load(room=False, turns=[True, True]))
    assert isinstance(service.stream(), Admitted)
    assert service.load.calls == ["enter id", "turn id"]

    class Filling(Load):
        async def turn(self, stream: str) -> bool:
            service.live = 3
            return True

    service.load = Filling(room=False)
    assert service.stream() == closing.TOO_MANY_REQUESTS
    assert service.load.calls == ["enter id", "left id"]  # it had its turn, and takes no place any more


def test_a_stream_that_gets_no_turn_gets_a_retry_after() -> None:
    assert FakeBusyService(load=Load(room=False, turns=[False])).stream() == TOO_MANY_NOW


def test_an_overloaded_engine_refuses_a_stream_at_once_and_takes_recordings() -> None:
    """A recording's jobs go behind those of all streams, so it does not delay them."""
    service = FakeBusyService(load=Load(refusing=True))
    assert service.stream() == TOO_MANY_NOW
    assert service.load.calls == ["enter id"]
    assert isinstance(service.verdict(recording=True), Admitted)


def test_a_full_engine_refuses_a_stream_at_once_and_takes_recordings() -> None:
    service = FakeBusyService(load=Load(full=True))
    assert service.stream() == TOO_MANY_NOW
    assert service.load.calls == ["enter id"]
    assert isinstance(service.verdict(recording=True), Admitted)


def test_a_stream_that_waits_when_the_server_stops_gets_503() -> None:
    service = FakeBusyService(load=Load(room=False, turns=[False]))
    service.shutdown.refusing = True
    assert service.stream() == closing.SERVICE_UNAVAILABLE


def test_waiting_upgrades_count_against_the_limit_of_streams() -> None:
    assert FakeService(live=1, waiting=2).verdict() == closing.TOO_MANY_REQUESTS


def test_a_project_without_a_limit_is_not_asked_about() -> None:
    service = FakeBusyService()
    assert isinstance(service.stream(), Admitted)
    assert service.ledger_writer.moves == []


@pytest.mark.parametrize("load", [Load(), Load(room=False, turns=[True])])
def test_a_stream_of_a_project_with_a_limit_takes_a_place_once_the_engine_has_room(load: Load) -> None:
    """Its own place then does not count against it."""
    service = FakeBusyService(load=load, ledger_writer=FakeLedgerWriter(limited=True))
    assert isinstance(service.stream(), Admitted)
    assert service.ledger_writer.moves == ["reserve id"]
    assert "left id" not in load.calls


def test_a_stream_that_gets_no_turn_takes_no_place() -> None:
    service = FakeBusyService(load=Load(room=False, turns=[False]), ledger_writer=FakeLedgerWriter(limited=True))
    assert service.stream() == TOO_MANY_NOW
    assert service.ledger_writer.moves == []


def test_a_stream_for_which_the_other_servers_left_no_place_leaves_the_engine() -> None:
    service = FakeBusyService(ledger_writer=FakeLedgerWriter(limited=True, places=0))
    verdict = refused(service.stream())
    assert (verdict, verdict.why) == (closing.TOO_MANY_REQUESTS, "project")
    assert service.load.calls == ["enter id", "left id"]
    assert service.ledger_writer.moves == ["reserve id"]


def test_a_stream_that_may_no_longer_come_when_it_has_its_place_gives_it_back() -> None:
    """Its key was revoked, or the server is full or stops, while the ledger was asked."""
    service = FakeBusyService(ledger_writer=FakeLedgerWriter(limited=True))
    for change, verdict in [
        (lambda: setattr(service, "live", 3), closing.TOO_MANY_REQUESTS),
        (lambda: setattr(service, "scopes", frozenset()), closing.INSUFFICIENT_PERMISSIONS),
        (lambda: setattr(service, "admits_requests", False), closing.SERVICE_UNAVAILABLE),
    ]:
        service.ledger_writer = FakeLedgerWriter(limited=True, asked=change)
        service.load = Load()
        assert service.stream() == verdict
        assert service.ledger_writer.moves == ["reserve id", "release id"]
        assert service.load.calls == ["enter id", "left id"]
        service.live, service.scopes, service.admits_requests = 0, frozenset({LISTEN}), True


def test_a_stream_whose_client_vanishes_while_the_ledger_is_asked_leaves_the_engine() -> None:
    def vanish() -> None:
        raise asyncio.CancelledError

    service = FakeBusyService(ledger_writer=FakeLedgerWriter(limited=True, asked=vanish))
    with pytest.raises(asyncio.CancelledError):
        service.stream()
    assert service.load.calls == ["enter id", "left id"]


@pytest.mark.parametrize("places", [0, 1])
def test_a_recording_takes_a_place_like_a_stream(places: int) -> None:
    service = FakeService(ledger_writer=FakeLedgerWriter(limited=True, places=places))
    verdict = asyncio.run(admit_recording(cast(Service, service), RIGHT, b"", request_id="id"))
    assert isinstance(verdict, Admitted) if places else verdict == closing.TOO_MANY_REQUESTS
    assert service.ledger_writer.moves == ["reserve id"]


def admitted(verdict: Admitted | Refusal) -> Admitted:
    assert isinstance(verdict, Admitted), verdict
    return verdict


def refused(verdict: Admitted | Refusal) -> Refusal:
    assert isinstance(verdict, Refusal), verdict
    return verdict


def test_a_permitted_request_is_admitted_with_its_options() -> None:
    service = FakeService()
    verdict = admitted(service.verdict("language=en-GB&punctuate=true"))
    assert (verdict.access.project_id, verdict.access.api_key_id) == ("project", "key")
    assert (verdict.options.language, verdict.options.punctuate) == ("en-GB", True)
    assert verdict.offer == ENGLISH
    assert verdict.callback is None
    assert set(service.ledger_writer.calls) == {"project"}


@pytest.mark.parametrize(
    ("query", "offer"),
    [
        ("", ENGLISH),
        ("model=nova-3", ENGLISH),
        ("model=german&language=de", GERMAN),
        ("language=de", GERMAN),
        ("model=nova-2&language=de-AT", GERMAN),
    ],
)
def test_the_engine_is_the_one_that_was_meant(query: str, offer: Offer) -> None:
    assert admitted(FakeService().verdict(query)).offer == offer


def test_the_engine_knows_the_languages_that_it_is_to_detect() -> None:
    english = dataclasses.replace(ENGLISH, languages=("en", "fr"), detects_language=True)
    german = dataclasses.replace(GERMAN, languages=("en", "de"), detects_language=True)
    service = FakeService(catalogue=Catalogue((english, german)))
    for query, offer in [("=true", english), ("=en", english), ("=de-AT", german), ("=en&detect_language=de", german)]:
        assert admitted(service.verdict(f"detect_language{query}")).offer == offer


def test_faults_are_reported_in_order_of_importance() -> None:
    """Each step mends one thing, and the next complaint shows."""
    service = FakeService(
        admits_requests=False,
        serves_streams=False,
        live=3,
        scopes=frozenset({READ_USAGE}),
        ledger_writer=FakeLedgerWriter(credit=False, capacity=False),
    )
    assert service.verdict("numerals=maybe", secret="wrong") == closing.SERVICE_UNAVAILABLE
    service.admits_requests = True
    assert service.verdict("numerals=maybe", secret="wrong") == closing.INVALID_AUTH
    assert refused(service.verdict("numerals=maybe")).err_code == "INVALID_QUERY_PARAMETER"
    assert service.verdict() == closing.INSUFFICIENT_PERMISSIONS
    service.scopes = frozenset({LISTEN})
    assert service.verdict() == closing.PAYMENT_REQUIRED
    service.ledger_writer.credit = True
    assert service.verdict() == closing.TOO_MANY_REQUESTS
    service.live = 2
    assert service.verdict() == closing.TOO_MANY_REQUESTS
    service.ledger_writer.capacity = True
    assert service.verdict() == closing.SERVICE_UNAVAILABLE
    service.serves_streams = True
    assert isinstance(service.verdict(), Admitted)


def test_a_full_server_refuses_streams_and_still_takes_recordings() -> None:
    service = FakeService(live=3)
    assert service.verdict() == closing.TOO_MANY_REQUESTS
    assert isinstance(service.verdict(recording=True), Admitted)


def test_a_full_project_has_no_room_for_recordings_either() -> None:
    assert (
        FakeService(ledger_writer=FakeLedgerWriter(capacity=False)).verdict(recording=True) == closing.TOO_MANY_REQUESTS
    )


def test_parameters_of_recordings_are_refused_on_a_stream() -> None:
    assert "paragraphs" in refused(FakeService().verdict("paragraphs=true")).err_msg
    assert admitted(FakeService().verdict("paragraphs=true", recording=True)).options.paragraphs


@pytest.mark.parametrize("scheme", ["http", "https", "ws", "wss"])
def test_a_callback_may_be_reached_by_web_and_by_socket(scheme: str) -> None:
    query = urlencode({"callback": f"{scheme}://user:hush@example.com:8443/a?b=c"})
    target = admitted(FakeService().verdict(query)).callback
    assert target is not None
    assert (target.url.scheme, target.host, target.port) == (scheme, "example.com", 8443)
    assert "hush" not in str(target)


def test_a_recordings_answer_does_not_go_to_a_socket() -> None:
    refusal = refused(FakeService().verdict("callback=wss://example.com/", recording=True))
    assert (refusal.status, refusal.err_code) == (400, "INVALID_QUERY_PARAMETER")
    assert refusal.err_msg.startswith("Invalid 'callback' value")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/hush",
        "http://[::1]/hush",
        "http://10.1.2.3:8080/hush",
        "http://169.254.169.254/hush",
        "http://example.com:22/hush",
        "http://example.com:99999/hush",
        "http:///hush",
        "http://user:hush@127.0.0.1/",
        "ftp://example.com/hush",
    ],
)
def test_a_callback_that_may_not_be_reached_is_refused_without_being_repeated(url: str) -> None:
    refusal = refused(FakeService().verdict(urlencode({"callback": url})))
    assert (refusal.status, refusal.err_code) == (400, "INVALID_QUERY_PARAMETER")
    assert "callback" in refusal.err_msg
    assert "hush" not in refusal.err_msg + refusal.details
    assert refusal.err_msg.isascii()
    assert refusal.err_msg.isprintable()


def test_callbacks_may_go_to_private_addresses_if_they_are_allowed() -> None:
    service = FakeService(outbound=Outbound(ReachPolicy(private=True, ports=None)))
    target = admitted(service.verdict("callback=http://127.0.0.1:9/")).callback
    assert target is not None
    assert target.port == 9


def test_a_query_that_is_not_ascii_is_refused_without_harm() -> None:
    verdict = admit(cast(Service, FakeService()), RIGHT, "language=dé".encode("latin-1"))
    assert refused(verdict).status == 400


def test_names_without_a_value_count_as_empty() -> None:
    assert refused(FakeService().verdict("numerals=")).status == 400
    assert isinstance(FakeService().verdict("keyterm="), Admitted)


def test_the_default_project_obeys_credits_too() -> None:
    class OpenService(FakeService):
        def admit(self, presented: str | None) -> Access | None:
            return Access(DEFAULT_PROJECT_ID, None, frozenset({LISTEN}))

    service = OpenService(ledger_writer=FakeLedgerWriter(credit=False))
    assert service.verdict(secret="") == closing.PAYMENT_REQUIRED
    assert service.ledger_writer.calls == [DEFAULT_PROJECT_ID]
