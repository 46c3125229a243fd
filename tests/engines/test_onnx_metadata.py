"""Metadata of ONNX files: read without the model, and what is said of other files."""

from __future__ import annotations

from pathlib import Path

import pytest

from caesura.engines.onnx_metadata import onnx_metadata
from caesura.errors import EngineError
from tests.engines.tiny_zipformer import METADATA, write_zipformer


def test_the_metadata_of_a_model_is_read(tmp_path: Path) -> None:
    folder = write_zipformer(tmp_path)
    assert onnx_metadata(folder / "encoder-epoch-1.onnx") == METADATA
    assert onnx_metadata(folder / "decoder-epoch-1.onnx")["context_size"] == "2"


@pytest.mark.parametrize(
    "content",
    [
        b"\x80",  # half a number
        b"\x80" * 20,  # a number without end
        b"\x0f",  # a field of a kind that does not exist
        b"\x3a\x05ab",  # a field that is cut short
        b"\x72\x04\x0a\x02\xff\xfe",  # a pair whose key is no text
        b"\x72\x00",  # half a pair
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(EngineError, match=r"model\.onnx cannot be read as an ONNX file"):
        onnx_metadata(tmp_path / "model.onnx")


def test_fields_of_all_kinds_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x08\x96\x01" + b"\x11" + bytes(8) + b"\x1d" + bytes(4) + b"\x72\x06\x0a\x01k\x12\x01v")
    assert onnx_metadata(path) == {"k": "v"}


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="No such file"):
        onnx_metadata(tmp_path / "none.onnx")
