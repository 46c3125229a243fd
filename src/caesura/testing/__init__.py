"""For tests of clients of this wire: a fake server that says what it is made to hear, and fails when it is told to.

    voice = Voice(["good", "morning"])
    with FakeServer(voice) as server:
        ...  # your client sends voice.say("good", "morning") to server.url + "/v1/listen?..."

It needs nothing but the base install.
"""

from __future__ import annotations

from caesura.protocol.closing import Close
from caesura.testing.connection import Connection, Request, Text
from caesura.testing.relay import Relay
from caesura.testing.server import FakeServer
from caesura.testing.voice import Voice

__all__ = ["Close", "Connection", "FakeServer", "Relay", "Request", "Text", "Voice"]
