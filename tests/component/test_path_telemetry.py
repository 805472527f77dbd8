"""Every exchange is told as a span, in metrics and in the record of decisions, and never a word of its text."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from cachedistill_sidecar.app import Sidecar
from cachedistill_sidecar.telemetry.names import Attribute, CandidateAttribute, Step
from tests.component.asking import App, Reply, serving, settled
from tests.conftest import StartSidecar
from tests.otlp import Receiver, attributes
from tests.taught import Always
from tests.upstream import Upstream

ASKED = "How do I reset my password?"
REWORDED = "How can I reset my password?"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CONTEXT = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=1"}
SAMPLING: dict[str, Any] = {"temperature": 0.25, "top_p": 0.5, "seed": 7, "max_tokens": 200}

WHENCE = {
    Attribute.OPERATION,
    Attribute.PROVIDER,
    Attribute.REQUEST_MODEL,
    Attribute.SERVER_ADDRESS,
    Attribute.SERVER_PORT,
}
ASKED_FOR = {Attribute.MAX_TOKENS, Attribute.TEMPERATURE, Attribute.TOP_P, Attribute.SEED, Attribute.STREAM}
DECIDED = {Attribute.DECISION, Attribute.REASON, Attribute.ROUTE, Attribute.RULE, Attribute.CACHE}
# Told of a candidate alone: without one there is no probability to compare.
COMPARED = {Attribute.PROBABILITY, Attribute.CUTOFF}
LEDGER = {
    Attribute.COST_ACTUAL,
    Attribute.COST_BASELINE,
    Attribute.CURRENCY,
    Attribute.ENERGY_ACTUAL,
    Attribute.ESTIMATED,
}
LEDGER |= {Attribute.ENERGY_BASELINE, Attribute.CARBON_ACTUAL, Attribute.CARBON_AVOIDED}
ANSWERED = {Attribute.RESPONSE_ID, Attribute.RESPONSE_MODEL, Attribute.FINISH_REASONS, Attribute.TIME_TO_FIRST_CHUNK}
SPENT = {Attribute.INPUT_TOKENS, Attribute.OUTPUT_TOKENS}
ALWAYS = WHENCE | ASKED_FOR | DECIDED | LEDGER


class Told:
    """An app, and what its sidecar has told when it has stopped."""

    def __init__(self, sidecar: Sidecar, http: aiohttp.ClientSession, receiver: Receiver) -> None:
        self.sidecar = sidecar
        self.app = App(http, sidecar.url)
        self.receiver = receiver

    async def root(self, reply: Reply) -> Span:
        """The root span of a reply."""
        await self.flush()
        trace = bytes.fromhex(reply.headers["x-cachedistill-trace"])
        [root] = [span for span in self.receiver.roots if span.trace_id == trace]
        return root

    async def flush(self) -> None:
        await settled(self.sidecar)
        provider = self.sidecar._reports._export._provider
        assert provider is not None
        await asyncio.to_thread(provider.force_flush, 5000)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A provider that answers both wordings alike: what is verified turns out right."""
    async with Upstream(groups=dict.fromkeys((ASKED, REWORDED), "reset")) as running:
        yield running


@pytest.fixture
async def told(receiver: Receiver, start_sidecar: StartSidecar, http: aiohttp.ClientSession) -> Told:
    telemetry = {"endpoint": receiver.url, "detail": True}
    retry = {"retry": {"attempts": 0}, "price": {"inputPerMillion": "1000000", "outputPerMillion": "2000000"}}
    sidecar = await start_sidecar(semantic=500, telemetry=telemetry, fallback_settings=retry)
    return Told(sidecar, http, receiver)


def of(span: Span) -> dict[str, Any]:
    return attributes(span.attributes)


