"""What a SemanticCache's status says of the budgets of wrong answers, out of the summaries that sidecars write."""

from __future__ import annotations

from typing import Any

import pytest

from cachedistill_operator.api.conditions import Wanted
from cachedistill_operator.api.group import Key
from cachedistill_operator.render.budget import BudgetedRule, Report, budgeted, condition, reports, wrong_hits
from tests import budget_summaries
from tests.budget_summaries import AT_RISK
from tests.model_routes import key, route, rule

SUPPORT = Key("shop", "support")
NOW = 1_764_000_000.0
DAY = 24 * 3600.0
ALL = BudgetedRule(Key("shop", "chat"), "all", 10)
REST = BudgetedRule(Key("shop", "chat"), "rest", 20)
YOUNG = {"certified": False, "cutoff": None, "missing": 212, "labels": 30, "upperPermille": None}
DRIFTING = {"certified": False, "drift": True}


def summary(*, at: Any = NOW - 60, **changes: Any) -> str:
    return budget_summaries.summary(at=at, **changes)


def known(*told: tuple[BudgetedRule, str | None]) -> tuple[Report, ...]:
    summaries = {f"{rule.route}|{rule.rule}": text for rule, text in told if text is not None}
    return reports([rule for rule, _ in told], summaries, NOW)


def one(**changes: Any) -> Wanted:
    return condition(known((ALL, summary(**changes))))


def semantic(name: str = "all", *, cache: str = "support", namespace: str | None = None, **fields: Any) -> Any:
    made = rule(name, cache=cache, namespace=namespace)
    made["cache"]["semantic"] = fields
    return made


def budgets(*routes: Any) -> tuple[BudgetedRule, ...]:
    return budgeted(SUPPORT, {key(each): each for each in routes})


def test_rules_that_compare_by_meaning_have_a_budget_and_no_others() -> None:
    exact, other = rule("exact", cache="support"), semantic("other", cache="another")
    made = route(rules=[exact, rule("uncached"), semantic(maxErrorPermille=10), other, semantic("rest")])
    assert budgets(made) == (ALL, REST)


def test_a_budget_of_zero_is_exact_hits_only_and_nothing_to_certify() -> None:
    assert budgets(route(rules=[semantic(maxErrorPermille=0)])) == ()


def test_a_reference_without_namespace_means_the_routes_own() -> None:
    near = route(rules=[semantic(maxErrorPermille=10)])
    far = route(namespace="team", rules=[semantic("far", namespace="shop", maxErrorPermille=5), semantic("own")])
    assert budgets(far, near) == (ALL, BudgetedRule(Key("team", "chat"), "far", 5))


def test_without_such_a_rule_there_is_nothing_to_certify() -> None:
    wanted = condition(())
    assert (wanted.word, wanted.reason, wanted.message) == (
        "True",
        "NothingToCertify",
        "no route compares queries by meaning",
    )


@pytest.mark.parametrize(
    ("changes", "word", "reason", "message"),
    [
        ({}, "True", "Certified", "route shop/chat, rule all: what is served by meaning keeps within 10 permille"),
        (
            YOUNG,
            "False",
            "NotEnoughLabels",
            "route shop/chat, rule all: 212 more labels are needed before answers are served by meaning within "
            "10 permille",
        ),
        (YOUNG | {"missing": 1}, "False", "NotEnoughLabels", "route shop/chat, rule all: 1 more label is needed "),
        (YOUNG | {"missing": 0}, "False", "NotEnoughLabels", "no cut-off keeps within 10 permille over 30 labels"),
        (
            AT_RISK,
            "False",
            "BudgetAtRisk",
            "route shop/chat, rule all: 14 permille of what was served by meaning was wrong, with confidence at most "
            "19, over 5120 labels; its budget is 10 permille",
        ),
        (AT_RISK | {"upperPermille": None}, "False", "BudgetAtRisk", "rule all: too many answers served by meaning"),
        (DRIFTING, "False", "Drifting", "route shop/chat, rule all: right and wrong have changed"),
        (AT_RISK | DRIFTING, "False", "BudgetAtRisk", "14 permille"),
    ],
)
def test_a_rule_is_as_its_summary_says(changes: dict[str, Any], word: str, reason: str, message: str) -> None:
    wanted = one(**changes)
    assert (wanted.word, wanted.reason) == (word, reason)
    assert message in wanted.message


def test_the_budget_that_is_told_is_the_one_that_sidecars_keep() -> None:
    assert "within 10 permille" in condition(known((REST, summary()))).message


def test_the_worst_rule_decides_and_all_that_are_not_certified_are_named_worst_first() -> None:
    wanted = condition(known((ALL, summary(**YOUNG)), (REST, summary(**AT_RISK))))
    assert wanted.reason == "BudgetAtRisk"
    assert wanted.message.index("rule rest") < wanted.message.index("rule all: 212 more")
    assert condition(known((ALL, summary(**DRIFTING)), (REST, summary(**AT_RISK)))).reason == "BudgetAtRisk"
    assert condition(known((ALL, summary(**YOUNG)), (REST, summary(**DRIFTING)))).reason == "Drifting"
    assert (
        condition(known((ALL, summary()), (REST, summary()))).message == "2 rules keep their budgets of wrong answers"
    )


