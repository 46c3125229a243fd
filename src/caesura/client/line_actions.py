"""Phases of a line and the actions that its state machine requests of the shell; `recovery` has the table of phases."""

from __future__ import annotations

import enum


class Phase(enum.Enum):
    """Phase of a line."""

    IDLE = "idle"
    CONNECTING = "connecting"
    OPEN = "open"
    WAITING = "waiting"
    CLOSED = "closed"


class Action(enum.Enum):
    """What the shell must do."""

    CONNECT = "connect"
    """Try to open a connection, then call `opened` or `failed`."""
    PING = "ping"
    """Send a WebSocket ping; call `receive_pong` when it is answered."""
    ABORT = "abort"
    """Cut the connection or the attempt; do not report that back."""
    CLOSE = "close"
    """Close the connection in order; do not report that back."""
