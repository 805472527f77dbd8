"""How often answers are served by meaning, and how often wrongly, at budgets of 1, 2 and 5 % wrong among the served.

Streams of labelled queries in five orders, three seeds each, are replayed through the product's own policy and, on
the same neighbours, through caches with one threshold, RedisVL's default, vCache's rule, and an oracle.
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench import contract
from bench.contract import Options, Report
from bench.prior.fitting import prior
from bench.recall import ours, sets, traps, trials
from bench.recall.budgeted import Budgeted, Judge, MakeBudgeted, Replay
from bench.recall.contest import BUDGETS, FULL, QUICK, TRIED, Contest, Played, Size
from bench.recall.figures import add_cold, add_runs, add_trials, goals
from bench.recall.orders import ORDERS
from bench.recall.sets import DataMissing, LabelledSet
from bench.recall.stream import stream
from bench.recall.tally import Tally
from bench.recall.vectors import Vectors, vectors
from cachedistill_sidecar.local.models import prepare_embedder

_TRAPS_AT = 50  # permille


def main() -> None:
    """Run the benchmark; exit code 2 when data is missing."""
    options = contract.options("recall", __doc__)
    try:
        report = measure(options, sets.data_home())
    except DataMissing as missing:
        print(missing, file=sys.stderr)
        sys.exit(2)
    report.print()


def measure(options: Options, home: Path) -> Report[Any]:
    """All figures, on the data in a folder."""
    report = Report[Any]("recall", goals(), options)
    both = [sets.banking77(home), sets.clinc150(home)]
    pairs, conversations = sets.pairs(home), sets.conversations(home)
    model, size = prepare_embedder(), QUICK if options.quick else FULL
    makers = [_unprejudiced(other, model, quick=options.quick) for other in reversed(both)]
    contests = [Contest(*_embedded(_part(each, size), model), make) for each, make in zip(both, makers, strict=True)]
    played: list[Played] = []
    for contest in contests:
        turns = contest.play(size, workers=1 if options.quick else os.cpu_count() or 1)
        add_runs(report, contest.labelled.name, [turn.run for turn in turns])
        played += turns
    add_trials(report, [trial for turn in played for trial in turn.trials])
    add_cold(report, _cold(both[1], model, size.seeds, makers[1]))
    experienced = _experienced(contests[1])
    known, asked = (vectors(model, [getattr(pair, side) for pair in pairs]) for side in ("known", "asked"))
    texts = traps.last_messages(conversations)
    by_text = dict(zip(texts, vectors(model, texts), strict=True))
    _add(report, "pairs", traps.pairs(pairs, known, asked, experienced))
    # Whether it tells them apart at all, before labels say what single neighbours are worth in a deployment.
    new = traps.pairs(pairs, known, asked, makers[1](_TRAPS_AT, 0))
    _add(report, "pairs", {"true_at_10_traps.new": new["true_at_10_traps"]})
    _add(report, "conversations", traps.conversations(conversations, by_text, experienced))
    report.add("decision_ms_p50", [each for turn in played for each in turn.milliseconds], statistics.median)
    return report


def _unprejudiced(other: LabelledSet, model: Path, *, quick: bool) -> MakeBudgeted:
    """The policy with a prior that has not seen the queries it is measured on: it is fitted on the other set.

    The one that is shipped is fitted on both. A quick run takes it all the same, since fitting takes too long.
    """
    return ours.maker() if quick else ours.maker(prior([other], model))


def _part(labelled: LabelledSet, size: Size) -> LabelledSet:
    if size.queries is None:
        return labelled
    picked = np.random.default_rng(0).choice(len(labelled.texts), size.queries, replace=False)
    return labelled.part(np.sort(picked))


def _embedded(labelled: LabelledSet, model: Path) -> tuple[LabelledSet, Vectors]:
    return labelled, vectors(model, labelled.texts)


def _experienced(contest: Contest) -> Budgeted:
    """The policy after a whole stream: one that has learnt nothing serves nothing."""
    order = ORDERS[TRIED](contest.labelled.groups, np.random.default_rng(0))
    replay = Replay(stream(contest.labelled, contest.vectors, order, 0), contest.make(_TRAPS_AT, 0), Judge(0), 0)
    replay.run()
    return replay.policy


def _cold(labelled: LabelledSet, model: Path, seeds: Sequence[int], make: MakeBudgeted) -> list[tuple[int, Tally]]:
    tallies = []
    for seed in seeds:
        new = trials.cold(labelled, seed)
        on = stream(new, vectors(model, new.texts), np.arange(len(new.texts)), seed)
        for permille in BUDGETS:
            tallies.append((permille, Replay(on, make(permille, seed), Judge(seed), seed).run().tally()))
    return tallies


def _add(report: Report[Any], name: str, figures: dict[str, float]) -> None:
    report.figures |= {f"{name}.{figure}": value for figure, value in figures.items()}


if __name__ == "__main__":
    main()
