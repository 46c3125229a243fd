"""A real server in a child process, ended with all its workers when the context ends."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STOP_S = 15.0


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A running server: `url` is ws://127.0.0.1:PORT, without a path; `log` is the file of its log."""

    url: str
    pid: int
    log: Path

    def records(self) -> list[dict[str, Any]]:
        """The structured lines about sessions that have ended, oldest first."""
        lines = (line.partition("{") for line in self.log.read_text().splitlines() if '"session_ended"' in line)
        return [json.loads(brace + rest) for _, brace, rest in lines]


@contextmanager
def start_server(**settings: Any) -> Iterator[ServerProcess]:
    """Start a server with these `Settings` and wait until it is ready; by default scripted, one worker, a free port."""
    settings = {"engine": "scripted", "workers": 1, "port": 0, **settings}
    with tempfile.NamedTemporaryFile("w", prefix="caesura-", suffix=".log") as log:
        child = subprocess.Popen(
            # -P: the folder of this file must not stand in for installed modules.
            [sys.executable, "-P", __file__, json.dumps(settings)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
        try:
            assert child.stdout is not None
            url = child.stdout.readline().strip()
            if not url:
                raise RuntimeError(f"the server did not start:\n{Path(log.name).read_text()}")
            yield ServerProcess(url.removesuffix("/v1/listen"), child.pid, Path(log.name))
        finally:
            _end(child)


def _end(child: subprocess.Popen[str]) -> None:
    """Interrupt it, so that it ends its workers and writes its coverage; then kill what is left."""
    child.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        child.wait(STOP_S)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    if child.stdout is not None:
        child.stdout.close()


def _serve(settings: dict[str, Any]) -> None:
    from caesura.server.origin import parse_hosts, parse_origins
    from caesura.server.run import serve
    from caesura.server.settings import Settings

    logging.basicConfig(level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
    settings["keys"] = tuple(settings.get("keys", ()))
    settings["cors_origins"] = parse_origins(settings.get("cors_origins", ()))
    settings["allowed_hosts"] = parse_hosts(settings.get("allowed_hosts", ()))
    settings["engines"] = (settings.pop("engine"),)
    settings.setdefault("drain_within_s", 0.0)
    settings.setdefault("capacity", settings.get("max_sessions", Settings().max_sessions))
    with suppress(KeyboardInterrupt):
        serve(Settings(**settings), on_ready=lambda url, _: print(url, flush=True))  # noqa: T201  # its one answer


if __name__ == "__main__":
    _serve(json.loads(sys.argv[1]))
