"""Reconciles and reviews as a collector and Prometheus get them."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp.test_utils import make_mocked_request

from cachedistill_operator.api.group import Key
from cachedistill_operator.telemetry import Telemetry
from tests.otlp import Receiver, attributes


async def test_a_reconcile_and_a_review_are_spans_at_the_collector(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
    telemetry = Telemetry("controller")
    with telemetry.reconcile("ModelRoute", Key("shop", "chat")):
        pass
    with telemetry.review("shop") as told:
        told |= {"result": "skipped", "reason": "NoRoute"}
    # In a thread: it sends what is left, and the receiver answers in this loop.
    await asyncio.to_thread(asyncio.run, telemetry.__aexit__())
    spans = {span.name: attributes(span.attributes) for span in receiver.spans}
    assert spans["reconcile ModelRoute"]["cachedistill.name"] == "chat"
    assert spans["review pod"]["cachedistill.reason"] == "NoRoute"


async def test_prometheus_reads_how_reconciles_ended() -> None:
    telemetry = Telemetry("controller")
    with pytest.raises(OSError, match="away"), telemetry.reconcile("ModelRoute", Key("shop", "chat")):
        raise OSError("away")
    answer = await telemetry.exposition(make_mocked_request("GET", "/metrics"))
    assert isinstance(answer.body, bytes)
    series = [line for line in answer.body.decode().splitlines() if "reconcile_duration_seconds_count" in line]
    assert 'kind="ModelRoute"' in series[0]
    assert 'result="error"' in series[0]
