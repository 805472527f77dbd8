"""Whether what is served by meaning keeps its budget of wrong answers, by what sidecars have summed up in Redis.

The hash `cachedistill:<cache>:budget` has one summary a rule, in the field `<namespace>/<route>|<rule>`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from cachedistill_operator.api.cache_reasons import CacheReason
from cachedistill_operator.api.conditions import ConditionType, Wanted
from cachedistill_operator.api.group import Key
from cachedistill_sidecar.route_document import Semantic

_STALE_SECONDS = 24 * 3600.0
_MOST_SENTENCES = 4
# Each exchange may bring a label: fewer more than this are not worth a write. Nor is another `since`, which differs
# with the sidecar that has summed up.
_SAME_LABELS = 0.05
_DEFAULT_PERMILLE = int(Semantic.model_fields["max_error_permille"].default)


class Summary(BaseModel):
    """One rule's budget as its sidecars have it: shares in permille, `at` in Unix time; newer ones may say more."""

    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=to_camel)

    max_error_permille: int = Field(ge=1, le=500)
    certified: bool
    measured_permille: float | None = Field(None, ge=0, le=1000)
    upper_permille: float | None = Field(None, ge=0, le=1000)
    labels: int = Field(ge=0)
    missing: int = Field(ge=0)
    since: str | None = Field(None, max_length=32)
    at_risk: bool
    drift: bool
    at: float

    @classmethod
    def read(cls, text: str | None) -> Self | None:
        """A field of the hash; None when it isn't there, or can't be understood."""
        try:
            return None if text is None else cls.model_validate_json(text)
        except ValidationError:
            return None


class State(IntEnum):
    """How a rule is, from best to worst."""

    SILENT = 0
    CERTIFIED = 1
    NOT_ENOUGH_LABELS = 2
    DRIFTING = 3
    AT_RISK = 4


@dataclass(frozen=True, slots=True)
class BudgetedRule:
    """A rule of a route that compares queries by meaning, and its budget."""

    route: Key
    rule: str
    permille: int

    def __str__(self) -> str:
        return f"route {self.route}, rule {self.rule}"


@dataclass(frozen=True, slots=True)
class Report:
    """A rule and its summary, None before there is one. A stale one says nothing any more: the rule is silent."""

    rule: BudgetedRule
    summary: Summary | None
    stale: bool = False

    @property
    def state(self) -> State:
        """Where the rule stands."""
        if self.stale:
            return State.SILENT
        if self.summary is None:
            return State.NOT_ENOUGH_LABELS
        if self.summary.at_risk:
            return State.AT_RISK
        if self.summary.drift:
            return State.DRIFTING
        return State.CERTIFIED if self.summary.certified else State.NOT_ENOUGH_LABELS


def budgeted(cache: Key, routes: Mapping[Key, Mapping[str, Any]]) -> tuple[BudgetedRule, ...]:
    """The rules of these routes that answer out of a cache by meaning, in order."""
    return tuple(rule for route in sorted(routes) for rule in _rules(cache, route, routes[route]))


def reports(rules: Iterable[BudgetedRule], told: Mapping[str, str], now: float) -> tuple[Report, ...]:
    """What is known of each rule, out of the hash; summaries of routes and rules that are no more are left out."""
    return tuple(_report(rule, Summary.read(told.get(f"{rule.route}|{rule.rule}")), now) for rule in rules)


def condition(known: tuple[Report, ...]) -> Wanted:
    """`Certified`. Only what has come to be is told by an Event: a start without labels is none."""
    kind = ConditionType.CERTIFIED
    if not known:
        return Wanted(kind, True, CacheReason.NOTHING_TO_CERTIFY, CacheReason.NOTHING_TO_CERTIFY.meaning, quiet=True)
    worst = max(report.state for report in known)
    if worst is State.CERTIFIED:
        return Wanted(kind, True, CacheReason.CERTIFIED, _kept([each for each in known if not each.stale]))
    if worst is State.SILENT:
        message = f"{known[0].rule}: nothing was heard of its labels for a day{_more(len(known) - 1)}"
        return Wanted(kind, False, CacheReason.NOT_ENOUGH_LABELS, message, quiet=True)
    wrong = sorted((each for each in known if each.state > State.CERTIFIED), key=lambda each: -each.state)
    message = "; ".join(map(_sentence, wrong[:_MOST_SENTENCES])) + _more(len(wrong) - _MOST_SENTENCES)
    return Wanted(kind, False, _REASONS[worst], message, quiet=worst is State.NOT_ENOUGH_LABELS)


