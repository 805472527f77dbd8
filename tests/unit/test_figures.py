"""The ledger's sums: counted by route and decision, taken once, and never lost when they are given back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cachedistill_sidecar.decision import Decision
from cachedistill_sidecar.ledger.account import Account
from cachedistill_sidecar.ledger.figures import Figures


def account(saved: float, currency: str = "USD") -> Account:
    return Account(1.0, 1.0 + saved, 10.0, 10.0 + 4 * saved, 2.0, 3 * saved, currency, estimated=False)


def test_saved_is_baseline_less_actual() -> None:
    figures = Figures()
    figures.add("shop/chat", Decision.EXACT_HIT, account(2.0))
    figures.add("shop/chat", Decision.FALLBACK, account(-0.5))
    assert figures.take() == {
        "shop/chat|decision.exact_hit": 1,
        "shop/chat|decision.fallback": 1,
        "shop/chat|cost.USD": 1.5,
        "shop/chat|joules": 6.0,
        "shop/chat|grams": 4.5,
    }


def test_what_is_spent_beside_the_exchanges_is_no_decision() -> None:
    figures = Figures()
    figures.add("shop/chat", None, account(-0.5))
    assert figures.take() == {"shop/chat|cost.USD": -0.5, "shop/chat|joules": -2.0, "shop/chat|grams": -1.5}


def test_currencies_are_never_added() -> None:
    figures = Figures()
    figures.add("shop/chat", Decision.EXACT_HIT, account(2.0))
    figures.add("shop/chat", Decision.EXACT_HIT, account(3.0, "EUR"))
    taken = figures.take()
    assert (taken["shop/chat|cost.USD"], taken["shop/chat|cost.EUR"]) == (2.0, 3.0)


def test_what_was_passed_through_counts_as_a_decision_alone() -> None:
    figures = Figures()
    figures.add("shop/chat", Decision.PASSTHROUGH, None)
    assert figures.take() == {"shop/chat|decision.passthrough": 1}


def test_what_is_taken_is_gone_and_what_saves_nothing_is_not_told() -> None:
    figures = Figures()
    figures.add("shop/chat", Decision.FALLBACK, account(0.0))
    assert figures.take() == {"shop/chat|decision.fallback": 1}
    assert figures.take() == {}


@given(st.lists(st.tuples(st.sampled_from(list(Decision)), st.integers(-9, 9), st.booleans())))
def test_nothing_is_lost_or_doubled_by_giving_back(events: list[tuple[Decision, int, bool]]) -> None:
    straight, interrupted = Figures(), Figures()
    for decision, saved, fails in events:
        straight.add("shop/chat", decision, account(saved))
        interrupted.add("shop/chat", decision, account(saved))
        if fails:
            interrupted.give_back(interrupted.take())
    assert interrupted.take() == straight.take()
