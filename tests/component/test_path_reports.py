"""What is told beside spans: trace context, metrics, the last decisions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from cachedistill_sidecar.app import Sidecar
from cachedistill_sidecar.telemetry import names
from tests.component.asking import App, eventually, settled
from tests.conftest import StartSidecar
from tests.otlp import Receiver
from tests.taught import Always
from tests.upstream import Upstream

ASKED = "How do I reset my password?"
REWORDED = "How can I reset my password?"
TRACE = "0af7651916cd43dd8448eb211c80319c"
CONTEXT = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "tracestate": "vendor=1"}


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A provider that answers both wordings alike: what is verified turns out right."""
    async with Upstream(groups=dict.fromkeys((ASKED, REWORDED), "reset")) as running:
        yield running


async def test_without_an_exporter_the_apps_own_trace_context_goes_through(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, upstream: Upstream
) -> None:
    app = App(http, (await start_sidecar(semantic=None)).url)
    reply = await app.chat(ASKED, headers=CONTEXT)
    assert reply.headers["x-cachedistill-trace"] == TRACE
    assert {name: upstream.calls[-1].headers[name] for name in CONTEXT} == CONTEXT
    await app.chat(f"{ASKED} again")
    assert "traceparent" not in upstream.calls[-1].headers


async def test_a_trace_context_that_is_none_of_w3cs_gets_a_trace_of_its_own(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    app = App(http, (await start_sidecar(semantic=None)).url)
    traces = {(await app.chat(ASKED, headers={"traceparent": "junk"})).headers["x-cachedistill-trace"] for _ in "12"}
    assert len(traces) == 2
    assert "0" * 32 not in traces


async def traffic(app: App, sidecar: Sidecar) -> None:
    """A miss, hits of both kinds, a stream, an error, and a write that is dropped."""
    await app.chat(ASKED)
    await settled(sidecar)
    await app.chat(ASKED, stream=True)
    # Whole: its stream would be more than is read along for an entry of so few bytes, and could not be verified.
    await app.chat(REWORDED)
    await app.chat("secretword", model="m" * 900)
    await app.chat(ASKED, headers={"x-upstream-fail": "500", "cache-control": "no-store"})


async def measured(sidecar: Sidecar) -> bool:
    """Whether the budget knows what was verified."""
    [lesson] = sidecar.parts.lessons.values()
    assert lesson.learner is not None
    lesson.learner._fit_after = lesson.learner._fit_before = 0.0
    await lesson.learner.turn()
    return lesson.learner.standings()["all"].measured is not None


async def test_prometheus_and_otlp_have_every_metric_with_its_labels(
    receiver: Receiver, start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    settings = {"cache_settings": {"maxEntryBytes": 2000}, "telemetry": {"endpoint": receiver.url}}
    sidecar = await start_sidecar(semantic=500, rng=Always(), **settings)
    await traffic(App(http, sidecar.url), sidecar)
    await settled(sidecar)
    await eventually(lambda: measured(sidecar))
    scraped = (await App(http, sidecar.admin_url).call("GET", "/metrics")).body.decode()
    assert await asyncio.to_thread(sidecar.parts.metrics.provider.force_flush)
    for metric in names.METRICS:
        series = metric.name.replace(".", "_")
        lines = [line for line in scraped.splitlines() if line.startswith(series)]
        assert lines, metric.name
        assert all(f"{label.replace('.', '_')}=" in lines[0] for label in metric.labels), metric.name
        assert receiver.metrics[metric.name][0].keys() == set(metric.labels)


async def test_a_collector_that_is_away_costs_nothing_but_its_spans(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    sidecar = await start_sidecar(semantic=None, telemetry={"endpoint": "http://127.0.0.1:9"})
    assert (await App(http, sidecar.url).chat(ASKED)).status == 200


async def test_the_last_decisions_are_told_the_newest_first(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    sidecar = await start_sidecar(semantic=None)
    app, admin = App(http, sidecar.url), App(http, sidecar.admin_url)
    replies = [await app.chat(ASKED) for _ in range(3)]
    await settled(sidecar)
    records = (await admin.call("GET", "/cachedistill/decisions?count=2")).json
    assert [record["trace"] for record in records] == [
        reply.headers["x-cachedistill-trace"] for reply in reversed(replies[1:])
    ]
    [record] = (await admin.call("GET", f"/cachedistill/decisions/{records[0]['trace']}")).json
    assert (record["decision"], record["reason"], record["ledger"]["cost_actual"]) == ("exact_hit", "near", 0)
    assert (await admin.call("GET", "/cachedistill/decisions/0")).status == 404
    assert (await admin.call("GET", "/cachedistill/decisions?count=x")).status == 400


async def test_the_record_of_decisions_holds_no_prompt_no_answer_and_no_key(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    sidecar = await start_sidecar(semantic=500)
    app = App(http, sidecar.url)
    secrets = {"authorization": "Bearer of-the-app"}
    history = ({"role": "system", "content": "zebrafish"},)
    first = await app.chat(ASKED, headers=secrets, history=history)
    await settled(sidecar)
    for wording in (ASKED, REWORDED):
        assert (await app.chat(wording, headers=secrets, history=history)).decision.endswith("_hit")
    kept = repr(sidecar.parts.records._kept)
    assert "semantic_hit" in kept
    for secret in ("zebrafish", "of-the-app", ASKED, REWORDED, first.text):
        assert secret not in kept
