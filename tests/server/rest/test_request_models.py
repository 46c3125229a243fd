"""Models of requests: bounds, types, and fields that exclude each other."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from caesura.server.accounts.usage_record import SWITCHES
from caesura.server.rest.request_models import (
    FEATURES,
    UNSUPPORTED_FILTERS,
    BillingQuery,
    CreateKeyRequest,
    CreateTokenRequest,
    KeysQuery,
    NoQuery,
    PageQuery,
    RenameProjectRequest,
    RequestsQuery,
    UsageBreakdownQuery,
    UsageQuery,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("shape", [CreateTokenRequest, CreateKeyRequest, RenameProjectRequest])
@given(data=st.data())
def test_any_json_is_a_wish_or_a_validation_error(shape: type[BaseModel], data: st.DataObject) -> None:
    fields = st.dictionaries(st.sampled_from([*shape.model_fields, "other"]), JSON)
    body = json.dumps(data.draw(JSON | fields))
    with suppress(ValidationError):
        assert isinstance(shape.model_validate_json(body), shape)


@pytest.mark.parametrize("shape", [NoQuery, PageQuery, KeysQuery, RequestsQuery, UsageBreakdownQuery, BillingQuery])
def test_a_parameter_that_is_unknown_is_refused(shape: type[BaseModel]) -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        shape.model_validate({"unknown": "1"})


def test_a_page_is_bounded() -> None:
    assert (PageQuery().limit, PageQuery().page) == (10, 0)
    for wrong in ({"limit": "0"}, {"limit": "1001"}, {"page": "-1"}, {"page": "1000000001"}, {"limit": "nan"}):
        with pytest.raises(ValidationError):
            PageQuery.model_validate(wrong)


def test_the_features_that_are_filtered_by_are_those_that_were_given() -> None:
    assert UsageQuery.model_validate({"diarize": "true", "punctuate": "false"}).features == {
        "diarize": True,
        "punctuate": False,
    }
    assert UsageQuery.model_validate({}).features == {}


def test_features_are_filtered_by_unless_no_record_has_them() -> None:
    """Every filter of the hosted service is one or the other; what requests keep has a filter where that has one."""
    assert not set(FEATURES) & set(UNSUPPORTED_FILTERS)
    assert {"diarize", "keyterm", "summarize", "callback"} <= set(FEATURES)
    without_filter = {"interim_results", "vad_events", "no_delay"}
    assert set(SWITCHES) - without_filter <= set(FEATURES)


@pytest.mark.parametrize("name", UNSUPPORTED_FILTERS)
def test_a_filter_by_an_unrecorded_feature_is_refused_with_a_sentence(name: str) -> None:
    with pytest.raises(ValidationError, match=f"cannot be filtered by {name} here"):
        UsageQuery.model_validate({name: "true"})


def test_ids_count_in_either_case() -> None:
    upper = "ABCDEF01-0000-4000-8000-00000000000A"
    asked = RequestsQuery.model_validate({"request_id": upper, "accessor": upper})
    assert (asked.request_id, asked.accessor) == (upper.lower(), upper.lower())
