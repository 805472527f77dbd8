"""The first day: resources, a labelled Deployment, and answers that cost less and less."""

from __future__ import annotations

import pytest

from e2e.scenarios import manifests
from e2e.scenarios.release import Release
from e2e.scenarios.town import NewTown, Town, until

RETURN = "How do I return a damaged parcel?"
RETURN_OTHERWISE = "How can I return a damaged parcel?"


@pytest.fixture(scope="module")
def shop(release: Release, new_town: NewTown) -> Town:
    """A shop with a managed cache that keeps its data, and one injected app."""
    town = new_town("shop")
    images = release.images
    town.put(
        *manifests.provider(images["app"]),
        *manifests.collector(images["collector"]),
        manifests.cache(redis={"managed": {"storage": "100Mi"}}),
        manifests.route(
            use=manifests.using(), telemetry={"endpoint": f"http://collector.{town.name}:4318", "detail": True}
        ),
    )
    town.ready("semanticcache", "support")
    town.put(manifests.app(images["app"]))
    town.rolled_out("provider", "collector", "chat")
    return town


def test_a_question_is_answered_by_the_fallback_then_exactly_and_not_by_meaning_without_labels(shop: Town) -> None:
    first, second = shop.ask(RETURN, RETURN, options=("--pause", "1"))
    third = shop.ask(RETURN_OTHERWISE)[0]
    assert [each["decision"] for each in (first, second, third)] == ["fallback", "exact_hit", "fallback"]
    assert first["answer"] == second["answer"]


def test_the_status_says_that_labels_are_missing(shop: Town) -> None:
    until(
        lambda: shop.condition("semanticcache", "support", "Certified").get("reason") == "NotEnoughLabels",
        lambda: shop.kubectl("describe", "semcache", "support"),
    )
    assert shop.columns("semcache", "support")["CERTIFIED"] == "False"


def test_anthropic_and_streams_go_the_same_way(shop: Town) -> None:
    options = ("--sdk", "anthropic", "--stream", "--pause", "1")
    first, second = shop.ask(
        "When does the shop open on Sundays?", "When does the shop open on Sundays?", options=options
    )
    assert [first["decision"], second["decision"]] == ["fallback", "exact_hit"]
    assert first["answer"] == second["answer"] != ""


def test_the_trace_of_an_answer_is_at_the_collector(shop: Town) -> None:
    trace = shop.ask(RETURN)[0]["trace"]

    def seen() -> bool:
        told = shop.kubectl("logs", "deployment/collector")
        return f"Trace ID       : {trace}" in told and "cachedistill.decision: Str(exact_hit)" in told

    until(seen, lambda: shop.kubectl("logs", "deployment/collector", "--tail=60"))


def test_the_status_and_the_columns_tell_what_was_saved(shop: Town) -> None:
    shop.ask(RETURN, "Which colours are there?")
    until(
        lambda: shop.kubectl.get("modelroute", "chat")["status"].get("saved"),
        lambda: shop.kubectl("get", "mroute", "chat", "-o", "yaml"),
    )
    told = shop.columns("mroute", "chat")
    assert (told["NAME"], told["READY"], told["PODS"]) == ("chat", "True", "1")
    assert int(told["LOCAL"]) > 0
    status = shop.kubectl.get("modelroute", "chat")["status"]
    assert float(status["saved"]["cost"]) > 0
    assert status["decisionsPermille"]["exact"] > 0
    until(lambda: shop.kubectl.get("semanticcache", "support")["status"].get("entries", 0) >= 2)
    assert shop.columns("semcache", "support")["READY"] == "True"


def test_the_sidecar_runs_restricted_and_without_a_token(shop: Town) -> None:
    pod = shop.pod("chat")
    sidecar = pod["spec"]["initContainers"][0]
    assert sidecar["restartPolicy"] == "Always"
    assert sidecar["securityContext"]["readOnlyRootFilesystem"] is True
    look = "import os; print(os.listdir('/var/run/secrets/kubernetes.io/serviceaccount'))"
    told = shop.kubectl("exec", pod["metadata"]["name"], "-c", "cachedistill", "--", "python3", "-c", look)
    assert "token" not in told


