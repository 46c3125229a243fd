"""A small Hugging Face Hub on loopback, for tests: lists one model, serves its files, and misbehaves on command."""

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
"""Files of this size or more are large files, with a SHA-256 and a redirect to another path."""

REVISION = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class FakeHub:
    """Contents of the hub and how it behaves; tests change it as they go."""

    files: dict[str, bytes]
    repo: str = "Systran/faster-whisper-tiny"
    revision: str = REVISION
    url: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Path and Range of each request for bytes."""
    headers: list[dict[str, str]] = field(default_factory=list)
    """Headers of every request, with names in lower case."""
    cuts: list[int] = field(default_factory=list)
    """The connection breaks after so many bytes of the body, once for each."""
    statuses: dict[str, list[int]] = field(default_factory=dict)
    """Answers to the next requests for a file's bytes; 200 sends them."""
    listing_status: int | None = None
    """Answered instead of the listing."""
    sent: dict[str, bytes] = field(default_factory=dict)
    """Sent instead of the bytes that the listing promises."""
    ignores_range: bool = False
    listing: str | None = None
    """Body that is sent instead of the listing."""

    def fetched(self) -> list[str]:
        """Names of the files that were requested, in that order."""
        return [path.rsplit("/", 1)[-1] for path, _ in self.requests]

    def used_files(self) -> dict[str, bytes]:
        """The files that are part of a Whisper model."""
        return {name: body for name, body in self.files.items() if name != "README.md"}


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
def serving(hub: FakeHub, tls: ssl.SSLContext | None = None) -> Iterator[FakeHub]:
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
        """Logs nothing when clients disconnect early."""


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Logs nothing."""

    def do_GET(self) -> None:
        """Answers with a listing, a file, or a redirect to a large file."""
        hub, url = self.hub, urlsplit(self.path)
        hub.headers.append({name.lower(): value for name, value in self.headers.items()})
        if re.fullmatch(rf"/api/models/{hub.repo}/revision/(main|{hub.revision})", url.path):
            assert parse_qs(url.query) == {"blobs": ["true"]}
            body = hub.listing if hub.listing is not None else listing(hub)
            self._answer(hub.listing_status or 200, body.encode())
        elif match := re.fullmatch(rf"/(cdn/)?{hub.repo}/resolve/{hub.revision}/([\w.-]+)", url.path):
            self._file(match[2], redirected=match[1] is not None)
        else:
            self._answer(404, b"Repository not found", **{"X-Error-Code": "RepoNotFound"})

    def _file(self, name: str, *, redirected: bool) -> None:
        hub = self.hub
        body = hub.sent.get(name, hub.files.get(name, b""))
        if len(body) >= LARGE and not redirected:
            self._answer(302, b"", Location=f"/cdn{self.path}")
            return
        hub.requests.append((self.path, self.headers.get("Range", "")))
        statuses = hub.statuses.get(name)
        if statuses and (status := statuses.pop(0)) != 200:
            self._answer(status, b"later")
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


def listing(hub: FakeHub) -> str:
    """The hub's description of its model, in JSON."""
    siblings = []
    for name, body in hub.files.items():
        git = hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
        file: dict[str, object] = {"rfilename": name, "size": len(body), "blobId": git}
        if len(body) >= LARGE:
            file["lfs"] = {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": 134}
        siblings.append(file)
    return json.dumps({"id": hub.repo, "sha": hub.revision, "tags": ["license:mit", "en"], "siblings": siblings})
