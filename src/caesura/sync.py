"""The client for callers without an event loop: `caesura.sync.connect`, and the same names as in `caesura`."""

from __future__ import annotations

from caesura.client.sync import Line, connect

__all__ = ["Line", "connect"]
