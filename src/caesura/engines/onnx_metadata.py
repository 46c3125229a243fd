"""Metadata of an ONNX file, read without loading the model: only the outermost fields of the protobuf are looked at."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from caesura.errors import EngineError

_METADATA_PROPS: Final = 14
"""Number of the field of `ModelProto` that holds the metadata: a pair of key and value each time that it occurs."""


def onnx_metadata(path: Path) -> dict[str, str]:
    """Keys and values of the metadata. Raises EngineError when the file is no ONNX file, or cannot be read."""
    try:
        with path.open("rb") as file:
            pairs = (_fields(io.BytesIO(pair), {1, 2}) for _, pair in _fields(file, {_METADATA_PROPS}))
            return {key.decode(): value.decode() for (_, key), (_, value) in pairs}
    except (OSError, EOFError, ValueError) as error:
        raise EngineError(f"{path} cannot be read as an ONNX file: {error}") from error


def _fields(file: BinaryIO, wanted: set[int]) -> Iterator[tuple[int, bytes]]:
    """Numbers and contents of the fields with a length and a `wanted` number; passes over all others."""
    end = file.seek(0, io.SEEK_END)
    file.seek(0)
    while file.tell() < end:
        number, kind = divmod(_varint(file), 8)
        match kind:
            case 0:
                _varint(file)
            case 1:
                file.seek(8, io.SEEK_CUR)
            case 5:
                file.seek(4, io.SEEK_CUR)
            case 2:
                length = _varint(file)
                if file.tell() + length > end:
                    raise EOFError("it ends in the middle of a field")
                if number in wanted:
                    yield number, file.read(length)
                else:
                    file.seek(length, io.SEEK_CUR)
            case _:
                raise ValueError(f"a field of the unknown kind {kind}")


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise EOFError("it ends in the middle of a number")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("a number of more than ten bytes")
