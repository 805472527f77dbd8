"""What becomes of intercepted calls: the rule decides, and what it doesn't take goes to the host that was meant."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from cachedistill_sidecar.app import Sidecar
from cachedistill_sidecar.cli.default_route import pass_through_route
from cachedistill_sidecar.route_parsing import parse
from cachedistill_sidecar.transparent.resolver import UpstreamResolver
from cachedistill_sidecar.transparent.settings import Interception
from tests.component.asking import CHAT, App, Json, Reply, eventually
from tests.interception.certificates import Issued, authority, leaf
from tests.upstream import Upstream

OPENAI, MISTRAL = "api.openai.com", "api.mistral.ai"
ASKED = "How do I reset my password?"


class To(AbstractResolver):
    """Leads every name to one port of the loopback."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[ResolveResult]:
        flags = socket.AI_NUMERICHOST
        return [ResolveResult(hostname=host, host="127.0.0.1", port=self._port, family=family, proto=0, flags=flags)]

    async def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def public() -> Issued:
    return authority()


@pytest.fixture
def ours() -> Issued:
    return authority([OPENAI, MISTRAL])


@pytest.fixture
def interception(tmp_path: Path, ours: Issued) -> Interception:
    hosts = frozenset({OPENAI, MISTRAL})
    return Interception(hosts, ours.write(tmp_path / "ca"), tmp_path / "trust" / "bundle.pem", port=0)


Listen = Callable[[Issued], Awaitable[None]]


@pytest.fixture
async def listen(upstream: Upstream, public: Issued, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Listen:
    """Gives the upstream a port with TLS, and lets providers' names lead there."""
    (tmp_path / "public.pem").write_bytes(public.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "public.pem"))

    async def listening(certificate: Issued) -> None:
        runner = upstream._runner
        assert runner is not None
        context = certificate.server(tmp_path / "upstream")
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        monkeypatch.setattr(UpstreamResolver, "resolve", To(runner.addresses[-1][1]).resolve)

    return listening


def route(redis_url: str, cache: str, fallbacks: dict[str, Json], **match: Any) -> Any:
    """One cached rule over these fallbacks, in their order."""
    rule = {"name": "all", "match": match, "cache": {"ref": cache}, "fallbacks": list(fallbacks)}
    document = {
        "name": "test",
        "caches": [{"name": cache, "redis": {"url": redis_url}}],
        "rules": [rule],
        "fallbacks": [{"name": name, **settings} for name, settings in fallbacks.items()],
    }
    return parse(orjson.dumps(document))


def at(url: str, dialect: str = "OpenAI", **settings: Any) -> Json:
    return {"endpoint": {"url": url, "dialect": dialect}, **settings}


class Client(App):
    """An app that calls a host by its name; the sidecar's TLS port answers."""

    async def named(self, host: str, path: str, body: Json | None = None, key: str = "the-apps") -> Reply:
        headers = {"authorization": f"Bearer {key}"}
        data = None if body is None else orjson.dumps(body)
        return await App(self.http, f"https://{host}").call("POST" if body else "GET", path, data, headers)

    async def asks(self, host: str, text: str = ASKED, model: str = "gpt-4o") -> Reply:
        return await self.named(host, CHAT, {"model": model, "messages": [{"role": "user", "content": text}]})


Start = Callable[..., Awaitable[Client]]


@pytest.fixture
async def start(interception: Interception, ours: Issued, listen: Listen, public: Issued) -> AsyncIterator[Start]:
    """A sidecar with a route, in front of an upstream that is every provider, and an app that trusts the bundle."""
    async with AsyncExitStack() as stack:

        async def starting(document: Any, certificate: Issued | None = None) -> Client:
            await listen(certificate or leaf(public, OPENAI, MISTRAL))
            sidecar = await stack.enter_async_context(Sidecar(document, find_model=Path, interception=interception))
            await eventually(lambda: sidecar.unready is None)
            trusted = ssl.create_default_context(cafile=interception.bundle)
            connector = aiohttp.TCPConnector(resolver=To(sidecar._runners[-1].addresses[0][1]), ssl=trusted)
            return Client(await stack.enter_async_context(aiohttp.ClientSession(connector=connector)), sidecar.url)

        yield starting


