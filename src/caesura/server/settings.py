"""Settings of a server: one frozen value, filled by the command line from flags and the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from caesura.server.origin import Origin


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that an operator can set; times are in seconds, sizes in bytes."""

    host: str = "127.0.0.1"
    port: int = 8080
    """0 for any free port."""
    engines: tuple[str, ...] = ("moonshine",)
    """Engines to run, the default one first."""
    model_names: Mapping[str, str] = field(default_factory=dict)
    """Model for each model name of the hosted service that is mapped; other names select the default."""
    database: str | None = field(default=None, repr=False)
    """Path or URL of the ledger; None for a temporary one."""
    prices: str | None = None
    """File of list prices that overrides the built-in table."""
    keys: tuple[str, ...] = field(default=(), repr=False)
    """API keys that are valid beside those of the ledger. Without any key, a loopback server is open to everybody."""
    no_auth: bool = False
    """Serve without keys on an address that others can reach."""
    cors_origins: frozenset[Origin] = frozenset()
    """Origins of web pages that may use the server, with or without keys."""
    allowed_hosts: frozenset[str] = frozenset()
    """Host names and addresses, beside loopback and `host`, by which a server without keys may be reached."""
    idle_timeout_s: float = 10.0
    """Seconds without any message after which a stream is closed. The hosted service documents 10 and waits 12."""
    first_response_timeout_s: float = 0.0
    """0: off."""
    drain_timeout_s: float = 30.0
    """How long a closing stream may wait for its last results."""
    drain_delay_s: float = 5.0
    """How long a server that is told to stop still admits requests, if something asks whether it is ready."""
    drain_within_s: float = 30.0
    """How long it then waits for pauses of streams, and for recordings."""
    workers: int = 0
    """Worker processes of each engine; 0: one for each core."""
    interim_interval_s: float = 1.0
    """Seconds of audio between interims, 0.3 or more."""
    max_message_bytes: int = 16 * 1024 * 1024
    max_sessions: int = 10_000
    """More are refused with 429 before the upgrade."""
    capacity: int = 0
    """Live streams that each engine can hold, of which more are refused with 429; 0: measured."""
    max_recordings: int = 8
    """Recordings transcribed at once; more are refused with 429."""
    max_recording_bytes: int = 2 * 1024**3
    stall_timeout_s: float = 60.0
    """How long the body of a recording may stall."""
    allow_private_urls: bool = False
    """Allow URLs of callbacks and recordings on this machine, in its networks and on any port."""
    url_connect_timeout_s: float = 1.0
    url_response_timeout_s: float = 10.0
