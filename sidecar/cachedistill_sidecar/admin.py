"""The admin port: health, readiness, metrics, the last decisions, removal of a wrong answer."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from cachedistill_sidecar.cache.store import StoreUnavailable
from cachedistill_sidecar.path import feedback

if TYPE_CHECKING:
    from cachedistill_sidecar.app import Sidecar


def admin_application(sidecar: Sidecar) -> web.Application:
    """The admin port's routes."""
    routes = web.RouteTableDef()

    @routes.get("/healthz")
    async def healthz(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    @routes.get("/readyz")
    async def readyz(request: web.Request) -> web.Response:
        # Ready means that calls are taken, not that they are cached: a Redis that is away must not stop the app.
        problem = sidecar.unready
        status = 200 if problem is None else 503
        if "verbose" in request.query:
            return _json(sidecar.state(), status)
        return web.Response(text=f"{problem or 'ok'}\n", status=status)

    @routes.get("/metrics")
    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(sidecar.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    @routes.get("/cachedistill/decisions")
    async def decisions(request: web.Request) -> web.Response:
        count = request.query.get("count", "20")
        if not count.isdigit():
            return _json({"error": "count: must be a whole number"}, 400)
        return _json(sidecar.parts.records.last(int(count)))

    @routes.get("/cachedistill/decisions/{trace}")
    async def decision(request: web.Request) -> web.Response:
        found = _told(sidecar, request.match_info["trace"])
        return _json(found, 200 if found else 404)

    @routes.post(feedback.PATH)
    async def give_feedback(request: web.Request) -> web.Response:
        status, told = feedback.give(await request.read(), sidecar.parts)
        return _json(told, status)

    @routes.get("/cachedistill/budget")
    async def budget(_request: web.Request) -> web.Response:
        return _json(_standings(sidecar))

    @routes.delete("/cachedistill/suspensions/{entry}")
    async def clear(request: web.Request) -> web.Response:
        return _clear(sidecar, request.match_info["entry"])

    @routes.delete("/cachedistill/entries/{entry}")
    async def remove(request: web.Request) -> web.Response:
        return await _remove(sidecar, request.match_info["entry"])

    application = web.Application()
    application.add_routes(routes)
    return application


def _told(sidecar: Sidecar, trace: str) -> list[dict[str, Any]]:
    """The decisions of a trace; of those by meaning, with the part that each feature has, by the model in use."""
    found = sidecar.parts.records.of_trace(trace)
    for record in found:
        verdict = sidecar.parts.records.verdict(trace, record["entry"])
        lesson = sidecar.parts.lessons.get(record["cache"])
        if verdict is not None and verdict.features and lesson is not None and lesson.learner is not None:
            record["parts"] = [asdict(part) for part in lesson.learner.model.explain(verdict.features)]
    return found


def _standings(sidecar: Sidecar) -> list[dict[str, Any]]:
    return [
        {"cache": name, "rule": rule, **asdict(standing)}
        for name, lesson in sidecar.parts.lessons.items()
        if lesson.learner is not None
        for rule, standing in lesson.learner.standings().items()
    ]


def _clear(sidecar: Sidecar, entry: str) -> web.Response:
    suspended = [each.suspensions for each in sidecar.parts.lessons.values() if each.suspensions.of(entry) is not None]
    for each in suspended:
        each.clear(entry)
    return _json({"entry": entry, "cleared": bool(suspended)}, 200 if suspended else 404)


async def _remove(sidecar: Sidecar, entry: str) -> web.Response:
    removed, aliases = False, list[str]()
    try:
        for cache in sidecar.parts.caches.values():
            cache.near.discard(entry)
            # While its vector is still there: they are found from it.
            aliases += await cache.aliases(entry)
            removed = await cache.remove(entry) or removed
    except StoreUnavailable as error:
        return _json({"error": f"the cache is unavailable: {error}"}, 503)
    if removed:
        feedback.removed(entry, aliases, sidecar.parts)
    return _json({"entry": entry, "removed": removed, "aliases": aliases}, 200 if removed else 404)


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")
