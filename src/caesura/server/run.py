"""Runs a server until a signal stops it: sets up sockets, uvicorn and signal handling."""

from __future__ import annotations

import contextlib
import gc
import logging
import socket
import sys
from collections.abc import Callable

import uvicorn

from caesura.errors import CaesuraError, UsageError
from caesura.server.app import create_app
from caesura.server.drain import DrainLimits
from caesura.server.log_limit import LogLimit
from caesura.server.service import Service
from caesura.server.settings import Settings
from caesura.server.shutdown import DrainingServer
from caesura.server.transport.handshake import MAX_HEAD, HandshakeProtocol, HeadProtocol, RefusalLogFilter

_log = logging.getLogger("caesura.server")

CLIENTS_KEEPALIVE_S = 5.0
"""Interval of the KeepAlive that SDKs and frameworks send."""
COLLECT_AFTER = (10_000, 5, 20)
"""Thresholds of the garbage collector for its three generations, beginning with the number of new objects."""
TCP_STALL_MS = 30_000
"""Time without acknowledgement after which the kernel drops a connection."""


_REFUSAL_LOG_FILTER = RefusalLogFilter()
_LOG_LIMIT = LogLimit()


def serve(settings: Settings, *, on_ready: Callable[[str, int], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM, then drain.

    `on_ready` is called with the WebSocket URL and the number of live streams that there is room for, once live
    connections are accepted.

    Raises UsageError (an address that cannot be used, or must not be open without keys) and EngineError (an engine that
    does not load); both say what to do.
    """
    _allow_open_files(settings.max_sessions)
    if settings.idle_timeout_s <= CLIENTS_KEEPALIVE_S:
        _log.warning(
            "idle timeout of %g s: SDKs and frameworks send KeepAlive every %g s and will lose their pauses",
            settings.idle_timeout_s,
            CLIENTS_KEEPALIVE_S,
        )
    service = Service(settings)
    listener = _listener(settings)
    host, port = listener.getsockname()[:2]
    url = f"ws://{f'[{host}]' if ':' in host else host}:{port}/v1/listen"
    failure: list[Exception] = []

    def failed(error: Exception) -> None:
        failure.append(error)
        server.should_exit = True

    def ready() -> None:
        _collect_garbage_seldom()
        if on_ready is not None:
            on_ready(url, service.room)

    app = create_app(
        service,
        on_ready=ready,
        on_failure=failed,
    )
    limits = DrainLimits(settings.drain_delay_s, settings.drain_within_s, settings.drain_timeout_s)
    server = DrainingServer(uvicorn_config(app, settings), service, limits=limits)
    try:
        server.run(sockets=[listener])
    finally:
        listener.close()
    if failure:
        error = failure[0]
        raise error if isinstance(error, CaesuraError) else UsageError(f"the server could not start: {error}")


def uvicorn_config(app: object, settings: Settings) -> uvicorn.Config:
    """Configuration of uvicorn: no pings of its own; no compression, which costs memory and does not shrink audio."""
    logging.getLogger("uvicorn.error").addFilter(_REFUSAL_LOG_FILTER)
    for name in ("uvicorn.error", "caesura.wire"):
        logging.getLogger(name).addFilter(_LOG_LIMIT)
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        http=HeadProtocol,
        h11_max_incomplete_event_size=MAX_HEAD,
        ws=HandshakeProtocol,
        ws_max_size=settings.max_message_bytes,
        ws_ping_interval=None,
        ws_ping_timeout=None,
        ws_per_message_deflate=False,
        lifespan="on",
        access_log=False,
        log_config=None,
        log_level=logging.WARNING,
        server_header=False,
    )


def _collect_garbage_seldom() -> None:
    """Exclude all existing objects from garbage collection, and collect new ones less often.

    A connection consists of some hundreds of objects, which live as long as it does. With Python's default thresholds
    the search for cycles among them takes 40 % of the time in which connections are opened.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def _allow_open_files(sessions: int) -> None:
    """Raise the soft limit of open files: each session needs one, and the usual limit is 1024."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = sessions + 256
    if hard != resource.RLIM_INFINITY:
        needed = min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < needed:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    if needed < sessions + 256:
        _log.warning("only %d open files are allowed: not all of %d sessions fit; raise `ulimit -n`", needed, sessions)


def _listener(settings: Settings) -> socket.socket:
    with contextlib.ExitStack() as failed:
        try:
            info = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
            # The protocol is given, since asyncio sets TCP_NODELAY only on sockets that are declared as TCP.
            listener = failed.enter_context(socket.socket(info[0], info[1], info[2]))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TCP_STALL_MS)
            listener.bind(info[4])
            listener.listen(2048)
        except OSError as error:
            raise UsageError(
                f"cannot listen on {settings.host} port {settings.port}: {error.strerror or error}; "
                "choose another --host or --port (0 for any free port)"
            ) from error
        failed.pop_all()
    return listener
