"""Accounting of one stream: its usage record, its metrics, and the audio that no final covered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast
from urllib.parse import urlencode

import pytest

from caesura.ledger.requests import Outcome
from caesura.protocol.actions import Covered, Send
from caesura.protocol.session import Tally
from caesura.server.accounts.credentials import Credential
from caesura.server.admission import Admitted, admit
from caesura.server.live.accounting import StreamAccounting
from caesura.server.metrics import StreamUsage
from caesura.server.service import Service
from tests.in_process_server import in_process_server


def accounted(play: Callable[[Service, StreamAccounting], Awaitable[None]], **options: object) -> None:
    """Run `play` with the accounting of a stream of a server."""

    async def main() -> None:
        async with in_process_server() as server:
            query = urlencode({"encoding": "linear16", "sample_rate": 16_000, **options}).encode()
            admitted = cast(Admitted, admit(server.service, Credential(None, None), query))
            accounting = StreamAccounting(server.service, admitted, "the-request", now=100.0)
            await play(server.service, accounting)

    asyncio.run(main())


def usage(audio_s: float, **tally: object) -> StreamUsage:
    return StreamUsage(Tally(close_code=1000, **tally), audio_s, audio_s)  # type: ignore[arg-type]


def read(service: Service, name: str) -> float:
    body, _ = service.metrics.render()
    (line,) = (line for line in body.decode().splitlines() if line.startswith(name + " "))
    return float(line.split()[1])


def test_a_stream_has_one_row_with_its_usage() -> None:
    async def play(service: Service, accounting: StreamAccounting) -> None:
        accounting.begin(lambda: usage(1.5))
        assert read(service, "caesura_audio_seconds_total") == 1.5
        accounting.end(usage(2.5, bytes_in=80_000, channels=1, keepalive_count=3, paused_seconds=12.0), now=160.0)
        (row,) = service.session_log
        assert (row.request_id, row.outcome, row.close_code) == ("the-request", Outcome.SUCCEEDED, 1000)
        assert (row.audio_seconds, row.billed_seconds, row.bytes_in) == (2.5, 2.5, 80_000)
        assert (row.connection_seconds, row.paused_seconds, row.keepalive_count) == (60.0, 12.0, 3)

    accounted(play)


def test_audio_that_no_final_covers_is_counted_where_something_broke() -> None:
    """Of several channels the one with the earliest final counts; interims cover nothing."""

    async def play(service: Service, accounting: StreamAccounting) -> None:
        accounting.begin(lambda: usage(10.0))
        accounting.covered(Send("{}", covers=Covered(0, 8.0)))
        accounting.covered(Send("{}", covers=Covered(1, 6.0)))
        accounting.covered(Send("{}", sheddable=True, covers=Covered(1, 9.0)))
        accounting.lost_by = "engine"
        accounting.end(usage(10.0, channels=2), now=101.0)
        assert read(service, 'caesura_dropped_audio_seconds_total{cause="engine"}') == 4.0

    accounted(play)


def test_interims_left_out_are_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async def play(service: Service, accounting: StreamAccounting) -> None:
        accounting.begin(lambda: usage(1.0))
        for _ in range(3):
            accounting.interim_shed()
        accounting.end(usage(1.0), now=101.0)
        assert read(service, "caesura_interims_shed_total") == 3

    accounted(play)
    assert caplog.text.count("3 interims left out") == 1
