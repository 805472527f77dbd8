"""Fallbacks are asked in order; another one is asked, or the same again, only where no work can be done twice."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from cachedistill_sidecar.app import Sidecar
from tests.component.asking import CHAT, App, Json, serving, settled
from tests.conftest import StartSidecar
from tests.upstream import Upstream

ASKED = "How do I reset my password?"


def fallback(name: str, url: str, **settings: Any) -> Json:
    return {"name": name, "endpoint": {"url": url, "dialect": "OpenAI"}, **settings}


def routed(cache: str, *fallbacks: Json) -> Json:
    """What of a route document makes these fallbacks the ones that are asked."""
    rule = {"name": "all", "cache": {"ref": cache}, "fallbacks": [each["name"] for each in fallbacks]}
    return {"fallbacks": list(fallbacks), "rules": [rule]}


@contextmanager
def nobody() -> Iterator[str]:
    """The URL of a port that refuses connections."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@contextmanager
def deaf() -> Iterator[str]:
    """The URL of a port whose queue of connections is full, so that connecting takes forever."""
    with socket.socket() as taken, socket.socket() as first, socket.socket() as second:
        taken.bind(("127.0.0.1", 0))
        taken.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(taken.getsockname())
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
async def second() -> AsyncIterator[Upstream]:
    """Another provider than `upstream`."""
    async with Upstream() as running:
        yield running


@pytest.fixture
async def sidecar(start_sidecar: StartSidecar, upstream: Upstream, second: Upstream, cache_name: str) -> Sidecar:
    return await start_sidecar(**routed(cache_name, fallback("first", upstream.url), fallback("second", second.url)))


@pytest.fixture
async def app(sidecar: Sidecar, http: aiohttp.ClientSession) -> App:
    return App(http, sidecar.url)


@pytest.fixture
async def lone(start_sidecar: StartSidecar, http: aiohttp.ClientSession) -> App:
    """An app with a single fallback, `upstream`."""
    return App(http, (await start_sidecar(semantic=None)).url)


async def test_the_first_fallback_is_asked_while_it_answers(app: App, upstream: Upstream, second: Upstream) -> None:
    for number in range(3):
        assert (await app.chat(f"{ASKED} {number}")).status == 200
    assert (len(upstream.calls), len(second.calls)) == (3, 0)


@pytest.mark.parametrize("mode", ["429", "500", "503", "529"])
async def test_when_one_is_overloaded_or_broken_the_next_answers(
    app: App, upstream: Upstream, second: Upstream, mode: str
) -> None:
    upstream.fail(mode)
    reply = await app.chat(ASKED, headers={"x-cachedistill-debug": "1"})
    assert (reply.status, reply.reason, reply.debug["fallback"]) == (200, "cold", "second")
    assert (len(upstream.calls), len(second.calls)) == (1, 1)


async def test_what_the_app_did_wrong_is_not_asked_elsewhere(app: App, upstream: Upstream, second: Upstream) -> None:
    upstream.fail("401")
    assert (await app.chat(ASKED)).status == 401
    assert (await app.chat(ASKED, model="no-such-model")).status == 404
    assert second.calls == []


@pytest.mark.parametrize("place", [nobody, deaf])
async def test_when_one_cant_be_reached_the_next_answers(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, upstream: Upstream, cache_name: str, place: Any
) -> None:
    with place() as url:
        timeouts = {"timeouts": {"connectSeconds": 1}, "retry": {"attempts": 0}}
        parts = routed(cache_name, fallback("away", url, **timeouts), fallback("there", upstream.url))
        app = App(http, (await start_sidecar(**parts)).url)
        assert (await app.chat(ASKED)).status == 200


