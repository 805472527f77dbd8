"""Whom the webhook is asked about, and where its certificate comes from."""

from __future__ import annotations

import pytest

from cachedistill_operator.api.group import INJECT_LABEL
from tests.chart import NAMESPACE, Manifest, one, render


@pytest.fixture(scope="module")
def defaults() -> list[Manifest]:
    return render()


def reached(manifests: list[Manifest], namespace: Manifest, pod: Manifest) -> int:
    """How many entries of the webhook configuration a pod reaches, by labels."""

    def holds(selector: Manifest, labels: Manifest) -> bool:
        return all(
            (labels.get(each["key"]) in each["values"]) == (each["operator"] == "In")
            for each in selector["matchExpressions"]
        )

    webhooks = one(manifests, "MutatingWebhookConfiguration", "cachedistill-webhook")["webhooks"]
    return sum(holds(each["namespaceSelector"], namespace) and holds(each["objectSelector"], pod) for each in webhooks)


@pytest.mark.parametrize(
    ("namespace", "pod", "times"),
    [
        (None, None, 0),
        (None, "enabled", 1),
        (None, "required", 1),
        ("enabled", None, 1),
        ("required", None, 1),
        ("enabled", "disabled", 0),
        ("enabled", "enabled", 1),
        ("disabled", "enabled", 1),
        ("disabled", None, 0),
        ("enabled", "nonsense", 1),
    ],
)
def test_a_pod_is_reviewed_once_at_most_and_its_own_label_wins(
    defaults: list[Manifest], namespace: str | None, pod: str | None, times: int
) -> None:
    labels = [{INJECT_LABEL: value} if value else {} for value in (namespace, pod)]
    assert reached(defaults, {"kubernetes.io/metadata.name": "shop"} | labels[0], labels[1]) == times


@pytest.mark.parametrize("name", ["kube-system", "kube-node-lease", "cert-manager", NAMESPACE])
def test_pods_of_the_cluster_itself_are_never_reviewed(defaults: list[Manifest], name: str) -> None:
    asks = {INJECT_LABEL: "enabled"}
    assert reached(defaults, {"kubernetes.io/metadata.name": name} | asks, asks) == 0


def test_a_webhook_that_is_away_keeps_no_pod_from_starting(defaults: list[Manifest]) -> None:
    for each in one(defaults, "MutatingWebhookConfiguration", "cachedistill-webhook")["webhooks"]:
        assert each["failurePolicy"] == "Ignore"
        assert each["timeoutSeconds"] == 5
        assert "caBundle" not in each["clientConfig"]
    strict = render({"webhook": {"failurePolicy": "Fail", "timeoutSeconds": 2}})
    for each in one(strict, "MutatingWebhookConfiguration", "cachedistill-webhook")["webhooks"]:
        assert (each["failurePolicy"], each["timeoutSeconds"]) == ("Fail", 2)


def test_cert_manager_makes_the_certificates_when_asked() -> None:
    manifests = render({"webhook": {"certificates": {"source": "certManager"}}})
    leaf = one(manifests, "Certificate", "cachedistill-webhook")["spec"]
    assert leaf["dnsNames"][0] == f"cachedistill-webhook.{NAMESPACE}.svc"
    assert leaf["secretName"] == "cachedistill-webhook-tls"
    assert leaf["issuerRef"] == {"kind": "Issuer", "name": "cachedistill-webhook-ca"}
    one(manifests, "Issuer", "cachedistill-webhook-ca")
    assert one(manifests, "Certificate", "cachedistill-webhook-ca")["spec"]["isCA"] is True
    configuration = one(manifests, "MutatingWebhookConfiguration", "cachedistill-webhook")
    assert configuration["metadata"]["annotations"] == {
        "cert-manager.io/inject-ca-from": f"{NAMESPACE}/cachedistill-webhook"
    }


def test_cert_manager_uses_the_issuer_that_is_named() -> None:
    reference = {"name": "corporate", "kind": "ClusterIssuer"}
    manifests = render({"webhook": {"certificates": {"source": "certManager", "issuerRef": reference}}})
    assert one(manifests, "Certificate", "cachedistill-webhook")["spec"]["issuerRef"] == reference
    assert [each for each in manifests if each["kind"] == "Issuer"] == []
