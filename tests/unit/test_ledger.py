"""Money, energy and carbon of an exchange, and whose CPU time it was."""

from __future__ import annotations

import math
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachedistill_sidecar.exchange import Usage
from cachedistill_sidecar.ledger import table
from cachedistill_sidecar.ledger.account import WATTS_PER_CORE, account
from cachedistill_sidecar.ledger.cpu import CpuMeter, Lap
from cachedistill_sidecar.ledger.tariff import ROUTE, UNKNOWN, Tariff, tariff
from cachedistill_sidecar.ledger.tokens import estimate_tokens
from cachedistill_sidecar.route_document import Fallback

USAGE = Usage(input=1000, cached_input=500, cache_write=200, output=100)
NOTHING = Tariff("none", 0, 0, 0, 0, 0, 0, "USD", UNKNOWN, UNKNOWN)
PLAIN = Tariff("m", 1e-6, 5e-7, 2e-6, 4e-6, 0.5, 2.0, "USD", ROUTE, ROUTE)


def fallback(**fields: object) -> Fallback:
    endpoint = {"url": "http://127.0.0.1:9", "dialect": "OpenAI"}
    return Fallback.model_validate({"name": "f", "endpoint": endpoint, **fields})


# table


@pytest.mark.parametrize("row", table.ENERGY, ids=lambda row: row.profile)
def test_an_inference_of_the_energy_table_is_a_thousand_tokens(row: table.EnergyRow) -> None:
    assert row.joules_per_token * 1000 == pytest.approx(row.watts * row.seconds)
    assert "estimate" in row.source


def test_every_price_row_says_its_source_and_names_a_known_energy_profile() -> None:
    for row in table.PRICES:
        assert row.source
        assert table.energy_profile(row.profile) is not None
        assert 0 < row.cached_input <= row.input <= row.cache_write


def test_no_pattern_stands_in_two_price_rows() -> None:
    patterns = [pattern for row in table.PRICES for pattern in row.models]
    assert len(patterns) == len(set(patterns))


@pytest.mark.parametrize(
    ("model", "input_price", "output_price"),
    [
        ("gpt-4o", 2.5, 10),
        ("gpt-4o-2024-08-06", 2.5, 10),
        ("gpt-4o-2024-05-13", 5, 15),
        ("gpt-4o-mini-2024-07-18", 0.15, 0.6),
        ("GPT-4o", 2.5, 10),
        ("gpt-5-mini", 0.25, 2),
        ("claude-opus-4-20250514", 15, 75),
        ("claude-opus-4-5-20251101", 5, 25),
        ("claude-opus-5", 5, 25),
        ("claude-opus-5-5", 4, 20),
        ("claude-sonnet-4-5", 3, 15),
        ("claude-3-5-haiku-20241022", 0.8, 4),
        ("text-embedding-3-small", 0.02, 0),
    ],
)
def test_a_model_has_the_price_of_the_longest_pattern_that_matches(
    model: str, input_price: float, output_price: float
) -> None:
    row = table.price_row(model)
    assert row is not None
    assert (row.input, row.output) == (input_price, output_price)


@pytest.mark.parametrize("model", ["gpt-4o-audio-preview", "gpt-4o-realtime-preview", "my-model", "", "*"])
def test_a_model_that_is_not_in_the_table_has_no_price(model: str) -> None:
    assert table.price_row(model) is None


