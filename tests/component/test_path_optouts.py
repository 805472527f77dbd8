"""Who wants no stored answer, or can't have one, is told the reason; nothing of it is stored."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from tests.component.asking import CHAT, DIALECTS, App, Headers, Json, settled
from tests.conftest import StartSidecar
from tests.upstream import Upstream

ASKED = "How do I reset my password?"
USER = {"role": "user", "content": ASKED}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
EARLIER: tuple[Json, ...] = ({"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello, ask me."})
OTHERWISE: tuple[Json, ...] = ({"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello, ask me."})


@pytest.fixture
async def app(start_sidecar: StartSidecar, http: aiohttp.ClientSession) -> App:
    return App(http, (await start_sidecar(semantic=None)).url)


OPT_OUTS: list[tuple[str, Json]] = [
    ("choices", {"n": 2}),
    ("logprobs", {"logprobs": True}),
    ("logprobs", {"logprobs": True, "top_logprobs": 2}),
    ("tools", {"tools": [TOOL]}),
    ("tools", {"functions": [TOOL["function"]]}),
    ("modality", {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}),
    ("temperature", {"temperature": 0.71}),
    ("temperature", {"temperature": 1}),
    ("time_bound", {"messages": [{"role": "user", "content": "What is the weather in Berlin today?"}]}),
]


@pytest.mark.parametrize(("reason", "fields"), OPT_OUTS)
async def test_what_cant_be_cached_goes_to_the_fallback_with_its_reason(
    app: App, upstream: Upstream, reason: str, fields: Json
) -> None:
    for _ in range(2):
        reply = await app.post(CHAT, {"model": "gpt-4o", "messages": [USER], **fields})
        assert (reply.status, reply.decision, reply.reason) == (200, "fallback", reason)
    assert len(upstream.calls) == 2


async def test_the_temperature_limit_itself_is_allowed(app: App) -> None:
    for reason in ("cold", "near"):
        assert (await app.chat(ASKED, temperature=0.7)).reason == reason


async def test_the_temperature_limit_is_the_routes(start_sidecar: StartSidecar, http: aiohttp.ClientSession) -> None:
    app = App(http, (await start_sidecar(semantic=None, use={"temperatureLimitPermille": 0})).url)
    assert (await app.chat(ASKED, temperature=0.01)).reason == "temperature"
    assert (await app.chat(ASKED, temperature=0)).reason == "cold"


@pytest.mark.parametrize(
    "fields",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"input": [{"type": "item_reference", "id": "m"}]},
    ],
    ids=lambda fields: next(iter(fields)),
)
async def test_what_depends_on_the_providers_state_is_not_cached(app: App, fields: Json) -> None:
    for _ in range(2):
        reply = await app.post("/v1/responses", {"model": "gpt-4o", "input": ASKED, **fields})
        assert (reply.decision, reply.reason) == ("fallback", "server_state")


@pytest.mark.parametrize(
    "headers",
    [
        {"cache-control": "no-store"},
        {"Cache-Control": "Max-Age=60, No-Store"},
        [("cache-control", "max-age=60"), ("cache-control", "no-store")],
    ],
    ids=["alone", "in-a-list", "on-a-line-of-its-own"],
)
async def test_no_store_is_neither_served_nor_stored(app: App, headers: Headers) -> None:
    assert (await app.chat(ASKED, headers=headers)).reason == "opted_out"
    assert (await app.chat(ASKED)).reason == "cold"
    assert (await app.chat(ASKED, headers=headers)).reason == "opted_out"


async def test_no_cache_gets_a_fresh_answer_which_replaces_the_stored_one(app: App, upstream: Upstream) -> None:
    first = await app.chat(ASKED)
    fresh = await app.chat(ASKED, headers={"cache-control": "no-cache"})
    assert (fresh.decision, fresh.reason, len(upstream.calls)) == ("fallback", "refresh", 2)
    served = await app.chat(ASKED)
    assert served.reason == "near"
    assert served.json["id"] == fresh.json["id"] != first.json["id"]


async def test_a_fresh_answer_replaces_the_stored_one_in_redis_and_for_paraphrases(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    first = await start_sidecar()
    await App(http, first.url).chat(ASKED)
    fresh = await App(http, first.url).chat(ASKED, headers={"cache-control": "no-cache"})
    await settled(first)
    other = App(http, (await start_sidecar()).url)
    for wording, reason in ((ASKED, "stored"), ("How can I reset my password?", "similar")):
        served = await other.chat(wording)
        assert (served.reason, served.json["id"]) == (reason, fresh.json["id"])


async def test_a_refreshed_first_answer_is_found_by_paraphrases(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    sidecar = await start_sidecar()
    app = App(http, sidecar.url)
    await app.chat(ASKED, headers={"cache-control": "no-cache"})
    await settled(sidecar)
    assert (await app.chat("How can I reset my password?")).reason == "similar"


async def test_max_age_refuses_an_older_answer_and_its_fresh_one_replaces_it(app: App, upstream: Upstream) -> None:
    await app.chat(ASKED)
    assert (await app.chat(ASKED, headers={"cache-control": "max-age=60"})).reason == "near"
    stale = await app.chat(ASKED, headers={"cache-control": "max-age=0"})
    assert (stale.decision, stale.reason, len(upstream.calls)) == ("fallback", "stale", 2)
    assert (await app.chat(ASKED)).json["id"] == stale.json["id"]


async def test_max_age_holds_for_semantic_hits_too(start_sidecar: StartSidecar, http: aiohttp.ClientSession) -> None:
    sidecar = await start_sidecar()
    app = App(http, sidecar.url)
    await app.chat(ASKED)
    await settled(sidecar)
    wording = "How can I reset my password?"
    assert (await app.chat(wording, headers={"cache-control": "max-age=0"})).reason == "stale"


CONVERSATIONS: list[tuple[str, str, str]] = [
    ("Off", "conversation", "conversation"),
    ("FirstTurn", "near", "cold"),
    ("SameHistory", "near", "similar"),
]


@pytest.mark.parametrize(("mode", "same", "similar"), CONVERSATIONS)
async def test_later_turns_are_cached_as_the_rule_says(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, mode: str, same: str, similar: str
) -> None:
    sidecar = await start_sidecar(use={"conversations": mode})
    app = App(http, sidecar.url)
    await app.chat(ASKED, history=EARLIER)
    await settled(sidecar)
    assert (await app.chat(ASKED, history=EARLIER)).reason == same
    assert (await app.chat("How can I reset my password?", history=EARLIER)).reason == similar


async def test_another_history_is_never_served_the_answer(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    sidecar = await start_sidecar(semantic=500, use={"conversations": "SameHistory"})
    app = App(http, sidecar.url)
    await app.chat(ASKED, history=EARLIER)
    await app.chat("How can I reset my password?")
    await settled(sidecar)
    assert (await app.chat(ASKED, history=OTHERWISE)).reason == "cold"


async def test_instructions_are_no_earlier_turn(start_sidecar: StartSidecar, http: aiohttp.ClientSession) -> None:
    app = App(http, (await start_sidecar(semantic=None, use={"conversations": "Off"})).url)
    for reason in ("cold", "near"):
        assert (await app.chat(ASKED, history=({"role": "system", "content": "Be brief."},))).reason == reason


async def test_a_rule_without_a_cache_stores_nothing(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, upstream: Upstream
) -> None:
    names = [provider.lower() for provider in ("OpenAI", "Anthropic", "AzureOpenAI", "Ollama")]
    app = App(http, (await start_sidecar(rules=[{"name": "plain", "fallbacks": names}])).url)
    for dialect in DIALECTS:
        for _ in range(2):
            reply = await app.ask(dialect, ASKED)
            assert (reply.decision, reply.reason) == ("fallback", "no_cache")
    assert len(upstream.calls) == 2 * len(DIALECTS)


@pytest.mark.parametrize(("mode", "reasons"), [("Never", ["tools", "tools"]), ("Exact", ["cold", "near"])])
async def test_tool_calls_are_cached_where_the_rule_allows(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, mode: str, reasons: list[str]
) -> None:
    app = App(http, (await start_sidecar(use={"toolCalls": mode})).url)
    replies = [await app.chat("Please use the tool.", tools=[TOOL]) for _ in range(2)]
    assert [reply.reason for reply in replies] == reasons
    calls: list[Any] = [reply.json["choices"][0]["message"]["tool_calls"] for reply in replies]
    assert calls[0][0]["function"] == calls[1][0]["function"]


async def test_requests_with_tools_are_never_answered_by_meaning(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    sidecar = await start_sidecar(semantic=500, use={"toolCalls": "Exact"})
    app = App(http, sidecar.url)
    await app.chat(ASKED, tools=[TOOL])
    await settled(sidecar)
    assert (await app.chat("How can I reset my password?", tools=[TOOL])).reason == "cold"