async def test_a_miss_tells_all_of_its_attributes(told: Told, upstream: Upstream) -> None:
    reply = await told.app.chat(ASKED, **SAMPLING)
    found = of(await told.root(reply))
    assert found.keys() == ALWAYS | ANSWERED | SPENT | {Attribute.FALLBACK, Attribute.CANDIDATES}
    usage = reply.json["usage"]
    expected = {
        Attribute.OPERATION: "chat",
        Attribute.PROVIDER: "openai",
        Attribute.REQUEST_MODEL: "gpt-4o",
        Attribute.SERVER_ADDRESS: "127.0.0.1",
        Attribute.SERVER_PORT: int(upstream.url.rpartition(":")[2]),
        Attribute.MAX_TOKENS: 200,
        Attribute.TEMPERATURE: 0.25,
        Attribute.TOP_P: 0.5,
        Attribute.SEED: 7,
        Attribute.STREAM: False,
        Attribute.RESPONSE_ID: reply.json["id"],
        Attribute.RESPONSE_MODEL: "gpt-4o",
        Attribute.FINISH_REASONS: ["stop"],
        Attribute.INPUT_TOKENS: usage["prompt_tokens"],
        Attribute.OUTPUT_TOKENS: usage["completion_tokens"],
        Attribute.DECISION: "fallback",
        Attribute.REASON: "cold",
        Attribute.ROUTE: "default/test",
        Attribute.RULE: "all",
        Attribute.CANDIDATES: 0,
        Attribute.FALLBACK: "openai",
        Attribute.COST_ACTUAL: usage["prompt_tokens"] + 2 * usage["completion_tokens"],
        Attribute.CURRENCY: "USD",
    }
    assert {name: found[name] for name in expected} == expected
    assert found[Attribute.COST_BASELINE] == found[Attribute.COST_ACTUAL]
    assert found[Attribute.ENERGY_ACTUAL] >= found[Attribute.ENERGY_BASELINE] > 0
    assert found[Attribute.CARBON_ACTUAL] > 0 >= found[Attribute.CARBON_AVOIDED]


async def test_an_exact_hit_tells_what_it_avoided_and_no_usage(told: Told) -> None:
    await told.app.chat(ASKED, **SAMPLING)
    found = of(await told.root(await told.app.chat(ASKED, **SAMPLING)))
    assert found.keys() == ALWAYS | ANSWERED | {Attribute.ENTRY_AGE}
    assert (found[Attribute.DECISION], found[Attribute.REASON]) == ("exact_hit", "near")
    assert found[Attribute.COST_ACTUAL] == 0 < found[Attribute.COST_BASELINE]
    assert found[Attribute.ENERGY_ACTUAL] < found[Attribute.ENERGY_BASELINE]
    assert found[Attribute.CARBON_AVOIDED] > 0


async def test_a_semantic_hit_tells_its_similarity_and_its_candidates(told: Told) -> None:
    await told.app.chat(ASKED, **SAMPLING)
    await settled(told.sidecar)
    reply = await told.app.chat(REWORDED, **SAMPLING)
    root = await told.root(reply)
    found = of(root)
    recalled = {Attribute.ENTRY_AGE, Attribute.SIMILARITY, Attribute.CANDIDATES}
    assert found.keys() == ALWAYS | ANSWERED | COMPARED | recalled
    assert 0 < found[Attribute.CUTOFF] <= found[Attribute.PROBABILITY] <= 1
    assert found[Attribute.SIMILARITY] == pytest.approx(float(reply.headers["x-cachedistill-similarity"]), abs=1e-4)
    [event] = root.events
    assert event.name == "candidate"
    assert attributes(event.attributes).keys() == {CandidateAttribute.ENTRY, CandidateAttribute.SIMILARITY}


async def test_a_candidate_that_was_blocked_tells_by_what(told: Told) -> None:
    await told.app.chat("How do I turn on dark mode?")
    await settled(told.sidecar)
    root = await told.root(await told.app.chat("How do I turn off dark mode?"))
    [event] = root.events
    assert attributes(event.attributes)[CandidateAttribute.BLOCKED_BY] == "guard_negation"


async def test_a_stream_tells_when_its_first_chunk_came_and_ends_with_the_last(told: Told) -> None:
    reply = await told.app.chat(ASKED, headers={"x-upstream-pace": "50,5"}, stream=True, **SAMPLING)
    root = await told.root(reply)
    found = of(root)
    assert found.keys() == ALWAYS | ANSWERED | SPENT | {Attribute.FALLBACK, Attribute.CANDIDATES}
    assert found[Attribute.STREAM] is True
    seconds = (root.end_time_unix_nano - root.start_time_unix_nano) / 1e9
    assert 0.05 <= found[Attribute.TIME_TO_FIRST_CHUNK] < seconds
    assert found[Attribute.OUTPUT_TOKENS] > 0


@pytest.mark.parametrize(
    ("mode", "error", "decision"), [("500", "500", "fallback"), ("cut-before", "unreachable", "error")]
)
async def test_an_error_tells_its_type_and_is_one(
    told: Told, upstream: Upstream, mode: str, error: str, decision: str
) -> None:
    upstream.fail(mode)
    root = await told.root(await told.app.chat(ASKED))
    found = of(root)
    assert (found[Attribute.ERROR_TYPE], found[Attribute.DECISION]) == (error, decision)
    assert root.status.code == Status.STATUS_CODE_ERROR
    assert not found.keys() & (SPENT | {Attribute.RESPONSE_ID, Attribute.FINISH_REASONS})


