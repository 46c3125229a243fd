"""A hub of models on loopback, for tests: it speaks the Hugging Face Hub's wire, and misbehaves when it is told to."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

LARGE = 1000
"""Files of so many bytes or more are large files, with a SHA-256 and an address of their own."""

REVISION = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What the hub has and how it behaves; tests change it as they go."""

    files: dict[str, bytes]
    repo: str = "Systran/faster-whisper-tiny"
    revision: str = REVISION
    url: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Path and Range of each request for bytes."""
    cuts: list[int] = field(default_factory=list)
    """The connection breaks after so many bytes of the body, once for each."""
    busy: list[int] = field(default_factory=list)
    """Statuses that are answered instead, once for each."""
    given: dict[str, bytes] = field(default_factory=dict)
    """Other bytes than the listing promises."""
    ignores_range: bool = False
    listing: str | None = None
    """Answered instead of the listing."""

    def fetched(self) -> list[str]:
        """The names of the files asked for, in that order."""
        return [path.rsplit("/", 1)[-1] for path, _ in self.requests]


def model_files(size: int = 5000) -> dict[str, bytes]:
    """Files with the names of a Whisper model, and nothing of use in them."""
    block = hashlib.sha256(b"weights").digest()
    return {
        "model.bin": (block * (size // len(block) + 1))[:size],
        "config.json": b"{}",
        "tokenizer.json": b'{"a": 1}',
        "vocabulary.txt": b"a\nb\n",
        "README.md": b"not wanted",
    }


@contextlib.contextmanager
def serving(hub: Hub, tls: ssl.SSLContext | None = None) -> Iterator[Hub]:
    """Runs `hub` on loopback, over TLS where a context is given; its `url` is set."""
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        hub.url = f"https://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing of clients that leave in the middle."""


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        """A listing, a file, or where a large file is."""
        hub, url = self.hub, urlsplit(self.path)
        if match := re.fullmatch(rf"/api/models/{hub.repo}/revision/(main|{hub.revision})", url.path):
            assert parse_qs(url.query) == {"blobs": ["true"]}
            self._answer(200, (hub.listing if hub.listing is not None else _listing(hub)).encode())
        elif match := re.fullmatch(rf"/(cdn/)?{hub.repo}/resolve/{hub.revision}/([\w.-]+)", url.path):
            self._file(match[2], moved=match[1] is not None)
        else:
            self._answer(404, b"Repository not found")

    def _file(self, name: str, *, moved: bool) -> None:
        hub = self.hub
        body = hub.given.get(name, hub.files.get(name, b""))
        if len(body) >= LARGE and not moved:
            self._answer(302, b"", Location=f"/cdn{self.path}")
            return
        hub.requests.append((self.path, self.headers.get("Range", "")))
        if hub.busy:
            self._answer(hub.busy.pop(0), b"later")
            return
        start = int((re.search(r"bytes=(\d+)-", self.headers.get("Range", "")) or ["", "0"])[1])
        if not start or hub.ignores_range:
            self._answer(200, body)
        elif start >= len(body):
            self._answer(416, b"")
        else:
            self._answer(206, body[start:], **{"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"})

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = self.hub.cuts.pop(0) if self.hub.cuts and len(body) >= LARGE else None
        self.wfile.write(body[:cut])
        if cut is not None:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True


def _listing(hub: Hub) -> str:
    siblings = []
    for name, body in hub.files.items():
        git = hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
        told: dict[str, object] = {"rfilename": name, "size": len(body), "blobId": git}
        if len(body) >= LARGE:
            told["lfs"] = {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": 134}
        siblings.append(told)
    return json.dumps({"id": hub.repo, "sha": hub.revision, "tags": ["license:mit", "en"], "siblings": siblings})
