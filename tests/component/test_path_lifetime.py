"""A sidecar starts with what it finds, says what is missing, and ends without losing anything."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio import Redis

from cachedistill_sidecar.app import Sidecar
from tests.component.asking import CHAT, App, eventually, settled
from tests.conftest import StartSidecar
from tests.routes import route_document
from tests.upstream import Upstream

ASKED = "How do I reset my password?"
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": ASKED}]}


async def broken_models(tmp_path: Path, embedder_folder: Path) -> dict[str, Path]:
    damaged = tmp_path / "damaged"
    shutil.copytree(embedder_folder, damaged)
    (damaged / "model.onnx").write_bytes(b"no model")
    (tmp_path / "empty").mkdir()
    return {"missing": tmp_path / "missing", "empty": tmp_path / "empty", "damaged": damaged}


@pytest.mark.parametrize("which", ["missing", "empty", "damaged"])
async def test_without_its_model_a_cache_answers_exactly_and_says_what_is_wrong(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, tmp_path: Path, embedder_folder: Path, which: str
) -> None:
    folder = (await broken_models(tmp_path, embedder_folder))[which]
    sidecar = await start_sidecar(cache_settings={"embedding": {"model": str(folder)}})
    app = App(http, sidecar.url)
    first = await app.chat(ASKED)
    assert (first.status, first.decision, first.reason) == (200, "fallback", "embedder_unavailable")
    assert (await app.chat(ASKED)).reason == "near"
    admin = App(http, sidecar.admin_url)
    [state] = (await admin.call("GET", "/readyz?verbose")).json["caches"].values()
    assert str(folder) in state["embedder"]
    assert (await admin.call("GET", "/readyz")).status == 200


async def test_what_is_wrong_with_a_model_is_logged_once(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sidecar = await start_sidecar(cache_settings={"embedding": {"model": str(tmp_path / "missing")}})
    for number in range(3):
        await App(http, sidecar.url).chat(f"{ASKED} {number}")
    assert len([record for record in caplog.records if "no semantic hits" in record.getMessage()]) == 1


async def test_a_stop_lets_streams_under_way_end_and_takes_no_new_calls(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, upstream: Upstream
) -> None:
    sidecar = await start_sidecar(semantic=None)
    app = App(http, sidecar.url)
    streaming = asyncio.create_task(app.chat(ASKED, headers={"x-upstream-pace": "0,10"}, stream=True))
    await eventually(lambda: bool(upstream.calls))
    stopping = asyncio.create_task(sidecar.stop())
    await asyncio.sleep(0.05)
    async with aiohttp.ClientSession() as other:
        with pytest.raises(aiohttp.ClientConnectionError):
            await App(other, app.url).chat(ASKED)
    reply = await streaming
    assert len(reply.text.split()) == 30
    assert reply.body.endswith(b"data: [DONE]\n\n")
    await stopping
    sidecar.stop = lambda: asyncio.sleep(0)  # type: ignore[method-assign]


async def test_a_stop_writes_what_waits(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, redis_url: str, cache_name: str
) -> None:
    sidecar = await start_sidecar(semantic=None)
    await asyncio.gather(*(App(http, sidecar.url).chat(f"{ASKED} {number}") for number in range(40)))
    await sidecar.stop()
    sidecar.stop = lambda: asyncio.sleep(0)  # type: ignore[method-assign]
    client = Redis.from_url(redis_url)
    assert len([key async for key in client.scan_iter(f"cachedistill:{cache_name}:e:*", count=1000)]) == 40
    await client.aclose()


async def test_a_stop_right_after_a_reload_does_not_wait_for_the_old_caches(
    http: aiohttp.ClientSession, upstream: Upstream, redis_url: str, cache_name: str, embedder_folder: Path
) -> None:
    def document(ttl: int) -> object:
        settings = {"ttlSeconds": ttl}
        return route_document(
            upstream.url, redis_url=redis_url, cache=cache_name, semantic=None, cache_settings=settings
        )

    sidecar = Sidecar(document(60), find_model=lambda _name: embedder_folder)  # type: ignore[arg-type]
    await sidecar.start()
    await App(http, sidecar.url).chat(ASKED)
    [old] = sidecar.parts.caches.values()
    await sidecar._take_over(document(61))  # type: ignore[arg-type]
    async with asyncio.timeout(4):
        await sidecar.stop()
    assert isinstance(old.store.client, Redis)
    assert old.store.client.connection_pool._in_use_connections == set()


PROCESS = """
import asyncio, signal, sys
from pathlib import Path
from cachedistill_sidecar.app import Sidecar

async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Sidecar(Path(sys.argv[1]), find_model=Path) as sidecar:
        print(sidecar.url, flush=True)
        await stop.wait()

asyncio.run(main())
"""


async def test_sigterm_ends_the_process_after_the_stream_under_way(
    upstream: Upstream, http: aiohttp.ClientSession, redis_url: str, cache_name: str, tmp_path: Path
) -> None:
    document = route_document(upstream.url, redis_url=redis_url, cache=cache_name, semantic=None)
    (tmp_path / "route.json").write_text(document.model_dump_json(by_alias=True, exclude_none=True))
    command = [sys.executable, "-c", PROCESS, str(tmp_path / "route.json")]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    app = App(http, (await process.stdout.readline()).decode().strip())
    headers = {"x-upstream-pace": "0,10"}
    async with http.post(app.url + CHAT, json=BODY | {"stream": True}, headers=headers) as response:
        await response.content.readany()
        os.kill(process.pid, signal.SIGTERM)
        assert (await response.read()).endswith(b"data: [DONE]\n\n")
    async with asyncio.timeout(10):
        assert await process.wait() == 0
    client = Redis.from_url(redis_url)
    assert len([key async for key in client.scan_iter(f"cachedistill:{cache_name}:e:*", count=1000)]) == 1
    await client.aclose()


async def test_two_sidecars_stopped_in_any_order_leave_the_others_cache_alone(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    one, other = await start_sidecar(semantic=None), await start_sidecar(semantic=None)
    await App(http, one.url).chat(ASKED)
    await settled(one)
    await one.stop()
    one.stop = lambda: asyncio.sleep(0)  # type: ignore[method-assign]
    assert (await App(http, other.url).chat(ASKED)).reason == "stored"
