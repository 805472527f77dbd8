"""What a call costs, and whether it fails, while something that the sidecar uses is broken.

Each fault has a sidecar of its own (semantic, as routes are by default) with a Redis of its own.
Steady traffic runs through it and, beside it, straight to the provider; the fault is made in its midst, lasts a while,
and is undone. `added_ms_p99` compares the two during the fault, its first moment included; `app_errors` counts what an
app would see: a status other than 200, or a connection that breaks. The near cache is off, so every hit needs Redis.
"""

from __future__ import annotations

import gc
import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count

import numpy as np

from bench import contract
from bench.connection import Reply
from bench.contract import Goal, Report
from bench.load import Client, Lane, Samples, drive
from bench.processes import Process, Processes, RedisServer, free_port
from bench.questions import KITCHEN, SUPPORT, reworded
from bench.taught import teach
from cachedistill_sidecar.decision import Reason
from cachedistill_sidecar.route_document import RouteDocument
from tests.routes import route_document

FAULTS = ("redis_killed", "redis_hung", "redis_readonly", "model_missing", "otlp_hung")
GOALS = {f"added_ms_p99.{fault}": Goal(50.0) for fault in FAULTS} | {f"app_errors.{fault}": Goal(0) for fault in FAULTS}
# Four apps' worth of calls, each with 20 ms to think: about 150 calls a second, no saturation.
_CONNECTIONS = 4
_THINK_SECONDS = (0.015, 0.025)
_REPEATED = 40
_RECOVERY_SECONDS = 15.0
_BY_MEANING = "model_missing"
"""The fault whose end is seen by what is judged by its meaning."""
_SEED = 20260103


@dataclass(frozen=True, slots=True)
class Size:
    """How many rounds; how many seconds the traffic is calm, then the fault lasts."""

    rounds: int
    calm: float
    broken: float


FULL = Size(rounds=6, calm=1.0, broken=4.0)
QUICK = Size(rounds=2, calm=0.25, broken=0.8)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One fault, once: latencies before and during it (ms), failed calls, seconds until hits come back after it."""

    calm: tuple[Samples, Samples]
    broken: tuple[Samples, Samples]
    errors: int
    recovered: float


Round = Mapping[str, Outcome]


@dataclass(frozen=True, slots=True)
class Stage:
    """A sidecar and what it uses."""

    name: str
    processes: Processes
    redis: RedisServer
    collector: Process | None
    document: RouteDocument
    sidecar: Process

    @staticmethod
    def start(name: str, processes: Processes, upstream: Process) -> Stage:
        """Start all of it but the upstream."""
        redis = processes.redis(f"redis-{name}")
        collector = processes.collector() if name == "otlp_hung" else None
        document = route_document(
            upstream.url,
            redis_url=redis.url,
            cache="faults",
            cache_settings={"nearBytes": 0},
            telemetry={} if collector is None else {"endpoint": collector.url},
        )
        if name == _BY_MEANING:
            teach(document)
        return Stage(name, processes, redis, collector, document, processes.sidecar(name, document))

    def break_it(self) -> None:
        """Make the fault that this stage is about."""
        match self.name:
            case "redis_killed":
                self.redis.process.kill()
            case "redis_hung":
                self.redis.process.hang()
            case "redis_readonly":
                # A replica of nobody: it still answers, and refuses every write.
                self.redis.command("REPLICAOF", "127.0.0.1", str(free_port()))
            case "model_missing":
                cache = self.document.caches[0]
                missing = cache.embedding.model_copy(update={"model": "/no/such/model"})
                changed = (cache.model_copy(update={"embedding": missing}),)
                self.processes.write_route(self.name, self.document.model_copy(update={"caches": changed}))
            case "otlp_hung":
                assert self.collector is not None
                self.collector.hang()

    def mend_it(self) -> None:
        """Undo the fault."""
        match self.name:
            case "redis_killed":
                self.redis.start()
            case "redis_hung":
                self.redis.process.go_on()
            case "redis_readonly":
                self.redis.command("REPLICAOF", "NO", "ONE")
            case "model_missing":
                self.processes.write_route(self.name, self.document)
            case "otlp_hung":
                assert self.collector is not None
                self.collector.go_on()


@dataclass(frozen=True, slots=True)
class Traffic:
    """Steady calls through a sidecar and straight to the provider, side by side; every other one is a repeated one."""

    ours: Client
    bare: Client
    new: Iterator[str]

    @staticmethod
    def to(stage: Stage, upstream: Process) -> Traffic:
        """Traffic for one stage."""
        ours, bare = (Client(server.url, _CONNECTIONS) for server in (stage.sidecar, upstream))
        return Traffic(ours, bare, KITCHEN.shuffled())

    def run(self, stop: threading.Event) -> tuple[Sequence[Reply], Sequence[Reply]]:
        """All replies (ours, bare) up to the moment when `stop` is set."""
        lanes = [Lane(client, self._calls(client, stop), _thinking()) for client in (self.ours, self.bare)]
        ours, bare = drive(lanes)
        return ours.replies, bare.replies

    def _calls(self, client: Client, stop: threading.Event) -> Iterator[bytes]:
        repeated = [SUPPORT.question(index * 97) for index in range(_REPEATED)]
        for number in count():
            if stop.is_set():
                return
            text = next(self.new) if number % 2 else repeated[number // 2 % _REPEATED]
            yield client.chat(text)


def _thinking() -> Iterator[float]:
    drawn = random.Random(_SEED)
    while True:
        yield drawn.uniform(*_THINK_SECONDS)


def suffer(stage: Stage, traffic: Traffic, size: Size) -> Outcome:
    """Break it in the midst of traffic, mend it, and wait for hits to come back."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(traffic.run, stop)
        try:
            time.sleep(size.calm)
            broke = time.perf_counter()
            stage.break_it()
            time.sleep(size.broken)
            ended = time.perf_counter()
            stage.mend_it()
            mended = time.perf_counter()
            recovered = _recovery(stage, traffic, mended)
        finally:
            stop.set()
        ours, bare = running.result()
    calm = (_latencies(ours, 0.0, broke), _latencies(bare, 0.0, broke))
    broken = (_latencies(ours, broke, ended), _latencies(bare, broke, ended))
    return Outcome(calm, broken, sum(r.status != 200 for r in ours), recovered)


