"""PostgreSQL for tests: a server from Debian's packages on a private socket, and new databases in it.

PostgreSQL does not run as root; root starts it as the user `postgres`, which the package creates.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

WITHIN_S = 60


def programs() -> Path | None:
    """The folder of `initdb` and `pg_ctl` of the newest version; None when they are not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    anywhere = shutil.which("initdb")
    return Path(anywhere).parent if anywhere else None


class Postgres:
    """A server in a directory, which may be started and stopped more than once."""

    def __init__(self, base: Path, binaries: Path) -> None:
        self._base = base
        self._control = binaries / "pg_ctl"
        self.url = f"postgresql://caesura@/postgres?host={base}"
        """URL of its first database."""

    def start(self) -> None:
        """Start, and wait until it accepts connections."""
        options = f"-k {self._base} -c listen_addresses='' -c fsync=off -c full_page_writes=off"
        _run(self._control, "-D", self._base / "data", "-o", options, "-l", self._base / "log", "-w", "start")

    def stop(self) -> None:
        """Stop as in a crash."""
        _run(self._control, "-D", self._base / "data", "-m", "immediate", "-w", "stop")


@contextmanager
def running() -> Iterator[Postgres]:
    """A running server. The body may stop it, and must have started it again at its end."""
    binaries = programs()
    assert binaries is not None, "PostgreSQL is not installed"
    # A path of a socket may have 107 bytes, fewer than many a temporary directory of a test has.
    with tempfile.TemporaryDirectory(prefix="caesura-pg-", ignore_cleanup_errors=True) as base:
        if os.geteuid() == 0:
            shutil.chown(base, "postgres", "postgres")
        data = Path(base) / "data"
        _run(binaries / "initdb", "-D", data, "-U", "caesura", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C")
        server = Postgres(Path(base), binaries)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def new_database(url: str) -> str:
    """Create a database in the server of `url`. Returns its URL."""
    import psycopg

    name = f"t{uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return url.replace("/postgres?", f"/{name}?")


def _run(*command: object) -> None:
    owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
    done = subprocess.run(
        [str(part) for part in command],
        # `pg_ctl start` passes its outputs to the server, which keeps them open: a reader would never see their end.
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        cwd="/",
        user=None if owner is None else owner.pw_uid,
        group=None if owner is None else owner.pw_gid,
        extra_groups=None if owner is None else [],
        timeout=WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}"
