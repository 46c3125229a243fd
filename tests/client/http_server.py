"""HTTP server on loopback with given responses."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


def whole(body: bytes, *, declared: int | None = None) -> Answer:
    """The body, with the length that its header declares."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(body) if declared is None else declared))
        request.end_headers()
        request.wfile.write(body)

    return answer


def redirected(to: str) -> Answer:
    """It is somewhere else."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", to)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


def endless(body: bytes, go_on: threading.Event) -> Answer:
    """The body, and then nothing more, but no end either, until `go_on`."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(body)
        go_on.wait(10)

    return answer


@contextmanager
def web_server(answers: dict[str, Answer]) -> Iterator[str]:
    """A server that has these paths and no others; its address without a slash at the end comes out."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path.partition("?")[0])
            if answer is None:
                self.send_error(404)
            else:
                answer(self)

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
