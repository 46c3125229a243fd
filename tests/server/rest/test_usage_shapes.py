"""The shapes of answers about requests and usage, held against the vendor's own."""

from __future__ import annotations

import importlib

import pytest
from pydantic import BaseModel

from caesura.server.rest import usage_shapes

PAIRS = (
    (usage_shapes.Requests, "ListProjectRequestsV1Response"),
    (usage_shapes.OneRequest, "GetProjectRequestV1Response"),
    (usage_shapes.RequestFacts, "ProjectRequestResponse"),
    (usage_shapes.Usage, "UsageV1Response"),
    (usage_shapes.UsageBreakdown, "UsageBreakdownV1Response"),
    (usage_shapes.UsageRow, "UsageBreakdownV1ResponseResultsItem"),
    (usage_shapes.UsageGroup, "UsageBreakdownV1ResponseResultsItemGrouping"),
    (usage_shapes.Resolution, "UsageBreakdownV1ResponseResolution"),
    (usage_shapes.UsageFieldsFound, "UsageFieldsV1Response"),
    (usage_shapes.UsedModel, "UsageFieldsV1ResponseModelsItem"),
    (usage_shapes.Balances, "ListProjectBalancesV1Response"),
    (usage_shapes.BalanceFacts, "GetProjectBalanceV1Response"),
    (usage_shapes.Purchases, "ListProjectPurchasesV1Response"),
    (usage_shapes.Order, "ListProjectPurchasesV1ResponseOrdersItem"),
    (usage_shapes.BillingFields, "ListBillingFieldsV1Response"),
    (usage_shapes.BillingBreakdown, "BillingBreakdownV1Response"),
    (usage_shapes.BillingRow, "BillingBreakdownV1ResponseResultsItem"),
    (usage_shapes.BillingGroup, "BillingBreakdownV1ResponseResultsItemGrouping"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=[f"{ours.__name__}-{theirs}" for ours, theirs in PAIRS])
def test_every_field_that_the_sdk_reads_is_there(ours: type[BaseModel], theirs: str) -> None:
    """Importing the SDK takes longer than a second."""
    model = getattr(importlib.import_module("deepgram.types"), theirs)
    expected = {field.alias or name for name, field in model.model_fields.items()}
    assert expected - set(ours.model_fields) - {"first_name", "last_name"} == set()
