"""Reviews by the webhook, with a cluster that says what the test wants."""

from __future__ import annotations

import asyncio
import base64
import copy
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from aiohttp import web

from cachedistill_operator.cluster.client import ApiError
from cachedistill_operator.inject import SkipReason
from cachedistill_operator.telemetry import Telemetry
from cachedistill_operator.webhook.index import Index
from cachedistill_operator.webhook.notices import Notices
from cachedistill_operator.webhook.review import BadReview, Reviewer
from tests.golden import case, settings
from tests.patching import patched

ROUTE = case("plain").route or {}
INJECT = "cachedistill.dev/inject"


class Cluster:
    """Stands in for the client: what there is, and what was asked and said."""

    def __init__(self) -> None:
        self.routes: list[dict[str, Any]] = []
        self.labels: dict[str, str] = {}
        self.failing: Exception | None = None
        self.waiting = asyncio.Event()
        self.waiting.set()
        self.lists = 0
        self.often = asyncio.Event()
        self.events: list[tuple[str, str, str, str]] = []

    async def list(self, _version: str, _kind: str, _namespace: str | None = None) -> list[dict[str, Any]]:
        self.lists += 1
        if self.lists > 2:
            self.often.set()
        await self.waiting.wait()
        if self.failing is not None:
            raise self.failing
        return self.routes

    async def get(self, _version: str, _kind: str, _name: str) -> dict[str, Any]:
        return {"metadata": {"labels": self.labels}}

    async def event(self, about: dict[str, Any], type_: str, reason: str, note: str, _action: str) -> None:
        self.events.append((about["kind"], about["metadata"]["name"], f"{type_} {reason}", note))