async def test_when_one_is_silent_before_its_first_byte_the_next_answers(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, upstream: Upstream, second: Upstream, cache_name: str
) -> None:
    hasty = fallback("first", upstream.url, timeouts={"firstByteSeconds": 1})
    app = App(http, (await start_sidecar(**routed(cache_name, hasty, fallback("second", second.url)))).url)
    upstream.fail("hang")
    assert (await app.chat(ASKED)).status == 200
    assert (len(upstream.calls), len(second.calls)) == (1, 1)
    assert upstream.calls[0].cancelled


async def test_the_last_ones_answer_is_passed_on_when_all_fail(app: App, upstream: Upstream, second: Upstream) -> None:
    upstream.fail("500")
    second.fail("503")
    reply = await app.chat(ASKED)
    assert (reply.status, reply.decision) == (503, "fallback")
    assert (len(upstream.calls), len(second.calls)) == (1, 1)


async def test_one_that_asked_to_be_left_alone_is_asked_last_until_then(
    app: App, upstream: Upstream, second: Upstream
) -> None:
    upstream.fail("429-ms:400")
    rested = time.monotonic()
    await app.chat(ASKED)
    await app.chat(f"{ASKED} 2")
    if time.monotonic() - rested < 0.4:
        assert (len(upstream.calls), len(second.calls)) == (1, 2)
    await asyncio.sleep(0.45)
    await app.chat(f"{ASKED} 3")
    assert len(upstream.calls) == 2


@pytest.mark.parametrize("mode", ["429-ms:30", "503:0.05", "529:0.05"])
async def test_a_single_fallback_is_asked_again_when_it_said_when_to_come_back(
    lone: App, upstream: Upstream, mode: str
) -> None:
    upstream.fail(mode)
    assert (await lone.chat(ASKED)).status == 200
    assert len(upstream.calls) == 2


async def test_a_retry_after_that_is_too_long_is_the_apps_to_wait_for(lone: App, upstream: Upstream) -> None:
    upstream.fail("429:30")
    reply = await lone.chat(ASKED)
    assert (reply.status, reply.headers["retry-after"]) == (429, "30")
    assert len(upstream.calls) == 1


@pytest.mark.parametrize(("mode", "status"), [("500", 500), ("503", 503), ("cut-before", 502)])
async def test_what_may_have_been_done_is_not_asked_for_again(
    lone: App, upstream: Upstream, mode: str, status: int
) -> None:
    upstream.fail(mode)
    assert (await lone.chat(ASKED)).status == status
    assert len(upstream.calls) == 1


async def test_retries_end(start_sidecar: StartSidecar, http: aiohttp.ClientSession, upstream: Upstream) -> None:
    retry = {"retry": {"attempts": 2}}
    app = App(http, (await start_sidecar(semantic=None, fallback_settings=retry)).url)
    upstream.fail("429-ms:10", times=9)
    assert (await app.chat(ASKED)).status == 429
    assert len(upstream.calls) == 3


async def test_nobody_to_ask_is_an_error_in_the_dialects_shape(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, cache_name: str
) -> None:
    with nobody() as url:
        app = App(http, (await start_sidecar(**routed(cache_name, fallback("away", url)))).url)
        reply = await app.chat(ASKED)
        assert (reply.status, reply.decision, reply.reason) == (502, "error", "unreachable")
        assert reply.json["error"]["type"] == "server_error"
        other = await app.ask("anthropic_messages", ASKED)
        assert (other.status, other.decision, other.reason) == (404, "error", "no_fallback")
        assert other.json["type"] == "error"
        assert "Anthropic" in other.json["error"]["message"]


@pytest.mark.parametrize("path", [CHAT, "/v1/audio/speech"], ids=["an-llm-path", "another-path"])
async def test_a_kept_connection_that_the_fallback_had_closed_is_not_the_apps_problem(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, cache_name: str, path: str
) -> None:
    connections: list[asyncio.Transport | None] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        await request.read()
        if request.transport in connections and request.transport is not None:
            # To the client it looks the same as an idle timeout that its request has crossed on the way.
            request.transport.abort()
        connections.append(request.transport)
        return web.json_response({})

    async with serving(answer) as url:
        sidecar = await start_sidecar(**routed(cache_name, fallback("closing", url)))
        app = App(http, sidecar.url)
        for text in ("one", "two"):
            assert (await app.post(path, {"model": "m", "messages": [{"role": "user", "content": text}]})).status == 200
    assert len(connections) == 3


