"""The baseline: the least that an aiohttp proxy does. It streams every call to one upstream, and does nothing else."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator

import aiohttp
import uvloop
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

_ONE_CONNECTION_ONLY = ("host", "connection", "keep-alive", "transfer-encoding", "content-length")
SESSION = web.AppKey("session", aiohttp.ClientSession)


def end_to_end(headers: CIMultiDict[str]) -> CIMultiDict[str]:
    for name in _ONE_CONNECTION_ONLY:
        headers.popall(name, None)
    return headers


def proxy(upstream: str) -> web.Application:
    async def session(app: web.Application) -> AsyncIterator[None]:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as app[SESSION]:
            yield

    async def forward(request: web.Request) -> web.StreamResponse:
        url = URL(upstream + request.raw_path, encoded=True)
        headers, body = end_to_end(request.headers.copy()), await request.read()
        async with app[SESSION].request(request.method, url, headers=headers, data=body) as answer:
            response = web.StreamResponse(status=answer.status, headers=end_to_end(answer.headers.copy()))
            response.content_length = answer.content_length
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
        return response

    app = web.Application(client_max_size=1 << 26)
    app.cleanup_ctx.append(session)
    app.router.add_route("*", "/{path:.*}", forward)
    return app


async def serve(upstream: str) -> None:
    runner = web.AppRunner(proxy(upstream), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.passthrough", description=__doc__)
    parser.add_argument("upstream", help="base URL")
    uvloop.run(serve(parser.parse_args().upstream))
