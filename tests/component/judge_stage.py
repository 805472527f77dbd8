"""A model that is asked for its opinion, and judges that ask it."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web

from cachedistill_sidecar.cache.live import LiveCache
from cachedistill_sidecar.edge.embedder import Embedder
from cachedistill_sidecar.fallback.client import FallbackClient
from cachedistill_sidecar.learning.allowance import Allowance
from cachedistill_sidecar.learning.asker import Asker
from cachedistill_sidecar.learning.fallback_judge import FallbackJudge
from cachedistill_sidecar.learning.judge import Judge
from cachedistill_sidecar.learning.spending import Spending
from cachedistill_sidecar.route import Route
from cachedistill_sidecar.route_document import Endpoint, Fallback, Price, Provider, RouteDocument, Rule
from cachedistill_sidecar.route_document import Judge as JudgeSettings
from tests.component.learning_stage import ROUTE
from tests.component.sealed_stage import MadeUp

ASKER = Asker({"authorization": "Bearer app", "idempotency-key": "1", "x-team": "a"}, Provider.OPENAI, "gpt-4o-mini")
PRICE = Price(input_per_million="1000", output_per_million="5000", currency="EUR")


class Oracle:
    """Answers any chat with one word, as OpenAI or Anthropic would; remembers what it was asked."""

    def __init__(self, word: str = "SAME", status: int = 200, body: bytes | None = None) -> None:
        self.word, self.status, self.body = word, status, body
        self.url = ""
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        document = orjson.loads(await request.read())
        self.asked.append((request.path, {name.lower(): value for name, value in request.headers.items()}, document))
        made = _anthropic(self.word) if request.path == "/v1/messages" else chat_completion(self.word)
        return web.Response(status=self.status, body=self.body or orjson.dumps(made), content_type="application/json")


def chat_completion(word: str) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": word}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 200, "completion_tokens": 2, "total_tokens": 202}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


def _anthropic(word: str) -> dict[str, Any]:
    usage = {"input_tokens": 200, "output_tokens": 2}
    content = [{"type": "text", "text": word}]
    about = {"id": "1", "type": "message", "role": "assistant", "model": "m"}
    return about | {"content": content, "stop_reason": "end_turn", "usage": usage}


@asynccontextmanager
async def listening(oracle: Oracle) -> AsyncIterator[Oracle]:
    """An oracle that can be asked at its URL."""
    runner = web.ServerRunner(web.Server(oracle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    oracle.url = site.name
    yield oracle
    await runner.cleanup()


@asynccontextmanager
async def judging(
    live: LiveCache,
    oracle: Oracle,
    *,
    dialect: Provider = Provider.OPENAI,
    embedder: Embedder | None = None,
    rng: random.Random | None = None,
    per_hour: int = 60,
    model: str | None = None,
    **more: Any,
) -> AsyncIterator[Judge]:
    """A judge with a fallback behind it; keywords change the fallback."""
    endpoint = Endpoint(url=oracle.url, dialect=dialect)
    fallback = Fallback(**{"name": "oracle", "endpoint": endpoint, "price": PRICE, **more})
    document = RouteDocument(
        name="support", namespace="shop", rules=(Rule(name="all", fallbacks=("oracle",)),), fallbacks=(fallback,)
    )
    settings = JudgeSettings(fallback="oracle", model=model, requests_per_hour=per_hour)
    allowance = Allowance(live.store, ROUTE, "all", settings.requests_per_hour)
    client = FallbackClient()
    try:
        spend = Spending(live.report.figures, Route(document))
        second = FallbackJudge(client, fallback, settings, allowance, spend)
        yield Judge(embedder or MadeUp(), second, rng or random.Random(0))
    finally:
        await client.close()
