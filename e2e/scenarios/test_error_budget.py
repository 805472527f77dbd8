"""The promise on a cluster: nothing by meaning without a certificate, hits that are verified, and an end to them."""

from __future__ import annotations

import pytest

from e2e.scenarios import manifests
from e2e.scenarios.lessons import misses, teach, wrong_hits
from e2e.scenarios.release import Release
from e2e.scenarios.town import NewTown, Town, until

ASKED = "How do I return a damaged parcel?"
OTHERWISE = (
    "How can I return a damaged parcel?",
    "How could I return a damaged parcel?",
    "How do we return a damaged parcel?",
)
# One that some hundred labels keep, whatever they say of how sure one may be: what follows from them is shown here.
BUDGET = 300
ANSWER = "Print the label in your account and bring the parcel to any counter."


@pytest.fixture(scope="module")
def town(release: Release, new_town: NewTown) -> Town:
    """An app whose provider gives paraphrases the same answer, and a route that verifies all hits by meaning."""
    town, image = new_town("budget"), release.images["app"]
    use = manifests.using(semantic={"maxErrorPermille": BUDGET, "verifyPermille": 1000})
    town.put(
        *manifests.provider(image, answers=dict.fromkeys((ASKED, *OTHERWISE), ANSWER)),
        manifests.cache(),
        manifests.route(use=use),
    )
    town.ready("semanticcache", "support")
    town.put(manifests.app(image))
    town.rolled_out("provider", "chat")
    return town


def test_without_labels_a_paraphrase_goes_to_the_fallback_and_the_cache_says_what_is_missing(town: Town) -> None:
    assert town.decisions(ASKED) == ["fallback"]
    asked = town.ask(OTHERWISE[0])[0]
    assert (asked["decision"], asked["reason"]) == ("fallback", "uncertified")
    certified(town, "False", "NotEnoughLabels")
    assert "exact hits only" in told(town)["message"] or "needed before" in told(town)["message"]


def test_with_labels_paraphrases_are_hits_and_the_cache_is_certified(town: Town) -> None:
    teach(town, misses())
    certified(town, "True", "Certified")
    assert town.columns("semcache", "support")["CERTIFIED"] == "True"
    until(lambda: "semantic_hit" in town.decisions(*OTHERWISE[1:]), lambda: str(town.ask(*OTHERWISE)))
    assert town.ask(OTHERWISE[1])[0]["answer"] == ANSWER


def test_hits_are_verified_and_the_status_tells_the_wrong_share_with_its_bound(town: Town) -> None:
    def measured() -> manifests.Manifest:
        town.ask(*OTHERWISE)
        known = town.kubectl.get("semcache", "support")["status"].get("wrongHitPermille", {})
        return known if "measured" in known else {}

    known = until(measured, lambda: town.kubectl("describe", "semcache", "support"))
    assert known["measured"] == 0
    assert 0 < known["upper"] <= 1000
    assert known["budget"] == BUDGET
    assert known["labels"] > len(misses())
    assert town.columns("semcache", "support")["WRONG"] == "0"


def test_wrong_labels_end_hits_by_meaning_and_an_event_says_that_the_budget_is_at_risk(town: Town) -> None:
    teach(town, wrong_hits())
    certified(town, "False", "BudgetAtRisk")
    assert f"its budget is {BUDGET} permille" in town.events("BudgetAtRisk")[0]
    known = town.kubectl.get("semcache", "support")["status"]["wrongHitPermille"]
    assert known["measured"] > known["budget"]
    assert town.decisions("How would I return a damaged parcel?") == ["fallback"]
    # What repeats a request is no judgement of meaning.
    assert town.decisions(ASKED) == ["exact_hit"]


def certified(town: Town, status: str, reason: str) -> None:
    """Wait until the cache's certificate is like that."""
    until(
        lambda: (told(town).get("status"), told(town).get("reason")) == (status, reason),
        lambda: town.kubectl("describe", "semcache", "support"),
    )


def told(town: Town) -> manifests.Manifest:
    """What the cache says of its certificate."""
    return town.condition("semanticcache", "support", "Certified")