def test_many_rules_make_no_long_message() -> None:
    told = [(BudgetedRule(ALL.route, f"rule-{number}", 10), summary(**YOUNG)) for number in range(32)]
    message = condition(known(*told)).message
    assert message.endswith("; and 28 more")
    assert len(message) < 600


def test_a_start_without_labels_makes_no_event_and_what_comes_to_be_makes_one() -> None:
    assert condition(()).quiet
    assert one(**YOUNG).quiet
    assert [one(**changes).quiet for changes in ({}, AT_RISK, DRIFTING)] == [False, False, False]


def test_a_rule_of_which_nothing_was_heard_yet_has_too_few_labels() -> None:
    wanted = condition(known((ALL, None), (REST, summary())))
    assert (wanted.word, wanted.reason) == ("False", "NotEnoughLabels")
    assert wanted.message == (
        "route shop/chat, rule all: nothing is known of right and wrong answers yet, so exact hits only"
    )


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", summary(labels=-1), summary(upperPermille=1001), summary(at="soon")]
)
def test_a_summary_that_can_not_be_understood_is_none(text: str) -> None:
    made = known((ALL, text))
    assert condition(made).reason == "NotEnoughLabels"
    assert wrong_hits(made, None) is None


def test_a_newer_sidecar_may_say_more() -> None:
    assert one(colour="red").reason == "Certified"


def test_a_stale_summary_does_not_count() -> None:
    old = summary(**AT_RISK, at=NOW - DAY - 1)
    assert condition(known((ALL, old), (REST, summary()))).reason == "Certified"
    assert "20 permille" in condition(known((ALL, old), (REST, summary(maxErrorPermille=20)))).message
    assert wrong_hits(known((ALL, old)), None) is None
    assert one(**AT_RISK, at=NOW - DAY + 1).reason == "BudgetAtRisk"


def test_when_all_are_stale_nothing_is_certified_and_no_event_says_so() -> None:
    wanted = condition(known((ALL, summary(at=0.0)), (REST, summary(at=0.0))))
    assert (wanted.word, wanted.reason, wanted.quiet) == ("False", "NotEnoughLabels", True)
    assert wanted.message == "route shop/chat, rule all: nothing was heard of its labels for a day; and 1 more"


def test_shares_are_told_in_plain_figures_however_large() -> None:
    message = condition(known((ALL, summary(**AT_RISK | {"measuredPermille": 999.6, "upperPermille": 1000})))).message
    assert "999.6 permille" in message
    assert "at most 1000," in message


def test_summaries_of_routes_and_rules_that_are_no_more_do_not_count() -> None:
    told = {"shop/chat|all": summary(), "shop/chat|gone": summary(**AT_RISK), "shop/gone|all": summary(**AT_RISK)}
    made = reports([ALL], told, NOW)
    assert condition(made).reason == "Certified"
    assert wrong_hits(made, None) == {
        "measured": 6,
        "upper": 9,
        "budget": 10,
        "labels": 5120,
        "since": "2026-01-01T00:00:00Z",
    }


def test_the_share_of_wrong_answers_is_that_of_the_rule_with_the_highest_bound() -> None:
    other = summary(
        maxErrorPermille=20, measuredPermille=2.4, upperPermille=11.2, labels=40, since="2026-02-02T00:00:00Z"
    )
    assert wrong_hits(known((ALL, summary()), (REST, other)), None) == {
        "measured": 2,
        "upper": 12,
        "budget": 20,
        "labels": 40,
        "since": "2026-02-02T00:00:00Z",
    }


def test_shares_that_are_not_known_yet_are_left_out() -> None:
    told = wrong_hits(known((ALL, summary(measuredPermille=None, upperPermille=None, labels=3))), None)
    assert told == {"budget": 10, "labels": 3, "since": "2026-01-01T00:00:00Z"}
    assert wrong_hits(known((ALL, summary(labels=0))), None) is None
    assert wrong_hits(known((ALL, summary(since=None))), None) is None


def test_a_few_labels_more_give_no_cause_to_write() -> None:
    before = wrong_hits(known((ALL, summary())), None)
    assert before is not None
    assert wrong_hits(known((ALL, summary(labels=5200))), before) == before
    assert wrong_hits(known((ALL, summary(since="2026-01-02T00:00:00Z"))), before) == before
    assert wrong_hits(known((ALL, summary(labels=6000))), before) == before | {"labels": 6000}
    changed = wrong_hits(known((ALL, summary(labels=5200, upperPermille=10))), before)
    assert changed == before | {"labels": 5200, "upper": 10}
    changed = wrong_hits(known((ALL, summary(maxErrorPermille=20))), before)
    assert changed == before | {"budget": 20}