class Webhook:
    """The reviewer and what is around it."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.cluster, self.now = Cluster(), 0.0
        self.index = Index(self.cluster)  # type: ignore[arg-type]
        self.index.labels["shop"] = {}
        self.notices = Notices(self.cluster, clock=lambda: self.now)  # type: ignore[arg-type]
        self.telemetry = telemetry
        self.reviewer = Reviewer(self.index, self.notices, settings(), telemetry)

    async def ask(self, pod: dict[str, Any] | None = None, **request: Any) -> dict[str, Any]:
        """The response to a review of a pod; events are written when this returns."""
        asked = {"uid": "u-1", "namespace": "shop", "object": pod or case("job").pod, **request}
        answer = await self.reviewer.review(orjson.dumps({"request": asked}))
        await self.notices.close()
        assert answer["response"]["uid"] == "u-1"
        response: dict[str, Any] = answer["response"]
        return response


@pytest.fixture
async def webhook() -> AsyncIterator[Webhook]:
    async with Telemetry("test") as telemetry:
        yield Webhook(telemetry)


def labelled(value: str | None) -> dict[str, Any]:
    pod = copy.deepcopy(case("job").pod)
    del pod["metadata"]["labels"][INJECT]
    if value is not None:
        pod["metadata"]["labels"][INJECT] = value
    return pod


def injected(pod: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = patched(pod, orjson.loads(base64.b64decode(response["patch"])))
    return result


def sidecars(pod: dict[str, Any]) -> list[str]:
    return [each["name"] for each in pod["spec"].get("initContainers", ()) if each["name"] == "cachedistill"]


async def test_a_pod_that_a_route_takes_gets_a_sidecar_without_a_question_to_the_cluster(webhook: Webhook) -> None:
    webhook.index.see(ROUTE)
    pod = case("job").pod
    response = await webhook.ask(pod)
    assert sidecars(injected(pod, response)) == ["cachedistill"]
    assert response["allowed"]
    assert response["auditAnnotations"] == {"decision": "injected", "reason": "sidecar of ModelRoute chat"}
    assert webhook.cluster.lists == 0
    assert webhook.cluster.events == []


async def test_a_route_that_no_watch_has_told_of_yet_is_found(webhook: Webhook) -> None:
    webhook.cluster.routes = [ROUTE]
    assert "patch" in await webhook.ask()


async def test_a_pod_that_nobody_asked_for_passes_in_silence(webhook: Webhook) -> None:
    for pod in (labelled(None), labelled("disabled")):
        response = await webhook.ask(pod)
        assert response["allowed"]
        assert "patch" not in response
        assert "warnings" not in response
    assert webhook.cluster.lists == 0
    assert webhook.cluster.events == []


async def test_a_pod_that_asked_in_vain_is_told_on_its_owner_and_to_whoever_made_it(webhook: Webhook) -> None:
    response = await webhook.ask()
    assert response["allowed"]
    assert response["warnings"] == [
        "no CacheDistill sidecar (NoRoute): no ModelRoute here takes a pod with the labels app=chat"
    ]
    assert response["auditAnnotations"]["reason"].startswith("NoRoute: ")
    [(kind, name, reason, note)] = webhook.cluster.events
    assert (kind, name, reason) == ("Job", "nightly", "Warning NoRoute")
    assert "without a CacheDistill sidecar" in note


async def test_a_pod_without_owner_is_told_on_itself(webhook: Webhook) -> None:
    await webhook.ask(case("plain").pod)
    assert webhook.cluster.events[0][:2] == ("Pod", "chat-7d9c")


async def test_the_same_is_not_said_twice_within_ten_minutes(webhook: Webhook) -> None:
    for webhook.now in (0.0, 300.0, 599.0, 601.0):
        await webhook.ask()
    assert len(webhook.cluster.events) == 2


async def test_another_reason_is_said_at_once(webhook: Webhook) -> None:
    await webhook.ask()
    pod = case("job").pod
    pod["spec"]["hostNetwork"] = True
    webhook.index.see(ROUTE)
    await webhook.ask(pod)
    assert [event[2] for event in webhook.cluster.events] == ["Warning NoRoute", "Warning HostNetwork"]


async def test_a_dry_run_leaves_no_event(webhook: Webhook) -> None:
    assert "warnings" in await webhook.ask(dryRun=True)
    assert webhook.cluster.events == []


async def test_pods_that_come_together_share_one_list(webhook: Webhook) -> None:
    webhook.cluster.waiting.clear()
    asking = [asyncio.create_task(webhook.ask()) for _ in range(20)]
    await asyncio.sleep(0.01)
    webhook.cluster.waiting.set()
    await asyncio.gather(*asking)
    assert webhook.cluster.lists == 1


@pytest.mark.parametrize("hangs", [True, False])
async def test_an_api_server_that_does_not_tell_lets_the_pod_pass(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    monkeypatch.setattr("cachedistill_operator.webhook.review._ASK_SECONDS", 0.05)
    if hangs:
        webhook.cluster.waiting.clear()
    webhook.cluster.failing = ApiError(503, "ServiceUnavailable", "no")
    response = await webhook.ask()
    webhook.cluster.waiting.set()
    assert response["allowed"]
    assert "patch" not in response
    assert webhook.cluster.events[0][2] == "Warning RoutesUnknown"


@pytest.mark.parametrize(("label", "asked"), [("enabled", True), (None, False)])
async def test_a_namespace_that_no_watch_has_told_of_yet_is_asked_for(
    webhook: Webhook, label: str | None, asked: bool
) -> None:
    del webhook.index.labels["shop"]
    webhook.index.see(ROUTE)
    webhook.cluster.labels = {INJECT: label} if label else {}
    assert ("patch" in await webhook.ask(labelled(None))) is asked


async def test_a_pod_that_must_have_a_sidecar_is_refused_with_the_reason(webhook: Webhook) -> None:
    response = await webhook.ask(labelled("required"))
    assert not response["allowed"]
    assert "required" in response["status"]["message"]
    assert "NoRoute" in response["status"]["message"]


@pytest.mark.parametrize(("label", "allowed"), [("enabled", True), ("required", False)])
async def test_a_failure_of_ours_lets_the_pod_pass_unless_it_must_have_a_sidecar(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch, label: str, allowed: bool
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret of the pod")

    monkeypatch.setattr("cachedistill_operator.webhook.review.inject", fail)
    response = await webhook.ask(labelled(label))
    assert response["allowed"] is allowed
    assert "patch" not in response
    assert "InternalError" in str(response)
    assert "a secret of the pod" not in str(response)
    assert 'result="error"' in await exposition(webhook.telemetry)


async def test_called_again_the_route_that_the_pod_has_is_completed_though_an_older_one_appeared(
    webhook: Webhook,
) -> None:
    webhook.index.see(ROUTE)
    pod = case("job").pod
    first = injected(pod, await webhook.ask(pod))
    older = copy.deepcopy(ROUTE)
    older["metadata"] |= {"name": "older", "creationTimestamp": "2020-01-01T00:00:00Z"}
    webhook.index.see(older)
    first["spec"]["containers"].append({"name": "late", "image": "i"})
    second = injected(first, await webhook.ask(first))
    assert sidecars(second) == ["cachedistill"]
    assert second["metadata"]["labels"]["cachedistill.dev/route"] == "chat"
    assert any(each["name"] == "OPENAI_BASE_URL" for each in second["spec"]["containers"][-1]["env"])


async def test_a_copy_of_an_injected_pod_passes_where_its_route_is_not(webhook: Webhook) -> None:
    pod = case("plain").run().pod
    assert pod is not None
    pod["metadata"]["labels"][INJECT] = "required"
    response = await webhook.ask(pod)
    assert response["allowed"]
    assert "patch" not in response
    assert webhook.cluster.events == []


async def test_a_route_that_went_while_the_watch_was_away_is_forgotten(webhook: Webhook) -> None:
    kept = copy.deepcopy(ROUTE)
    kept["metadata"]["name"] = "kept"
    for route in (ROUTE, kept):
        webhook.index.see(route)
    webhook.cluster.routes = [kept]
    await webhook.index.drop_stale()
    assert webhook.index.routes("shop") == [kept]


async def test_a_list_that_fails_ends_no_watch(webhook: Webhook) -> None:
    webhook.index.see(ROUTE)
    webhook.cluster.failing = ApiError(500, "InternalError", "no")
    keeping = asyncio.create_task(webhook.index.keep_fresh(0.001))
    async with asyncio.timeout(5):
        await webhook.cluster.often.wait()
    assert not keeping.done()
    keeping.cancel()
    assert webhook.index.routes("shop") == [ROUTE]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{", "not JSON"),
        (b"[]", "an object is expected"),
        (b'{"request": {"uid": "u", "namespace": "n", "object": null}}', "an object is expected"),
        (b'{"request": {"uid": "u", "object": {}}}', "namespace is missing"),
        (
            b'{"request": {"uid": "u", "namespace": "n", "object": {"metadata": {}, "spec": {}}}}',
            "containers is missing",
        ),
    ],
)
async def test_what_is_no_review_of_a_pod_is_told_what_it_lacks(webhook: Webhook, body: bytes, told: str) -> None:
    with pytest.raises(BadReview, match=told):
        await webhook.reviewer.review(body)


async def test_each_skip_that_somebody_should_know_of_is_counted_by_reason(webhook: Webhook) -> None:
    await webhook.ask()
    await webhook.ask(labelled("disabled"))
    metrics = await exposition(webhook.telemetry)
    assert f'reason="{SkipReason.NO_ROUTE}"' in metrics
    assert f'reason="{SkipReason.DISABLED}"' not in metrics


async def exposition(telemetry: Telemetry) -> str:
    answer: web.Response = await telemetry.exposition(None)  # type: ignore[arg-type]
    assert isinstance(answer.body, bytes)
    return answer.body.decode()
