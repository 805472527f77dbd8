"""What a call costs on its way through the sidecar, beside the same call straight to its provider.

Arms, interleaved: the bare upstream, an aiohttp pass-through of 60 lines, sidecars that compare exactly (one of them
exporting OTLP) and by meaning, and with --peers LiteLLM. All are processes of their own on the loopback, one core each
at most; Redis is asked over TCP. "Added" is a percentile minus the bare upstream's at the same number of connections.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import numpy as np

from bench import contract
from bench.contract import Goal, Report
from bench.entries import store
from bench.load import Client, Samples
from bench.peers import litellm
from bench.processes import Process, Processes
from bench.questions import KITCHEN, SUPPORT, reworded
from bench.taught import agreeing, await_hits, teach
from cachedistill_sidecar.local.models import prepare_embedder
from tests.routes import route_document

GOALS = {
    "miss_added_ms_p50": Goal(1.0),
    "miss_added_ms_p99": Goal(5.0),
    "semantic_miss_added_ms_p50": Goal(8.0),
    "semantic_hit_ms_p50": Goal(8.0),
    "exact_hit_ms_p50": Goal(0.5),
    "ttft_added_ms_p50": Goal(1.5),
    "rps_vs_passthrough": Goal(0.45, at_least=True),
    "hit_rps_vs_passthrough": Goal(1.0, at_least=True),
    "rss_bare_mb": Goal(110),
    "rss_embedder_mb": Goal(200),
    "peer_litellm_added_ratio": Goal(15, at_least=True),
}
# Between two arms: what the last one left to do after its answers (writes to Redis) is done by then.
_SETTLE_SECONDS = 0.05
_PACE = {"x-upstream-pace": "5,1"}
_REPEATED = 16


@dataclass(frozen=True, slots=True)
class Size:
    """How many rounds, how many calls an arm and round (at 1, 16, 64 connections), and how many entries."""

    rounds: int
    single: int
    at_16: int
    at_64: int
    streams: int
    semantic: int
    entries: int


FULL = Size(rounds=20, single=150, at_16=640, at_64=1280, streams=20, semantic=60, entries=20_000)
QUICK = Size(rounds=3, single=60, at_16=160, at_64=320, streams=6, semantic=20, entries=1_500)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One arm in one round, in milliseconds; only calls that were decided as the arm wants count in `latencies`."""

    latencies: Samples
    first_bytes: Samples
    per_second: float
    wanted_share: float
    cpu_ms: float
    """CPU time of the server's process a call."""


Round = Mapping[str, Outcome]


@dataclass(frozen=True, slots=True)
class Arm:
    """Calls to one server, `count` in a round after some that don't count; `decision` is the one that is measured."""

    server: Process
    client: Client
    texts: Iterator[str]
    count: int
    decision: str = ""
    stream: bool = False

    @staticmethod
    def of(server: Process, texts: Iterator[str], count: int, decision: str = "", **settings: Any) -> Arm:
        """An arm; `connections` (1) and `stream` (False) are settings."""
        client = Client(server.url, settings.pop("connections", 1))
        return Arm(server, client, texts, count, decision, **settings)

    def __call__(self) -> Outcome:
        """One round. Raises RuntimeError when calls fail: there is nothing to measure then."""
        warm = max(8, 2 * len(self.client.connections), _REPEATED)
        headers = _PACE if self.stream else {}
        texts = islice(self.texts, (0 if self.stream else warm) + self.count)
        calls = [self.client.chat(text, stream=self.stream, headers=headers) for text in texts]
        time.sleep(_SETTLE_SECONDS)
        self.client.run(calls[: -self.count])
        # Timers of the upstream have a tick of 1 ms; at a random moment within it no arm has a better seat.
        jitter = random.Random(len(calls))
        pauses = iter(lambda: jitter.uniform(0.0005, 0.0015), None) if self.stream else None
        cpu = self.server.cpu_seconds
        done = self.client.run(calls[-self.count :], pauses)
        cpu_ms = (self.server.cpu_seconds - cpu) / self.count * 1000
        if done.errors:
            raise RuntimeError(f"{done.errors} of {len(calls)} calls failed")
        wanted = done.latencies(self.decision) if self.decision else done.latencies()
        return Outcome(wanted, done.first_bytes(), done.per_second, len(wanted) / self.count, cpu_ms)


