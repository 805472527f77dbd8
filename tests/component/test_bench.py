"""The benchmarks run to their end and keep their contract; what they measure is no business of a test."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from bench import faults, overhead
from bench.cluster import __main__ as cluster
from bench.recall.figures import goals
from bench.recall.sets import DataMissing, banking77, clinc150, conversations, data_home, pairs
from e2e.cluster.kubectl import Kubectl
from e2e.machine import is_root

REPOSITORY = Path(__file__).resolve().parents[2]
# A cluster with a node is brought up where none runs, and its images are built where none are.
CLUSTER_SECONDS = 1200
# "Within 60 seconds" is for a machine that does nothing else, which no test can know.
PATIENCE_SECONDS = 240

OVERHEAD = {
    "miss_added_ms_p50",
    "miss_added_ms_p99",
    "miss_added_ms_p50_c16",
    "miss_added_ms_p50_c64",
    "semantic_miss_added_ms_p50",
    "semantic_hit_ms_p50",
    "exact_hit_ms_p50",
    "ttft_added_ms_p50",
    "rps_vs_passthrough",
    "hit_rps_vs_passthrough",
    "rss_bare_mb",
    "rss_embedder_mb",
}
CLUSTER = {
    "review_p99_ms",
    "review_burst_p99_vs_empty_kopf",
    "cr_to_status_ms_p50",
    "controller_rss_mb",
    "idle_writes_per_minute",
    "idle_reads_per_minute",
    "churn_calls_per_minute",
    "controller_cpu_idle",
    "lease_writes_per_minute",
}
WITH_NODES = {"change_live_s_p50", "injected_start_added_s"}
FAULTS = ("redis_killed", "redis_hung", "redis_readonly", "model_missing", "otlp_hung")


def quick(name: str, patience: float = PATIENCE_SECONDS) -> dict[str, Any]:
    """The last line of a quick run."""
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "sidecar")])
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{name}", "--quick"],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=patience,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = orjson.loads(done.stdout.splitlines()[-1])
    return document


@pytest.fixture(scope="module")
def of_overhead(embedder_folder: Path) -> dict[str, Any]:
    return quick("overhead")


@pytest.fixture(scope="module")
def of_cluster(kinds: Kubectl) -> dict[str, Any]:
    """Of a machine that can have an API server at all: `kinds` skips on another."""
    return quick("cluster", patience=PATIENCE_SECONDS + CLUSTER_SECONDS)


@pytest.fixture(scope="module")
def of_recall(embedder_folder: Path) -> dict[str, Any]:
    """Of a machine that has the sets, which are not part of the repository."""
    try:
        for read in (banking77, clinc150, pairs, conversations):
            read(data_home())
    except DataMissing as missing:
        pytest.skip(str(missing))
    return quick("recall")


@pytest.fixture(scope="module")
def of_faults(embedder_folder: Path) -> dict[str, Any]:
    return quick("faults")


def test_every_figure_of_the_overhead_is_there_and_finite(of_overhead: dict[str, Any]) -> None:
    figures = of_overhead["figures"]
    assert figures.keys() >= OVERHEAD
    assert all(math.isfinite(figure) for figure in figures.values())


def test_a_peer_that_was_not_asked_for_has_no_figure(of_overhead: dict[str, Any]) -> None:
    assert not [name for name in of_overhead["figures"] if name.startswith("peer_")]


def test_every_figure_of_the_faults_is_there_and_finite(of_faults: dict[str, Any]) -> None:
    figures = of_faults["figures"]
    assert figures.keys() >= {f"{figure}.{fault}" for figure in ("added_ms_p99", "app_errors") for fault in FAULTS}
    assert all(math.isfinite(figure) for figure in figures.values())


def test_every_figure_of_recall_is_there_and_finite(of_recall: dict[str, Any]) -> None:
    figures = of_recall["figures"]
    assert figures.keys() >= goals().keys()
    assert all(math.isfinite(figure) for figure in figures.values())


def test_every_figure_of_the_cluster_is_there_and_finite(of_cluster: dict[str, Any]) -> None:
    figures = of_cluster["figures"]
    assert figures.keys() >= CLUSTER
    assert all(math.isfinite(figure) for figure in figures.values())


def test_figures_that_take_a_node_are_there_or_it_is_said_why_not(of_cluster: dict[str, Any]) -> None:
    told = [note for note in of_cluster["notes"] if "change_live_s_p50" in note]
    assert told or of_cluster["figures"].keys() >= WITH_NODES
    if is_root():
        assert not told


def test_every_goal_of_the_cluster_belongs_to_a_figure(of_cluster: dict[str, Any]) -> None:
    assert set(cluster.GOALS) <= of_cluster["figures"].keys() | WITH_NODES


@pytest.mark.parametrize("bench", ["overhead", "faults", "recall", "cluster"])
def test_the_last_line_says_what_was_measured_where_and_how_surely(bench: str, request: pytest.FixtureRequest) -> None:
    line = request.getfixturevalue(f"of_{bench}")
    assert line["bench"] == bench
    assert line["machine"]["cores"] >= 1
    assert line["seconds"] > 0
    assert set(line["intervals"]) <= set(line["figures"])
    assert all(low <= high for low, high in line["intervals"].values())


def test_every_goal_belongs_to_a_figure(of_overhead: dict[str, Any], of_faults: dict[str, Any]) -> None:
    peers = {"peer_litellm_added_ratio"}
    assert set(overhead.GOALS) - peers <= of_overhead["figures"].keys()
    assert set(faults.GOALS) <= of_faults["figures"].keys()
