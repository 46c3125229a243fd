"""Admission of requests: decides from credential and query what a request may do, or how it is refused."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from urllib.parse import parse_qsl

from caesura.errors import BadParameter, BadUrl
from caesura.ledger.access import Access
from caesura.ledger.scopes import LISTEN
from caesura.protocol import closing
from caesura.protocol.catalogue import Offer
from caesura.protocol.closing import Refusal, refusal_for
from caesura.protocol.options import ListenOptions, parse_options
from caesura.server.accounts.credentials import Credential
from caesura.server.outbound.target import SOCKETS, WEB, Target
from caesura.server.overload import overloaded
from caesura.server.service import Service


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that was admitted: its access, options, engine and callback."""

    access: Access
    options: ListenOptions
    offer: Offer
    callback: Target | None


def admit(
    service: Service, credential: Credential, query: bytes, *, recording: bool = False, reserved: bool = False
) -> Admitted | Refusal:
    """Check credential, query, scope, credit and capacity, in that order.

    Nothing is taken: of the limit of a project, this server's own requests are checked, unless a place is `reserved`.
    """
    if not service.admits_requests:
        return closing.SERVICE_UNAVAILABLE
    access = service.admit(credential.secret)
    if access is None:
        return closing.INVALID_AUTH
    try:
        pairs = parse_qsl(query.decode("ascii", "replace"), keep_blank_values=True)
        options = parse_options(pairs, catalogue=service.catalogue, recording=recording)
        offer = service.catalogue.choose(
            options.model,
            options.version,
            options.engine_language,
            detectable=options.detectable_languages,
            recording=recording,
        )
        callback = None if options.callback is None else _target(service, options.callback, recording=recording)
    except BadParameter as error:
        return refusal_for(error)
    if not access.may(LISTEN):
        return closing.INSUFFICIENT_PERMISSIONS
    if not service.ledger_writer.has_credit(access.project_id):
        return closing.PAYMENT_REQUIRED
    if not recording and service.live + service.waiting >= service.settings.max_sessions:
        return closing.too_many("sessions")
    if not reserved and not service.ledger_writer.has_capacity(access.project_id):
        return closing.too_many("project")
    if not service.serves_streams:
        return closing.SERVICE_UNAVAILABLE
    return Admitted(access, options, offer, callback)


async def admit_stream(
    service: Service, credential: Credential, query: bytes, *, request_id: str
) -> Admitted | Refusal:
    """Admit a live stream: check it, let it wait for its turn, or refuse it.

    The checks are those of `admit`, and that the engine has room and is not overloaded, and that the project's limit
    over all servers has. An admitted stream counts until `left` is called on its engine's `EngineLoad`, and holds the
    place of its project until `end_request` or `release` is called on the ledger writer.
    """
    judge = partial(admit, service, credential, query)
    verdict = judge()
    if isinstance(verdict, Refusal):
        return verdict
    load = service.engine(verdict.offer).load
    waited = False
    if not load.enter(request_id):
        waited = True
        with service.sampler.running():
            if load.refusing or load.full or not await load.turn(request_id):
                if service.shutdown.refusing:
                    return closing.SERVICE_UNAVAILABLE
                return overloaded(service.random(), why="capacity" if load.full else "queue")
    with contextlib.ExitStack() as undo:
        undo.callback(load.left, request_id)
        if waited:
            # Key, credit and capacity may have changed meanwhile.
            verdict = judge()
        verdict = await _reserve(service, verdict, judge, request_id)
        if isinstance(verdict, Admitted):
            undo.pop_all()
        return verdict


async def admit_recording(
    service: Service, credential: Credential, query: bytes, *, request_id: str
) -> Admitted | Refusal:
    """Admit a recording, or refuse it.

    The checks are those of `admit`, and that the project's limit over all servers has room. An admitted recording holds
    the place of its project until `end_request` or `release` is called on the ledger writer.
    """
    judge = partial(admit, service, credential, query, recording=True)
    return await _reserve(service, judge(), judge, request_id)


async def _reserve(
    service: Service, verdict: Admitted | Refusal, judge: Callable[..., Admitted | Refusal], request_id: str
) -> Admitted | Refusal:
    """Take a place of the project for what is admitted; only a project with a limit makes this wait.

    Args:
        service: The service with the ledger writer.
        verdict: What was decided without the place.
        judge: Decides again, since key, credit and capacity may have changed while the ledger was asked.
        request_id: Holds the place.
    """
    if isinstance(verdict, Refusal):
        return verdict
    writer = service.ledger_writer
    if not writer.is_limited(verdict.access.project_id):
        return verdict
    if not await writer.reserve(request_id, verdict.access.project_id):
        return closing.too_many("project")
    with contextlib.ExitStack() as undo:
        undo.callback(writer.release, request_id)
        verdict = judge(reserved=True)
        if isinstance(verdict, Admitted):
            undo.pop_all()
        return verdict


def _target(service: Service, url: str, *, recording: bool) -> Target:
    try:
        return service.outbound.parse(url, WEB if recording else WEB + SOCKETS)
    except BadUrl as error:
        raise BadParameter("callback", "", f"Invalid 'callback' value: {error}") from error
