"""A Retry-After is waited for up to the route's limit; a longer one is the app's to see."""

from __future__ import annotations

import aiohttp

from tests.component.asking import App
from tests.conftest import StartSidecar
from tests.upstream import Upstream


async def test_a_longer_retry_after_than_the_limit_is_passed_on(
    start_sidecar: StartSidecar, upstream: Upstream, http: aiohttp.ClientSession
) -> None:
    settings = {"retry": {"attempts": 3, "maxWaitSeconds": 1}}
    app = App(http, (await start_sidecar(semantic=None, fallback_settings=settings)).url)
    upstream.fail("429:2")
    answer = await app.chat("How do I reset my password?")
    assert answer.status == 429
    assert answer.headers["retry-after"] == "2"
    assert len(upstream.calls) == 1
