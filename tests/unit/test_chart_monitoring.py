"""The chart's monitors and alerts: what they name is there."""

from __future__ import annotations

import json
import re

from aiohttp.test_utils import make_mocked_request
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry, generate_latest

from cachedistill_operator.api.group import Key
from cachedistill_operator.inject import inject
from cachedistill_operator.telemetry import Telemetry
from cachedistill_sidecar.policy.judgement.opinion import Opinion
from cachedistill_sidecar.telemetry import names
from tests.chart import Manifest, one, render
from tests.model_routes import SETTINGS, pod, route

MONITORED = {"enabled": True, "labels": {"release": "prometheus"}}


def alerts(group_name: str) -> list[Manifest]:
    """The alerts of a group of the PrometheusRule."""
    rule = one(render({"monitoring": {"prometheusRule": MONITORED}}), "PrometheusRule", "cachedistill")
    (group,) = (each for each in rule["spec"]["groups"] if each["name"] == group_name)
    found: list[Manifest] = group["rules"]
    return found


def test_monitoring_is_off_until_it_is_asked_for() -> None:
    kinds = {each["kind"] for each in render()}
    assert not kinds & {"PrometheusRule", "ServiceMonitor", "PodMonitor"}


def test_monitors_and_alerts_have_the_labels_by_which_prometheus_finds_them() -> None:
    monitoring = {"serviceMonitor": MONITORED, "podMonitor": MONITORED, "prometheusRule": MONITORED}
    made = [each for each in render({"monitoring": monitoring}) if each["apiVersion"] == "monitoring.coreos.com/v1"]
    assert sorted(each["kind"] for each in made) == ["PodMonitor", "PrometheusRule", "ServiceMonitor"]
    assert all(each["metadata"]["labels"]["release"] == "prometheus" for each in made)


def test_the_service_monitor_finds_the_ports_of_controller_and_webhook() -> None:
    manifests = render({"monitoring": {"serviceMonitor": MONITORED}})
    monitor = one(manifests, "ServiceMonitor", "cachedistill")
    (endpoint,) = monitor["spec"]["endpoints"]
    for component in ("controller", "webhook"):
        service = one(manifests, "Service", f"cachedistill-{component}")
        labels = service["metadata"]["labels"]
        assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
        assert labels["app.kubernetes.io/component"] in monitor["spec"]["selector"]["matchExpressions"][0]["values"]
        assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}


def test_the_pod_monitor_finds_the_admin_port_of_an_injected_pod() -> None:
    values = {"podMonitor": MONITORED | {"interval": "15s"}}
    spec = one(render({"monitoring": values}), "PodMonitor", "cachedistill-sidecars")["spec"]
    injected = inject(pod(), route(), {}, SETTINGS).pod
    assert injected is not None
    (sidecar,) = injected["spec"]["initContainers"]
    assert spec["namespaceSelector"] == {"any": True}
    (wanted,) = spec["selector"]["matchExpressions"]
    assert wanted["operator"] == "Exists"
    assert wanted["key"] in injected["metadata"]["labels"]
    (endpoint,) = spec["podMetricsEndpoints"]
    assert endpoint["port"] in {port["name"] for port in sidecar["ports"]}
    assert (endpoint["path"], endpoint["interval"]) == ("/metrics", "15s")


async def test_alerts_about_the_operator_use_metrics_that_it_has() -> None:
    expressions = [each["expr"] for each in alerts("cachedistill")]
    assert len(expressions) == 6
    for expression in expressions:
        used = set(re.findall("cachedistill_[a-z_]+", expression))
        assert used
        assert used <= await exposed_metrics()


def test_alerts_about_sidecars_use_metrics_and_labels_that_these_have() -> None:
    named = {exposed: metric for metric in names.METRICS for exposed in exposed_names(metric)}
    expressions = [each["expr"] for each in alerts("cachedistill-sidecars")]
    assert len(expressions) == 5
    for expression in expressions:
        used = set(re.findall("cachedistill_[a-z_]+", expression))
        assert used
        assert used - set(named) == set()
        known = {"namespace", *(label for each in used for label in named[each].labels)}
        grouped = {
            label for group in re.findall(r"(?:by|on) \(([a-z, ]+)\)", expression) for label in group.split(", ")
        }
        assert grouped <= known
        for series, matcher in re.findall(r"(cachedistill_[a-z_]+)\{([a-z]+)=", expression):
            assert matcher in named[series].labels


def test_alerts_about_sidecars_speak_of_labels_that_their_expressions_leave() -> None:
    for each in alerts("cachedistill-sidecars"):
        (kept,) = re.findall(r"^\w+ by \(([a-z, ]+)\)", each["expr"])
        told = re.findall(r"\$labels\.(\w+)", json.dumps(each["annotations"]))
        assert set(told) == set(kept.split(", "))
        assert each["labels"]["severity"] in ("warning", "critical")


def test_that_nothing_is_verified_is_told_by_what_grows_as_long_as_there_is_traffic() -> None:
    (alert,) = (each for each in alerts("cachedistill-sidecars") if each["alert"] == "CacheDistillNoLabels")
    series = set(re.findall("cachedistill_[a-z_]+", alert["expr"]))
    assert {each.rpartition("_")[2] for each in series} == {"total"}
    traffic, _, verified = alert["expr"].partition(" unless on (route) ")
    assert 'decision="semantic_hit"' in traffic
    verdicts = set(re.findall('verdict=~"([a-z|]+)"', verified))
    assert verdicts == {"|".join(opinion for opinion in Opinion if opinion is not Opinion.UNDECIDED)}


def test_no_alert_takes_the_bound_of_a_route_with_few_verified_hits_for_a_broken_promise() -> None:
    assert "error_budget_upper" not in "".join(each["expr"] for each in alerts("cachedistill-sidecars"))


def exposed_names(metric: names.Metric) -> set[str]:
    """What Prometheus may call a metric, be it a gauge or a counter."""
    registry = CollectorRegistry()
    provider = MeterProvider([PrometheusMetricReader(registry=registry)])
    meter = provider.get_meter("test")
    meter.create_counter(metric.name, metric.unit).add(1)
    # Of a name of its own: two instruments of one name are a mistake.
    meter.create_observable_gauge(f"gauge.{metric.name}", [lambda _: [Observation(1)]], metric.unit)
    text = generate_latest(registry).decode()
    provider.shutdown()
    series = {re.split(r"[{ ]", line)[0] for line in text.splitlines() if not line.startswith("#")}
    return {each.removeprefix("gauge_") for each in series} - {"target_info"}


async def exposed_metrics() -> set[str]:
    """Names of all series of a controller and a webhook that have seen something."""
    async with Telemetry("test") as telemetry:
        telemetry.watch_queue(lambda: 0)
        telemetry.watch_leader(lambda: 1)
        telemetry.watch_certificate(lambda: 1)
        with telemetry.reconcile("ModelRoute", Key("shop", "chat")):
            pass
        with telemetry.review("shop") as told:
            told.update(result="skipped", reason="NoRoute")
        exposed = await telemetry.exposition(make_mocked_request("GET", "/metrics"))
    assert isinstance(exposed.body, bytes)
    return {re.split(r"[{ ]", line)[0] for line in exposed.body.decode().splitlines() if not line.startswith("#")}
