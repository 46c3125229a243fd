"""Tables of parameters: each name is in one of them, and each row has complete sentences."""

from __future__ import annotations

from caesura.protocol.options import ListenOptions
from caesura.protocol.parameters import HONOURED, IGNORED, NOT_HONOURED, RECORDING_MODELS, RECORDINGS, WIRE_MODELS


def test_a_name_is_in_one_table_only() -> None:
    names = [*HONOURED, *RECORDINGS, *NOT_HONOURED, *IGNORED]
    assert len(names) == len(set(names))


def test_every_row_has_a_field_that_it_is_read_into() -> None:
    for row in (*HONOURED.values(), *RECORDINGS.values()):
        assert row.target in ListenOptions.__slots__
        assert row.does
        assert row.right


def test_every_field_can_be_requested() -> None:
    assert {row.target for row in (*HONOURED.values(), *RECORDINGS.values())} == set(ListenOptions.__slots__)


def test_no_model_is_for_recordings_only_and_for_live_streams() -> None:
    assert not WIRE_MODELS & RECORDING_MODELS
