"""A Redis that can't have a vector index still serves exact hits."""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit

import aiohttp
import pytest
from redis.asyncio import Redis

from tests.component.asking import App, settled
from tests.conftest import StartSidecar

FAR = {"nearBytes": 0}


@pytest.fixture
async def limited_url(redis_url: str) -> str:
    """The tests' Redis, as a user who may not search."""
    user = f"limited-{uuid.uuid4().hex[:8]}"
    async with Redis.from_url(redis_url) as redis:
        await redis.execute_command(  # type: ignore[no-untyped-call]
            "ACL", "SETUSER", user, "on", ">secret", "~*", "+@all", "-ft._list", "-ft.search", "-ft.create"
        )
    return f"unix://{user}:secret@{urlsplit(redis_url).path}"


async def test_exact_hits_go_on_where_no_index_can_be_made(
    start_sidecar: StartSidecar, limited_url: str, http: aiohttp.ClientSession
) -> None:
    sidecar = await start_sidecar(redis_url=limited_url, cache_settings=FAR)
    app = App(http, sidecar.url)
    assert (await app.chat("How do I reset my password?")).reason == "cache_unavailable"
    await settled(sidecar)
    assert (await app.chat("How do I reset my password?")).reason == "stored"
    assert (await app.chat("How can I reset my password?")).reason == "cache_unavailable"
    assert (await app.chat("How do I reset my password?")).reason == "stored"
    async with http.get(f"{sidecar.admin_url}/readyz?verbose") as answer:
        [cache] = (await answer.json())["caches"].values()
    assert cache["available"]
    assert "permission" in cache["problem"].lower()
