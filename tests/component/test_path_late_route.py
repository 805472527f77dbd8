"""A route document or a model that comes late: calls pass through until it is there, and nothing is restarted."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import orjson
import pytest

from cachedistill_sidecar import app as sidecar_module
from cachedistill_sidecar import route_file
from cachedistill_sidecar.app import Sidecar
from cachedistill_sidecar.cli.default_route import pass_through_route
from cachedistill_sidecar.route_parsing import parse
from tests.component.asking import App, Json, eventually, settled
from tests.otlp import Receiver
from tests.routes import route_document
from tests.upstream import Upstream

ASKED = "How do I reset my password?"


@pytest.fixture
def document(upstream: Upstream, redis_url: str, cache_name: str) -> Json:
    made = route_document(upstream.url, redis_url=redis_url, cache=cache_name, semantic=None)
    written: Json = orjson.loads(made.model_dump_json(by_alias=True, exclude_none=True))
    return written


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "route.json"


@pytest.fixture
async def sidecar(file: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sidecar]:
    """A sidecar whose route isn't there; the providers that it knows by itself are the upstream."""
    monkeypatch.setattr(route_file, "_RELOAD_SECONDS", 0.02)
    meanwhile = orjson.loads(pass_through_route().model_dump_json(by_alias=True, exclude_none=True))
    for fallback in meanwhile["fallbacks"]:
        fallback["endpoint"]["url"] = upstream.url
    async with Sidecar(file, find_model=Path, meanwhile=parse(orjson.dumps(meanwhile))) as running:
        yield running


def put(file: Path, content: bytes) -> None:
    """Write a file, as the kubelet does."""
    file.write_bytes(content)


async def route_state(sidecar: Sidecar, http: aiohttp.ClientSession) -> Json:
    reply = await App(http, sidecar.admin_url).call("GET", "/readyz?verbose")
    assert reply.status == 200
    state: Json = reply.json["route"]
    return state


async def is_live(sidecar: Sidecar, name: str = "default/test") -> None:
    await eventually(lambda: sidecar.parts.route.name == name)


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses", "anthropic_messages", "ollama_chat"])
async def test_until_the_route_is_there_every_dialect_passes_through_uncached(
    sidecar: Sidecar, http: aiohttp.ClientSession, upstream: Upstream, dialect: str
) -> None:
    app = App(http, sidecar.url)
    assert [(await app.ask(dialect, ASKED)).reason for _ in range(2)] == ["no_cache", "no_cache"]
    assert len(upstream.calls) == 2


async def test_readiness_tells_what_is_missing_and_when_it_is_there(
    sidecar: Sidecar, http: aiohttp.ClientSession, file: Path, document: Json
) -> None:
    assert await route_state(sidecar, http) == {
        "name": "default/pass-through",
        "problem": f"{file}: No such file or directory",
    }
    put(file, orjson.dumps(document))
    await is_live(sidecar)
    assert (await App(http, sidecar.url).chat(ASKED)).reason == "cold"

    async def told() -> bool:
        return await route_state(sidecar, http) == {"name": "default/test", "problem": None}

    await eventually(told)


async def test_a_route_that_is_wrong_at_the_start_is_as_one_that_is_missing(
    file: Path, http: aiohttp.ClientSession, document: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route_file, "_RELOAD_SECONDS", 0.02)
    put(file, b'{"name": "x"}')
    async with Sidecar(file, find_model=Path, meanwhile=pass_through_route()) as sidecar:
        state = await route_state(sidecar, http)
        assert (state["name"], "rules: Field required" in state["problem"]) == ("default/pass-through", True)
        put(file, orjson.dumps(document))
        await is_live(sidecar)


async def test_a_file_that_disappears_keeps_the_last_good_route(
    sidecar: Sidecar, http: aiohttp.ClientSession, file: Path, document: Json
) -> None:
    put(file, orjson.dumps(document))
    await is_live(sidecar)
    os.unlink(file)

    async def told() -> bool:
        return (await route_state(sidecar, http))["problem"] is not None

    await eventually(told)
    assert (await route_state(sidecar, http))["name"] == "default/test"
    assert (await App(http, sidecar.url).chat(ASKED)).reason == "cold"


async def test_a_route_that_comes_late_is_reported_under_its_name_and_where_it_says(
    sidecar: Sidecar, http: aiohttp.ClientSession, file: Path, document: Json, receiver: Receiver
) -> None:
    put(file, orjson.dumps(document | {"telemetry": {"endpoint": receiver.url}}))
    await is_live(sidecar)
    await App(http, sidecar.url).chat(ASKED)
    await settled(sidecar)
    metrics = (await App(http, sidecar.admin_url).call("GET", "/metrics")).body.decode()
    assert 'cachedistill_route="default/test"' in metrics
    assert "pass-through" not in metrics
    await sidecar.stop()
    sidecar.stop = lambda: asyncio.sleep(0)  # type: ignore[method-assign]
    assert [span.name for span in receiver.roots] == ["chat gpt-4o"]


async def test_a_model_that_comes_late_is_used_without_a_restart(
    upstream: Upstream,
    http: aiohttp.ClientSession,
    redis_url: str,
    cache_name: str,
    embedder_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(sidecar_module, "_MODEL_RETRY_SECONDS", 0.02)
    folder = tmp_path / "model"
    settings = {"embedding": {"model": str(folder)}}
    document = route_document(upstream.url, redis_url=redis_url, cache=cache_name, cache_settings=settings)
    async with Sidecar(document, find_model=Path) as sidecar:
        app = App(http, sidecar.url)
        assert (await app.chat(ASKED)).reason == "embedder_unavailable"
        shutil.copytree(embedder_folder, tmp_path / "copy")
        (tmp_path / "copy").rename(folder)
        await eventually(lambda: sidecar.parts.caches[cache_name].embedder is not None)
        assert (await app.chat(ASKED)).reason == "stored"
        assert (await app.chat("Something else entirely")).reason == "uncertified"
        [state] = (await App(http, sidecar.admin_url).call("GET", "/readyz?verbose")).json["caches"].values()
        assert state["embedder"] == "loaded"
    assert len([record for record in caplog.records if "no semantic hits" in record.getMessage()]) == 1


async def test_a_model_that_stays_away_leaves_the_cache_as_it_is(
    upstream: Upstream, redis_url: str, cache_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sidecar_module, "_MODEL_RETRY_SECONDS", 0.01)
    tries: list[str] = []

    def find(name: str) -> Path:
        tries.append(name)
        return Path(name)

    settings = {"embedding": {"model": str(tmp_path / "missing")}}
    document = route_document(upstream.url, redis_url=redis_url, cache=cache_name, cache_settings=settings)
    async with Sidecar(document, find_model=find) as sidecar:
        cache = sidecar.parts.caches[cache_name]
        await eventually(lambda: len(tries) > 3)
        assert sidecar.parts.caches[cache_name] is cache
