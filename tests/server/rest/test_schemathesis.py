"""Requests that schemathesis generates from the OpenAPI document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

from caesura.ledger.projects import DEFAULT_PROJECT_ID
from caesura.server.rest.app import DATA_PLANE, create_api
from caesura.server.service import Service
from tests.server.rest.api import SCRIPTED
from tests.server.rest.served import Served, served

pytestmark = pytest.mark.slow

EXAMPLES = 10
"""Of each operation."""


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as running:
        yield running


def operations() -> list[Any]:
    """Those of the management plane: health and recordings need a server that runs."""
    import schemathesis

    schema = schemathesis.openapi.from_dict(create_api(Service(SCRIPTED)).openapi())
    found = [cast(Any, result).ok() for result in schema.get_all_operations()]
    return [operation for operation in found if not DATA_PLANE & set(operation.definition.raw["tags"])]


@pytest.mark.parametrize("valid", [True, False], ids=["as described", "otherwise"])
def test_every_answer_is_one_that_the_document_describes(server: Served, valid: bool) -> None:
    """By its status, its type and its shape; and no error is the server's own.

    Each request is sent as it was generated, and once more in a project that is there.
    """
    from schemathesis import GenerationMode
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    described = [status_code_conformance, content_type_conformance, response_schema_conformance]
    in_any_project: Counter[int] = Counter()
    in_our_project: Counter[int] = Counter()
    with requests.Session() as session:
        session.headers["authorization"] = f"Token {server.secret}"

        def try_out(operation: Any) -> None:
            # Unsupported operations are answered with 501, which schemathesis regards as a server error.
            checks = described if "501" in operation.definition.raw["responses"] else [not_a_server_error, *described]

            @settings(
                max_examples=EXAMPLES,
                derandomize=True,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(GenerationMode.POSITIVE if valid else GenerationMode.NEGATIVE))
            def send(case: Any) -> None:
                answer = case.call_and_validate(base_url=server.url, session=session, checks=checks)
                in_any_project[answer.status_code] += 1
                if "project_id" in (case.path_parameters or {}):
                    case.path_parameters["project_id"] = DEFAULT_PROJECT_ID
                    answer = case.call_and_validate(base_url=server.url, session=session, checks=checks)
                in_our_project[answer.status_code] += 1

            try:
                send()
            except Unsatisfiable:
                # Where nothing is taken, nothing can be given wrongly.
                assert not valid

        tried = operations()
        for operation in tried:
            try_out(operation)
    assert len(tried) == 36
    assert in_any_project[200 if valid else 400] > 0
    assert in_our_project[200 if valid else 400] > 20
    assert in_any_project[404] > 20
    assert in_our_project[404] > 20
