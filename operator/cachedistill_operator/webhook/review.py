"""One review: an AdmissionReview of a new pod in, its answer out (admission.k8s.io/v1)."""

from __future__ import annotations

import asyncio
import base64
import logging
from typing import Any

import orjson

from cachedistill_operator.api import group
from cachedistill_operator.inject import (
    Injection,
    SkipReason,
    choose,
    inject,
    is_injected,
    is_required,
    request_of,
)
from cachedistill_operator.settings import Settings
from cachedistill_operator.telemetry import Telemetry
from cachedistill_operator.webhook.index import Index
from cachedistill_operator.webhook.notices import Notices
from cachedistill_operator.webhook.patch import additions

log = logging.getLogger(__name__)

# The API server waits for 5 s in all (the chart's timeoutSeconds), and then goes on without us.
_ASK_SECONDS = 2.0
# Longer ones are cut by the API server, at a place that it chooses.
_WARNING_CHARACTERS = 240


class BadReview(ValueError):
    """Not an AdmissionReview of a pod; the message names what is missing."""


class Reviewer:
    """Answers reviews. Whatever fails here lets the pod pass as it is, unless the pod may not run without a sidecar."""

    def __init__(self, index: Index, notices: Notices, settings: Settings, telemetry: Telemetry) -> None:
        self._index = index
        self._notices = notices
        self._settings = settings
        self._telemetry = telemetry

    async def review(self, body: bytes) -> dict[str, Any]:
        """The answer to an AdmissionReview. Raises BadReview."""
        request = _request(body)
        pod, namespace = request["object"], request["namespace"]
        with self._telemetry.review(namespace) as told:
            labels = self._index.labels.get(namespace, {})
            try:
                labels = await self._labels(pod, namespace)
                injection = await self._decide(pod, namespace, labels)
                patch = additions(pod, injection.pod) if injection.pod is not None else []
            except Exception as error:
                log.exception("a pod of namespace %s can't be reviewed", namespace)
                message = f"the review failed: {type(error).__name__}"
                injection, patch = Injection(skip=SkipReason.INTERNAL_ERROR, message=message), []
            told |= _told(injection)
        if injection.skip is not None and injection.skip.asked and not request.get("dryRun"):
            self._notices.skipped(pod, namespace, injection.skip, injection.message)
        return _answer(request["uid"], injection, patch, refuse=is_required(pod, labels))

    async def _labels(self, pod: dict[str, Any], namespace: str) -> dict[str, str]:
        known = self._index.labels.get(namespace)
        if known is not None:
            return known
        # A namespace that is younger than the watch's last event; where the pod says it itself, it doesn't matter.
        if request_of(pod, {}) is not None:
            return {}
        async with asyncio.timeout(_ASK_SECONDS):
            return await self._index.live_labels(namespace)

    async def _decide(self, pod: dict[str, Any], namespace: str, labels: dict[str, str]) -> Injection:
        injection = inject(pod, _route_of(pod, self._index.routes(namespace)), labels, self._settings)
        if injection.skip is not SkipReason.NO_ROUTE:
            return injection
        # A route applied together with its Deployment may be younger than what the watch has told.
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                routes = await self._index.live_routes(namespace)
        except Exception as error:
            log.warning("the ModelRoutes of namespace %s can't be listed: %r", namespace, error)
            return Injection(skip=SkipReason.ROUTES_UNKNOWN, message=SkipReason.ROUTES_UNKNOWN.meaning)
        route = _route_of(pod, routes)
        if route is None and is_injected(pod):
            return Injection(pod, message="the pod has a sidecar, of a ModelRoute that is not here")
        return inject(pod, route, labels, self._settings)


def _route_of(pod: dict[str, Any], routes: list[dict[str, Any]]) -> dict[str, Any] | None:
    if is_injected(pod):  # Called again, after other webhooks: the route that it has is the one to complete.
        name = (pod["metadata"].get("labels") or {}).get(group.ROUTE_LABEL)
        return next((route for route in routes if route["metadata"]["name"] == name), None)
    return choose(pod, routes)


def _request(body: bytes) -> dict[str, Any]:
    try:
        request: dict[str, Any] = orjson.loads(body)["request"]
        request["uid"], request["namespace"], request["object"]["metadata"], request["object"]["spec"]["containers"]
    except orjson.JSONDecodeError as error:
        raise BadReview(f"not JSON: {error}") from error
    except KeyError as error:
        raise BadReview(f"not an AdmissionReview of a pod: {error.args[0]} is missing") from error
    except TypeError as error:
        raise BadReview("not an AdmissionReview of a pod: an object is expected where there is none") from error
    return request


def _told(injection: Injection) -> dict[str, str]:
    if injection.skip is None:
        return {"result": "injected"}
    if injection.skip is SkipReason.INTERNAL_ERROR:
        return {"result": "error", "reason": injection.skip}
    # Only what was asked for counts as skipped for a reason.
    return {"result": "skipped"} | ({"reason": injection.skip} if injection.skip.asked else {})


def _answer(uid: str, injection: Injection, patch: list[dict[str, Any]], *, refuse: bool) -> dict[str, Any]:
    response: dict[str, Any] = {"uid": uid, "allowed": True}
    skip = injection.skip
    response["auditAnnotations"] = {"decision": "injected" if skip is None else "skipped", "reason": injection.message}
    warnings = list(injection.warnings)
    if skip is not None:
        response["auditAnnotations"]["reason"] = f"{skip}: {injection.message}"
        if skip.asked and refuse:
            response["allowed"] = False
            sentence = f"{group.INJECT_LABEL}=required, and there can be no sidecar ({skip}): {injection.message}"
            response["status"] = {"code": 403, "message": sentence}
        elif skip.asked:
            warnings.append(f"no CacheDistill sidecar ({skip}): {injection.message}")
    if warnings:
        response["warnings"] = [each[:_WARNING_CHARACTERS] for each in warnings]
    if patch:
        response |= {"patchType": "JSONPatch", "patch": base64.b64encode(orjson.dumps(patch)).decode()}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
