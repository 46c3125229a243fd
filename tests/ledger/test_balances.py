"""Credits: given, used up from the oldest on, and obeyed where a project is set to."""

from __future__ import annotations

from datetime import timedelta

import pytest

from caesura.errors import UsageError
from caesura.ledger.balances import add_credit, list_balances
from caesura.ledger.database import Ledger
from caesura.ledger.projects import DEFAULT_PROJECT_ID, Project, find_project, obey_credits
from caesura.ledger.requests import save_requests
from tests.ledger.rows import NOW, ended


def default_project(ledger: Ledger) -> Project:
    with ledger.reading() as connection:
        found = find_project(connection, DEFAULT_PROJECT_ID)
    assert found is not None
    return found


def test_the_oldest_credit_is_used_up_first(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        first = add_credit(connection, DEFAULT_PROJECT_ID, 10, now=NOW, note="order 7")
        second = add_credit(connection, DEFAULT_PROJECT_ID, 5.5, now=NOW + timedelta(days=1))
        save_requests(connection, [ended(0, usd=9), ended(1, usd=2.25)])
        balances = list_balances(connection, DEFAULT_PROJECT_ID)
    assert [(each.balance_id, each.given_usd, each.left_usd) for each in balances] == [
        (first, 10, 0),
        (second, 5.5, 4.25),
    ]
    assert (balances[0].note, balances[0].created, balances[0].project_id) == ("order 7", NOW, DEFAULT_PROJECT_ID)


def test_only_a_project_that_obeys_its_credits_may_not_go_on_without(ledger: Ledger) -> None:
    assert default_project(ledger).may_spend
    with ledger.writing() as connection:
        assert obey_credits(connection, DEFAULT_PROJECT_ID, True)
        assert not obey_credits(connection, "nobody", True)
    assert not default_project(ledger).may_spend
    with ledger.writing() as connection:
        add_credit(connection, DEFAULT_PROJECT_ID, 1, now=NOW)
        save_requests(connection, [ended(usd=0.999)])
    assert default_project(ledger).may_spend
    with ledger.writing() as connection:
        save_requests(connection, [ended(1, usd=0.001)])
    assert not default_project(ledger).may_spend


@pytest.mark.parametrize("usd", [0, -1, 1_000_001, float("nan"), float("inf")])
def test_an_amount_that_cannot_be_is_refused(ledger: Ledger, usd: float) -> None:
    with pytest.raises(UsageError, match=f"a credit of {usd} USD is not possible"), ledger.writing() as connection:
        add_credit(connection, DEFAULT_PROJECT_ID, usd, now=NOW)


def test_an_unknown_project_has_no_credit(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        with pytest.raises(UsageError, match="no project nobody"):
            add_credit(connection, "nobody", 1, now=NOW)
        assert list_balances(connection, "nobody") == []
