"""The end of a release: an upgrade that changes nothing for apps, and an uninstallation that leaves nothing behind.

Last by its name: the other scenarios share the release that goes here.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from e2e.scenarios import manifests
from e2e.scenarios.release import CHART, NAMESPACE, Release
from e2e.scenarios.town import NewTown, Town, until

QUESTION = "Where is my order?"
PART = "app.kubernetes.io/part-of=cachedistill"


@pytest.fixture(scope="module")
def town(release: Release, new_town: NewTown) -> Town:
    """An app at work, with a cache that keeps its data and one that doesn't."""
    town, image = new_town("keeps"), release.images["app"]
    kept = manifests.cache("kept", redis={"managed": {"storage": "100Mi"}})
    gone = manifests.cache("gone", deletionPolicy="Delete")
    town.put(*manifests.provider(image), kept, gone, manifests.route(use=manifests.using("kept")))
    town.ready("semanticcache", "kept")
    town.put(manifests.app(image))
    town.rolled_out("provider", "chat")
    assert town.decisions(QUESTION) == ["fallback"]
    return town


def test_helms_own_test_passes(release: Release) -> None:
    assert "Succeeded" in release.helm("test", "cachedistill", "--timeout", "120s")


def test_an_upgrade_from_another_version_leaves_apps_and_certificates_alone(
    release: Release, town: Town, tmp_path: Path
) -> None:
    before = town.pod("chat")["metadata"]["uid"]
    bundle = trusted(release)
    newer = tmp_path / "cachedistill"
    shutil.copytree(CHART, newer)
    chart = yaml.safe_load((newer / "Chart.yaml").read_text())
    (newer / "Chart.yaml").write_text(yaml.safe_dump(chart | {"version": "99.0.0"}))
    release.install("--set", "controller.driftSeconds=20", chart=newer)
    assert trusted(release) == bundle
    until(lambda: town.decisions(QUESTION) == ["exact_hit"])
    assert town.pod("chat")["metadata"]["uid"] == before


def test_an_uninstallation_leaves_what_was_to_be_kept_and_apps_go_on(release: Release, town: Town) -> None:
    before = town.pod("chat")["metadata"]["uid"]
    release.helm("uninstall", "cachedistill", "--wait", "--timeout", "120s")
    left = release.kubectl(
        "get", "clusterrole,clusterrolebinding,mutatingwebhookconfiguration,validatingadmissionpolicy", "-o", "name"
    )
    assert [line for line in left.splitlines() if "cachedistill" in line] == []
    # Webhooks answer for some seconds more, while API servers may still ask.
    until(lambda: release.kubectl("get", "all,secret,lease", "-n", NAMESPACE, "-o", "name").split() == [])
    # The definitions stay, and with them what was declared, unless asked otherwise; and nothing hangs on a finalizer.
    assert town.kubectl.get("semanticcache", "kept")["metadata"]["name"] == "kept"
    town.kubectl("delete", "semanticcache", "gone", "--timeout=30s")
    assert town.decisions(QUESTION) == ["exact_hit"]
    assert town.pod("chat")["metadata"]["uid"] == before
    town.kubectl("delete", "pod", town.pod("chat")["metadata"]["name"])
    town.rolled_out("chat")
    assert "initContainers" not in town.pod("chat")["spec"]


def trusted(release: Release) -> str:
    """By which CAs the API server knows the webhook."""
    [configuration] = release.kubectl.get("mutatingwebhookconfiguration", "-l", PART)["items"]
    [bundle] = {each["clientConfig"]["caBundle"] for each in configuration["webhooks"]}
    return str(bundle)
