"""The paths for operators, as the document of the API describes them, held against the server."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from caesura.server.rest.operating import Readiness, Status, operating_paths
from tests.serving_inprocess import serving


def test_none_of_them_needs_a_key() -> None:
    assert all(path["get"]["security"] == [] for path in operating_paths().values())


@pytest.mark.slow
def test_the_server_answers_as_described() -> None:
    async def story() -> None:
        async with serving() as server, httpx2.AsyncClient(base_url=server.http) as client:
            for path, operations in operating_paths().items():
                answer = await client.get(path)
                described = operations["get"]["responses"][str(answer.status_code)]
                (kind,) = described["content"]
                assert answer.headers["content-type"].split(";")[0] == kind, path
            status = (await client.get("/v1/status")).json()
            assert set(status) == set(Status.model_fields)
            Status.model_validate(status)
            ready = (await client.get("/readyz")).json()
            assert set(ready) == set(Readiness.model_fields)
            Readiness.model_validate(ready)

    asyncio.run(story())
