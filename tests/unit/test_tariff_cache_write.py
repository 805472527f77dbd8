"""The fourth bucket of a price: what a provider takes for writing its own prompt cache."""

from __future__ import annotations

import pytest

from cachedistill_sidecar.exchange import Usage
from cachedistill_sidecar.ledger.tariff import tariff
from cachedistill_sidecar.route_document import Endpoint, Fallback, Price, Provider


@pytest.mark.parametrize(("written", "cost"), [("3.75", 3.75), (None, 3.0)])
def test_writing_the_providers_cache_has_its_own_price_or_that_of_input(written: str | None, cost: float) -> None:
    price = Price(input_per_million="3.00", output_per_million="15.00", cache_write_per_million=written)
    endpoint = Endpoint(url="https://a.test", dialect=Provider.ANTHROPIC)
    priced = tariff(Fallback(name="a", endpoint=endpoint, price=price), "claude")
    assert priced.cost(Usage(cache_write=1_000_000)) == pytest.approx(cost)
