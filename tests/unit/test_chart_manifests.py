"""What the chart makes of its values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cachedistill_operator import settings
from tests.chart import NAMESPACE, Manifest, one, pod_templates, render


@pytest.fixture(scope="module")
def defaults() -> list[Manifest]:
    return render()


def settings_of(manifests: list[Manifest], folder: Path) -> settings.Settings:
    file = folder / "settings.yaml"
    file.write_text(one(manifests, "ConfigMap", "cachedistill-settings")["data"]["settings.yaml"], "utf8")
    return settings.load(file)


def test_the_operator_can_read_its_settings(defaults: list[Manifest], tmp_path: Path) -> None:
    read = settings_of(defaults, tmp_path)
    assert read.namespace == NAMESPACE
    assert read.controller_service_account == "cachedistill-controller"
    assert read.sidecar.image == "cachedistill/sidecar:0.1.0"
    assert read.redis.image == "redis:8"
    assert read.sidecar.telemetry_endpoint is None


def test_the_settings_name_objects_that_exist(defaults: list[Manifest], tmp_path: Path) -> None:
    read = settings_of(defaults, tmp_path)
    one(defaults, "ServiceAccount", read.controller_service_account)
    one(defaults, "Service", read.webhook.service)
    # Before a restart, the controller looks whether the Deployment of the Service's name is up to date.
    one(defaults, "Deployment", read.webhook.service)
    one(defaults, "MutatingWebhookConfiguration", read.webhook.configuration)
    controller = one(defaults, "Deployment", "cachedistill-controller")["spec"]["template"]
    assert read.controller_pod_labels.items() <= controller["metadata"]["labels"].items()
    (volume,) = (each for each in webhook_pod(defaults)["volumes"] if each["name"] == "tls")
    assert volume["secret"]["secretName"] == read.webhook.secret


def test_all_values_reach_the_settings(tmp_path: Path) -> None:
    read = settings_of(
        render(
            {
                "clusterDomain": "example.internal",
                "telemetry": {"endpoint": "http://collector:4318"},
                "controller": {"driftSeconds": 60},
                "sidecar": {
                    "image": {"digest": f"sha256:{'0' * 64}", "pullPolicy": "Always", "pullSecrets": ["mine"]},
                    "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}},
                    "logLevel": "debug",
                    "logFormat": "text",
                },
                "redis": {"image": {"repository": "mirror/redis", "tag": "8.2", "pullSecrets": ["other"]}},
                "webhook": {"certificates": {"source": "existingSecret", "existingSecret": "own"}},
            }
        ),
        tmp_path,
    )
    assert read.cluster_domain == "example.internal"
    assert read.drift_seconds == 60
    assert read.sidecar.image == f"cachedistill/sidecar@sha256:{'0' * 64}"
    assert (read.sidecar.image_pull_policy, read.sidecar.image_pull_secrets) == ("Always", ("mine",))
    assert (read.sidecar.resources.requests["cpu"], read.sidecar.resources.limits["memory"]) == ("1", "1Gi")
    assert (read.sidecar.log_level, read.sidecar.log_format) == ("debug", "text")
    assert read.sidecar.telemetry_endpoint == "http://collector:4318"
    assert (read.redis.image, read.redis.image_pull_secrets) == ("mirror/redis:8.2", ("other",))
    assert (read.webhook.secret, read.webhook.certificates) == ("own", "existingSecret")


def test_changed_settings_make_new_pods() -> None:
    def mark(values: Manifest) -> str:
        template = one(render(values), "Deployment", "cachedistill-webhook")["spec"]["template"]
        return str(template["metadata"]["annotations"]["cachedistill.dev/settings"])

    assert mark({}) == mark({"networkPolicy": {"enabled": False}})
    assert mark({}) != mark({"sidecar": {"logLevel": "info"}})


def test_every_pod_keeps_to_restricted_pod_security(defaults: list[Manifest]) -> None:
    templates = dict(pod_templates(defaults))
    assert len(templates) == 4
    for template in templates.values():
        pod = template["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 65532
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["requests"]
            assert container["resources"]["limits"]["memory"]


def test_pods_take_what_an_admin_gives_them() -> None:
    toleration = {"key": "dedicated", "operator": "Exists"}
    manifests = render(
        {
            "image": {"repository": "mirror.example/operator", "tag": "7"},
            "imagePullSecrets": [{"name": "mirror"}],
            "log": {"level": "debug", "format": "text"},
            "telemetry": {"endpoint": "http://collector:4318"},
            "pods": {
                "labels": {"team": "platform"},
                "annotations": {"note": "x"},
                "nodeSelector": {"pool": "system"},
                "tolerations": [toleration],
                "priorityClassName": "high",
                "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
            },
            "controller": {"replicas": 2, "affinity": {"nodeAffinity": {}}, "terminationGracePeriodSeconds": 7},
        }
    )
    for component in ("controller", "webhook"):
        template = one(manifests, "Deployment", f"cachedistill-{component}")["spec"]["template"]
        assert template["metadata"]["labels"]["team"] == "platform"
        assert template["metadata"]["annotations"]["note"] == "x"
        pod = template["spec"]
        assert pod["nodeSelector"] == {"pool": "system"}
        assert pod["tolerations"] == [toleration]
        assert pod["priorityClassName"] == "high"
        assert pod["imagePullSecrets"] == [{"name": "mirror"}]
        (container,) = pod["containers"]
        assert container["image"] == "mirror.example/operator:7"
        assert {"--log-level=debug", "--log-format=text"} <= set(container["args"])
        environment = {each["name"]: each.get("value") for each in container["env"]}
        assert environment["HTTPS_PROXY"] == "http://proxy:3128"
        assert environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector:4318"
    controller = one(manifests, "Deployment", "cachedistill-controller")["spec"]
    assert controller["replicas"] == 2
    assert controller["template"]["spec"]["affinity"] == {"nodeAffinity": {}}
    assert controller["template"]["spec"]["terminationGracePeriodSeconds"] == 7
    one(manifests, "PodDisruptionBudget", "cachedistill-controller")


def webhook_pod(manifests: list[Manifest]) -> dict[str, Any]:
    spec: dict[str, Any] = one(manifests, "Deployment", "cachedistill-webhook")["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize(
    ("certificates", "verbs"),
    [
        ({"source": "self"}, {"get", "create", "patch"}),
        ({"source": "certManager"}, set()),
        ({"source": "existingSecret", "existingSecret": "own"}, {"get"}),
    ],
)
def test_the_controller_touches_certificates_only_where_it_makes_them(certificates: Manifest, verbs: set[str]) -> None:
    role = one(render({"webhook": {"certificates": certificates}}), "Role", "cachedistill-controller")
    rules = [rule for rule in role["rules"] if rule["resources"] == ["secrets"]]
    assert {verb for rule in rules for verb in rule["verbs"]} == verbs
    assert all(rule["resourceNames"] for rule in rules)


def test_no_role_of_the_chart_grants_secrets_except_by_name(defaults: list[Manifest]) -> None:
    for each in defaults:
        for rule in each.get("rules", ()) if each["kind"] in ("Role", "ClusterRole") else ():
            assert not {"*"} & {*rule["verbs"], *rule["resources"], *rule["apiGroups"]}
            if "secrets" in rule["resources"]:
                assert rule["resourceNames"]


def test_crds_stay_when_they_are_to_be_kept() -> None:
    def policies(values: Manifest) -> list[str | None]:
        found = [each for each in render({"crds": values}) if each["kind"] == "CustomResourceDefinition"]
        return [each["metadata"].get("annotations", {}).get("helm.sh/resource-policy") for each in found]

    assert policies({}) == ["keep", "keep"]
    assert policies({"keep": False}) == [None, None]
    assert policies({"enabled": False}) == []


def test_the_hook_deletes_resources_only_when_the_crds_go_too() -> None:
    def hook(values: Manifest) -> tuple[str, list[str]]:
        manifests = render({"crds": values})
        (container,) = one(manifests, "Job", "cachedistill-uninstall")["spec"]["template"]["spec"]["containers"]
        rules = one(manifests, "ClusterRole", "cachedistill-uninstall")["rules"]
        environment = {each["name"]: each["value"] for each in container["env"]}
        return environment["DELETE_RESOURCES"], rules[0]["verbs"]

    assert hook({}) == ("false", ["list", "patch"])
    assert hook({"enabled": False, "keep": False}) == ("false", ["list", "patch"])
    assert hook({"keep": False}) == ("true", ["list", "patch", "delete"])


def test_metrics_can_be_kept_to_those_who_may_read_them() -> None:
    peers = [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]
    manifests = render({"networkPolicy": {"metricsFrom": peers}})
    for component in ("controller", "webhook"):
        rules = one(manifests, "NetworkPolicy", f"cachedistill-{component}")["spec"]["ingress"]
        assert {json.dumps(rule["ports"]): rule.get("from") for rule in rules}['[{"port": "http"}]'] == peers
    off = render({"networkPolicy": {"enabled": False}})
    assert [each for each in off if each["kind"] == "NetworkPolicy"] == []


def test_another_release_name_goes_into_every_name() -> None:
    manifests = render(release="second")
    people = {"second-cachedistill"}
    own = {each["metadata"]["name"] for each in manifests if each["kind"] != "CustomResourceDefinition"}
    assert {name for name in own if not any(name.startswith(prefix) for prefix in people)} == set()


def test_names_stay_short_enough_for_labels() -> None:
    for each in render(release="a-release-name-of-fifty-three-characters-as-helm-goes"):
        if each["kind"] != "CustomResourceDefinition":
            assert len(each["metadata"]["name"]) <= 63
