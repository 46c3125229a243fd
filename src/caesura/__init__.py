"""Live speech-to-text that can pause: this package's public names are the client's.

`caesura.sync` has the same names for callers without an event loop. Names are imported on first use, so that the
server, which is in the same package, does not load the client.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from caesura import sync as sync
    from caesura.client.events import (
        Accepted as Accepted,
        Buffered as Buffered,
        Closed as Closed,
        Dropped as Dropped,
        Event as Event,
        Final as Final,
        Gap as Gap,
        Interim as Interim,
        Notice as Notice,
        Paused as Paused,
        Reconnected as Reconnected,
        Reconnecting as Reconnecting,
        Resumed as Resumed,
        Sent as Sent,
        SpeechStarted as SpeechStarted,
        Stats as Stats,
        TimedWord as TimedWord,
        Transcript as Transcript,
        UtteranceEnd as UtteranceEnd,
    )
    from caesura.client.faults import (
        Faults as Faults,
    )
    from caesura.client.line import (
        Line as Line,
        connect as connect,
    )
    from caesura.client.microphone import (
        microphone as microphone,
    )
    from caesura.client.config import (
        Tuning as Tuning,
    )
    from caesura.client.recording import (
        recording as recording,
    )
    from caesura.errors import (
        BadAnswer as BadAnswer,
        BadCredentials as BadCredentials,
        CaesuraError as CaesuraError,
        ReconnectFailed as ReconnectFailed,
        ConnectionClosedByServer as ConnectionClosedByServer,
        LineError as LineError,
        PaymentRequired as PaymentRequired,
        PeerError as PeerError,
        Refused as Refused,
        TooManyStreams as TooManyStreams,
        Unreachable as Unreachable,
        UsageError as UsageError,
    )
    from caesura.timeline import (
        Timeline as Timeline,
    )

__version__ = "0.1.0"

_NAMES = {
    "caesura.client.events": (
        "Accepted Buffered Closed Dropped Event Final Gap Interim Notice Paused Reconnected "
        "Reconnecting Resumed Sent SpeechStarted Stats TimedWord Transcript UtteranceEnd"
    ),
    "caesura.client.faults": "Faults",
    "caesura.client.line": "Line connect",
    "caesura.client.microphone": "microphone",
    "caesura.client.config": "Tuning",
    "caesura.client.recording": "recording",
    "caesura.errors": (
        "BadAnswer BadCredentials CaesuraError ConnectionClosedByServer LineError PaymentRequired PeerError "
        "ReconnectFailed Refused TooManyStreams Unreachable UsageError"
    ),
    "caesura.timeline": "Timeline",
}
_RENAMED = {"GaveUp": "ReconnectFailed", "HungUp": "ConnectionClosedByServer"}
"""Deprecated names."""
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name == "sync":
        return import_module("caesura.sync")
    if name in _RENAMED:
        renamed = _RENAMED[name]
        warnings.warn(f"caesura.{name} is now called caesura.{renamed}", DeprecationWarning, stacklevel=2)
        return __getattr__(renamed)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, "sync"})
