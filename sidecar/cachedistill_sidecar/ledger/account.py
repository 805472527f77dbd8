"""The account of one exchange: what it took, against what it would have taken without CacheDistill."""

from __future__ import annotations

from dataclasses import dataclass

from cachedistill_sidecar.exchange import Usage
from cachedistill_sidecar.ledger.tariff import Tariff

# Cloud Carbon Footprint, Methodology, Compute: the average of AWS's processors at full load is 3.5 W per vCPU
# (GCP: 4.26, Azure: 3.76). An estimate: neither memory nor the data centre's overhead is in it.
WATTS_PER_CORE = 3.5

_JOULES_PER_KILOWATT_HOUR = 3.6e6


@dataclass(frozen=True, slots=True)
class Account:
    """Money in `currency`, energy in joules, carbon in grams of CO2.

    Baseline is the fallback that would have answered. `carbon_avoided_grams` is baseline less actual, so it is below
    zero for an exchange that a fallback answered: that is what looking in vain took. `estimated` says that something
    beside the sidecar's own CPU power, always an estimate, is one too: tokens, price or energy.
    """

    cost_actual: float
    cost_baseline: float
    energy_actual_joules: float
    energy_baseline_joules: float
    carbon_actual_grams: float
    carbon_avoided_grams: float
    currency: str
    estimated: bool


def account(
    *,
    spent: Usage | None,
    spent_tariff: Tariff | None,
    baseline: Usage,
    baseline_tariff: Tariff,
    cpu_seconds: float,
    carbon: float,
) -> Account:
    """The account of an exchange.

    `spent` and its tariff are the fallback's work, None when no fallback was asked; `cpu_seconds` is the sidecar's
    own; `carbon` is the grid's grams of CO2 per kWh. Amounts in two currencies can't be compared: the baseline is then
    what was spent, so that nothing counts as saved.
    """
    answered = [] if spent is None or spent_tariff is None else [(spent, spent_tariff)]
    cost_actual = sum((rate.cost(usage) for usage, rate in answered), 0.0)
    cost_baseline, currency = baseline_tariff.cost(baseline), baseline_tariff.currency
    if spent_tariff is not None and cost_actual and spent_tariff.currency != currency:
        cost_baseline, currency = cost_actual, spent_tariff.currency
    energy_actual = sum((rate.joules(usage) for usage, rate in answered), cpu_seconds * WATTS_PER_CORE)
    energy_baseline = baseline_tariff.joules(baseline)
    grams_per_joule = carbon / _JOULES_PER_KILOWATT_HOUR
    return Account(
        cost_actual=cost_actual,
        cost_baseline=cost_baseline,
        energy_actual_joules=energy_actual,
        energy_baseline_joules=energy_baseline,
        carbon_actual_grams=energy_actual * grams_per_joule,
        carbon_avoided_grams=(energy_baseline - energy_actual) * grams_per_joule,
        currency=currency,
        estimated=any(usage.estimated or not rate.declared for usage, rate in [*answered, (baseline, baseline_tariff)]),
    )
