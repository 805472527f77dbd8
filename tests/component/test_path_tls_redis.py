"""A Redis behind TLS: trusted by the route's CA file, and by nothing else."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from cachedistill_sidecar.cache.connection import connect
from cachedistill_sidecar.cache.tls import TlsConnection
from cachedistill_sidecar.redis_url import RedisUrl
from tests.component.asking import App, connected, settled
from tests.conftest import StartSidecar
from tests.topologies import free_port, reports, server, until

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="openssl is needed to make a certificate")


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    crt, key = folder / f"{name}.crt", folder / f"{name}.key"
    new = f"{OPENSSL} req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN={name} -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*new.split(), "-keyout", str(key), "-out", str(crt)], check=True, capture_output=True)
    return crt, key


async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        target.write(data)
    target.close()


@pytest.fixture
async def rediss_url(redis_url: str, tmp_path: Path) -> AsyncIterator[str]:
    """The tests' Redis behind a TLS port; its certificate is `redis.crt` in `tmp_path`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(tmp_path, "redis"))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_unix_connection(urlsplit(redis_url).path)
        await asyncio.gather(carry(reader, there_writer), carry(there_reader, writer), return_exceptions=True)

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        yield f"rediss://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"


async def test_entries_are_kept_behind_tls(
    start_sidecar: StartSidecar, rediss_url: str, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    redis = {"url": rediss_url, "caFile": str(tmp_path / "redis.crt")}
    sidecar = await start_sidecar(semantic=None, cache_settings={"nearBytes": 0, "redis": redis})
    await connected(sidecar)
    app = App(http, sidecar.url)
    assert (await app.chat("How do I reset my password?")).reason == "cold"
    await settled(sidecar)
    assert (await app.chat("How do I reset my password?")).reason == "stored"


async def test_a_server_that_the_ca_does_not_vouch_for_is_not_trusted(
    start_sidecar: StartSidecar, rediss_url: str, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    other, _ = certificate(tmp_path, "other")
    redis = {"url": rediss_url, "caFile": str(other)}
    sidecar = await start_sidecar(semantic=None, cache_settings={"nearBytes": 0, "redis": redis})
    answer = await App(http, sidecar.url).chat("How do I reset my password?")
    assert (answer.status, answer.reason) == (200, "cache_unavailable")


async def test_a_clusters_nodes_are_asked_behind_tls(
    start_sidecar: StartSidecar, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(tmp_path, "redis"))
    ports: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", ports[0])
        await asyncio.gather(carry(reader, there_writer), carry(there_reader, writer), return_exceptions=True)

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as front:
        announced = front.sockets[0].getsockname()[1]
        settings = f"--cluster-enabled yes --cluster-port {free_port()} --cluster-announce-ip 127.0.0.1"
        async with server(tmp_path / "node", f"{settings} --cluster-announce-port {announced}") as node:
            ports.append(node.port)
            await node.ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            await until(partial(reports, node, "CLUSTER INFO", cluster_state="ok"))
            redis = {"url": f"rediss+cluster://127.0.0.1:{announced}", "caFile": str(tmp_path / "redis.crt")}
            sidecar = await start_sidecar(semantic=None, cache_settings={"nearBytes": 0, "redis": redis})
            await connected(sidecar)
            app = App(http, sidecar.url)
            await app.chat("How do I reset my password?")
            await settled(sidecar)
            assert (await app.chat("How do I reset my password?")).reason == "stored"


def test_sentinels_and_their_primary_are_asked_behind_tls() -> None:
    client: Any = connect(RedisUrl.parse("rediss+sentinel://s1,s2/entries"), "ca.crt", home="")
    pool = client.connection_pool
    for asked in (pool, *(sentinel.connection_pool for sentinel in pool.sentinel_manager.sentinels)):
        assert issubclass(asked.connection_class, TlsConnection)
        assert asked.connection_kwargs["ssl_ca_certs"] == "ca.crt"


def test_connections_share_a_context_until_the_ca_file_changes(tmp_path: Path) -> None:
    crt, _ = certificate(tmp_path, "redis")
    first, second = (TlsConnection(ssl_ca_certs=str(crt))._connection_arguments()["ssl"] for _ in range(2))
    assert first is second
    crt.write_bytes(certificate(tmp_path, "renewed")[0].read_bytes())
    assert TlsConnection(ssl_ca_certs=str(crt))._connection_arguments()["ssl"] is not first
    assert TlsConnection(ssl_cert_reqs="none", ssl_check_hostname=False)._connection_arguments()["ssl"] is not first
