"""The upstream's own paths: queue failures, list calls, forget."""

from __future__ import annotations

from typing import Protocol

import orjson
from aiohttp import web

from tests.upstream.journal import Call


class Controlled(Protocol):
    """What the control paths act upon."""

    @property
    def calls(self) -> list[Call]: ...

    def fail(self, mode: str, times: int = 1, match: str | None = None) -> None: ...

    def reset(self) -> None: ...


async def control(request: web.BaseRequest, upstream: Controlled) -> web.Response:
    """`POST /_upstream/fail`, `POST /_upstream/reset`, `GET /_upstream/calls`."""
    match request.method, request.path:
        case "POST", "/_upstream/fail":
            try:
                asked = orjson.loads(await request.read())
                upstream.fail(asked["mode"], int(asked.get("times", 1)), asked.get("match"))
            except (KeyError, TypeError, ValueError) as error:
                return web.json_response({"error": f"fail: {error!r}"}, status=400)
            return web.json_response({"queued": asked["mode"]})
        case "POST", "/_upstream/reset":
            upstream.reset()
            return web.json_response({"reset": True})
        case "GET", "/_upstream/calls":
            listed = [call.listed() for call in upstream.calls]
            return web.Response(body=orjson.dumps(listed), content_type="application/json")
    return web.json_response({"error": f"No such path: {request.method} {request.path}"}, status=404)
