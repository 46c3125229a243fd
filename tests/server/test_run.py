"""Starting a server: refused settings and their messages."""

from __future__ import annotations

import os
import signal
import socket
import threading
import urllib.request

import pytest

from caesura.errors import EngineError, UsageError
from caesura.server.run import serve
from caesura.server.settings import Settings

pytestmark = pytest.mark.slow


def test_an_open_address_without_keys_is_refused_at_start() -> None:
    """The message explains what to do."""
    with pytest.raises(UsageError, match=r"0\.0\.0\.0.*--key.*--no-auth"):
        serve(Settings(host="0.0.0.0", engines=("scripted",)))


def test_a_port_in_use_is_named() -> None:
    """And what to do about it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"port {port}.*--port"):
            serve(Settings(port=port, engines=("scripted",)))


def test_an_unknown_engine_is_named() -> None:
    """Before anything is started."""
    with pytest.raises(UsageError, match="no engine is called 'nonesuch'"):
        serve(Settings(port=0, engines=("nonesuch",)))


def test_an_engine_that_does_not_load_ends_the_server_with_its_own_sentence() -> None:
    """Not a server that refuses everybody for ever."""
    with pytest.raises(EngineError, match="the model file is missing; install it"):
        serve(Settings(port=0, engines=("tests.server.failing_engine:SPEC",), workers=1))


def test_an_idle_timeout_below_the_keepalive_of_clients_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    """SDKs and frameworks send KeepAlive every 5 s, which cannot be configured."""
    for idle_timeout_s, warned in ((5.0, True), (10.0, False)):
        caplog.clear()
        with pytest.raises(UsageError):
            serve(Settings(port=0, engines=("nonesuch",), idle_timeout_s=idle_timeout_s))
        assert ("KeepAlive every 5 s" in caplog.text) is warned


def test_a_server_reports_its_address_and_stops_on_a_signal() -> None:
    """`on_ready` gets the live URL and the room, once sessions are taken; SIGTERM ends `serve`."""
    said: list[str] = []

    def ready(url: str, room: int) -> None:
        assert room >= 1
        said.append(url)
        threading.Thread(target=look, args=(url,)).start()

    def look(url: str) -> None:
        http = url.replace("ws://", "http://").replace("/v1/listen", "/readyz")
        with urllib.request.urlopen(http) as answer:
            said.append(answer.read().decode())
        os.kill(os.getpid(), signal.SIGTERM)

    # Were the signal raised again when the server is done, it would end this process.
    serve(Settings(port=0, engines=("scripted",), workers=1), on_ready=ready)
    assert said[0].startswith("ws://127.0.0.1:")
    assert said[0].endswith("/v1/listen")
    assert '"ready":true' in said[1]
