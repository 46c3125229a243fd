"""Terminal emulator for tests of commands: renders their output, and types input."""

from __future__ import annotations

import io
import os
import re
import select
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fcntl import ioctl
from typing import Self

WIDTH, HEIGHT = 80, 24
WITHIN_S = 30.0
_PARTS = re.compile(r"\x1b\[[?0-9;]*[A-Za-z]|.", re.DOTALL)


class Screen:
    """As much of an xterm as rich needs: an endless roll, 80 columns wide. Colours are left out."""

    def __init__(self) -> None:
        self._rows: list[str] = [""]
        self._row = 0
        self._column = 0
        self._unfinished = ""

    @property
    def rows(self) -> list[str]:
        """The visible rows, without empty ones and trailing blanks."""
        return "\n".join(row.rstrip() for row in self._rows).rstrip().split("\n")

    def write(self, text: str) -> None:
        """Show it."""
        text = self._unfinished + text
        cut = text.rfind("\x1b")
        whole = cut < 0 or re.match(r"\x1b\[[?0-9;]*[A-Za-z]", text[cut:])
        text, self._unfinished = (text, "") if whole else (text[:cut], text[cut:])
        for part in _PARTS.findall(text):
            self._obey(part)

    def _obey(self, part: str) -> None:
        count = int(part[2:-1]) if part[2:-1].isdecimal() else 1
        match part[0], part[-1]:
            case "\x1b", "A":
                self._row = max(self._row - count, 0)
            case "\x1b", "K":
                assert part == "\x1b[2K", f"{part!r} is more than this screen knows"
                self._rows[self._row] = ""
            case "\x1b", kind:
                assert kind in "mhl", f"{part!r} is more than this screen knows"
            case _, "\r":
                self._column = 0
            case _, "\n":
                self._down()
            case _:
                self._show(part)

    def _down(self) -> None:
        # As a terminal that gets its lines through the kernel, which makes "\n" into "\r\n".
        self._row, self._column = self._row + 1, 0
        self._rows += [""] * (self._row + 1 - len(self._rows))

    def _show(self, character: str) -> None:
        if self._column == WIDTH:
            self._down()
        row = self._rows[self._row].ljust(self._column)
        self._rows[self._row] = row[: self._column] + character + row[self._column + 1 :]
        self._column += 1


class Output(io.StringIO):
    """A stream in this process that is a terminal, and the screen behind it."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self._screen = screen

    def isatty(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        self._screen.write(text)
        return super().write(text)


class Terminal:
    """A command on a terminal of its own, which its Ctrl-C comes from too."""

    def __init__(self, child: subprocess.Popen[bytes], ours: int) -> None:
        self._child = child
        self._ours = ours
        self._screen = Screen()
        self._seen = threading.Condition()
        self._over = False
        self.stdout = b""
        """What was piped, once it has ended."""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def text(self) -> str:
        """The visible text."""
        with self._seen:
            return "\n".join(self._screen.rows)

    def until(self, condition: Callable[[str], object]) -> str:
        """Wait until `condition` holds for the visible text, and return that text."""
        with self._seen:
            rows = self._screen
            self._seen.wait_for(lambda: condition("\n".join(rows.rows)) or self._over, WITHIN_S)
            text = "\n".join(rows.rows)
            assert condition(text), f"this is all there is to be seen:\n{text}"
            return text

    def type(self, keys: str) -> None:
        """Press these keys."""
        os.write(self._ours, keys.encode())

    def read_one_line(self) -> bytes:
        """The next line in the pipe, after which its reader closes it."""
        assert self._child.stdout is not None
        with self._child.stdout:
            return self._child.stdout.readline()

    def end(self) -> int:
        """Wait for the end of the command, but not for ever; returns its exit code."""
        too_late = threading.Timer(WITHIN_S, self._child.kill)
        too_late.start()
        if self._child.stdout is not None and not self._child.stdout.closed:
            with self._child.stdout:
                self.stdout = self._child.stdout.read()
        code = self._child.wait()
        too_late.cancel()
        self._reader.join(WITHIN_S)
        return code

    @property
    def echoes(self) -> bool:
        """Whether typed characters are echoed."""
        return bool(termios.tcgetattr(self._ours)[3] & termios.ECHO)

    def kill(self) -> None:
        """End whatever is left of it."""
        self._child.kill()
        self.end()

    def _read(self) -> None:
        while not self._over:
            ready, _, _ = select.select([self._ours], [], [], 0.05)
            data = self._chunk() if ready else b""
            with self._seen:
                self._screen.write(data.decode(errors="replace"))
                # Its last words may lie there still when it has ended.
                self._over = not data and self._child.poll() is not None
                self._seen.notify_all()

    def _chunk(self) -> bytes:
        try:
            return os.read(self._ours, 65_536)
        except OSError:  # the other end is closed, which Linux reports in this way
            self._child.wait(WITHIN_S)
            return b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        os.close(self._ours)


@contextmanager
def on_terminal(*arguments: str, piped: bool = False, env: Mapping[str, str] | None = None) -> Iterator[Terminal]:
    """`caesura` with these arguments on a terminal; with stdout in a pipe where `piped`."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (HEIGHT, WIDTH))
    command = [sys.executable, "-m", "caesura", *arguments]
    child = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=subprocess.PIPE if piped else theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", **(env or {})},
        start_new_session=True,
        preexec_fn=lambda: ioctl(0, termios.TIOCSCTTY),
    )
    os.close(theirs)
    with Terminal(child, ours) as terminal:
        yield terminal