@pytest.mark.parametrize(
    ("model", "profile"),
    [
        ("qwen2.5:7b", "Qwen-7B"),
        ("Qwen/Qwen2.5-72B-Instruct", "Qwen-72B"),
        ("deepseek-r1:7b", "DeepSeek-R1-7B"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", "DeepSeek-R1-32B"),
        ("gpt-4o", "LLaMA-65B"),
        ("gpt-4o-mini", "LLaMA-7B"),
    ],
)
def test_a_model_has_the_energy_of_its_own_row_or_of_the_one_its_price_row_names(model: str, profile: str) -> None:
    row = table.energy_row(model)
    assert row is not None
    assert row.profile == profile


@given(st.text(max_size=30))
def test_any_name_may_be_looked_up(model: str) -> None:
    row = table.price_row(model)
    assert row is None or any(fnmatchcase(model.lower(), pattern) for pattern in row.models)


# tariff


def test_the_routes_own_price_goes_before_the_table() -> None:
    price = {"inputPerMillion": "3", "cachedInputPerMillion": "0.3", "outputPerMillion": "6", "currency": "EUR"}
    rate = tariff(fallback(price=price), "gpt-4o")
    assert (rate.input, rate.cached_input, rate.output) == pytest.approx((3e-6, 3e-7, 6e-6))
    assert (rate.currency, rate.price_source) == ("EUR", ROUTE)


def test_a_bucket_without_a_price_costs_as_much_as_input() -> None:
    rate = tariff(fallback(price={"inputPerMillion": "3", "outputPerMillion": "6"}), "any")
    assert rate.cached_input == rate.cache_write == rate.input == pytest.approx(3e-6)


def test_the_routes_own_energy_goes_before_the_table() -> None:
    energy = {"inputJoulesPerToken": "0.25", "outputJoulesPerToken": "1.5"}
    rate = tariff(fallback(energy=energy), "gpt-4o")
    assert (rate.input_joules, rate.output_joules, rate.energy_source) == (0.25, 1.5, ROUTE)


def test_a_profile_names_a_row_of_the_energy_table() -> None:
    rate = tariff(fallback(energy={"profile": "llama-13b"}), "gpt-4o")
    assert rate.input_joules == rate.output_joules == pytest.approx(0.9)
    assert "LLaMA-13B" in rate.energy_source
    assert not rate.declared


def test_a_profile_that_is_not_in_the_table_is_unknown_and_not_guessed() -> None:
    rate = tariff(fallback(energy={"profile": "other"}), "gpt-4o")
    assert (rate.input_joules, rate.energy_source) == (0, UNKNOWN)


def test_an_unknown_model_costs_nothing_and_says_so() -> None:
    rate = tariff(fallback(), "my-model")
    assert rate.cost(USAGE) == rate.joules(USAGE) == 0
    assert (rate.price_source, rate.energy_source) == (UNKNOWN, UNKNOWN)


def test_a_route_that_is_loaded_anew_brings_its_new_price() -> None:
    old = tariff(fallback(price={"inputPerMillion": "1", "outputPerMillion": "1"}), "m")
    new = tariff(fallback(price={"inputPerMillion": "2", "outputPerMillion": "1"}), "m")
    assert new.input == 2 * old.input


def test_each_bucket_has_its_own_price() -> None:
    assert PLAIN.cost(USAGE) == pytest.approx(1000e-6 + 500 * 5e-7 + 200 * 2e-6 + 100 * 4e-6)


def test_cached_input_is_not_computed_again() -> None:
    assert PLAIN.joules(USAGE) == pytest.approx(1200 * 0.5 + 100 * 2.0)


# account


def test_a_hit_costs_the_sidecars_own_work_alone() -> None:
    hit = account(spent=None, spent_tariff=None, baseline=USAGE, baseline_tariff=PLAIN, cpu_seconds=0.002, carbon=475)
    assert hit.cost_actual == 0
    assert hit.cost_baseline == PLAIN.cost(USAGE)
    assert hit.energy_actual_joules == pytest.approx(0.002 * WATTS_PER_CORE)
    assert hit.carbon_avoided_grams == pytest.approx((800 - 0.002 * WATTS_PER_CORE) / 3.6e6 * 475)


def test_an_exchange_that_the_baseline_answered_avoids_nothing() -> None:
    missed = account(
        spent=USAGE, spent_tariff=PLAIN, baseline=USAGE, baseline_tariff=PLAIN, cpu_seconds=0.01, carbon=475
    )
    assert missed.cost_actual == missed.cost_baseline
    assert missed.carbon_avoided_grams < 0


def test_a_kilowatt_hour_emits_the_grids_grams() -> None:
    rate = Tariff("m", 0, 0, 0, 0, 3.6, 0, "USD", ROUTE, ROUTE)
    million = Usage(input=1_000_000)
    spent = account(spent=million, spent_tariff=rate, baseline=million, baseline_tariff=rate, cpu_seconds=0, carbon=300)
    assert spent.carbon_actual_grams == pytest.approx(300)


def test_amounts_in_two_currencies_are_not_compared() -> None:
    euros = Tariff("m", 5e-6, 0, 0, 5e-6, 0, 0, "EUR", ROUTE, ROUTE)
    mixed = account(spent=USAGE, spent_tariff=PLAIN, baseline=USAGE, baseline_tariff=euros, cpu_seconds=0, carbon=0)
    assert mixed.cost_actual == mixed.cost_baseline == PLAIN.cost(USAGE)
    assert mixed.currency == "USD"


def test_a_fallback_without_a_price_leaves_the_baseline_in_its_own_currency() -> None:
    euros = Tariff("m", 5e-6, 0, 0, 5e-6, 0, 0, "EUR", ROUTE, ROUTE)
    free = account(spent=USAGE, spent_tariff=NOTHING, baseline=USAGE, baseline_tariff=euros, cpu_seconds=0, carbon=0)
    assert (free.cost_baseline, free.currency) == (euros.cost(USAGE), "EUR")


@pytest.mark.parametrize(
    ("usage", "rate", "estimated"),
    [
        (USAGE, PLAIN, False),
        (Usage(input=1, estimated=True), PLAIN, True),
        (USAGE, NOTHING, True),
    ],
)
def test_an_account_says_whether_it_rests_on_estimates(usage: Usage, rate: Tariff, estimated: bool) -> None:
    hit = account(spent=None, spent_tariff=None, baseline=usage, baseline_tariff=rate, cpu_seconds=1, carbon=1)
    spent = account(spent=usage, spent_tariff=rate, baseline=USAGE, baseline_tariff=PLAIN, cpu_seconds=1, carbon=1)
    assert hit.estimated is spent.estimated is estimated


usages = st.builds(Usage, *(st.integers(0, 10**6) for _ in range(4)), estimated=st.booleans())


@given(st.none() | usages, usages, st.floats(0, 100), st.integers(0, 2000))
def test_actual_and_avoided_carbon_add_up_to_the_baselines(
    spent: Usage | None, baseline: Usage, cpu_seconds: float, carbon: int
) -> None:
    result = account(
        spent=spent,
        spent_tariff=None if spent is None else PLAIN,
        baseline=baseline,
        baseline_tariff=PLAIN,
        cpu_seconds=cpu_seconds,
        carbon=carbon,
    )
    grams = result.carbon_actual_grams + result.carbon_avoided_grams
    assert math.isclose(grams, PLAIN.joules(baseline) / 3.6e6 * carbon, rel_tol=1e-9, abs_tol=1e-9)
    assert result.cost_actual >= 0


# cpu


class Clock:
    """A process's CPU time, told by the test."""

    def __init__(self) -> None:
        self.seconds = 5.0

    def __call__(self) -> float:
        return self.seconds


def test_an_exchange_alone_has_all_the_cpu_time() -> None:
    clock = Clock()
    lap = CpuMeter(clock).start()
    clock.seconds += 2
    assert lap.stop() == pytest.approx(2)


def test_exchanges_that_overlap_share_the_cpu_time() -> None:
    clock = Clock()
    meter = CpuMeter(clock)
    first = meter.start()
    clock.seconds += 1
    second = meter.start()
    clock.seconds += 4
    assert second.stop() == pytest.approx(2)
    clock.seconds += 1
    assert first.stop() == pytest.approx(1 + 2 + 1)


def test_cpu_time_while_nobody_is_active_belongs_to_nobody() -> None:
    clock = Clock()
    meter = CpuMeter(clock)
    meter.start().stop()
    clock.seconds += 100
    assert meter.start().stop() == 0


def test_a_lap_stops_once() -> None:
    clock = Clock()
    meter = CpuMeter(clock)
    first, second = meter.start(), meter.start()
    clock.seconds += 2
    assert first.stop() == first.stop() == pytest.approx(1)
    clock.seconds += 2
    assert second.stop() == pytest.approx(3)


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(-1, 5)), max_size=40))
def test_the_exchanges_together_have_the_cpu_time_that_was_spent_while_any_was_active(
    steps: list[tuple[float, int]],
) -> None:
    clock = Clock()
    meter = CpuMeter(clock)
    running: list[Lap] = []
    shared = busy = 0.0
    for seconds, choice in steps:
        clock.seconds += seconds
        busy += seconds if running else 0
        if choice < 0 or not running:
            running.append(meter.start())
        else:
            shared += running.pop(choice % len(running)).stop()
    shared += sum(lap.stop() for lap in running)
    assert shared == pytest.approx(busy, abs=1e-6)


def test_the_meter_reads_the_process_itself_by_default() -> None:
    lap = CpuMeter().start()
    sum(range(200_000))
    assert lap.stop() > 0


# tokens


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("four", 1), ("fives", 2), ("日本語", 3), ("日本語 ok", 4), ("한국어", 3)]
)
def test_a_token_is_four_characters_or_one_that_is_dense(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


@given(st.text(), st.text())
def test_more_text_is_never_fewer_tokens(text: str, more: str) -> None:
    assert estimate_tokens(text) <= estimate_tokens(text + more) <= estimate_tokens(text) + estimate_tokens(more)
    assert estimate_tokens(text) <= len(text)
