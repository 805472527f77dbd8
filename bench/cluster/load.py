"""What the controller costs while nothing happens and while routes are changed, and how soon it tells of a new one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from bench.cluster.api import Admin, Resource
from bench.cluster.population import Population, route
from bench.cluster.stage import Calls, Stage
from cachedistill_operator.api.group import API_VERSION

_ROUTES = f"/apis/{API_VERSION}/modelroutes"
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Window:
    """Some seconds of the controller's life."""

    seconds: float
    calls: Calls
    cpu_seconds: float


async def idle(stage: Stage, seconds: float) -> Window:
    """Do nothing for so long."""
    begun, calls, cpu = time.perf_counter(), stage.calls(), stage.controller.cpu_seconds
    await asyncio.sleep(seconds)
    return _window(stage, begun, calls, cpu)


async def churn(stage: Stage, admin: Admin, population: Population, seconds: int) -> Window:
    """Change another ModelRoute every second, for so many."""
    begun, calls, cpu = time.perf_counter(), stage.calls(), stage.controller.cpu_seconds
    for number in range(seconds):
        meta = population.route(number % population.routes)["metadata"]
        change = {"spec": {"carbon": {"gramsPerKilowattHour": int(time.time()) % 1000}}}
        await admin.patch(API_VERSION, "ModelRoute", meta["name"], meta["namespace"], change)
        await asyncio.sleep(begun + number + 1 - time.perf_counter())
    return _window(stage, begun, calls, cpu)


async def tells(admin: Admin, namespace: str, count: int) -> list[float]:
    """Make a ModelRoute, so many times one after the other: milliseconds until a watch has its status."""
    taken = []
    async with admin.watching(_ROUTES) as routes:
        for number in range(count):
            name = f"new-{number}"
            begun = time.perf_counter()
            await admin.create(route(name, namespace))
            await routes.until(partial(_is_observed, name))
            taken.append((time.perf_counter() - begun) * 1000)
            await admin.delete(API_VERSION, "ModelRoute", name, namespace)
            await asyncio.sleep(_PAUSE_SECONDS)
    return taken


def a_minute(of: Callable[[Calls], float]) -> Callable[[Sequence[Window]], float]:
    """Calls a minute."""
    return lambda windows: 60 * sum(of(each.calls) for each in windows) / sum(each.seconds for each in windows)


def cores(windows: Sequence[Window]) -> float:
    """CPU seconds a second."""
    return sum(each.cpu_seconds for each in windows) / sum(each.seconds for each in windows)


def median(rounds: Sequence[list[float]]) -> float:
    """Of all that was taken in all rounds."""
    return float(np.median(np.concatenate(rounds)))


def _window(stage: Stage, begun: float, calls: Calls, cpu: float) -> Window:
    return Window(time.perf_counter() - begun, stage.calls() - calls, stage.controller.cpu_seconds - cpu)


def _is_observed(name: str, routes: Mapping[str, Resource]) -> bool:
    found = routes.get(name) or {}
    generation = (found.get("metadata") or {}).get("generation")
    return generation is not None and (found.get("status") or {}).get("observedGeneration") == generation
