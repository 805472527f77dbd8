"""What is accepted under an error budget, and what is held back."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from cachedistill_sidecar.decision import Reason
from cachedistill_sidecar.exchange import Neighbour
from cachedistill_sidecar.policy.acceptance import Budgeted, label_of
from cachedistill_sidecar.policy.account import Account
from cachedistill_sidecar.policy.error_budget import Evidence, Model, learn
from cachedistill_sidecar.policy.labels import Label, Source, Traffic, Trial, decode, encode
from cachedistill_sidecar.policy.neighbourhood import NAMES
from tests.taught import missed

NOW = 1_800_000_000.0
QUERY = "how do I change the address on my order"
RIGHT = [
    Neighbour(f"entry{place}", "address", text, 0.95 - place / 100, f"principal{place}", at=NOW)
    for place, text in enumerate(
        ("how can I change the address of my order", "change the address on my order", "my order has the wrong address")
    )
]
OTHER = Neighbour("entry9", "refund", "how do I get a refund for my order", 0.6, "principal9", at=NOW)


def taught(right: int, wrong: int, permille: int) -> Model:
    """A model after so many labels of a neighbourhood like that of QUERY, with the forecasts of a model that had learnt
    from as many before."""
    fates = [True] * right + [False] * wrong
    random.Random(1).shuffle(fates)
    blank = learn(Evidence(), [])
    experienced = learn(Evidence([label_at(blank, fate) for fate in fates]), [])
    return learn(Evidence([label_at(experienced, fate) for fate in fates]), [permille])


def label_at(model: Model, right: bool) -> Label:
    verdict = Budgeted(model, 20).judge(QUERY, [*RIGHT, OTHER] if right else [OTHER], NOW)
    return missed(verdict, right, NOW)


def test_without_labels_nothing_is_served() -> None:
    verdict = Budgeted(learn(Evidence(), [20]), 20).judge(QUERY, [*RIGHT, OTHER], NOW)
    assert not verdict.accepted
    assert verdict.reason is Reason.UNCERTIFIED


def test_enough_right_labels_certify_a_budget() -> None:
    model = taught(right=4000, wrong=200, permille=20)
    assert model.standing(20).certified
    verdict = Budgeted(model, 20).judge(QUERY, [*RIGHT, OTHER], NOW)
    assert verdict.accepted
    assert verdict.candidate == RIGHT[0]
    assert not Budgeted(model, 20).judge(QUERY, [OTHER], NOW).accepted


def test_two_others_who_asked_a_little_do_not_silence_an_app_with_one_credential() -> None:
    label = replace(label_at(learn(Evidence(), []), True), probability=0.999)
    labels = [replace(label, principal=name) for name in ["one", "two", *["app"] * 2000]]
    assert learn(Evidence(labels), [20]).standing(20).certified


def test_too_few_labels_say_how_many_are_missing() -> None:
    standing = taught(right=60, wrong=5, permille=10).standing(10)
    assert not standing.certified
    assert 100 < standing.missing < 400


def test_other_numbers_are_never_served() -> None:
    model = taught(right=4000, wrong=200, permille=20)
    known = [Neighbour("e", "g", "what is the fee for 20 items", 0.99, at=NOW)]
    assert Budgeted(model, 20).judge("what is the fee for 30 items", known, NOW).reason in (
        Reason.GUARD_NUMBER,
        Reason.BELOW_CONFIDENCE,
    )


def test_a_suspended_entry_makes_way_for_the_next_of_its_group() -> None:
    model = taught(right=4000, wrong=200, permille=20)
    verdict = Budgeted(model, 20, suspended={"entry0"}).judge(QUERY, [*RIGHT, OTHER], NOW)
    assert verdict.candidate == RIGHT[1]
    everything = {each.entry for each in RIGHT}
    assert Budgeted(model, 20, suspended=everything).judge(QUERY, [*RIGHT, OTHER], NOW).reason is Reason.SUSPENDED


def test_an_answer_is_shared_when_enough_principals_agree() -> None:
    model = taught(right=4000, wrong=200, permille=20)
    alone = [replace(each, principal="one") for each in RIGHT]
    assert Budgeted(model, 20, "another", agreeing=3).judge(QUERY, alone, NOW).reason is Reason.UNSHARED
    assert Budgeted(model, 20, "one", agreeing=3).judge(QUERY, alone, NOW).accepted
    assert Budgeted(model, 20, "another", agreeing=3).judge(QUERY, [*RIGHT, OTHER], NOW).accepted


def test_events_survive_json() -> None:
    model = taught(right=40, wrong=5, permille=20)
    verdict = Budgeted(model, 20).judge(QUERY, RIGHT, NOW)
    label = label_of(
        verdict,
        at=1.0,
        rule="all",
        right=True,
        share=0.05,
        served=True,
        source=Source.VERIFIED,
        principal="p",
        novel=False,
    )
    for event in (label, Traffic(1.0, "all", "semantic", 3, 0.1), Trial(1.0, same=True, judged_same=False)):
        assert decode(encode(event)) == event
    with pytest.raises(ValueError, match="no event"):
        decode({"kind": "label"})


def test_the_parts_add_up_to_the_probability() -> None:
    model = taught(right=4000, wrong=200, permille=20)
    verdict = Budgeted(model, 20).judge(QUERY, [*RIGHT, OTHER], NOW)
    parts = model.explain(verdict.features)
    assert {part.name for part in parts} == set(NAMES)
    assert verdict.probability is not None
    assert verdict.probability > 0.9


def test_what_the_account_does_not_afford_goes_to_the_fallback() -> None:
    model, account = taught(right=4000, wrong=200, permille=20), Account(0.00001)
    budgeted = Budgeted(model, 20, account=account)
    account.spend(1.0)
    assert budgeted.judge(QUERY, [*RIGHT, OTHER], NOW).reason is Reason.BUDGET_SPENT
