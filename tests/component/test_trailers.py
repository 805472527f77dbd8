"""Trailers go through the sidecar."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from tests.conftest import StartSidecar


async def _raw(url: str, path: str) -> bytes:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: test\r\nTE: trailers\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer


async def test_a_chunked_answers_trailers_reach_the_client(start_sidecar: StartSidecar) -> None:
    sidecar = await start_sidecar(semantic=None)
    for _ in range(2):  # The second time on a kept connection.
        answer = await _raw(sidecar.url, "/_trailers")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"chunked" in head.lower()
        last = body.rpartition(b"\r\n0\r\n")[2]
        assert last.lower().startswith(b"x-checksum:")
        assert last.endswith(b"\r\n\r\n")


async def test_an_answer_without_trailers_ends_plainly(start_sidecar: StartSidecar) -> None:
    sidecar = await start_sidecar(semantic=None)
    answer = await _raw(sidecar.url, "/echo")
    assert b"200" in answer.partition(b"\r\n")[0]
    assert b"x-checksum" not in answer
