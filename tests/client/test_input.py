"""Byte inputs: files, pipes, addresses; their errors, and that no reader waits for ever."""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from caesura.client.input import Input, Source, open_input
from caesura.errors import UsageError
from tests.client.http_server import endless, redirected, web_server, whole

BODY = bytes(range(256)) * 300


def everything(source: Input, most: int = 10_000) -> bytes:
    """All that is left."""
    return b"".join(iter(lambda: source.read(most), b""))


def refusal(place: Any) -> str:
    """The error message when this place is opened."""
    with pytest.raises(UsageError) as caught:
        open_input(place)
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sound.bin"
    path.write_bytes(BODY)
    return path


@pytest.fixture
def pipe() -> Iterator[tuple[io.FileIO, Callable[[bytes], int]]]:
    read, write = os.pipe()
    with open(read, "rb", buffering=0) as reader, open(write, "wb", buffering=0) as writer:
        yield reader, writer.write


class Unreadable(io.RawIOBase):
    """A disk that fails."""

    name = "broken.wav"

    def read(self, size: int = -1) -> bytes:
        raise OSError(5, "Input/output error")


def test_a_path_is_read_and_measured(file: Path) -> None:
    for place in (file, str(file)):
        source = open_input(place)
        assert (source.name, source.size, source.seekable) == (str(file), len(BODY), True)
        assert everything(source) == BODY
        source.close()


def test_what_was_taken_can_be_given_back(file: Path) -> None:
    source = open_input(file)
    source.unread(source.take(12))
    assert source.take(4) + source.take(300) == BODY[:304]
    source.unread(BODY[300:304])
    assert source.read(2) == BODY[300:302]
    assert everything(source) == BODY[302:]
    assert source.take(5) == b""
    source.close()


def test_a_whole_file_begins_at_its_beginning(file: Path) -> None:
    source = open_input(file)
    source.take(100)
    assert source.whole is not None
    assert source.whole.read() == BODY
    source.close()


def test_a_file_that_is_lent_is_not_closed() -> None:
    lent = io.BytesIO(BODY)
    source = open_input(lent)
    assert (source.name, source.size, source.seekable) == ("the open file", len(BODY), True)
    assert everything(source) == BODY
    source.interrupt()
    source.close()
    assert not lent.closed


def test_a_file_that_was_read_before_continues_from_there(file: Path) -> None:
    with file.open("rb") as lent:
        lent.seek(1000)
        source = open_input(lent)
        assert (source.name, source.size, source.seekable) == (str(file), len(BODY) - 1000, False)
        assert everything(source) == BODY[1000:]


def test_what_can_only_read_will_do() -> None:
    class Reader:
        def __init__(self) -> None:
            self._left = [b"abc", b"de"]

        def read(self, size: int) -> bytes:
            return self._left.pop(0)[:size] if self._left else b""

    source = open_input(cast(Source, Reader()))
    assert (source.size, source.seekable) == (None, False)
    assert source.take(5) == b"abcde"


def test_a_buffered_pipe_gives_what_is_there(pipe: tuple[io.FileIO, Callable[[bytes], int]]) -> None:
    reader, write = pipe
    with io.BufferedReader(reader) as buffered:
        source = open_input(buffered)
        write(b"abc")
        assert source.read(1000) == b"abc"


def test_standard_input_is_read_past_its_buffer(
    monkeypatch: pytest.MonkeyPatch, pipe: tuple[io.FileIO, Callable[[bytes], int]]
) -> None:
    reader, write = pipe
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(reader)))
    source = open_input("-")
    write(b"abc")
    assert (source.name, source.size, source.seekable) == ("standard input", None, False)
    assert source.read(1000) == b"abc"
    source.close()
    assert os.fstat(reader.fileno())


@pytest.mark.parametrize("read", [0, 1000])
def test_standard_input_may_be_a_file(monkeypatch: pytest.MonkeyPatch, file: Path, read: int) -> None:
    """As in `caesura listen - < file`; its former reader may have read a part of it."""
    with file.open("rb", buffering=0) as opened:
        opened.seek(read)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(opened)))
        source = open_input("-")
        assert (source.size, source.seekable) == (len(BODY) - read, read == 0)
        assert everything(source) == BODY[read:]


