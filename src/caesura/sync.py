"""Public names of the client for callers without an event loop: `Line` and `connect`, otherwise as in `caesura`."""

from __future__ import annotations

from caesura.client.sync import Line, connect

__all__ = ["Line", "connect"]
