"""Paths that no provider has, to see what a proxy does to a request: echo, trailers, a websocket."""

from __future__ import annotations

import hashlib

import orjson
from aiohttp import WSMsgType, web
from multidict import CIMultiDict

from tests.upstream.delivery import Farewell, close


async def echo(request: web.BaseRequest, body: bytes) -> web.Response:
    """What arrived: method, path, query, headers in their order with duplicates, and the body's digest and length."""
    document = {
        "method": request.method,
        "path": request.raw_path.partition("?")[0],
        "query": request.query_string,
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.raw_headers],
        "sha256": hashlib.sha256(body).hexdigest(),
        "length": len(body),
    }
    twice = CIMultiDict([("x-echo", "1"), ("x-echo", "2"), ("content-type", "application/json")])
    return web.Response(body=orjson.dumps(document), headers=twice)


async def trailers(request: web.BaseRequest) -> Farewell:
    """A chunked answer with a trailer, which aiohttp can't write: it goes to the transport as it is."""
    body = b"the sum of this body follows it"
    checksum = hashlib.sha256(body).hexdigest().encode()
    assert request.transport is not None
    request.transport.write(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\ntrailer: x-checksum\r\n"
        b"connection: close\r\n\r\n%x\r\n%b\r\n0\r\nx-checksum: %b\r\n\r\n" % (len(body), body, checksum)
    )
    return close(request)


async def realtime(request: web.BaseRequest) -> web.StreamResponse:
    """A websocket that sends back each message as it came."""
    socket = web.WebSocketResponse(protocols=("realtime",))
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)
    return socket
