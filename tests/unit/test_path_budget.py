"""A request may tighten the error budget of its rule, in a few steps; never loosen it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachedistill_sidecar.path.budget import budget
from cachedistill_sidecar.route_document import Semantic

PERMILLE = st.integers(0, 500)


def wished(allowed: int, wish: str) -> int:
    return budget({"x-cachedistill-max-error-permille": wish}, Semantic(max_error_permille=allowed))


def test_without_a_wish_the_rule_decides() -> None:
    assert budget({}, Semantic(max_error_permille=37)) == 37


@pytest.mark.parametrize("wish", ["", "-1", "+1", "1.5", "a few", "1e1", "\u0663", "00001"])
def test_what_is_no_number_is_no_wish(wish: str) -> None:
    assert wished(37, wish) == 37


@pytest.mark.parametrize(("wish", "taken"), [("0", 0), ("1", 1), ("4", 2), ("19", 10), ("20", 20), ("36", 20)])
def test_a_wish_is_rounded_down(wish: str, taken: int) -> None:
    assert wished(37, wish) == taken


@given(PERMILLE, st.integers(0, 9999))
def test_a_wish_never_loosens_the_budget(allowed: int, wish: int) -> None:
    assert wished(allowed, str(wish)) <= min(allowed, wish)


def test_all_wishes_together_come_to_a_few_budgets() -> None:
    assert len({wished(500, str(wish)) for wish in range(1000)}) == 10