async def test_credentials_from_a_file_replace_the_apps_own(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, upstream: Upstream, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text("of-the-file\n")
    settings = {"credentialsFile": str(key)}
    app = App(http, (await start_sidecar(semantic=None, fallback_settings=settings)).url)
    own = {"authorization": "Bearer of-the-app", "x-api-key": "of-the-app", "api-key": "of-the-app"}
    expected = {
        "openai_chat": ("authorization", "Bearer of-the-file"),
        "anthropic_messages": ("x-api-key", "of-the-file"),
        "azure_chat": ("api-key", "of-the-file"),
    }
    app.http.headers.update(own)
    for dialect, (name, value) in expected.items():
        await app.ask(dialect, ASKED)
        sent = upstream.calls[-1].headers
        assert {header: sent[header] for header in own if header in sent} == {name: value}
    key.write_text("rotated")
    await app.ask("openai_chat", f"{ASKED} again")
    assert upstream.calls[-1].headers["authorization"] == "Bearer rotated"


async def test_without_a_file_the_apps_own_credentials_pass_through(lone: App, upstream: Upstream) -> None:
    await lone.chat(ASKED, headers={"authorization": "Bearer of-the-app"})
    assert upstream.calls[-1].headers["authorization"] == "Bearer of-the-app"


async def test_a_credentials_file_that_is_gone_leaves_the_apps_own(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, upstream: Upstream, tmp_path: Path
) -> None:
    settings = {"credentialsFile": str(tmp_path / "gone")}
    app = App(http, (await start_sidecar(semantic=None, fallback_settings=settings)).url)
    await app.chat(ASKED, headers={"authorization": "Bearer of-the-app"})
    assert upstream.calls[-1].headers["authorization"] == "Bearer of-the-app"


async def test_a_fallback_is_asked_for_the_model_by_its_own_name(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, upstream: Upstream
) -> None:
    settings = {"models": [{"from": "gpt-4o*", "to": "llama-3.1-8b"}, {"from": "*", "to": "other"}]}
    app = App(http, (await start_sidecar(semantic=None, fallback_settings=settings)).url)
    await app.chat(ASKED, temperature=0.2)
    assert (upstream.calls[-1].model, len(upstream.calls)) == ("llama-3.1-8b", 1)
    assert b'"temperature":0.2' in upstream.calls[-1].body
    await app.ask("azure_chat", ASKED)
    assert upstream.calls[-1].path == "/openai/deployments/llama-3.1-8b/chat/completions"
    await app.ask("ollama_generate", ASKED)
    assert upstream.calls[-1].model == "other"


async def test_two_names_of_one_model_share_its_answers(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    settings = {"models": [{"from": "gpt-4o*", "to": "llama-3.1-8b"}]}
    app = App(http, (await start_sidecar(semantic=None, fallback_settings=settings)).url)
    await app.chat(ASKED, model="gpt-4o")
    assert (await app.chat(ASKED, model="gpt-4o-mini")).reason == "near"


async def test_the_answer_of_another_model_is_passed_on_and_not_stored(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, upstream: Upstream, second: Upstream, cache_name: str
) -> None:
    small = fallback("second", second.url, models=[{"from": "*", "to": "small"}])
    sidecar = await start_sidecar(**routed(cache_name, fallback("first", upstream.url), small))
    app = App(http, sidecar.url)
    upstream.fail("500")
    reply = await app.chat(ASKED)
    assert (reply.status, second.calls[-1].model) == (200, "small")
    await settled(sidecar)
    assert (await app.chat(ASKED)).reason == "cold"
    assert upstream.calls[-1].model == "gpt-4o"
