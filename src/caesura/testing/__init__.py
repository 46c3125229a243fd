"""Fake server and network faults for tests of live-transcription clients.

    voice = Voice(["good", "morning"])
    with FakeServer(voice) as server:
        ...  # your client sends voice.say("good", "morning") to server.url + "/v1/listen?..."

It runs on the base install.
"""

from __future__ import annotations

from caesura.protocol.closing import Close
from caesura.testing.connection import Connection, ReceivedText, UpgradeRequest
from caesura.testing.relay import Relay
from caesura.testing.server import FakeServer
from caesura.testing.voice import Voice

Request = UpgradeRequest
Text = ReceivedText

__all__ = ["Close", "Connection", "FakeServer", "Relay", "Request", "Text", "Voice"]