def test_standard_input_that_is_no_descriptor_is_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BODY)))
    assert everything(open_input("-")) == BODY


def test_without_standard_input_a_file_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert refusal("-") == "There is no standard input here; name a file instead of -."


def test_a_keyboard_is_no_input(monkeypatch: pytest.MonkeyPatch) -> None:
    keyboard = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(keyboard, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdin", keyboard)
    assert refusal("-").startswith("Standard input is the keyboard; pipe audio into it")


def test_a_reader_that_waits_for_a_pipe_is_interrupted(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    holder = os.open(path, os.O_RDWR)
    source = open_input(path)
    os.write(holder, b"abc")
    assert source.read(10) == b"abc"
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(source.read, 10)
        source.interrupt()
        assert reading.result(10) == b""
    assert source.read(10) == b""
    source.close()
    os.close(holder)


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("nowhere.wav", "There is no file nowhere.wav."),
        ("/", "/ is a folder; it must be a file with audio."),
        ("a\0b", "a\0b cannot be opened: embedded null byte."),
        (7, "Audio cannot be read from 7: it must be a path, an address, - or an open file."),
        ("http://user:secret@a.example/a.wav", "http://a.example/a.wav: a name and password in the address are not"),
        ("http:///a.wav", "http:///a.wav cannot be fetched: no host given."),
    ],
)
def test_what_cannot_be_opened_is_named(place: Any, sentence: str) -> None:
    assert refusal(place).startswith(sentence)


def test_a_file_of_another_user_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    assert refusal("secret.wav") == "secret.wav may not be read by this user."


def test_a_file_opened_for_text_is_refused() -> None:
    with pytest.raises(UsageError, match=r"the open file is opened for text; .* mode 'rb'"):
        open_input(cast(Source, io.StringIO("abc"))).read(10)


def test_a_disk_that_fails_is_named() -> None:
    with pytest.raises(UsageError, match=r"^broken\.wav can no longer be read: Input/output error\.$"):
        open_input(cast(Source, Unreadable())).read(10)


def test_a_failure_that_the_end_causes_is_none() -> None:
    class Closed(Unreadable):
        def read(self, size: int = -1) -> bytes:
            source.interrupt()
            return super().read(size)

    source = open_input(cast(Source, Closed()))
    assert source.read(10) == b""


def test_an_address_is_fetched_wherever_it_leads() -> None:
    with web_server({"/a": redirected("/b?key=secret"), "/b": whole(BODY)}) as address:
        source = open_input(f"{address}/a?key=secret")
        assert (source.name, source.size, source.seekable) == (f"{address}/a", len(BODY), False)
        assert everything(source) == BODY
        source.close()


def test_an_answer_that_breaks_off_is_no_end() -> None:
    with web_server({"/a": whole(BODY, declared=len(BODY) + 1)}) as address:
        source = open_input(f"{address}/a")
        assert source.take(len(BODY)) == BODY
        with pytest.raises(UsageError, match=rf"/a broke off: {len(BODY)} of its {len(BODY) + 1} bytes arrived\.$"):
            source.read(1)
        source.close()


def test_an_address_that_answers_otherwise_is_named() -> None:
    with web_server({}) as address:
        assert refusal(f"{address}/a?key=secret") == f"{address}/a answered 404 Not Found; it must be audio."
    assert refusal(f"{address}/a") == f"{address}/a cannot be fetched: Connection refused."


def test_an_address_that_does_not_respond_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object, **__: object) -> None:
        raise TimeoutError

    monkeypatch.setattr("urllib.request.urlopen", silent)
    assert refusal("http://a.example/a") == "http://a.example/a cannot be fetched: no answer within 10 s."


def test_a_reader_that_waits_for_an_answer_is_interrupted() -> None:
    go_on = threading.Event()
    with web_server({"/a": endless(b"abc", go_on)}) as address, ThreadPoolExecutor(1) as pool:
        source = open_input(f"{address}/a")
        assert source.read(10) == b"abc"
        reading = pool.submit(source.read, 10)
        source.interrupt()
        assert reading.result(5) == b""
        go_on.set()
        source.close()
