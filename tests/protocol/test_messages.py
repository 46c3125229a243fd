"""Messages are plain values: equal by content, immutable, each in one of the two unions."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from caesura.protocol import messages
from caesura.protocol.messages import (
    ClientMessage,
    Finalize,
    KeepAlive,
    Metadata,
    ModelInfo,
    Results,
    SearchHit,
    SearchResult,
    ServerMessage,
    WireWord,
)

MODEL = ModelInfo("00000000-0000-4000-8000-0000000000aa", "moonshine-tiny-en", "1", "moonshine")


def test_every_message_is_in_exactly_one_union_and_only_the_parts_of_messages_are_in_none() -> None:
    values = {value for value in vars(messages).values() if dataclasses.is_dataclass(value)}
    client, server = set(typing.get_args(ClientMessage)), set(typing.get_args(ServerMessage))
    assert not client & server
    assert values - client - server == {ModelInfo, SearchHit, SearchResult, WireWord}


def test_every_message_is_frozen_and_slotted() -> None:
    for value in vars(messages).values():
        if isinstance(value, type) and dataclasses.is_dataclass(value):
            assert value.__dataclass_params__.frozen, value  # type: ignore[attr-defined]
            assert "__slots__" in vars(value), value


def test_all_public_names_are_listed() -> None:
    unions = {"ClientMessage", "ServerMessage"}
    values = {name for name, value in vars(messages).items() if dataclasses.is_dataclass(value)}
    assert set(messages.__all__) == values | unions
    assert list(messages.__all__) == sorted(messages.__all__)


def test_finalize_means_all_channels_unless_it_names_one() -> None:
    assert Finalize().channel is None
    assert Finalize(1) != Finalize()
    assert KeepAlive() == KeepAlive()


def test_a_message_cannot_be_changed() -> None:
    word = WireWord("back", 10.4, 10.72, 0.962)
    with pytest.raises(dataclasses.FrozenInstanceError):
        word.start = 0.0  # type: ignore[misc]


def test_optional_parts_start_empty_and_are_not_shared() -> None:
    results = [
        Results(0, 1, 0.0, 1.0, True, False, False, "", 0.0, (), "id", MODEL),
        Results(0, 1, 0.0, 1.0, True, False, False, "", 0.0, (), "id", MODEL),
    ]
    assert results[0] == results[1]
    assert results[0].extra == {}
    assert results[0].extra is not results[1].extra
    metadata = Metadata("id", "0" * 64, "2026-01-01T00:00:01.002Z", 0.0, 1, None)
    assert (metadata.extra, metadata.tags) == ({}, ())
