"""The harness that measures recall: what it replays is what happens, what it counts is what was served."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from bench.contract import Options, Report
from bench.recall import __main__ as recall
from bench.recall import ours, static, traps, trials, vcache
from bench.recall.budgeted import Budgeted, Decision, Judge, Replay
from bench.recall.chart import ARMS, SETS, chart
from bench.recall.contest import BUDGETS, RIVALS, TRIED, UNAWARE, Contest, Size, oracle
from bench.recall.figures import add_cold, add_runs, add_trials, goals
from bench.recall.orders import ORDERS
from bench.recall.sets import ConversationPair, LabelledSet, Pair, numbered
from bench.recall.stream import Known, Stream, nearest_earlier, stream
from bench.recall.tally import Outcomes, worst_window
from bench.recall.vectors import Vectors
from cachedistill_sidecar.exchange import Neighbour

GROUPS, MEMBERS, SINGLES = 12, 20, 15
QUERIES = GROUPS * MEMBERS + SINGLES


class Cosine:
    """Serves the nearest at a cosine of 0.8; remembers what it is told."""

    def __init__(self, least: float = 0.8, verify: bool = False) -> None:
        self.least, self.verify = least, verify
        self.learnt: list[bool] = []
        self.novel: list[bool] = []
        self.told_served: list[bool] = []
        self.twice: list[bool] = []
        self.plants: list[bool] = []
        self.seen: list[Sequence[Neighbour]] = []

    def decide(self, text: str, neighbours: Sequence[Neighbour], principal: str, now: float) -> Decision:
        self.seen.append(neighbours)
        if not neighbours:
            return Decision(None, False, 0.0)
        nearest = neighbours[0]
        others = tuple(dict.fromkeys(each.group for each in neighbours if each.group != nearest.group))
        return Decision(nearest, nearest.similarity >= self.least, nearest.similarity, others, self.verify)

    def learn(self, decision: Decision, right: bool, novel: bool, principal: str, now: float) -> None:
        self.learnt.append(right)
        self.told_served.append(decision.served)
        self.novel.append(novel)

    def asked_twice(self, same: bool) -> None:
        self.twice.append(same)

    def planted(self, same: bool) -> None:
        self.plants.append(same)


def make(permille: int, seed: int) -> Budgeted:
    return Cosine()


def labelled(name: str = "banking77") -> LabelledSet:
    groups = np.concatenate([np.repeat(np.arange(GROUPS), MEMBERS), GROUPS + np.arange(SINGLES)])
    texts = tuple(f"query {at} of group {group}" for at, group in enumerate(groups))
    return LabelledSet(name, texts, numbered(groups))


def clustered(noise: float = 0.05) -> Vectors:
    """Vectors of `labelled`: members of a group lie around its middle."""
    random = np.random.default_rng(4)
    middles = random.normal(size=(GROUPS + SINGLES, 16))
    made = middles[labelled().groups] + noise * 4 * random.normal(size=(QUERIES, 16))
    unit: Vectors = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
    return unit


def shuffled(noise: float = 0.05, seed: int = 1) -> Stream:
    return stream(labelled(), clustered(noise), np.random.default_rng(seed).permutation(QUERIES), seed)


def replay(of: Stream, policy: Budgeted, noise: float = 0.0) -> Replay:
    return Replay(of, policy, Judge(3, noise), 3)


@pytest.mark.parametrize("name", ORDERS)
def test_an_order_holds_every_query_once_and_a_seed_gives_it_again(name: str) -> None:
    groups = labelled().groups
    first, again, other = (ORDERS[name](groups, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert sorted(first) == list(range(QUERIES))
    assert (first == again).all()
    assert (first != other).any()


def runs_of(groups: Sequence[int]) -> int:
    return 1 + sum(left != right for left, right in pairwise(groups))


def test_blocks_hold_one_group_after_the_other() -> None:
    groups = labelled().groups
    assert runs_of(groups[ORDERS["blocks"](groups, np.random.default_rng(1))].tolist()) == GROUPS + SINGLES


def test_bursts_are_runs_of_one_group_that_come_back() -> None:
    groups = labelled().groups
    runs = runs_of(groups[ORDERS["bursts"](groups, np.random.default_rng(1))].tolist())
    assert GROUPS + SINGLES < runs < runs_of(groups[ORDERS["shuffled"](groups, np.random.default_rng(1))].tolist()) / 2


def test_popular_groups_run_out_first_and_a_season_ends() -> None:
    groups = np.repeat(np.arange(20), 100)
    spread = {}
    for name in ("shuffled", "popular_first", "seasons"):
        order = groups[ORDERS[name](groups, np.random.default_rng(1))]
        places = [np.flatnonzero(order == group) for group in range(20)]
        spread[name] = (np.std([each.mean() for each in places]), np.mean([each.std() for each in places]))
    assert spread["popular_first"][0] > 4 * spread["shuffled"][0]
    assert spread["seasons"][1] < spread["shuffled"][1] / 2


def test_the_nearest_earlier_queries_are_those_that_looking_at_all_finds() -> None:
    vectors = clustered(1.0)[np.random.default_rng(1).permutation(QUERIES)]
    found, cosines = nearest_earlier(vectors, 7)
    for at in (0, 3, 7, 100, QUERIES - 1):
        products = vectors[:at] @ vectors[at]
        expected = np.argsort(-products)[:7]
        assert found[at].tolist() == expected.tolist() + [-1] * (7 - len(expected))
        assert cosines[at, : len(expected)] == pytest.approx(products[expected], abs=1e-6)


def test_a_block_of_rows_never_sees_itself_or_later_ones() -> None:
    vectors = np.random.default_rng(1).normal(size=(1300, 8)).astype(np.float32)
    found, _ = nearest_earlier(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), 5)
    assert (found < np.arange(1300)[:, None]).all()


def test_a_search_finds_the_nearest_known_ones_however_few_of_the_nearest_are_known() -> None:
    vectors = np.random.default_rng(1).normal(size=(QUERIES, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    of = stream(labelled(), vectors, np.arange(QUERIES), 1)
    for stored in (range(QUERIES - 1), range(0, QUERIES - 1, 40)):
        known = Known(of)
        for at in stored:
            known.add(at)
        known.remove(0)
        found, cosines = known.nearest(QUERIES - 1, 5)
        products = {at: float(of.vectors[at] @ of.vectors[-1]) for at in stored if at}
        assert found.tolist() == sorted(products, key=lambda at: -products[at])[:5]
        assert cosines.tolist() == sorted(cosines.tolist(), reverse=True)


def static_by_hand(of: Stream, threshold: float) -> list[int]:
    """-1 for a miss, else whether it was right."""
    stored: list[int] = []
    outcomes = []
    for at in range(len(of)):
        cosines = of.vectors[stored] @ of.vectors[at] if stored else np.array([])
        if len(cosines) and cosines.max() >= threshold - 1e-6:
            outcomes.append(int(of.groups[stored[int(cosines.argmax())]] == of.groups[at]))
        else:
            outcomes.append(-1)
            stored.append(at)
    return outcomes


@pytest.mark.parametrize("noise", [0.02, 0.3])
def test_many_thresholds_at_once_do_what_each_does_alone(noise: float) -> None:
    of = shuffled(noise)
    thresholds = np.array([0.2, 0.6, 0.9])  # at 0.2 whole groups lie behind one entry, beyond the nearest 128
    for threshold, found in zip(thresholds, static.replay(of, thresholds), strict=True):
        expected = static_by_hand(of, threshold)
        assert found.served.tolist() == [each >= 0 for each in expected]
        assert found.right.tolist() == [each == 1 for each in expected]


def test_an_entry_beyond_the_nearest_is_found_by_a_threshold() -> None:
    of = stream(labelled(), np.tile(np.eye(1, 16, dtype=np.float32), (QUERIES, 1)), np.arange(QUERIES), 1)
    [found] = static.replay(of, np.array([0.9]))
    assert found.served.tolist() == [False] + [True] * (QUERIES - 1)


def test_the_best_threshold_is_the_one_that_serves_most_within_the_budget() -> None:
    def outcomes(served: int, wrong: int) -> Outcomes:
        return Outcomes(np.arange(100) < served, (np.arange(100) >= wrong) & (np.arange(100) < served))

    choices = [outcomes(90, 9), outcomes(50, 1), outcomes(20, 0)]
    assert static.best(choices, 0.02) is choices[1]
    assert static.best(choices, 0.01) is choices[2]
    assert not static.best(choices[:1], 0.01).served.any()


def test_redisvl_is_replayed_with_the_default_that_it_has() -> None:
    assert static.redisvl_threshold() == pytest.approx(0.9)


def test_the_oracle_serves_all_that_has_been_answered_before() -> None:
    tally = oracle(shuffled()).tally()
    assert (tally.served, tally.wrong) == (QUERIES - GROUPS - SINGLES, 0)


def curve(observed: Sequence[tuple[float, bool]]) -> vcache.Curve:
    made = vcache.Curve()
    for cosine, right in observed:
        made.observe(cosine, right)
    return made


def test_vcache_is_surer_for_nearer_queries_and_after_more_of_them() -> None:
    mixed = [(0.5 + 0.02 * at, at > 10 or at % 3 == 0) for at in range(20)]
    once, often = curve(mixed), curve(mixed * 20)
    assert once.sure(0.6) < once.sure(0.8) < once.sure(0.95) < 1
    assert once.sure(0.85) < often.sure(0.85)


def test_vcache_asks_less_often_the_surer_it_is() -> None:
    assert vcache.explore(0.0, 0.02) == pytest.approx(0.98)
    assert vcache.explore(0.9, 0.02) == pytest.approx(0.8)
    assert vcache.explore(0.98, 0.02) == 0
    assert vcache.explore(1.0, 0.02) == 0


def test_vcache_takes_a_step_for_what_lies_on_two_sides_of_a_gap() -> None:
    stepped = curve([(0.85, False)] * 6 + [(0.89, True)] * 6)
    assert stepped.sure(0.95) > 0.95
    assert stepped.sure(0.86) < 0.5


def test_vcache_always_asks_before_an_entry_was_seen_often_enough() -> None:
    of = stream(labelled(), np.tile(np.eye(1, 16, dtype=np.float32), (QUERIES, 1)), np.arange(QUERIES), 1)
    served = vcache.replay(of, 0.5, 1).served[:MEMBERS]  # all of one group, with one vector
    assert not served[: vcache.FEWEST + 1].any()
    assert served[vcache.FEWEST + 1 :].any()


def test_vcache_keeps_its_own_bound_over_all_requests() -> None:
    of = shuffled(0.12)
    for budget in (0.02, 0.05, 0.1):
        tally = vcache.replay(of, budget, 1).tally()
        assert tally.wrong <= budget * tally.queries
    assert vcache.replay(of, 0.1, 1).tally().served > 20


def test_a_window_holds_the_worst_of_any_consecutive_answers() -> None:
    wrong = np.array([True, False, True, True, False, False, True])
    assert [worst_window(wrong, length) for length in (1, 2, 3, 100)] == [1, 2, 2, 4]
    assert worst_window(wrong[:0], 3) == 0


def test_the_second_half_is_counted_apart() -> None:
    served = np.array([True, False, True, True])
    tally = Outcomes(served, np.array([True, False, False, True])).tally()
    assert (tally.queries, tally.served, tally.wrong) == (4, 3, 1)
    assert (tally.late_queries, tally.late_served, tally.late_wrong) == (2, 2, 1)


def test_a_served_answer_is_known_only_when_it_is_verified() -> None:
    plain, verifying = Cosine(), Cosine(verify=True)
    outcomes = replay(shuffled(), plain).run()
    replay(shuffled(), verifying).run()
    assert len(plain.seen[-1]) == min(32, int((~outcomes.served[:-1]).sum()))
    assert len(verifying.seen[-1]) == 32
    assert len(verifying.learnt) == QUERIES - 1
    assert len(plain.learnt) == int((~outcomes.served).sum()) - 1


def test_a_policy_sees_no_right_answer_but_by_a_verdict() -> None:
    """The first entry of a group names it; another true group may have joined it by an erring judge only."""
    policy, of = Cosine(least=2.0), shuffled()
    replay(of, policy).run()
    for neighbours in policy.seen:
        assert all(of.groups[int(each.group)] == of.groups[int(each.entry)] for each in neighbours)
        assert all(int(each.group) <= int(each.entry) for each in neighbours)
    assert {each.entry for each in policy.seen[-1]} != {each.group for each in policy.seen[-1]}


def test_an_answer_is_novel_when_no_neighbour_has_it() -> None:
    policy, of = Cosine(least=2.0), shuffled()
    replay(of, policy).run()
    first = np.ones(QUERIES, np.bool_)
    first[oracle(of).served] = False
    assert np.flatnonzero(policy.novel).tolist() == [at - 1 for at in np.flatnonzero(first) if at]
    assert not any(novel and right for novel, right in zip(policy.novel, policy.learnt, strict=True))


def test_an_answer_that_is_not_the_candidates_may_be_that_of_another_neighbour() -> None:
    vectors = np.array([[1, 0], [0, 1], [0.8, 0.6]], np.float32)
    of = stream(LabelledSet("set", ("a", "b", "c"), np.array([0, 1, 1], np.int32)), vectors, np.arange(3), 1)
    policy = Cosine(least=2.0)
    replay(of, policy).run()
    assert (policy.learnt, policy.novel) == ([False, False], [True, False])


def test_the_judge_errs_in_its_share_of_verdicts_and_is_tried() -> None:
    judge = Judge(1, 0.05)
    assert np.mean([judge.same(1, 1) for _ in range(4000)]) == pytest.approx(0.95, abs=0.015)
    assert np.mean([judge.same(1, 2) for _ in range(4000)]) == pytest.approx(0.05, abs=0.015)
    policies = [Cosine(least=2.0) for _ in range(40)]
    for seed, policy in enumerate(policies):
        Replay(shuffled(), policy, Judge(seed), seed).run()
    assert all(all(policy.twice) and not any(policy.plants) for policy in policies)
    assert sum(len(policy.twice) for policy in policies) == pytest.approx(40 * QUERIES / 200, rel=0.5)


def test_halfway_no_group_keeps_its_answer() -> None:
    of = shuffled()
    changed = trials.changed_halfway(of, 1)
    half = QUERIES // 2
    several = of.groups < GROUPS
    assert (changed.groups[:half] == of.groups[:half]).all()
    assert (changed.groups[half:] != of.groups[half:])[several[half:]].all()
    assert (changed.groups[half:] == of.groups[half:])[~several[half:]].all()


@pytest.mark.parametrize(("last", "recovered"), [(0, 0), (88, 0), (89, 200), (300, 409), (600, 706)])
def test_recovery_is_when_the_trailing_window_is_inside_for_good(last: int, recovered: int) -> None:
    """Every eleventh served after the middle is wrong, none later than `last`; 8 of 200 are no surprise at 1 %."""
    late = np.arange(1000)
    wrong = (late < last) & (late % 11 == 0)
    outcomes = Outcomes(np.ones(2000, np.bool_), np.concatenate([late < 0, ~wrong]))
    assert trials.answers_to_recover(outcomes, 0.01) == recovered


def test_an_attacker_is_not_counted_but_fools() -> None:
    of = trials.poisoned(shuffled(), 1)
    of = replace(of, planted=np.arange(QUERIES) % 5 == 0)
    of = replace(of, groups=np.where(of.planted, 999, of.groups).astype(np.int32))
    policy = Cosine()
    attacked = replay(of, policy)
    tally = attacked.run().tally()
    assert tally.queries == int((~of.planted).sum())
    assert 0 < attacked.fooled <= tally.wrong
    assert not any(policy.told_served)  # a label of his is one of a miss


def test_the_poisoned_stream_has_one_attacker_with_one_answer() -> None:
    clean = shuffled()
    of = trials.poisoned(clean, 1)
    assert int(of.planted.sum()) == max(1, round(trials.PLANTED * QUERIES))
    assert set(of.groups[of.planted].tolist()).isdisjoint(clean.groups.tolist())
    assert {of.principals[at] for at in np.flatnonzero(of.planted)} == {"f" * 16}
    assert (of.groups == clean.groups)[~of.planted].all()


def test_a_cold_stream_has_many_small_groups() -> None:
    groups = np.concatenate([np.repeat(np.arange(150), 30), 150 + np.arange(1000)])
    found = trials.cold(LabelledSet("set", tuple(map(str, range(len(groups)))), groups.astype(np.int32)), 1)
    assert len(set(found.texts)) == trials.COLD_QUERIES
    sizes = np.bincount(found.groups)
    assert len(sizes) == trials.COLD_GROUPS
    assert int((sizes == 1).sum()) == trials.COLD_GROUPS - 150
    truth = groups[[int(text) for text in found.texts]]
    assert len(set(zip(truth.tolist(), found.groups.tolist(), strict=True))) == trials.COLD_GROUPS


def test_pairs_count_what_is_served_and_what_could_be_at_a_tenth_of_the_traps() -> None:
    found = [Pair("a", "b", at < 10) for at in range(30)]
    cosines = np.array([0.95] * 5 + [0.72] * 5 + [0.97, 0.74, 0.73] + [0.7] * 17, np.float32)
    known = np.tile(np.eye(1, 2, dtype=np.float32), (30, 1))
    asked = np.stack([cosines, np.sqrt(1 - cosines**2)], axis=1)
    figures = traps.pairs(found, known, asked, Cosine())
    assert figures["traps_served"] == pytest.approx(1 / 20)
    assert figures["true_served"] == pytest.approx(0.5)
    assert figures["true_at_10_traps"] == pytest.approx(0.5)


def test_a_pair_that_a_guard_holds_back_counts_at_no_cut_off() -> None:
    found = [Pair("it takes 2 days", "it takes 3 days", at > 4) for at in range(10)]
    same = np.tile(np.eye(1, 2, dtype=np.float32), (10, 1))
    assert traps.pairs(found, same, same, Cosine())["true_at_10_traps"] == 0
    free = [Pair("a", "b", each.same) if each.same else each for each in found]
    assert traps.pairs(free, same, same, Cosine())["true_at_10_traps"] == 1


def conversation(*texts: str) -> list[dict[str, str]]:
    roles = ("user", "assistant")
    return [{"role": roles[at % 2], "content": text} for at, text in enumerate(texts)]


def test_conversations_of_another_history_are_never_compared() -> None:
    found = [
        ConversationPair(
            conversation("my gym", "yes?", "cancel it"), conversation("my TV", "yes?", "cancel it"), False
        ),
        ConversationPair(conversation("my gym", "yes?", "cancel it"), conversation("my gym", "yes?", "end it"), True),
        ConversationPair(conversation("my gym", "yes?", "end it"), conversation("my gym", "yes?", "end it"), True),
    ]
    one = np.eye(1, 2, dtype=np.float32)[0]
    policy = Cosine()
    figures = traps.conversations(found, {"cancel it": one, "end it": one}, policy)
    assert figures["traps_served"] == 0
    assert figures["true_served"] == 1
    assert figures["traps_served.last_message"] == 1
    assert len(policy.seen) == 1
    assert traps.last_messages(found) == ["cancel it", "end it"]


FIGURES = ("hits_{}", "wrong_{}", "wrong_{}_high", "late_hits_{}", "budget_used_{}", "worst_window_{}")


def test_every_figure_of_the_contract_is_there_and_finite() -> None:
    report = Report[Any]("recall", goals(), Options(quick=True, peers=False))
    size = Size((TRIED, "blocks"), (1, 2), None)
    for name in ("banking77", "clinc150"):
        played = Contest(labelled(name), clustered(), make).play(size)
        add_runs(report, name, [turn.run for turn in played])
        add_trials(report, [trial for turn in played for trial in turn.trials])
    add_cold(report, [(permille, oracle(shuffled()).tally()) for permille in BUDGETS])
    arms = ("", *(f".{rival}" for rival in RIVALS))
    names = {f"clinc150.{each.format(at)}{arm}" for each in FIGURES for at in (10, 20, 50) for arm in arms}
    names |= {f"banking77.{figure}.{arm}" for figure in ("hits", "wrong", "late_hits") for arm in (*UNAWARE, "oracle")}
    names |= {"drift.answers_to_recover", "noise5.hits_kept", "poison.extra_wrong", "cold.served_10"}
    assert report.figures.keys() >= names
    assert all(math.isfinite(figure) for figure in report.figures.values())
    elsewhere = {"pairs.traps_served", "pairs.true_served", "conversations.traps_served", "decision_ms_p50"}
    assert report.goals.keys() - report.figures.keys() == elsewhere


def test_several_processes_play_what_one_plays() -> None:
    contest, size = Contest(labelled(), clustered(0.12), make), Size(("blocks", "bursts"), (1, 2), None)
    alone, together = contest.play(size), contest.play(size, workers=2)
    assert [turn.run for turn in together] == [turn.run for turn in alone]
    assert [(turn.run.order, turn.run.seed) for turn in alone] == [
        ("blocks", 1),
        ("blocks", 2),
        ("bursts", 1),
        ("bursts", 2),
    ]


def test_the_products_policy_learns_to_serve_within_its_budget() -> None:
    groups = np.arange(1200, dtype=np.int32) % GROUPS
    random = np.random.default_rng(5)
    vectors = np.eye(GROUPS, 24)[groups] + 0.08 * random.normal(size=(len(groups), 24))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    # No figures in them: texts that differ in a number are never served for each other.
    about = "cards loans fees limits pins cheques savings mortgages branches statements transfers refunds".split()
    texts = tuple(f"please tell me about our {about[group]} {'x' * (at % 7)}" for at, group in enumerate(groups))
    of = stream(LabelledSet("set", texts, groups), vectors, np.arange(len(groups)), 1)
    tally = replay(of, ours.maker()(50, 1)).run().tally()
    assert tally.late_served > tally.late_queries / 2
    assert tally.wrong <= 0.05 * tally.served


def test_missing_data_is_named_and_ends_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CACHEDISTILL_DATA", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["recall", "--quick"])
    monkeypatch.setattr(recall, "prepare_embedder", lambda: tmp_path)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        recall.main()
    assert ended.value.code == 2
    assert str(tmp_path / "banking77" / "train.csv") in capsys.readouterr().err


def test_the_chart_has_a_point_for_each_arm_at_each_budget() -> None:
    figures = {
        f"{name}.{figure}_{at}{arm}": 0.02 if figure == "wrong" else 0.6
        for name in SETS
        for figure in ("hits", "wrong")
        for at in BUDGETS
        for arm in ARMS
    }
    drawn = chart(figures)
    ElementTree.fromstring(drawn)
    assert drawn.count("<circle") == len(ARMS) * (1 + len(SETS) * len(BUDGETS))
    with pytest.raises(KeyError):
        chart({})