@dataclass(frozen=True, slots=True)
class Servers:
    """What is called: one process each."""

    bare: Process
    passthrough: Process
    exact: Process
    otlp: Process
    semantic: Process
    peer: Process | None


def start(processes: Processes, size: Size, *, peers: bool) -> Servers:
    """Start everything, and store the entries."""
    stored = list(islice(SUPPORT.shuffled(), size.entries))
    upstream = processes.upstream(agreeing(processes.folder / "queries.jsonl", _asked_again(stored)))
    passthrough = processes.passthrough(upstream.url)
    collector, redis = processes.collector(), processes.redis()

    def exact(name: str, **changes: Any) -> Process:
        document = route_document(upstream.url, redis_url=redis.url, cache=name, semantic=None, **changes)
        return processes.sidecar(name, document)

    document = route_document(upstream.url, redis_url=redis.url, cache="semantic")
    asyncio.run(store(document, prepare_embedder(), stored))
    contract.progress(f"{size.entries} entries are stored")
    teach(document)
    semantic = processes.sidecar("semantic", document)
    await_hits(semantic, _asked_again(stored))
    return Servers(
        bare=upstream,
        passthrough=passthrough,
        exact=exact("exact"),
        otlp=exact("otlp", telemetry={"endpoint": collector.url}),
        semantic=semantic,
        peer=litellm.start(processes, upstream.url) if peers else None,
    )


def _asked_again(stored: list[str]) -> Iterator[str]:
    return (reworded(text, index) for index, text in enumerate(stored))


def arms(servers: Servers, size: Size) -> dict[str, Callable[[], Outcome]]:
    """All arms by name. Texts are new for each cache, but for those that are repeated to be hits."""
    new, exact, otlp, semantic = (KITCHEN.shuffled() for _ in range(4))
    repeated = list(islice(KITCHEN.shuffled(), _REPEATED))
    asked_again = _asked_again(list(islice(SUPPORT.shuffled(), size.entries)))
    made: dict[str, Callable[[], Outcome]] = {}
    for suffix, connections, count in (("", 1, size.single), ("_c16", 16, size.at_16), ("_c64", 64, size.at_64)):
        made[f"bare{suffix}"] = Arm.of(servers.bare, new, count, connections=connections)
        made[f"miss{suffix}"] = Arm.of(servers.exact, exact, count, "fallback", connections=connections)
        if connections == 16:
            continue
        made[f"passthrough{suffix}"] = Arm.of(servers.passthrough, new, count, connections=connections)
        made[f"hit{suffix}"] = Arm.of(servers.exact, cycle(repeated), count, "exact_hit", connections=connections)
    made["otlp"] = Arm.of(servers.otlp, otlp, size.single, "fallback")
    made["semantic_miss"] = Arm.of(servers.semantic, semantic, size.semantic, "fallback")
    made["semantic_hit"] = Arm.of(servers.semantic, asked_again, size.semantic, "semantic_hit")
    streamed = (("bare", servers.bare, new), ("miss", servers.exact, exact), ("passthrough", servers.passthrough, new))
    for name, server, texts in streamed:
        made[f"{name}_stream"] = Arm.of(server, texts, size.streams, stream=True)
    if servers.peer is not None:
        made["peer"] = Arm.of(servers.peer, new, size.semantic)
    return made


def latency(arm: str, percentile: float = 50) -> Callable[[Sequence[Round]], float]:
    """A percentile of an arm's latency over all rounds, in milliseconds."""
    return lambda rounds: float(np.percentile(np.concatenate([each[arm].latencies for each in rounds]), percentile))


