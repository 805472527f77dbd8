"""What all benchmarks share: rounds of interleaved arms, intervals by bootstrap, the table, and the last line of JSON.

A round visits every arm once, in an order that turns from round to round, so that whatever drifts on the machine
drifts for all. A figure is a statistic over rounds; its interval is the same statistic over rounds drawn with
replacement.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import orjson

T = TypeVar("T")
R = TypeVar("R")
_RESAMPLES = 400
_SEED = 20260101
_PERCENT = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for."""

    quick: bool
    peers: bool


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure should be."""

    limit: float
    at_least: bool = False

    def met(self, figure: float) -> bool:
        """Whether the figure is as it should be."""
        return figure >= self.limit if self.at_least else figure <= self.limit

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.limit:g}"


@dataclass
class Report(Generic[R]):
    """The figures of one benchmark; `goals` has those that have one, by name."""

    bench: str
    goals: Mapping[str, Goal]
    options: Options
    figures: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def add(self, name: str, rounds: Sequence[R], statistic: Callable[[Sequence[R]], float]) -> None:
        """Add a figure with its interval."""
        self.figures[name] = statistic(rounds)
        self.intervals[name] = interval(rounds, statistic)

    def print(self) -> None:
        """The table, then the last line."""
        print(f"{self.bench}{' (quick: fewer rounds, wider intervals)' if self.options.quick else ''}")
        width = max(map(len, self.figures))
        for name, figure in self.figures.items():
            low, high = self.intervals.get(name, (math.nan, math.nan))
            span = f"[{low:.3f}, {high:.3f}]" if name in self.intervals else ""
            goal = self.goals.get(name)
            verdict = "" if goal is None else f"{goal!s:>8}  {'met' if goal.met(figure) else 'MISSED'}"
            print(f"  {name:<{width}}  {figure:>10.3f}  {span:<22}  {verdict}".rstrip())
        for note in self.notes:
            print(f"  {note}")
        print(orjson.dumps(self._line()).decode(), flush=True)

    def _line(self) -> dict[str, Any]:
        return {
            "bench": self.bench,
            "figures": {name: round(figure, 4) for name, figure in self.figures.items()},
            "intervals": {name: [round(low, 4), round(high, 4)] for name, (low, high) in self.intervals.items()},
            "machine": machine(),
            "quick": self.options.quick,
            "notes": self.notes,
            "seconds": round(time.monotonic() - self.began, 1),
        }


def options(name: str, description: str | None) -> Options:
    """Read the command line. A SIGTERM from here on ends the benchmark and its processes in order."""
    parser = argparse.ArgumentParser(prog=f"python -m bench.{name}", description=description)
    parser.add_argument("--quick", action="store_true", help="end within 60 seconds")
    parser.add_argument("--peers", action="store_true", help="measure peers too; they are installed at the first time")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    return Options(quick=given.quick, peers=given.peers)


def interleave(count: int, arms: Mapping[str, Callable[[], T]]) -> list[dict[str, T]]:
    """So many rounds; each calls every arm once. Tells its progress on stderr."""
    names = list(arms)
    rounds = []
    for index in range(count):
        turn = index % len(names)
        rounds.append({name: arms[name]() for name in names[turn:] + names[:turn]})
        progress(f"round {index + 1} of {count}")
    return rounds


def interval(rounds: Sequence[R], statistic: Callable[[Sequence[R]], float]) -> tuple[float, float]:
    """The 95 % bootstrap interval of a statistic over rounds; seed fixed."""
    random = np.random.default_rng(_SEED)
    draws = random.integers(len(rounds), size=(_RESAMPLES, len(rounds)))
    low, high = np.percentile([statistic([rounds[index] for index in draw]) for draw in draws], _PERCENT)
    return float(low), float(high)


def progress(message: str) -> None:
    """Tell how far it is, on stderr."""
    print(message, file=sys.stderr, flush=True)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    cpu = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = [int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")]
    return {
        "cpu": cpu[0] if cpu else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory[0] * 1024 / 1e9, 1) if memory else None,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
