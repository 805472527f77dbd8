"""`cachedistill status`: every route and cache, which pods have their sidecar, and why the others have not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from cachedistill_operator.cluster.client import Client
    from cachedistill_operator.settings import Settings

_OVER = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class World:
    """What was read of the cluster; `settings` is None where no release of the chart is found."""

    routes: list[dict[str, Any]]
    caches: list[dict[str, Any]]
    pods: list[dict[str, Any]]
    namespaces: dict[str, dict[str, str]]
    settings: Settings | None


@click.command()
@click.option("-n", "--namespace", help="Only this namespace.")
def status(namespace: str | None) -> None:
    """Tell how routes, caches and pods are, in the cluster of the current kubeconfig."""
    world = asyncio.run(_read(namespace))
    for section in (_routes(world), _caches(world), _pods(world)):
        for line in section:
            click.echo(line)


async def _read(namespace: str | None) -> World:
    from kubernetes.aio.config import ConfigException

    from cachedistill_operator.api.group import API_VERSION
    from cachedistill_operator.cluster.client import ApiError, Client

    try:
        async with await Client.connect("cli") as client:
            routes, caches, pods, namespaces = await asyncio.gather(
                client.list(API_VERSION, "ModelRoute", namespace),
                client.list(API_VERSION, "SemanticCache", namespace),
                client.list("v1", "Pod", namespace),
                client.list("v1", "Namespace"),
            )
            labels = {each["metadata"]["name"]: each["metadata"].get("labels") or {} for each in namespaces}
            return World(routes, caches, pods, labels, await _settings(client))
    except ApiError as error:
        hint = ": is CacheDistill installed? See `cachedistill install`" if error.status == 404 else ""
        raise click.ClickException(f"The cluster says: {error}{hint}") from error
    except (ConfigException, OSError) as error:
        raise click.ClickException(f"The cluster can't be reached: {error}") from error


async def _settings(client: Client) -> Settings | None:
    """Those of the installed release, for what a sidecar would be injected with now."""
    import yaml
    from pydantic import ValidationError

    from cachedistill_operator.settings import Settings

    for each in await client.list("v1", "ConfigMap", labels="app.kubernetes.io/part-of=cachedistill"):
        try:
            return Settings.model_validate(yaml.safe_load(each.get("data", {}).get("settings.yaml", "")))
        except ValidationError:
            continue
    return None


def _routes(world: World) -> Iterator[str]:
    rows = []
    for route in world.routes:
        told = route.get("status") or {}
        pods, saved = told.get("pods") or {}, told.get("saved") or {}
        rows.append(
            (
                route["metadata"]["namespace"],
                route["metadata"]["name"],
                _ready(told),
                f"{pods.get('injected', 0)}/{pods.get('matched', 0)}",
                str(pods.get("outdated", 0)),
                _share(told.get("localPermille")),
                f"{saved['cost']} {saved['currency']}" if saved else "-",
            )
        )
    yield from _table(("NAMESPACE", "ROUTE", "READY", "PODS", "OUTDATED", "LOCAL", "SAVED"), rows)
    yield from _problems(world.routes)


def _caches(world: World) -> Iterator[str]:
    rows = []
    for cache in world.caches:
        told = cache.get("status") or {}
        place = (cache["metadata"]["namespace"], cache["metadata"]["name"])
        figures = (str(told.get("entries", "-")), _share(told.get("hitPermille")), *_wrong(told))
        rows.append((*place, _ready(told), *figures, told.get("endpoint", "-")))
    yield from _table(("NAMESPACE", "CACHE", "READY", "ENTRIES", "HITS", "WRONG", "BUDGET", "REDIS"), rows)
    yield from _problems(world.caches)


def _pods(world: World) -> Iterator[str]:
    """The pods that ask for a sidecar and have none, or one of before."""
    rows = [row for pod in world.pods if (row := _why(pod, world)) is not None]
    if rows:
        yield from _table(("NAMESPACE", "POD", "SIDECAR", "WHY"), rows)
    else:
        yield "All pods that ask for a sidecar have it as it is now."


def _why(pod: dict[str, Any], world: World) -> tuple[str, str, str, str] | None:
    from cachedistill_operator.api.group import INJECTION_ANNOTATION
    from cachedistill_operator.inject import choose, digest, inject, is_injected
    from cachedistill_operator.inject.skip import SkipReason

    meta = pod["metadata"]
    if pod.get("status", {}).get("phase") in _OVER or "deletionTimestamp" in meta or world.settings is None:
        return None
    labels = world.namespaces.get(meta["namespace"], {})
    route = choose(pod, [each for each in world.routes if each["metadata"]["namespace"] == meta["namespace"]])
    place = (meta["namespace"], meta["name"])
    if is_injected(pod):
        current = route is not None and meta["annotations"][INJECTION_ANNOTATION] == digest(route, world.settings)
        return None if current else (*place, "outdated", "restart its workload to have it as it is now")
    made = inject(pod, route, labels, world.settings)
    if made.skip in (SkipReason.NOT_REQUESTED, SkipReason.DISABLED):
        return None
    if made.skip is not None:
        return (*place, "none", f"{made.skip}: {made.message}")
    return (*place, "none", "it started before its route, or while the webhook was down: restart its workload")


def _problems(resources: Iterable[dict[str, Any]]) -> Iterator[str]:
    """The conditions that say what is wrong; those that sum up others don't."""
    for resource in resources:
        meta = resource["metadata"]
        for each in (resource.get("status") or {}).get("conditions", ()):
            if each["status"] == "False" and each["type"] not in ("Ready", "Reconciling", "Stalled"):
                name = f"{meta['namespace']}/{meta['name']}"
                yield f"  {name}: {each['type']} is false, {each['reason']}: {each['message']}"


def _ready(told: dict[str, Any]) -> str:
    for each in told.get("conditions", ()):
        if each["type"] == "Ready":
            return str(each["status"])
    return "Unknown"


def _wrong(told: dict[str, Any]) -> tuple[str, str]:
    """The measured share of wrong answers with its bound, and the budget that it is to keep."""
    known = told.get("wrongHitPermille") or {}
    measured, upper = known.get("measured"), known.get("upper")
    wrong = "-" if measured is None else f"{_share(measured)} ≤ {_share(upper)}"
    return wrong, _share(known.get("budget"))


def _share(permille: int | None) -> str:
    return "-" if permille is None else f"{permille / 10:.1f}%"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    if not rows:
        return
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield ""
