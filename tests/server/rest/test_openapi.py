"""The OpenAPI document: valid, and complete."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from caesura.server.rest.app import DATA_PLANE, create_api
from caesura.server.service import Service
from tests.server.rest.api import SCRIPTED


@cache
def document() -> dict[str, Any]:
    return create_api(Service(SCRIPTED)).openapi()


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, told) for path, methods in document()["paths"].items() for method, told in methods.items()]


@pytest.mark.slow
def test_it_is_a_valid_document() -> None:
    """By the schema that OpenAPI gives out for documents of its version; importing that takes a second."""
    import jsonschema_rs
    from schemathesis.specs.openapi.definitions import OPENAPI_31

    assert document()["openapi"].startswith("3.1")
    validator = jsonschema_rs.validator_for(OPENAPI_31)
    assert [str(error) for error in validator.iter_errors(document())] == []


def test_every_reference_leads_somewhere_and_every_schema_is_referred_to() -> None:
    found = set(re.findall(r'"#/components/(\w+)/([\w-]+)"', json.dumps(document())))
    components = document()["components"]
    assert [(kind, name) for kind, name in found if name not in components[kind]] == []
    assert set(components["schemas"]) == {name for kind, name in found if kind == "schemas"}


def test_every_route_that_is_served_is_in_it() -> None:
    served = {(route.path, method) for route in _routes() for method in route.methods or ()}
    assert {each for each in served if each[1] != "HEAD"} == {
        (path, method.upper()) for path, method, _ in operations()
    }
    assert len(operations()) == 43


def test_every_parameter_in_a_path_is_declared_and_every_name_is_unique() -> None:
    for path, method, told in operations():
        declared = [each["name"] for each in told.get("parameters", ()) if each["in"] == "path"]
        assert sorted(declared) == sorted(re.findall(r"{(\w+)}", path)), (path, method)
    names = [told["operationId"] for _, _, told in operations()]
    assert len(names) == len(set(names))


def test_nothing_is_answered_with_422_but_recordings_and_every_answer_names_its_request() -> None:
    for path, _, told in operations():
        assert ("422" in told["responses"]) == (told["operationId"] == "transcribe"), path
        for response in told["responses"].values():
            assert response["headers"] == {"dg-request-id": {"$ref": "#/components/headers/dg-request-id"}}


def test_no_parameter_may_be_null() -> None:
    for _, _, told in operations():
        assert '"null"' not in json.dumps(told.get("parameters", []))


def test_every_operation_has_a_short_summary() -> None:
    for path, method, told in operations():
        assert 3 < len(told["summary"]) < 120, (path, method)
        assert not told["summary"].endswith("."), (path, method)


def test_bodies_that_routes_read_themselves_are_described() -> None:
    bodies = {(path, method) for path, method, told in operations() if "requestBody" in told}
    assert bodies == {
        ("/v1/auth/grant", "post"),
        ("/v1/projects/{project_id}", "patch"),
        ("/v1/projects/{project_id}/keys", "post"),
        ("/v1/listen", "post"),
    }


def _routes() -> list[APIRoute]:
    routes: tuple[APIRoute, ...] = create_api(Service(SCRIPTED)).state.routes
    return list(routes)


def test_every_management_route_is_in_the_documentation() -> None:
    """`docs/rest.md` names each path, with `...` for the project and `{id}` for any other id."""
    page = (Path(__file__).parents[3] / "docs" / "rest.md").read_text()
    for path, _, told in operations():
        if DATA_PLANE & set(told["tags"]):
            continue
        named = re.sub(r"{\w+_id}", "{id}", path)
        short = named.replace("/v1/projects/{id}/", ".../").removesuffix("credentials/{id}")
        assert named in page or short in page, path
