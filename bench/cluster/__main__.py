"""What the operator costs a cluster, and how fast it is.

On an API server without nodes: controller and webhook as processes of their own, as the chart's service accounts. In a
cluster with a node: how soon a changed route is live in a pod's sidecar, and how much later an injected pod is ready.
"""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench import contract
from bench.cluster import load
from bench.cluster.api import Admin, Resource
from bench.cluster.load import Window
from bench.cluster.population import Population, pod, settle
from bench.cluster.reviews import Samples, Webhook, percentile
from bench.cluster.stage import Stage, staged
from bench.contract import Goal, Report, progress

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
    """Seconds, rounds and repetitions of each part."""

    population: Population
    steady_rounds: int
    steady_seconds: float
    bursts: int
    tells_rounds: int
    tells: int
    idle_windows: int
    window_seconds: int
    churn_windows: int


FULL = Size(
    Population(20, 200, 500),
    steady_rounds=15,
    steady_seconds=4.0,
    bursts=30,
    tells_rounds=10,
    tells=5,
    idle_windows=18,
    window_seconds=10,
    churn_windows=6,
)
QUICK = Size(
    Population(5, 30, 60),
    steady_rounds=3,
    steady_seconds=1.0,
    bursts=3,
    tells_rounds=3,
    tells=3,
    idle_windows=2,
    window_seconds=3,
    churn_windows=2,
)


async def controller(stage: Stage, size: Size, report: Report[Any]) -> None:
    """Everything of the controller."""
    async with await Admin.of(stage.server.kubeconfig) as admin:
        await settle(size.population, admin, stage.redis_url)
        progress(f"{size.population.routes} ModelRoutes and {size.population.pods} injected pods")
        taken = [await load.tells(admin, "team-0", size.tells) for _ in range(size.tells_rounds)]
        report.add("cr_to_status_ms_p50", taken, load.median)
        progress("measuring the controller while nothing happens")
        still = [await load.idle(stage, size.window_seconds) for _ in range(size.idle_windows)]
        report.figures["controller_rss_mb"] = stage.controller.rss_mb
        report_idle(still, report)
        progress("measuring it while routes are changed")
        busy = [
            await load.churn(stage, admin, size.population, size.window_seconds) for _ in range(size.churn_windows)
        ]
        report.add("churn_calls_per_minute", busy, load.a_minute(lambda calls: calls.reads + calls.writes))
        report.add("controller_cpu_churn", busy, load.cores)


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

    def same(samples: Samples) -> Samples:
        return samples

    own, other = (percentile(lambda each, name=name: each[name], 99) for name in ("ours", "empty"))  # type: ignore[misc]
    report.add("review_p99_ms", steady, percentile(same, 99))
    report.add("review_p50_ms", steady, percentile(same, 50))
    report.add("review_burst_p99_vs_empty_kopf", bursts, lambda rounds: own(rounds) / other(rounds))
    report.add("review_burst_p99_ms", bursts, own)


def new_pod(stage: Stage) -> Resource:
    """A pod as it comes to a webhook: with what the API server has filled in."""
    asking = pod("asking", "team-0", "route-0")
    # Where nobody injects, to be what it was before.
    asking["metadata"]["labels"]["cachedistill.dev/inject"] = "disabled"
    told = stage.server.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(asking))
    stored: Resource = json.loads(told)
    stored["metadata"]["labels"]["cachedistill.dev/inject"] = "enabled"
    return stored


def main() -> None:
    """Measure and report."""
    options = contract.options("cluster", __doc__)
    size = QUICK if options.quick else FULL
    report: Report[Any] = Report("cluster", GOALS, options)
    gc.disable()
    with staged() as stage:
        asyncio.run(controller(stage, size, report))
        reviews(stage, size, report)
    report.notes.append(f"{size.population.routes} ModelRoutes and {size.population.pods} injected pods")
    report.print()


if __name__ == "__main__":
    main()