def wrong_hits(known: Iterable[Report], before: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The measured share of wrong answers and its budget, where its bound is highest; None before there are labels."""
    summaries = [each.summary for each in known if each.summary is not None and not each.stale]
    judged = [each for each in summaries if each.labels and each.since is not None]
    if not judged:
        return None
    worst = max(judged, key=lambda each: (each.upper_permille or 0, each.measured_permille or 0, each.labels))
    shares = {
        "measured": None if worst.measured_permille is None else round(worst.measured_permille),
        "upper": None if worst.upper_permille is None else math.ceil(worst.upper_permille),
    }
    shares["budget"] = worst.max_error_permille
    if before is not None and all(before.get(name) == share for name, share in shares.items()):
        known_labels = before["labels"]
        if abs(worst.labels - known_labels) <= _SAME_LABELS * known_labels:
            return dict(before)
    told = {name: share for name, share in shares.items() if share is not None}
    return {**told, "labels": worst.labels, "since": worst.since}


_REASONS = {
    State.NOT_ENOUGH_LABELS: CacheReason.NOT_ENOUGH_LABELS,
    State.DRIFTING: CacheReason.DRIFTING,
    State.AT_RISK: CacheReason.BUDGET_AT_RISK,
}


def _rules(cache: Key, route: Key, resource: Mapping[str, Any]) -> Iterator[BudgetedRule]:
    for rule in resource["spec"].get("rules", ()):
        use = rule.get("cache") or {}
        if "semantic" not in use or Key(use["ref"].get("namespace") or route.namespace, use["ref"]["name"]) != cache:
            continue
        if permille := (use["semantic"] or {}).get("maxErrorPermille", _DEFAULT_PERMILLE):
            yield BudgetedRule(route, rule["name"], permille)


def _report(rule: BudgetedRule, summary: Summary | None, now: float) -> Report:
    return Report(rule, summary, stale=summary is not None and now - summary.at > _STALE_SECONDS)


def _kept(known: list[Report]) -> str:
    if len(known) > 1:
        return f"{len(known)} rules keep their budgets of wrong answers"
    return f"{known[0].rule}: what is served by meaning keeps within {_budget(known[0])} permille"


def _sentence(report: Report) -> str:
    summary, budget = report.summary, _budget(report)
    if summary is None:
        return f"{report.rule}: nothing is known of right and wrong answers yet, so exact hits only"
    if report.state is State.AT_RISK:
        return f"{report.rule}: {_measured(summary)}; its budget is {budget} permille"
    if report.state is State.DRIFTING:
        return f"{report.rule}: right and wrong have changed since they were learnt; its budget is {budget} permille"
    if not summary.missing:
        return f"{report.rule}: no cut-off keeps within {budget} permille over {summary.labels} labels"
    labels = "1 more label is" if summary.missing == 1 else f"{summary.missing} more labels are"
    return f"{report.rule}: {labels} needed before answers are served by meaning within {budget} permille"


def _measured(summary: Summary) -> str:
    if summary.measured_permille is None or summary.upper_permille is None:
        return "too many answers served by meaning may be wrong"
    return (
        f"{summary.measured_permille:g} permille of what was served by meaning was wrong, with confidence at most "
        f"{summary.upper_permille:g}, over {summary.labels} labels"
    )


def _budget(report: Report) -> int:
    """The one that its sidecars keep now; a moment after a change that is the old one."""
    return report.rule.permille if report.summary is None else report.summary.max_error_permille


def _more(count: int) -> str:
    return f"; and {count} more" if count > 0 else ""