def calls(upstream: Upstream) -> list[tuple[str, str]]:
    """Host and key of each call that reached a provider."""
    return [(call.headers["host"].partition(":")[0], call.headers["authorization"]) for call in upstream.calls]


async def test_what_a_rule_takes_is_cached(start: Start, upstream: Upstream, redis_url: str, cache_name: str) -> None:
    client = await start(route(redis_url, cache_name, {"openai": at(f"https://{OPENAI}")}))
    assert [(await client.asks(OPENAI)).reason for _ in range(2)] == ["cold", "near"]
    assert calls(upstream) == [(OPENAI, "Bearer the-apps")]


async def test_the_rules_order_of_fallbacks_holds(
    start: Start, upstream: Upstream, redis_url: str, cache_name: str
) -> None:
    places = {"cluster": at(upstream.url), "openai": at(f"https://{OPENAI}")}
    client = await start(route(redis_url, cache_name, places))
    assert (await client.asks(OPENAI)).decision == "fallback"
    upstream.fail("500")
    assert (await client.asks(OPENAI, "Something else")).decision == "fallback"
    assert [host for host, _ in calls(upstream)] == ["127.0.0.1", "127.0.0.1", OPENAI]


async def test_the_apps_key_for_one_host_is_never_sent_to_another_intercepted_one(
    start: Start, upstream: Upstream, redis_url: str, cache_name: str
) -> None:
    client = await start(route(redis_url, cache_name, {"openai": at(f"https://{OPENAI}")}))
    for _ in range(2):
        assert (await client.asks(MISTRAL)).reason == "not_routed"
    assert calls(upstream) == [(MISTRAL, "Bearer the-apps")] * 2


