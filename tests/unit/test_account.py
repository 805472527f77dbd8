"""What a budget allows to be spent, answer by answer."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachedistill_sidecar.policy.account import Account
from cachedistill_sidecar.policy.cutoff import ANSWERS, expectation

BUDGET = 0.02
RISKS = st.lists(st.floats(0.0, 1.0), max_size=300)


def emptied(budget: float = BUDGET) -> Account:
    account = Account(budget)
    for _ in range(1000):
        if account.affords(0.5):
            account.spend(0.5)
    return account


@given(RISKS, st.sampled_from([0.01, 0.02, 0.05]))
def test_in_any_run_of_answers_little_more_than_the_budget_is_expected_to_be_wrong(
    risks: list[float], budget: float
) -> None:
    account = Account(budget)
    served = []
    for risk in risks:
        if account.affords(risk):
            account.spend(risk)
            served.append(risk)
    reserve = math.sqrt(ANSWERS * budget) / 4
    for first in range(len(served)):
        assert sum(served[first:]) <= (len(served) - first) * expectation(budget) + reserve + 1e-9


def test_an_empty_account_affords_what_the_budget_gives_an_answer_and_no_more() -> None:
    account = emptied()
    account.spend(1.0)
    assert account.affords(expectation(BUDGET))
    assert not account.affords(expectation(BUDGET) + 0.001)


def test_certain_answers_fill_it_again() -> None:
    account = emptied()
    assert not account.affords(0.5)
    for _ in range(100):
        account.spend(0.0)
    assert account.affords(0.5)


def test_it_holds_no_more_than_its_reserve() -> None:
    saved, fresh = Account(BUDGET), Account(BUDGET)
    for _ in range(10_000):
        saved.spend(0.0)
    assert saved.affords(0.9) == fresh.affords(0.9)
    for account in (saved, fresh):
        account.spend(1.0)
        account.spend(1.0)
    assert saved.affords(0.1) is fresh.affords(0.1) is False


@pytest.mark.parametrize("budget", [0.0, 0.001])
def test_without_a_budget_nothing_is_afforded_that_may_be_wrong(budget: float) -> None:
    assert not Account(budget).affords(0.5)
