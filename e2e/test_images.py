"""The images that the tests bring along stand in for real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from e2e.cluster import pki
from e2e.cluster.kubectl import Kubectl
from e2e.conftest import Images
from e2e.images.catalogue import Image
from e2e.test_cluster import READY, TIMEOUT, container, pod

PING = "from redis import Redis; r = Redis({options}); print(r.ping(), len(r.execute_command('FT._LIST')), r.ttl('x'))"
COLLECTOR = """
receivers: {otlp: {protocols: {http: {endpoint: 127.0.0.1:4318}}}}
exporters: {file: {path: /out/spans.json}}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {traces: {receivers: [otlp], exporters: [file]}}
"""
SPAN = {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "a span", "kind": 1}
SPAN |= {"startTimeUnixNano": "1", "endTimeUnixNano": "2"}
SEND = """
import sys, time, urllib.request
kind = {"content-type": "application/json"}
request = urllib.request.Request("http://127.0.0.1:4318/v1/traces", sys.argv[1].encode(), kind)
for attempt in range(100):
    try:
        sys.exit(urllib.request.urlopen(request).status != 200)
    except OSError:  # the collector is starting
        time.sleep(0.3)
sys.exit("no collector")
"""


def test_a_tag_is_one_over_all_that_goes_in(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    dockerfile, source = tmp_path / "Dockerfile", tmp_path / "source" / "a.py"
    dockerfile.write_text("FROM x")
    source.write_text("1")
    image = Image("some", dockerfile, ("source",), lambda: tmp_path)
    before = image.tag("base:1")
    (tmp_path / "source" / "__pycache__").mkdir()
    (tmp_path / "source" / "__pycache__" / "a.pyc").write_text("x")
    assert image.tag("base:1") == before
    others = {before, image.tag("base:2")}
    source.write_text("2")
    others.add(image.tag("base:1"))
    dockerfile.write_text("FROM y")
    others.add(image.tag("base:1"))
    assert len(others) == 4


def test_redis_comes_with_the_query_engine(kubectl: Kubectl, images: Images, namespace: str) -> None:
    here = kubectl.within(namespace)
    here.apply(redis(images, "--save", "", "--port", "6379"))
    here("wait", READY, TIMEOUT, "pod/redis")
    assert ask(here, "") == "True 0 -2"


def test_redis_speaks_tls_when_told_to(kubectl: Kubectl, images: Images, namespace: str, tmp_path: Path) -> None:
    here = kubectl.within(namespace)
    pki.Authority(tmp_path, "ca").issue("tls", "redis", names=["localhost"])
    files = [f"--from-file={tmp_path}/{name}" for name in ("ca.crt", "tls.crt", "tls.key")]
    here("create", "secret", "generic", "tls", *files)
    listen = ("--port", "0", "--tls-port", "6379", "--tls-auth-clients", "no")
    here.apply(redis(images, *listen, "--tls-cert-file", "/tls/tls.crt", "--tls-key-file", "/tls/tls.key"))
    here("wait", READY, TIMEOUT, "pod/redis")
    assert ask(here, "ssl=True, ssl_ca_certs='/tls/ca.crt'") == "True 0 -2"


def test_the_collector_writes_what_it_receives(kubectl: Kubectl, images: Images, namespace: str) -> None:
    here = kubectl.within(namespace)
    collector = container("collector", images["collector"], "otelcol", "--config", "/etc/otel/config.yaml")
    collector["volumeMounts"] = [{"name": "config", "mountPath": "/etc/otel"}, {"name": "out", "mountPath": "/out"}]
    app = container("app", images["app"], "sleep", "infinity")
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "otel"}, "data": {"config.yaml": COLLECTOR}}
    volumes: list[dict[str, Any]] = [{"name": "config", "configMap": {"name": "otel"}}, {"name": "out", "emptyDir": {}}]
    here.apply(config, pod("telemetry", containers=[collector, app], volumes=volumes))
    here("wait", READY, TIMEOUT, "pod/telemetry")
    traces = {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": [SPAN]}]}]}
    here("exec", "telemetry", "-c", "app", "--", "python", "-c", SEND, json.dumps(traces))
    here(
        "exec",
        "telemetry",
        "-c",
        "collector",
        "--",
        "sh",
        "-c",
        "until grep -q 'a span' /out/spans.json; do sleep 0.1; done",
    )


def redis(images: Images, *arguments: str) -> dict[str, Any]:
    """A pod with Redis, and a client beside it."""
    server = container("redis", images["redis"]) | {"args": ["redis-server", *arguments]}
    del server["command"]
    server["readinessProbe"] = {"tcpSocket": {"port": 6379}, "periodSeconds": 1}
    client = container("client", images["sidecar"], "sleep", "infinity")
    volume = {"name": "tls", "secret": {"secretName": "tls", "optional": True}}
    for each in (server, client):
        each["volumeMounts"] = [{"name": "tls", "mountPath": "/tls"}]
    return pod("redis", containers=[server, client], volumes=[volume])


def ask(here: Kubectl, options: str) -> str:
    """What Redis answers its neighbour."""
    program = PING.format(options=options)
    return here("exec", "redis", "-c", "client", "--", "python", "-c", program).strip()
