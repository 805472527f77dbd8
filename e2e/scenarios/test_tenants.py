"""Two namespaces that ask the same never see each other's answers."""

from __future__ import annotations

import pytest

from e2e.scenarios import manifests
from e2e.scenarios.release import Release
from e2e.scenarios.town import NewTown, Town

QUESTION = "What did we agree on for damaged parcels?"


@pytest.fixture(scope="module")
def towns(release: Release, new_town: NewTown) -> tuple[Town, Town]:
    """Two tenants who share one Redis: the first has it, the second may use it, each with a provider of its own."""
    first, second = new_town("tenant-a"), new_town("tenant-b")
    image = release.images["app"]
    shared = manifests.cache(
        allowedNamespaces={
            "from": "Selector",
            "selector": {"matchLabels": {"kubernetes.io/metadata.name": second.name}},
        }
    )
    first.put(*manifests.provider(image), shared, manifests.route(use=manifests.using()))
    second.put(*manifests.provider(image), manifests.route(use=manifests.using(namespace=first.name)))
    first.ready("semanticcache", "support")
    for town in (first, second):
        town.put(manifests.app(image))
    for town in (first, second):
        town.rolled_out("provider", "chat")
    return first, second


def test_a_tenant_is_never_given_anothers_answer(towns: tuple[Town, Town]) -> None:
    first, second = towns
    assert first.decisions(QUESTION, QUESTION, options=("--pause", "1")) == ["fallback", "exact_hit"]
    assert second.decisions(QUESTION, QUESTION, options=("--pause", "1")) == ["fallback", "exact_hit"]
    assert (first.calls(), second.calls()) == (1, 1)


def test_a_namespace_that_may_not_use_a_cache_is_told_so_and_served_all_the_same(
    towns: tuple[Town, Town], release: Release, new_town: NewTown
) -> None:
    stranger, image = new_town("stranger"), release.images["app"]
    stranger.put(
        *manifests.provider(image), manifests.route(use=manifests.using(namespace=towns[0].name)), manifests.app(image)
    )
    stranger.rolled_out("provider", "chat")
    told = stranger.condition("modelroute", "chat", "ResolvedRefs")
    assert told["status"] == "False"
    assert towns[0].name in told["message"]
    assert stranger.decisions(QUESTION, QUESTION) == ["fallback", "fallback"]
    secrets = [each["metadata"]["name"] for each in stranger.kubectl.get("secrets")["items"]]
    assert not [name for name in secrets if "support" in name]
