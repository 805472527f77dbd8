"""The route document decides what happens to a request, and may change while the sidecar runs."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from cachedistill_sidecar import route_file as module
from cachedistill_sidecar.app import Sidecar
from cachedistill_sidecar.route_document import RouteError
from tests.component.asking import App, Json, eventually
from tests.conftest import StartSidecar
from tests.routes import route_document
from tests.upstream import Upstream

ASKED = "How do I reset my password?"


@pytest.fixture
def document(upstream: Upstream, redis_url: str, cache_name: str) -> Json:
    """A route document as JSON, exact hits only."""
    made = route_document(upstream.url, redis_url=redis_url, cache=cache_name, semantic=None)
    written: Json = orjson.loads(made.model_dump_json(by_alias=True, exclude_none=True))
    return written


@pytest.fixture
def file(tmp_path: Path, document: Json) -> Path:
    path = tmp_path / "route.json"
    path.write_bytes(orjson.dumps(document))
    return path


@pytest.fixture
async def sidecar(file: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sidecar]:
    monkeypatch.setattr(module, "_RELOAD_SECONDS", 0.02)
    async with Sidecar(file, find_model=Path) as running:
        yield running


@pytest.fixture
async def app(sidecar: Sidecar, http: aiohttp.ClientSession) -> App:
    return App(http, sidecar.url)


def without_cache(document: Json) -> bytes:
    rule = {name: value for name, value in document["rules"][0].items() if name != "cache"}
    return orjson.dumps(document | {"rules": [rule | {"name": "changed"}]})


def put(file: Path, content: bytes) -> None:
    """Write a file, as an editor does."""
    file.write_bytes(content)


async def state(sidecar: Sidecar, http: aiohttp.ClientSession) -> Any:
    return (await App(http, sidecar.admin_url).call("GET", "/readyz?verbose")).json


async def loads(sidecar: Sidecar, http: aiohttp.ClientSession, result: str) -> float:
    """How often documents were loaded with a result, by the metric."""
    text = (await App(http, sidecar.admin_url).call("GET", "/metrics")).body.decode()
    lines = [
        line for line in text.splitlines() if line.startswith("cachedistill_route_loads") and f'"{result}"' in line
    ]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


async def test_a_changed_document_is_live_without_a_restart(
    app: App, sidecar: Sidecar, file: Path, document: Json
) -> None:
    assert (await app.chat(ASKED)).reason == "cold"
    put(file, without_cache(document))
    await eventually(lambda: sidecar.parts.route.document.rules[0].name == "changed")
    assert (await app.chat(ASKED)).reason == "no_cache"
    assert await loads(sidecar, app.http, "ok") == 2


async def test_a_document_behind_a_symlink_is_followed_when_it_is_swapped(
    tmp_path: Path, document: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RELOAD_SECONDS", 0.02)
    for name, content in (("one", orjson.dumps(document)), ("two", without_cache(document))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "route.json").write_bytes(content)
        os.utime(tmp_path / name / "route.json", (0, 0))
    (tmp_path / "data").symlink_to("one")
    (tmp_path / "route.json").symlink_to("data/route.json")
    async with Sidecar(tmp_path / "route.json", find_model=Path) as sidecar:
        (tmp_path / "new").symlink_to("two")
        (tmp_path / "new").rename(tmp_path / "data")
        await eventually(lambda: sidecar.parts.route.document.rules[0].name == "changed")


async def test_a_change_keeps_what_the_caches_hold(app: App, sidecar: Sidecar, file: Path, document: Json) -> None:
    await app.chat(ASKED)
    changed = document["rules"][0] | {"name": "changed"}
    put(file, orjson.dumps(document | {"rules": [changed]}))
    await eventually(lambda: sidecar.parts.route.document.rules[0].name == "changed")
    assert (await app.chat(ASKED)).reason == "near"


async def test_a_call_under_way_ends_with_the_route_it_began_with(
    app: App, sidecar: Sidecar, file: Path, document: Json, upstream: Upstream
) -> None:
    body = {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": ASKED}]}
    headers = {"x-upstream-pace": "0,10"}
    async with app.http.post(f"{app.url}/v1/chat/completions", json=body, headers=headers) as response:
        await response.content.readany()
        put(file, without_cache(document))
        await eventually(lambda: sidecar.parts.route.document.rules[0].name == "changed")
        assert (await response.read()).endswith(b"data: [DONE]\n\n")
    assert len(upstream.calls) == 1


BAD = {
    "no-json": b"{nonsense",
    "no-object": b"[]",
    "an-unknown-field": b'{"name": "x", "rules": [], "fallbacks": [], "bogus": 1}',
    "nothing": b"",
}


@pytest.mark.parametrize("bad", BAD)
async def test_a_bad_document_leaves_the_last_good_one_and_says_so(
    app: App, sidecar: Sidecar, file: Path, document: Json, bad: str
) -> None:
    put(file, BAD[bad])

    async def told() -> bool:
        return bool((await state(sidecar, app.http))["route"]["problem"])

    await eventually(told)
    assert (await app.chat(ASKED)).status == 200
    if bad == "an-unknown-field":
        assert "bogus" in (await state(sidecar, app.http))["route"]["problem"]
    assert (await loads(sidecar, app.http, "rejected"), await loads(sidecar, app.http, "ok")) == (1, 1)
    put(file, without_cache(document))
    await eventually(lambda: sidecar.parts.route.document.rules[0].name == "changed")
    assert (await state(sidecar, app.http))["route"]["problem"] is None


async def test_a_document_that_was_away_and_is_back_is_no_problem_any_more(
    app: App, sidecar: Sidecar, file: Path
) -> None:
    away = file.with_suffix(".away")
    os.rename(file, away)

    async def problem() -> Any:
        return (await state(sidecar, app.http))["route"]["problem"]

    async def told() -> bool:
        return str(file) in str(await problem())

    await eventually(told)
    assert (await app.chat(ASKED)).status == 200
    os.rename(away, file)

    async def forgotten() -> bool:
        return await problem() is None

    await eventually(forgotten)


async def test_a_bad_document_at_the_start_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "route.json").write_bytes(b'{"name": "x"}')
    with pytest.raises(RouteError, match="rules"):
        Sidecar(tmp_path / "route.json", find_model=Path)
    with pytest.raises(RouteError, match="No such file"):
        Sidecar(tmp_path / "gone.json", find_model=Path)


@pytest.fixture
async def ruled(start_sidecar: StartSidecar, http: aiohttp.ClientSession, cache_name: str) -> App:
    """An app under four rules, of which the first that matches takes a request."""
    use = {"cache": {"ref": cache_name}, "fallbacks": ["openai", "anthropic"]}
    rules = [
        {"name": "team", "match": {"headers": {"X-Team": "sup*"}}, **use},
        {"name": "mini", "match": {"models": ["gpt-4o-m?ni", "o1*"], "paths": ["/v1/chat/*"]}, **use},
        {"name": "chat", "match": {"paths": ["/v1/chat/completions"]}, **use},
        {"name": "rest", "match": {"models": ["gpt*"]}, **use},
    ]
    return App(http, (await start_sidecar(rules=rules)).url)


RULES = [
    ("gpt-4o", "openai_chat", {}, "chat"),
    ("gpt-4o-mini", "openai_chat", {}, "mini"),
    ("o1-preview", "openai_chat", {}, "mini"),
    ("gpt-4o-mini", "openai_responses", {}, "rest"),
    ("gpt-4o-mini", "openai_chat", {"x-team": "support"}, "team"),
    ("gpt-4o-mini", "openai_chat", {"x-team": "sales"}, "mini"),
    ("claude", "anthropic_messages", {}, None),
]


@pytest.mark.parametrize(("model", "dialect", "headers", "rule"), RULES)
async def test_the_first_rule_that_matches_takes_the_request(
    ruled: App, model: str, dialect: str, headers: dict[str, str], rule: str | None
) -> None:
    ruled.http.headers.update(headers | {"x-cachedistill-debug": "1"})
    reply = await ruled.ask(dialect, ASKED, model=model)
    assert (reply.status, reply.debug["rule"]) == (200, rule)
    if rule is None:
        assert reply.reason == "no_cache"