async def test_a_fallback_with_a_key_of_its_own_may_answer_for_another_host(
    start: Start, upstream: Upstream, redis_url: str, cache_name: str, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("the-routes")
    places = {"openai": at(f"https://{OPENAI}", credentialsFile=str(tmp_path / "key"))}
    client = await start(route(redis_url, cache_name, places))
    assert (await client.asks(MISTRAL)).decision == "fallback"
    assert calls(upstream) == [(OPENAI, "Bearer the-routes")]


async def test_what_no_rule_takes_goes_to_the_host_that_was_meant(
    start: Start, upstream: Upstream, redis_url: str, cache_name: str
) -> None:
    places = {"cluster": at(upstream.url), "openai": at(f"https://{OPENAI}")}
    client = await start(route(redis_url, cache_name, places, models=["gpt*"]))
    assert (await client.asks(MISTRAL, model="mistral-small")).reason == "not_routed"
    assert (await client.asks(OPENAI, model="o3")).reason == "not_routed"
    assert (await client.named(OPENAI, "/v1/models")).reason == "not_llm"
    assert (await client.named(MISTRAL, CHAT, {"model": ["not", "a", "name"]})).reason == "not_understood"
    assert [host for host, _ in calls(upstream)] == [MISTRAL, OPENAI, OPENAI, MISTRAL]


async def test_a_dialect_without_a_fallback_goes_to_the_host_that_was_meant(
    start: Start, upstream: Upstream, redis_url: str, cache_name: str
) -> None:
    client = await start(route(redis_url, cache_name, {"claude": at("https://api.anthropic.com", "Anthropic")}))
    assert (await client.asks(OPENAI)).reason == "not_routed"
    assert calls(upstream) == [(OPENAI, "Bearer the-apps")]


@pytest.mark.parametrize("base", ["", "/v1"])
async def test_what_passes_through_gets_the_key_that_the_route_has_for_that_host(
    start: Start, upstream: Upstream, redis_url: str, cache_name: str, tmp_path: Path, base: str
) -> None:
    (tmp_path / "key").write_text("the-routes")
    places = {"openai": at(f"https://{OPENAI}{base}", credentialsFile=str(tmp_path / "key"))}
    client = await start(route(redis_url, cache_name, places))
    for host in (OPENAI, MISTRAL):
        await client.named(host, "/health")
    assert calls(upstream) == [(OPENAI, "Bearer the-routes"), (MISTRAL, "Bearer the-apps")]
    assert [call.path for call in upstream.calls] == ["/health", "/health"]


async def test_without_a_route_every_call_goes_to_the_host_that_was_meant(start: Start, upstream: Upstream) -> None:
    client = await start(pass_through_route())
    for host in (OPENAI, MISTRAL):
        assert (await client.asks(host)).reason == "not_routed"
    assert [host for host, _ in calls(upstream)] == [OPENAI, MISTRAL]


async def test_a_call_for_another_host_is_misdirected(
    start: Start, upstream: Upstream, redis_url: str, cache_name: str
) -> None:
    client = await start(route(redis_url, cache_name, {"openai": at(f"https://{OPENAI}")}))
    for host in ("api.example.com", ""):
        reply = await App(client.http, f"https://{OPENAI}").call("POST", CHAT, b"{}", {"host": host})
        assert (reply.status, reply.decision, reply.reason) == (421, "blocked", "misdirected")
    assert upstream.calls == []


async def test_calls_to_the_sidecars_own_port_have_no_other_host(
    start: Start, upstream: Upstream, redis_url: str, cache_name: str
) -> None:
    client = await start(route(redis_url, cache_name, {"cluster": at(upstream.url)}, models=["gpt*"]))
    assert (await client.chat(ASKED, model="o3", headers={"host": MISTRAL})).reason == "no_cache"


async def test_a_provider_is_not_trusted_by_the_interception_ca(
    start: Start, upstream: Upstream, redis_url: str, cache_name: str, ours: Issued
) -> None:
    client = await start(route(redis_url, cache_name, {"openai": at(f"https://{OPENAI}")}), leaf(ours, OPENAI))
    reply = await client.asks(OPENAI)
    assert (reply.status, reply.reason) == (502, "unreachable")
    assert upstream.calls == []


async def test_apps_are_started_only_when_the_ca_is_there_and_their_bundle_written(
    interception: Interception, ours: Issued, http: aiohttp.ClientSession
) -> None:
    for file in ("tls.crt", "tls.key"):
        (interception.authority / file).rename(interception.authority / f"{file}.later")
    async with Sidecar(pass_through_route(), find_model=Path, interception=interception) as sidecar:
        admin = App(http, sidecar.admin_url)
        await eventually(lambda: "tls.crt" in str(sidecar.unready))
        reply = await admin.call("GET", "/readyz")
        assert (reply.status, b"tls.crt: No such file" in reply.body) == (503, True)
        assert (await admin.call("GET", "/readyz?verbose")).json["interception"]["ca"] is None
        assert (await admin.call("GET", "/healthz")).status == 200
        assert not interception.bundle.exists()
        for file in ("tls.key", "tls.crt"):
            (interception.authority / f"{file}.later").rename(interception.authority / file)
        await eventually(lambda: sidecar.unready is None)
        assert (await admin.call("GET", "/readyz")).status == 200
        assert interception.bundle.read_bytes().endswith(ours.pem)


async def test_a_port_that_is_taken_for_a_while_is_told_and_then_taken(
    interception: Interception, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = Interception(interception.hosts, interception.authority, interception.bundle, port)
        sidecar = Sidecar(pass_through_route(), find_model=Path, interception=settings)
        await sidecar.start()
        await eventually(lambda: "address already in use" in str(sidecar.unready))
        await asyncio.sleep(1.2)
    await eventually(lambda: sidecar.unready is None)
    await sidecar.stop()
    assert len([record for record in caplog.records if "can't be intercepted yet" in record.getMessage()]) == 1
