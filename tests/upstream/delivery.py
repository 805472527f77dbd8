"""Puts an answer on the wire, well or in one of the ways that it can go wrong."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aiohttp import web

from tests.upstream.exchange import Frame
from tests.upstream.failures import NO_FAILURE, Failure
from tests.upstream.pace import Pace

DELTAS_BEFORE_FAILURE = 3
TRICKLE_BYTES = 16
TRICKLE_SECONDS = 0.01
GZIP_WINDOW = 31


class Farewell(Exception):
    """The upstream itself closed the connection: there is nothing left to answer, and the client didn't cancel."""


async def hang() -> None:
    """Says nothing more; ends when the client goes away, since that cancels the handler."""
    await asyncio.Event().wait()


def close(request: web.BaseRequest) -> Farewell:
    """Closes the connection after what was written so far, without the end that HTTP asks for."""
    if request.transport is not None:
        request.transport.close()
    return Farewell()


def _accepts_gzip(request: web.BaseRequest) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")


async def write_raw(request: web.BaseRequest, status: int, headers: Mapping[str, str], body: bytes) -> Farewell:
    """Writes a response by hand, its head a few bytes at a time, and closes the connection."""
    transport = request.transport
    assert transport is not None
    lines = [f"HTTP/1.1 {status} OK", *(f"{name}: {value}" for name, value in headers.items()), "connection: close"]
    head = "\r\n".join([*lines, "", ""]).encode()
    for start in range(0, len(head), TRICKLE_BYTES):
        transport.write(head[start : start + TRICKLE_BYTES])
        await asyncio.sleep(TRICKLE_SECONDS)
    transport.write(body)
    return close(request)


async def send_document(
    request: web.BaseRequest, failure: Failure, headers: Mapping[str, str], body: bytes
) -> web.StreamResponse:
    """Answers 200 with a JSON document; raises `Farewell` when the mode closes the connection."""
    sent = {**headers, "content-type": "application/json"}
    match failure.mode:
        case "hang":
            await hang()
        case "cut-before":
            raise close(request)
        case "slow-headers":
            raise await write_raw(request, 200, {**sent, "content-length": str(len(body))}, body)
        case "cut" | "hang-in-stream":
            response = web.StreamResponse(headers={**sent, "content-length": str(len(body))})
            await response.prepare(request)
            await response.write(body[: len(body) // 2])
            if failure.mode == "cut":
                raise close(request)
            await hang()
        case "malformed-sse":
            body = body[: len(body) // 2]
        case "gzip" if _accepts_gzip(request):
            sent["content-encoding"] = "gzip"
            body = zlib.compress(body, wbits=GZIP_WINDOW)
    return web.Response(body=body, headers=sent)


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer to stream, with what its dialect sends when the stream is to break in its middle."""

    frames: Iterator[Frame]
    headers: Mapping[str, str]
    garbage: bytes
    error_frame: bytes


async def send_stream(request: web.BaseRequest, failure: Failure, streamed: Streamed, pace: Pace) -> web.StreamResponse:
    """Answers 200 and streams the frames at the given pace; raises `Farewell` when the mode closes the connection."""
    match failure.mode:
        case "hang":
            await hang()
        case "cut-before":
            raise close(request)
        case "slow-headers":
            body = b"".join(frame.data for frame in streamed.frames)
            raise await write_raw(request, 200, streamed.headers, body)
    packer = zlib.compressobj(wbits=GZIP_WINDOW) if failure.mode == "gzip" and _accepts_gzip(request) else None
    response = web.StreamResponse(headers={**streamed.headers, **({"content-encoding": "gzip"} if packer else {})})
    # A provider sends its headers with the first token, not before.
    await pace.before_piece(0)
    await response.prepare(request)
    deltas = 0
    for frame in streamed.frames:
        if deltas == DELTAS_BEFORE_FAILURE or (deltas and not frame.delta):
            if await _fail_within(request, response, failure, streamed):
                return response
            failure = NO_FAILURE
        if frame.delta:
            if deltas:
                await pace.before_piece(deltas)
            deltas += 1
        await response.write(_packed(packer, frame.data))
    if packer:
        await response.write(packer.flush())
    return response


def _packed(packer: zlib._Compress | None, data: bytes) -> bytes:
    return packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH) if packer else data


async def _fail_within(
    request: web.BaseRequest, response: web.StreamResponse, failure: Failure, streamed: Streamed
) -> bool:
    """Does in mid-stream what the mode says; True when nothing may follow."""
    match failure.mode:
        case "cut":
            raise close(request)
        case "hang-in-stream":
            await hang()
        case "malformed-sse":
            await response.write(streamed.garbage)
        case "error-in-stream":
            await response.write(streamed.error_frame)
            return True
    return False
