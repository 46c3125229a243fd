"""An HTTP response to a request whose body has not been read to its end."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

LINGER_S: Final = 5.0
LINGER_BYTES: Final = 64 * 1024 * 1024
"""Bounds on reading on after a refusal: most clients read the response only once they have sent everything."""


class EarlyResponse(Response):
    """A response to a request whose body was not read to its end; closes the connection.

    The rest of the body is read for a while and discarded. Otherwise the kernel would reset the connection because of
    the unread bytes, and the client might lose the response.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response except its end, discard the rest of the request, then end the response."""
        headers = [*self.raw_headers, (b"connection", b"close")]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        # A client that sent Expect: 100-continue has sent no body yet, and reading would make it send one.
        if not any(name == b"expect" for name, _ in scope["headers"]):
            try:
                async with asyncio.timeout(LINGER_S):
                    await _discard(receive)
            except TimeoutError:
                pass
        await send({"type": "http.response.body", "body": b""})


async def _discard(receive: Receive) -> None:
    discarded = 0
    while discarded < LINGER_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return
        discarded += len(message.get("body", b""))