def _latencies(replies: Sequence[Reply], after: float, before: float) -> Samples:
    """Milliseconds of the calls that were under way at some moment between two."""
    return np.array([r.done - r.sent for r in replies if r.done >= after and r.sent < before]) * 1000


def _recovery(stage: Stage, traffic: Traffic, mended: float) -> float:
    """Seconds until a new answer is stored and found again; where the fault concerned meaning, until it is judged by
    its meaning again, whatever comes of that."""
    client = Client(stage.sidecar.url)
    by_meaning = stage.name == _BY_MEANING
    found = (Reason.SIMILAR, Reason.BELOW_CONFIDENCE) if by_meaning else (Reason.STORED, Reason.NEAR)
    try:
        while time.perf_counter() - mended < _RECOVERY_SECONDS:
            text = next(traffic.new)
            again = reworded(text, 0) if by_meaning else text
            replies = client.run(map(client.chat, (text, again)), iter([0.0, 0.02, 0.0])).replies
            if replies[-1].reason in found:
                return replies[-1].done - mended
    finally:
        client.close()
    raise RuntimeError(f"{stage.name}: no hits {_RECOVERY_SECONDS:.0f} seconds after the fault was undone")


def added(fault: str, rounds: Sequence[Round]) -> float:
    """The 99th percentile during a fault, less the bare upstream's meanwhile; in milliseconds."""
    return _added([each[fault].broken for each in rounds])


def added_when_calm(rounds: Sequence[Round]) -> float:
    """The same before any fault: what all of it costs when nothing is broken."""
    return _added([outcome.calm for each in rounds for outcome in each.values()])


def _added(pairs: Sequence[tuple[Samples, Samples]]) -> float:
    ours, bare = (float(np.percentile(np.concatenate(samples), 99)) for samples in zip(*pairs, strict=True))
    return ours - bare


def errors(fault: str, rounds: Sequence[Round]) -> float:
    """Failed calls in all rounds."""
    return float(sum(each[fault].errors for each in rounds))


def recovered(fault: str, rounds: Sequence[Round]) -> float:
    """The median of seconds until hits come back."""
    return float(np.median([each[fault].recovered for each in rounds]))


def main() -> None:
    """Measure and report."""
    options = contract.options("faults", __doc__)
    size = QUICK if options.quick else FULL
    report: Report[Round] = Report("faults", GOALS, options)
    # Whatever this process collects, some call would have to wait for; what it makes is small and has no cycles.
    gc.disable()
    with Processes() as processes:
        upstream = processes.upstream()
        stages = [Stage.start(fault, processes, upstream) for fault in FAULTS]
        arms = {stage.name: partial(suffer, stage, Traffic.to(stage, upstream), size) for stage in stages}
        rounds: list[dict[str, Outcome]] = contract.interleave(size.rounds, arms)
    for name, statistic in (("added_ms_p99", added), ("app_errors", errors), ("recovered_s", recovered)):
        for fault in FAULTS:
            report.add(f"{name}.{fault}", rounds, partial(statistic, fault))
    report.add("added_ms_p99.calm", rounds, added_when_calm)
    calls = sum(len(outcome.broken[0]) for each in rounds for outcome in each.values())
    report.notes.append(f"{calls} calls through sidecars during faults of {size.broken:g} s")
    report.print()


if __name__ == "__main__":
    main()
