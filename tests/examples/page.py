"""A page of examples/ in a headless Chromium, driven over its debugging port as a user would."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from websockets.sync.client import ClientConnection, connect

from tests.waiting import wait_until

BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",  # grants access to the microphone
    "--use-fake-device-for-media-stream",
    "--remote-debugging-port=0",
)
WAIT_S = 100.0


class Page:
    """One open page."""

    def __init__(self, debugger: ClientConnection) -> None:
        self._debugger = debugger
        self._ids = itertools.count()

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression; to the page it looks as if the user had caused it."""
        asked = {"expression": script, "userGesture": True, "returnByValue": True}
        answer = self.call("Runtime.evaluate", **asked)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def text(self, element: str) -> str:
        """What can be read in an element, by its id."""
        return str(self.evaluate(f"document.getElementById('{element}').innerText"))

    def click(self, element: str) -> None:
        """Press a button."""
        self.evaluate(f"document.getElementById('{element}').click()")

    def fill(self, element: str, text: str) -> None:
        """Write into a field."""
        self.evaluate(f"document.getElementById('{element}').value = {json.dumps(text)}")

    def choose(self, element: str, file: Path) -> None:
        """Give a file input its file."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=f"#{element}")["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def until(self, true: Callable[[], bool]) -> None:
        """Wait for the page to come so far; shows it when it does not."""
        try:
            wait_until(true, WAIT_S)
        except TimeoutError as error:
            raise AssertionError(self.evaluate("document.body.innerText")) from error

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the debugging protocol and its result."""
        number = next(self._ids)
        self._debugger.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:  # what else comes are events
            answer = json.loads(self._debugger.recv(WAIT_S))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return dict(answer["result"])


@contextmanager
def open_page(browser: str, address: str, profile: Path, microphone: Path) -> Iterator[Page]:
    """The page at `address`, loaded; `microphone` is a WAV file that plays over and over. Ends the browser with it."""
    flags = (*FLAGS, f"--user-data-dir={profile}", f"--use-file-for-fake-audio-capture={microphone}")
    with (profile.parent / f"{profile.name}.log").open("w+") as log:
        # Its helpers are processes of their own, so that it gets a group to be ended as a whole.
        child = subprocess.Popen(
            [browser, *flags, address],
            env=os.environ | {"TMPDIR": str(profile.parent)},  # it is killed, and leaves there what it had there
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            with connect(_debugger(Path(log.name)), compression=None) as debugger:
                page = Page(debugger)
                loaded = f"document.readyState + location.protocol == 'complete{urlsplit(address).scheme}:'"
                page.until(lambda: page.evaluate(loaded))
                yield page
        finally:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _debugger(log: Path) -> str:
    """Where the browser lets its page be driven."""
    found: list[str] = []

    def look() -> bool:
        if listening := re.search(r"DevTools listening on ws://([0-9.:]+)", log.read_text()):
            with urlopen(f"http://{listening[1]}/json") as pages:
                found.extend(page["webSocketDebuggerUrl"] for page in json.load(pages) if page["type"] == "page")
        return bool(found)

    try:
        wait_until(look, WAIT_S)
    except TimeoutError as error:
        raise AssertionError(f"the browser did not start:\n{log.read_text()}") from error
    return found[0]
