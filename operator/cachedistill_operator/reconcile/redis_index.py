"""Has a cache's vector index built, switched to, and the old one dropped."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from cachedistill_operator.api.group import Key
from cachedistill_operator.cluster.watched import Watched
from cachedistill_operator.reconcile import redis_keyspace
from cachedistill_operator.reconcile.ground import Ground
from cachedistill_operator.reconcile.redis_connections import Client
from cachedistill_operator.render import index_job, redis_index, redis_pod
from cachedistill_operator.render.cache import Cache
from cachedistill_operator.render.index_job import JobState
from cachedistill_operator.render.redis_index import Indexes, Plan

_JOB_LABEL = "batch.kubernetes.io/job-name"
# A Job has tried several times by itself before it counts as failed. One that is done, but whose index isn't there
# (Redis has lost it), can be run again at once; not in a loop, though.
_AFTER_FAILURE, _AFTER_SUCCESS = timedelta(minutes=5), timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Tended:
    """What was planned, and how the Job stands that builds an index."""

    plan: Plan
    job: JobState | None = None
    pod_problem: str | None = None


async def tend(
    cache: Cache, indexes: Indexes, client: Client, routes: list[Key], *, with_ca: bool, on: Ground
) -> Tended:
    """Do what is due. Raises ApiError, and RedisError when Redis goes away meanwhile."""
    wanted = cache.spec.embedding.model
    active = (cache.status.get("embedding") or {}).get("model")
    now = on.now().timestamp()
    plan = redis_index.plan(wanted, active, indexes, now, settled=settled(routes, on.watched))
    if plan.build:
        return await _build(cache, plan, with_ca=with_ca, on=on)
    retired = f"{cache.prefix}retired"
    if plan.unregister:
        await client.hdel(f"{cache.prefix}indexes", *plan.unregister)
    if plan.revive:
        await client.hdel(retired, *plan.revive)
    for index in plan.retire:
        await client.hsetnx(retired, index, str(now))
    for index in plan.drop:
        await redis_keyspace.drop(client, index)
        await client.hdel(retired, index)
    return Tended(plan)


def settled(routes: list[Key], watched: Watched) -> bool:
    """Whether all running sidecars of the routes have the newest route document, as far as the annotations tell."""
    digests = {
        route: ((watched.routes[route].get("status") or {}).get("routeDocument") or {}).get("digest")
        for route in routes
        if route in watched.routes
    }
    return all(
        pod.document == digests[route]
        for pod in watched.pods.values()
        if pod.running and (route := Key(pod.namespace, pod.route)) in digests
    )


async def _build(cache: Cache, plan: Plan, *, with_ca: bool, on: Ground) -> Tended:
    """See to it that a Job builds the index; a Job is never altered, but made anew some time after it has ended."""
    model = cache.spec.embedding.model
    name, place = index_job.name_of(cache, model), cache.key.namespace
    live = await on.client.get("batch/v1", "Job", name, place)
    if live is None:
        await on.client.apply(index_job.index_job(cache, model, with_ca=with_ca, settings=on.settings))
        return Tended(plan, JobState(name))
    state = index_job.state(live)
    pods = await on.client.list("v1", "Pod", place, f"{_JOB_LABEL}={name}")
    if state.ended is None:
        return Tended(plan, state, redis_pod.trouble(pods))
    if on.now() - state.ended >= (_AFTER_FAILURE if state.failure else _AFTER_SUCCESS):
        await on.client.delete("batch/v1", "Job", name, place)
    if state.failure is not None:
        words = redis_pod.last_words(pods)
        state = replace(state, failure=f"{state.failure}: {words}" if words else state.failure)
    return Tended(plan, state)
