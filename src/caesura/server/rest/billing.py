"""Routes for credits, and for the cost of requests at list price."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter, Query
from sqlalchemy import Connection

from caesura.ledger.balances import Balance, list_balances
from caesura.ledger.projects import Project
from caesura.ledger.requests import Method, RequestFilter
from caesura.ledger.usage import Grouping, UsageRow
from caesura.rfc3339 import rfc3339
from caesura.server.rest.aggregation import aggregate, days
from caesura.server.rest.auth import BillingToRead, CurrentLedger, Id
from caesura.server.rest.errors import error_responses, failed, not_found
from caesura.server.rest.request_models import BillingQuery, NoQuery, PurchasesQuery, RangeQuery
from caesura.server.rest.response_models import Deployment
from caesura.server.rest.usage import BY_DAY, day, today
from caesura.server.rest.usage_response_models import (
    BalanceFacts,
    Balances,
    BillingBreakdown,
    BillingFields,
    BillingGroup,
    BillingRow,
    Order,
    Purchases,
)

router = APIRouter(tags=["billing"])
_GROUPED = {
    "accessor": {Grouping.ACCESSOR},
    "deployment": {Grouping.DEPLOYMENT},
    "line_item": {Grouping.METHOD, Grouping.MODELS},
    "tags": {Grouping.TAGS},
}


@router.get("/v1/projects/{project_id}/balances", name="list_balances", responses=error_responses())
async def list_all(project: BillingToRead, ledger: CurrentLedger, _: Annotated[NoQuery, Query()]) -> Balances:
    """The remaining amount of each credit of a project, the oldest first, which is used up first."""
    balances = await ledger.read(lambda connection: list_balances(connection, project.project_id))
    return Balances(balances=[_facts(balance) for balance in balances])


@router.get("/v1/projects/{project_id}/balances/{balance_id}", name="get_balance", responses=error_responses())
async def get(
    project: BillingToRead, balance_id: Id, ledger: CurrentLedger, _: Annotated[NoQuery, Query()]
) -> BalanceFacts:
    """The remaining amount of one credit."""
    balances = await ledger.read(lambda connection: list_balances(connection, project.project_id))
    for balance in balances:
        if balance.balance_id == balance_id:
            return _facts(balance)
    raise failed(not_found("The project has no balance of that id."))


@router.get("/v1/projects/{project_id}/purchases", responses=error_responses())
async def purchases(
    project: BillingToRead, ledger: CurrentLedger, query: Annotated[PurchasesQuery, Query()]
) -> Purchases:
    """The credits of a project, the newest first."""
    balances = await ledger.read(lambda connection: list_balances(connection, project.project_id))
    return Purchases(orders=[_order(balance) for balance in balances[::-1][: query.limit]])


@router.get("/v1/projects/{project_id}/billing/fields", responses=error_responses())
async def fields(project: BillingToRead, ledger: CurrentLedger, query: Annotated[RangeQuery, Query()]) -> BillingFields:
    """Values that occur in the requests of a project, for filters of a bill."""
    criteria = RequestFilter(project_id=project.project_id, start=query.start, end=query.end)
    rows = await ledger.read(lambda connection: aggregate(connection, criteria, by=set().union(*_GROUPED.values())))
    items = {_line_item(row): f"{row.model_name}, {row.method}" for row in rows}
    return BillingFields(
        accessors=sorted({row.accessor for row in rows if row.accessor is not None}),
        deployments=sorted({cast(Deployment, row.deployment) for row in rows}),
        tags=sorted({tag for row in rows for tag in row.tags or ()}),
        line_items={item: items[item] for item in sorted(items)},
    )


@router.get("/v1/projects/{project_id}/billing/breakdown", responses=error_responses())
async def breakdown(
    project: BillingToRead, ledger: CurrentLedger, query: Annotated[BillingQuery, Query()]
) -> BillingBreakdown:
    """What the requests of a project would have cost each day, grouped as requested."""
    by = {grouping for name in query.grouping for grouping in _GROUPED[name]}

    def summing(connection: Connection) -> list[UsageRow]:
        return aggregate(connection, _wanted(project, query), by=by, tag=query.tag)

    rows = await ledger.read(summing)
    first, last = days(rows, query.start, query.end, today=today())
    results = [BillingRow(dollars=row.totals.usd, grouping=_group(row, "line_item" in query.grouping)) for row in rows]
    return BillingBreakdown(start=first.isoformat(), end=last.isoformat(), resolution=BY_DAY, results=results)


def _wanted(project: Project, query: BillingQuery) -> RequestFilter:
    method, _, model = (query.line_item or "").partition("::")
    return RequestFilter(
        project_id=project.project_id,
        start=query.start,
        end=query.end,
        accessor=query.accessor,
        deployment=query.deployment,
        method=Method(method) if method else None,
        model=model or None,
    )


def _group(row: UsageRow, by_item: bool) -> BillingGroup:
    return BillingGroup(
        start=day(row),
        end=day(row),
        accessor=row.accessor,
        deployment=row.deployment,
        line_item=_line_item(row) if by_item else None,
        tags=None if row.tags is None else list(row.tags),
    )


def _line_item(row: UsageRow) -> str:
    return f"{row.method}::{row.model_name}"


def _facts(balance: Balance) -> BalanceFacts:
    return BalanceFacts(balance_id=balance.balance_id, amount=balance.left_usd, purchase_order_id=balance.note)


def _order(balance: Balance) -> Order:
    return Order(order_id=balance.balance_id, created=rfc3339(balance.created), amount=balance.given_usd)
