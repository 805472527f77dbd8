"""The names of the figures, their goals, and how they come from runs and trials."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from bench.contract import Goal, Report, interval
from bench.recall.contest import BUDGETS, ORACLE, OURS, RIVALS, UNAWARE, Trial
from bench.recall.tally import STATISTICS, Run, Statistic, Tally, budget_used, hits, late_hits, share, worst, wrong

# Of what a plain vote of the neighbours allows with hindsight in the second half, nine tenths.
_LATE = {"banking77": (0.78, 0.85, 0.94), "clinc150": (0.79, 0.85, 0.92)}
_HITS = {"banking77": (0.45, 0.62, 0.82), "clinc150": (0.50, 0.70, 0.82)}


def goals() -> dict[str, Goal]:
    """Goals by the figure's name."""
    made = {
        "pairs.traps_served": Goal(0.10),
        "pairs.true_served": Goal(0.60, at_least=True),
        "conversations.traps_served": Goal(0.03),
        "drift.answers_to_recover": Goal(500),
        "noise5.hits_kept": Goal(0.67, at_least=True),
        "poison.extra_wrong": Goal(0.01),
        "decision_ms_p50": Goal(0.5),
    }
    for name in _HITS:
        for at, permille in enumerate(BUDGETS):
            made[f"{name}.hits_{permille}"] = Goal(_HITS[name][at], at_least=True)
            made[f"{name}.late_hits_{permille}"] = Goal(round(0.9 * _LATE[name][at], 3), at_least=True)
            made[f"{name}.wrong_{permille}_high"] = Goal(permille / 1000)
            made[f"{name}.budget_used_{permille}"] = Goal(0.7, at_least=True)
            made[f"{name}.worst_window_{permille}"] = Goal(1.5)
    for permille in BUDGETS:
        made[f"cold.wrong_{permille}"] = Goal(permille / 1000)
        made[f"cold.served_{permille}"] = Goal(1, at_least=True)
    return made


def add_runs(report: Report[Any], name: str, found: Sequence[Run]) -> None:
    """The figures of one set. Those of ours have the plain names, those of others end in the other's."""
    for permille in BUDGETS:
        for arm in (OURS, *RIVALS):
            runs = [run.tallies[arm, permille] for run in found]
            suffix = "" if arm == OURS else f".{arm}"
            for figure, statistic in STATISTICS.items():
                report.add(f"{name}.{figure}_{permille}{suffix}", runs, _at(statistic, permille))
            report.figures[f"{name}.wrong_{permille}_high{suffix}"] = high(found, arm, permille)
    for arm in (*UNAWARE, ORACLE):
        runs = [run.tallies[arm, BUDGETS[0]] for run in found]
        for figure in ("hits", "wrong", "late_hits"):
            report.add(f"{name}.{figure}.{arm}", runs, _at(STATISTICS[figure], BUDGETS[0]))
    report.notes.extend(_by_order(name, found, permille) for permille in BUDGETS)


def high(runs: Sequence[Run], arm: str, permille: int) -> float:
    """The upper end of the wrong share's interval, in the order where that is highest."""
    return max(interval(each, _at(wrong, permille))[1] for each in _orders(runs, arm, permille).values())


def add_trials(report: Report[Any], found: Sequence[Trial]) -> None:
    """The figures of the trials, over all sets and seeds. Those without a budget in their name are the worst's."""
    by_budget = {permille: [each for each in found if each.permille == permille] for permille in BUDGETS}
    for name, statistic, least_good in _TRIALS:
        for permille, at in by_budget.items():
            report.add(f"{name}_{permille}", at, statistic)
        report.figures[name] = least_good([report.figures[f"{name}_{permille}"] for permille in BUDGETS])
    for permille, at in by_budget.items():
        changed = [each.changed for each in at]
        report.add(f"drift.late_hits_{permille}", changed, _at(late_hits, permille))
        report.add(f"drift.budget_used_{permille}", changed, _at(budget_used, permille))
        report.add(f"noise5.wrong_{permille}", [each.noisy for each in at], _at(wrong, permille))
        report.add(f"poison.wrong_change_{permille}", at, _wrong_change)


def add_cold(report: Report[Any], found: Sequence[tuple[int, Tally]]) -> None:
    """Answers served on average in a stream where all is new, and the wrong share of them."""
    for permille in BUDGETS:
        runs = [tally for at, tally in found if at == permille]
        report.add(f"cold.served_{permille}", runs, lambda of: statistics.fmean(each.served for each in of))
        report.add(f"cold.wrong_{permille}", runs, _at(wrong, permille))


def _at(statistic: Statistic, permille: int) -> Callable[[Sequence[Tally]], float]:
    return lambda runs: statistic(runs, permille / 1000)


def _orders(runs: Sequence[Run], arm: str, permille: int) -> dict[str, list[Tally]]:
    by_order: dict[str, list[Tally]] = {}
    for run in runs:
        by_order.setdefault(run.order, []).append(run.tallies[arm, permille])
    return by_order


def _by_order(name: str, found: Sequence[Run], permille: int) -> str:
    told = [
        f"{order} {hits(runs, 1):.1%}, {wrong(runs, 1):.2%}, window {worst(runs, permille / 1000):.2f}"
        for order, runs in _orders(found, OURS, permille).items()
    ]
    return f"{name} at {permille} permille, served, wrong of these, worst window: {'; '.join(told)}"


def _hits_kept(found: Sequence[Trial]) -> float:
    """Served with noise, as a share of what is served without; all of nothing is kept."""
    clean = sum(each.clean.served for each in found)
    return sum(each.noisy.served for each in found) / clean if clean else 1.0


def _fooled(found: Sequence[Trial]) -> float:
    """Planted answers as a share of the served, as a multiple of the budget."""
    served = sum(each.poisoned.served for each in found)
    return share(sum(each.fooled for each in found), served) / (found[0].permille / 1000)


def _wrong_change(found: Sequence[Trial]) -> float:
    """How much the wrong share rises among the same queries, as a multiple of the budget.

    Beside the planted answers this has what they do to all later decisions, which is mostly chance.
    """
    before = wrong([each.unpoisoned for each in found], 1)
    return (wrong([each.poisoned for each in found], 1) - before) / (found[0].permille / 1000)


def _recovered(found: Sequence[Trial]) -> float:
    """The slowest."""
    return max(each.recovered for each in found)


_TRIALS: tuple[tuple[str, Callable[[Sequence[Trial]], float], Callable[[Sequence[float]], float]], ...] = (
    ("drift.answers_to_recover", _recovered, max),
    ("noise5.hits_kept", _hits_kept, min),
    ("poison.extra_wrong", _fooled, max),
)