async def test_cached_input_of_the_provider_is_told(told: Told) -> None:
    usage = {"input_tokens": 3, "cache_read_input_tokens": 40, "output_tokens": 2}
    message = {"id": "m", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn"}
    whole = message | {"content": [{"type": "text", "text": "Yes."}], "usage": usage, "stop_sequence": None}

    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.json_response(whole)

    async with serving(answer) as url:
        fallback = told.sidecar.parts.route._fallbacks["anthropic"]
        object.__setattr__(fallback.endpoint, "url", url)
        reply = await told.app.ask("anthropic_messages", ASKED)
        found = of(await told.root(reply))
    assert found[Attribute.CACHED_INPUT_TOKENS] == 40
    assert found[Attribute.INPUT_TOKENS] == 43


def test_every_attribute_is_tested_here() -> None:
    somewhere = ALWAYS | ANSWERED | SPENT | COMPARED | {Attribute.VERIFYING}
    somewhere |= {Attribute.CANDIDATES, Attribute.FALLBACK, Attribute.ENTRY_AGE, Attribute.SIMILARITY}
    assert set(Attribute) == somewhere | {Attribute.ERROR_TYPE, Attribute.CACHED_INPUT_TOKENS}


async def test_a_root_span_has_a_child_for_each_step_that_took_time(told: Told) -> None:
    root = await told.root(await told.app.chat(ASKED))
    assert (root.name, root.kind) == ("chat gpt-4o", Span.SPAN_KIND_SERVER)
    children = {span.name: span for span in told.receiver.children(root)}
    assert children.keys() == {str(step) for step in Step} - {Step.VERIFY.value}
    kinds = {name: span.kind for name, span in children.items()}
    assert kinds.pop(Step.ESCALATE) == Span.SPAN_KIND_CLIENT
    assert set(kinds.values()) == {Span.SPAN_KIND_INTERNAL}
    for span in children.values():
        assert root.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano


async def test_a_hit_that_is_verified_tells_so_and_has_the_call_as_a_child(
    receiver: Receiver, start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    told = Told(await start_sidecar(rng=Always(), telemetry={"endpoint": receiver.url}), http, receiver)
    await told.app.chat(ASKED)
    await settled(told.sidecar)
    root = await told.root(await told.app.chat(REWORDED))
    assert of(root)[Attribute.DECISION] == "semantic_hit"
    assert of(root)[Attribute.VERIFYING] is True
    [call] = [span for span in receiver.children(root) if span.name == Step.VERIFY.value]
    assert call.kind == Span.SPAN_KIND_CLIENT


async def test_the_service_is_named(told: Told) -> None:
    await told.root(await told.app.chat(ASKED))
    assert told.receiver.resources[0]["service.name"] == "cachedistill"


@pytest.mark.parametrize("llm", [True, False], ids=["an-llm-call", "passthrough"])
async def test_the_trace_goes_on_from_the_app_through_the_sidecar_to_the_provider(
    told: Told, upstream: Upstream, llm: bool
) -> None:
    reply = await (
        told.app.chat(ASKED, headers=CONTEXT) if llm else told.app.call("GET", "/v1/models", headers=CONTEXT)
    )
    assert reply.headers["x-cachedistill-trace"] == TRACE
    root = await told.root(reply)
    assert root.parent_span_id.hex() == PARENT
    [escalate] = [span for span in told.receiver.children(root) if span.name == "escalate"]
    sent = upstream.calls[-1].headers
    assert sent["traceparent"] == f"00-{TRACE}-{escalate.span_id.hex()}-01"
    assert sent["tracestate"] == "vendor=1"


async def test_no_word_of_prompt_or_answer_is_told_anywhere(
    told: Told, http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "xylophonic zebrafish"
    replies = [await told.app.chat(f"Tell me about the {secret}", headers={"x-cachedistill-debug": "1"})]
    replies.append(await told.app.chat(f"Tell me all about the {secret}", headers={"x-cachedistill-debug": "1"}))
    replies.append(await told.app.post("/v1/chat/completions", f'{{"{secret}": nonsense'.encode()))
    await told.flush()
    admin = App(http, told.sidecar.admin_url)
    told_elsewhere = [
        await admin.call("GET", path) for path in ("/metrics", "/cachedistill/decisions", "/readyz?verbose")
    ]
    answer = replies[0].text.split()[1:6]
    everything = told.receiver.received.decode("latin-1") + caplog.text
    everything += "".join(reply.body.decode() for reply in told_elsewhere)
    everything += "".join(f"{reply.headers}" for reply in replies)
    assert told.receiver.roots
    assert "zebrafish" not in everything
    assert " ".join(answer) not in everything
