"""Actions are plain values, and their union is closed."""

from __future__ import annotations

import dataclasses
from typing import get_args

import pytest

from caesura.protocol import actions
from caesura.protocol.actions import (
    Action,
    CloseSocket,
    Covered,
    EndAudio,
    FeedAudio,
    FlushAudio,
    Reconfigure,
    ReleaseHeldFinals,
    Send,
    StopAudio,
    Warn,
)

EXAMPLES = [
    FeedAudio(b"\x01"),
    Reconfigure({"numerals": True}, ("Norland",)),
    ReleaseHeldFinals(),
    FlushAudio(None),
    EndAudio(),
    StopAudio(),
    Send("{}"),
    CloseSocket(1000, ""),
    Warn("careful"),
]


def test_the_union_names_every_action() -> None:
    defined = {member for member in vars(actions).values() if dataclasses.is_dataclass(member)} - {Covered}
    assert defined == set(get_args(Action))
    assert {type(example) for example in EXAMPLES} == defined


@pytest.mark.parametrize("action", EXAMPLES, ids=lambda action: type(action).__name__)
def test_an_action_is_a_frozen_value(action: Action) -> None:
    assert action == dataclasses.replace(action)
    assert not hasattr(action, "__dict__")
    for field in dataclasses.fields(action):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(action, field.name, None)


def test_actions_with_other_contents_differ() -> None:
    assert FlushAudio(None) != FlushAudio(0)
    assert CloseSocket(1000, "") != CloseSocket(1011, "")
