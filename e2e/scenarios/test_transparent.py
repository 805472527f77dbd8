"""An app that hard-codes its base URL is intercepted all the same."""

from __future__ import annotations

from e2e.scenarios import manifests
from e2e.scenarios.release import Release
from e2e.scenarios.town import NewTown

HARD_CODED = ("--base-url", "https://api.openai.com/v1", "--pause", "1")
QUESTION = "How do I close my account?"


def test_a_hard_coded_base_url_is_intercepted(release: Release, new_town: NewTown) -> None:
    town, image = new_town("transparent"), release.images["app"]
    interception = {"mode": "Transparent", "hosts": ["api.openai.com"]}
    town.put(
        *manifests.provider(image),
        manifests.cache(),
        manifests.route(use=manifests.using(), interception=interception),
    )
    town.ready("semanticcache", "support")
    town.put(manifests.app(image))
    town.rolled_out("provider", "chat")
    assert town.decisions(QUESTION, QUESTION, options=HARD_CODED) == ["fallback", "exact_hit"]
    # The CA's key is for the sidecar alone.
    look = "import pathlib; print([str(p) for p in pathlib.Path('/').rglob('tls.key')])"
    pod = town.pod("chat")["metadata"]["name"]
    assert town.kubectl("exec", pod, "-c", "app", "--", "python", "-c", look).strip() == "[]"
