"""What recall reports: every figure of its contract, a chart of them, or data that is missing."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bench.contract import Options, Report
from bench.recall import __main__ as recall
from bench.recall.budgeted import Budgeted
from bench.recall.chart import ARMS, SETS, chart
from bench.recall.contest import BUDGETS, RIVALS, TRIED, UNAWARE, Contest, Size, oracle
from bench.recall.figures import add_cold, add_runs, add_trials, goals
from tests.unit.recall_replays import Cosine, clustered, labelled, shuffled


def make(permille: int, seed: int) -> Budgeted:
    return Cosine()


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
