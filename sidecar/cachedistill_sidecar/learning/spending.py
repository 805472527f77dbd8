"""What asking off the path costs: fallbacks that verify answers, and those that judge them."""

from __future__ import annotations

from cachedistill_sidecar.exchange import Usage
from cachedistill_sidecar.ledger.account import Account, account
from cachedistill_sidecar.ledger.figures import Figures
from cachedistill_sidecar.route import Route
from cachedistill_sidecar.route_document import Fallback


class Spending:
    """Takes it off what the route has saved: without CacheDistill nobody would have asked."""

    def __init__(self, figures: Figures, route: Route) -> None:
        self._figures = figures
        self._route = route

    def __call__(self, fallback: Fallback, model: str, usage: Usage) -> Account:
        """Count these tokens; `model` is the name as it was sent to the fallback."""
        tariff = self._route.tariff(fallback, model)
        spent = account(
            spent=usage,
            spent_tariff=tariff,
            baseline=Usage(),
            baseline_tariff=tariff,
            cpu_seconds=0.0,
            carbon=self._route.document.carbon.grams_per_kilowatt_hour,
        )
        self._figures.add(self._route.name, None, spent)
        return spent
