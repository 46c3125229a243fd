"""Credits of projects, and the balance of each credit.

Credits are in US dollars. The list price of requests is deducted from them, the oldest first. They limit a project only
if it is set to obey them.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from caesura.errors import UsageError
from caesura.ledger.projects import find_project
from caesura.ledger.revision import bump_revision
from caesura.ledger.schema import credits_table

MAX_USD = 1_000_000


@dataclass(frozen=True, slots=True)
class Balance:
    """One credit and its remaining amount."""

    balance_id: str
    project_id: str
    given_usd: float
    left_usd: float
    note: str
    """Free text: a purchase order, a reason."""
    created: datetime


def add_credit(connection: Connection, project_id: str, usd: float, *, now: datetime, note: str = "") -> str:
    """Give a project credit; returns the id of its balance.

    Raises UsageError if the project does not exist, or the amount is not above 0 and at most a million.
    """
    if not 0 < usd <= MAX_USD:
        raise UsageError(f"a credit of {usd} USD is not possible: give more than 0, at most {MAX_USD}")
    if find_project(connection, project_id) is None:
        raise UsageError(f"there is no project {project_id}")
    balance_id = str(uuid.uuid4())
    connection.execute(
        insert(credits_table).values(balance_id=balance_id, project_id=project_id, amount=usd, note=note, created=now)
    )
    bump_revision(connection)
    return balance_id


def list_balances(connection: Connection, project_id: str) -> list[Balance]:
    """All credits of a project, the oldest first, in the order in which they are used up."""
    project = find_project(connection, project_id)
    spent = 0.0 if project is None else project.spent_usd
    balances = []
    for row in connection.execute(
        select(credits_table)
        .where(credits_table.c.project_id == project_id)
        .order_by(credits_table.c.created, credits_table.c.balance_id)
    ):
        used = min(spent, row.amount)
        spent -= used
        balances.append(
            Balance(row.balance_id, project_id, row.amount, round(row.amount - used, 9), row.note, row.created)
        )
    return balances
