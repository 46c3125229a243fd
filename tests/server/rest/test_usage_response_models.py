"""Models of the responses about requests and usage, compared with those of the vendor's SDK."""

from __future__ import annotations

import importlib

import pytest
from pydantic import BaseModel

from caesura.server.rest import usage_response_models

PAIRS = (
    (usage_response_models.Requests, "ListProjectRequestsV1Response"),
    (usage_response_models.OneRequest, "GetProjectRequestV1Response"),
    (usage_response_models.RequestFacts, "ProjectRequestResponse"),
    (usage_response_models.Usage, "UsageV1Response"),
    (usage_response_models.UsageBreakdown, "UsageBreakdownV1Response"),
    (usage_response_models.UsageRowModel, "UsageBreakdownV1ResponseResultsItem"),
    (usage_response_models.UsageGroup, "UsageBreakdownV1ResponseResultsItemGrouping"),
    (usage_response_models.Resolution, "UsageBreakdownV1ResponseResolution"),
    (usage_response_models.UsageFieldsFound, "UsageFieldsV1Response"),
    (usage_response_models.UsedModel, "UsageFieldsV1ResponseModelsItem"),
    (usage_response_models.Balances, "ListProjectBalancesV1Response"),
    (usage_response_models.BalanceFacts, "GetProjectBalanceV1Response"),
    (usage_response_models.Purchases, "ListProjectPurchasesV1Response"),
    (usage_response_models.Order, "ListProjectPurchasesV1ResponseOrdersItem"),
    (usage_response_models.BillingFields, "ListBillingFieldsV1Response"),
    (usage_response_models.BillingBreakdown, "BillingBreakdownV1Response"),
    (usage_response_models.BillingRow, "BillingBreakdownV1ResponseResultsItem"),
    (usage_response_models.BillingGroup, "BillingBreakdownV1ResponseResultsItemGrouping"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=[f"{ours.__name__}-{theirs}" for ours, theirs in PAIRS])
def test_every_field_that_the_sdk_reads_exists(ours: type[BaseModel], theirs: str) -> None:
    """Importing the SDK takes longer than a second."""
    model = getattr(importlib.import_module("deepgram.types"), theirs)
    expected = {field.alias or name for name, field in model.model_fields.items()}
    assert expected - set(ours.model_fields) - {"first_name", "last_name"} == set()
