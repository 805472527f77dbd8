"""What the operator costs a cluster, and how fast it is.

On an API server without nodes: controller and webhook as processes of their own, as the chart's service accounts. In a
cluster with a node: how soon a changed route is live in a pod's sidecar, and how much later an injected pod is ready.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench import contract
from bench.cluster import load
from bench.cluster.api import Admin, Resource
from bench.cluster.load import Window
from bench.cluster.pods import added, measure, released
from bench.cluster.population import Population, pod, settle
from bench.cluster.reviews import Samples, Webhook, percentile
from bench.cluster.stage import Stage, staged
from bench.contract import Goal, Report, progress
from cachedistill_operator.api.group import INJECT_LABEL
from e2e.machine import Unavailable

GOALS = {
    "review_p99_ms": Goal(30),
    "review_burst_p99_vs_empty_kopf": Goal(1.5),
    "cr_to_status_ms_p50": Goal(100),
    "change_live_s_p50": Goal(2),
    "controller_rss_mb": Goal(120),
    "idle_writes_per_minute": Goal(1),
    "injected_start_added_s": Goal(1.5),
}


@dataclass(frozen=True, slots=True)
class Size:
    """How many rounds, seconds and repetitions."""

    population: Population
    steady_rounds: int
    steady_seconds: float
    bursts: int
    tells_rounds: int
    windows: int
    window_seconds: int
    changes: int
    starts: int


FULL = Size(
    Population(namespaces=20, routes=200, pods=500),
    steady_rounds=15,
    steady_seconds=4.0,
    bursts=40,
    tells_rounds=12,
    windows=12,
    window_seconds=10,
    changes=15,
    starts=12,
)
QUICK = Size(
    Population(namespaces=4, routes=20, pods=40),
    steady_rounds=3,
    steady_seconds=1.0,
    bursts=4,
    tells_rounds=2,
    windows=2,
    window_seconds=2,
    changes=2,
    starts=2,
)
_TELLS = 5


async def controller(stage: Stage, size: Size, report: Report[Any]) -> None:
    """Everything of the controller."""
    async with await Admin.of(stage.server.kubeconfig) as admin:
        await settle(size.population, admin, stage.redis_url)
        progress(f"{size.population.routes} ModelRoutes and {size.population.pods} injected pods are there")
        told = [await load.tells(admin, "team-0", _TELLS) for _ in range(size.tells_rounds)]
        report.add("cr_to_status_ms_p50", told, load.median)
        progress("measuring the controller while nothing happens, and while routes are changed")
        still = [await load.idle(stage, size.window_seconds) for _ in range(size.windows)]
        report_idle(still, report)
        busy = [await load.churn(stage, admin, size.population, size.window_seconds) for _ in range(size.windows)]
        report.add("churn_calls_per_minute", busy, load.a_minute(lambda calls: calls.reads + calls.writes))
        report.add("controller_cpu_churn", busy, load.cores)
        report.figures["controller_rss_mb"] = stage.controller.rss_mb


def report_idle(windows: Sequence[Window], report: Report[Any]) -> None:
    """The figures of a controller that has nothing to do."""
    report.add("idle_writes_per_minute", windows, load.a_minute(lambda calls: calls.writes))
    report.add("idle_reads_per_minute", windows, load.a_minute(lambda calls: calls.reads))
    report.add("lease_writes_per_minute", windows, load.a_minute(lambda calls: calls.lease_writes))
    report.add("controller_cpu_idle", windows, load.cores)


def reviews(stage: Stage, size: Size, report: Report[Any]) -> None:
    """Everything of the webhook."""
    ours = Webhook(f"https://127.0.0.1:{stage.webhook_port}/inject", stage.authority, injects=True)
    empty = Webhook(f"https://127.0.0.1:{stage.empty_port}/", stage.authority, injects=False)
    asking = new_pod(stage)
    for each in (ours, empty):
        each.burst(asking)
    bursts = contract.interleave(
        size.bursts, {"ours": lambda: ours.burst(asking), "empty": lambda: empty.burst(asking)}
    )
    steady = [ours.steady(asking, size.steady_seconds) for _ in range(size.steady_rounds)]

    report.add("review_p99_ms", steady, lambda drawn: percentile(drawn, 99))
    report.add("review_p50_ms", steady, lambda drawn: percentile(drawn, 50))
    report.add("review_burst_p99_vs_empty_kopf", bursts, lambda drawn: p99(drawn, "ours") / p99(drawn, "empty"))
    report.add("review_burst_p99_ms", bursts, lambda drawn: p99(drawn, "ours"))


def p99(rounds: Sequence[Mapping[str, Samples]], arm: str) -> float:
    """Of all that an arm has taken, in milliseconds."""
    return percentile([each[arm] for each in rounds], 99)


def new_pod(stage: Stage) -> Resource:
    """A pod as it comes to a webhook: with what the API server has filled in."""
    asking = pod("asking", "team-0", "route-0")
    # The release's webhook would inject into it, and then see its own work.
    asking["metadata"]["labels"][INJECT_LABEL] = "disabled"
    told = stage.server.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(asking))
    stored: Resource = json.loads(told)
    stored["metadata"]["labels"][INJECT_LABEL] = "enabled"
    return stored


def with_nodes(size: Size, report: Report[Any]) -> None:
    """Everything that takes a node; a note where there is none."""
    try:
        with released() as cluster:
            changes, starts = asyncio.run(measure(cluster, size.changes, size.starts))
    except Unavailable as why:
        report.notes.append(f"no change_live_s_p50 and injected_start_added_s: {why}")
        return
    report.add("change_live_s_p50", changes, lambda drawn: float(np.median(drawn)))
    report.add("injected_start_added_s", starts, added)
    report.notes.append("pods are injected for a route without a cache: an embedder takes its own time to load")


def main() -> None:
    """Measure and report."""
    options = contract.options("cluster", __doc__)
    size = QUICK if options.quick else FULL
    report: Report[Any] = Report("cluster", GOALS, options)
    gc.disable()
    try:
        with staged() as stage:
            asyncio.run(controller(stage, size, report))
            reviews(stage, size, report)
    except Unavailable as why:
        sys.exit(str(why))
    with_nodes(size, report)
    size_of = size.population
    report.notes.append(
        f"{size_of.routes} ModelRoutes and {size_of.pods} injected pods in {size_of.namespaces} namespaces"
    )
    report.notes.append("the ModelRoutes are new: in their first ten minutes their figures are looked at every 30 s")
    report.print()


if __name__ == "__main__":
    main()