def test_entries_survive_redis_and_a_sidecar_that_is_killed_comes_back_alone(shop: Town) -> None:
    question = "Do you ship to the islands?"
    assert shop.decisions(question) == ["fallback"]
    until(lambda: shop.decisions(question) == ["exact_hit"])
    shop.kubectl("delete", "pod", "support-redis-0", "--wait=true")
    shop.rolled_out("support-redis", kind="statefulset")
    pod = shop.pod("chat")
    kill = "import os, signal; os.kill(1, signal.SIGTERM)"
    shop.kubectl("exec", pod["metadata"]["name"], "-c", "cachedistill", "--", "python3", "-c", kill)

    def restarted() -> bool:
        status = shop.pod("chat")["status"]["initContainerStatuses"][0]
        return bool(status["restartCount"] == 1 and status["ready"])

    until(restarted)
    # The near cache went with the process: what answers now has come through Redis' restart.
    until(lambda: shop.decisions(question) == ["exact_hit"])
    assert shop.pod("chat")["status"]["containerStatuses"][0]["restartCount"] == 0


def test_redis_that_goes_under_load_costs_no_call(shop: Town) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        options = ("--seconds", "8", "--pause", "0.05")
        asking = pool.submit(shop.ask, RETURN, "What is new?", options=options)
        until(lambda: shop.calls() > 0)
        shop.kubectl("delete", "pod", "support-redis-0", "--grace-period=0", "--force")
        told = asking.result()
    assert len(told) > 20
    assert [each for each in told if "error" in each] == []


def test_a_changed_route_is_live_without_a_restart(shop: Town) -> None:
    before = shop.pod("chat")
    assert shop.decisions(RETURN) == ["exact_hit"]
    patch = ("patch", "mroute", "chat", "--type=json", "--patch")
    rule = "/spec/rules/0/match"
    shop.kubectl(*patch, f'[{{"op":"add","path":"{rule}","value":{{"models":["another"]}}}}]')
    until(lambda: shop.ask(RETURN)[0]["reason"] == "no_cache")
    shop.kubectl(*patch, f'[{{"op":"remove","path":"{rule}"}}]')
    until(lambda: shop.decisions(RETURN) == ["exact_hit"])
    after = shop.pod("chat")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    counts = [pod["status"]["initContainerStatuses"][0]["restartCount"] for pod in (before, after)]
    assert counts[0] == counts[1]


def test_what_changes_the_injected_container_restarts_the_workload(shop: Town) -> None:
    before = shop.pod("chat")["metadata"]["uid"]
    shop.kubectl("patch", "mroute", "chat", "--type=merge", "-p", '{"spec":{"sidecar":{"logLevel":"info"}}}')
    until(lambda: [each["metadata"]["uid"] != before for each in shop.pods("chat")] == [True])
    shop.rolled_out("chat")
    assert "info" in shop.pod("chat")["spec"]["initContainers"][0]["args"]
    shop.ready("modelroute", "chat", "InjectionUpToDate")
    assert shop.events("Restarted")


def test_a_job_with_a_sidecar_ends(shop: Town, release: Release) -> None:
    command = ["python", "-m", "e2e.apps.ask", RETURN]
    made = manifests.job(release.images["app"], "nightly", command)
    made["spec"]["template"]["metadata"]["labels"]["app"] = "chat"
    shop.put(made)
    until(
        lambda: shop.kubectl.get("job", "nightly")["status"].get("succeeded") == 1,
        lambda: shop.kubectl("describe", "job", "nightly"),
    )
    assert '"decision": "' in shop.kubectl("logs", "job/nightly", "-c", "app")
    shop.kubectl("delete", "job", "nightly", "--wait=true")


def test_an_embedding_model_is_changed_without_a_gap(shop: Town) -> None:
    first, second = "Can I pay by invoice as a company?", "Could I pay by invoice as a company?"
    assert shop.decisions(first) == ["fallback"]
    model = "all-MiniLM-L6-v2"
    shop.kubectl(
        "patch", "semcache", "support", "--type=merge", "-p", f'{{"spec":{{"embedding":{{"model":"{model}"}}}}}}'
    )

    def switched() -> bool:
        status = shop.kubectl.get("semanticcache", "support")["status"]
        document = shop.kubectl.get("configmap", "chat-cachedistill")["data"]["route.json"]
        return bool(status["embedding"]["model"] == model and model in document)

    def still_there() -> bool:
        asked = shop.ask(first)[0]
        # On a busy machine Redis may be asked in vain while a model is loaded.
        assert asked["decision"] == "exact_hit" or asked["reason"] == "cache_unavailable", asked
        return bool(asked["decision"] == "exact_hit")

    until(switched, lambda: shop.kubectl("describe", "semcache", "support"))
    # What was stored under the old model is there under the new one.
    until(still_there)
    assert shop.decisions(second) == ["fallback"]
