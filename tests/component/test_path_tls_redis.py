"""A Redis behind TLS: trusted by the route's CA file, and by nothing else."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.component.asking import App, settled
from tests.conftest import StartSidecar

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