def added(arm: str, percentile: float = 50, bare: str = "bare") -> Callable[[Sequence[Round]], float]:
    """How much more than the bare upstream's."""
    return lambda rounds: latency(arm, percentile)(rounds) - latency(bare, percentile)(rounds)


def added_first_byte(arm: str) -> Callable[[Sequence[Round]], float]:
    """How much later than the bare upstream's the first byte of a streamed answer comes, in milliseconds."""

    def median(name: str, rounds: Sequence[Round]) -> float:
        return float(np.median(np.concatenate([each[name].first_bytes for each in rounds])))

    return lambda rounds: median(arm, rounds) - median("bare_stream", rounds)


def speed(arm: str, other: str) -> Callable[[Sequence[Round]], float]:
    """Calls per second of an arm for each of another's."""

    def ratio(rounds: Sequence[Round]) -> float:
        ours, theirs = (sum(1 / each[name].per_second for each in rounds) for name in (arm, other))
        return theirs / ours

    return ratio


def cpu(arm: str) -> Callable[[Sequence[Round]], float]:
    """CPU milliseconds of the server's process a call: what is left when a machine's noise is taken away."""
    return lambda rounds: float(np.mean([each[arm].cpu_ms for each in rounds]))


def report_on(rounds: Sequence[Round], servers: Servers, report: Report[Round]) -> None:
    """All figures."""
    figures = {
        "miss_added_ms_p50": added("miss"),
        "miss_added_ms_p99": added("miss", 99),
        "miss_added_ms_p50_c16": added("miss_c16", bare="bare_c16"),
        "miss_added_ms_p50_c64": added("miss_c64", bare="bare_c64"),
        "semantic_miss_added_ms_p50": added("semantic_miss"),
        "semantic_hit_ms_p50": latency("semantic_hit"),
        "exact_hit_ms_p50": latency("hit"),
        "ttft_added_ms_p50": added_first_byte("miss_stream"),
        "rps_vs_passthrough": speed("miss_c64", "passthrough_c64"),
        "hit_rps_vs_passthrough": speed("hit_c64", "passthrough_c64"),
        "miss_added_ms_p50_otlp": added("otlp"),
        "exact_hit_ms_p99": latency("hit", 99),
        "passthrough_added_ms_p50": added("passthrough"),
        "passthrough_ttft_added_ms_p50": added_first_byte("passthrough_stream"),
        "bare_ms_p50": latency("bare"),
        "miss_cpu_ms": cpu("miss_c64"),
        "hit_cpu_ms": cpu("hit_c64"),
        "passthrough_cpu_ms": cpu("passthrough_c64"),
        "semantic_miss_cpu_ms": cpu("semantic_miss"),
        "semantic_hit_cpu_ms": cpu("semantic_hit"),
    }
    if servers.peer is not None:
        figures["peer_litellm_added_ratio"] = lambda drawn: added("peer")(drawn) / added("miss")(drawn)
        figures["peer_litellm_added_ms_p50"] = added("peer")
    for name, statistic in figures.items():
        report.add(name, rounds, statistic)
    report.figures["rss_bare_mb"] = servers.exact.rss_mb
    report.figures["rss_embedder_mb"] = servers.semantic.rss_mb
    share = np.mean([each["semantic_hit"].wanted_share for each in rounds])
    report.figures["semantic_hit_share"] = float(share)


def main() -> None:
    """Measure and report."""
    options = contract.options("overhead", __doc__)
    size = QUICK if options.quick else FULL
    report: Report[Round] = Report("overhead", GOALS, options)
    # Whatever this process collects, some call would have to wait for; what it makes is small and has no cycles.
    gc.disable()
    with Processes() as processes:
        servers = start(processes, size, peers=options.peers)
        rounds = contract.interleave(size.rounds, arms(servers, size))
        report_on(rounds, servers, report)
    report.notes.append(f"{size.entries} entries in the partition that is searched; Redis over TCP on 127.0.0.1")
    report.print()


if __name__ == "__main__":
    main()
