"""The demo, as a process without a terminal, and the parts of it that judge."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from cachedistill_sidecar.cli.replay.sending import Outcome, Reply
from examples.demo.judge import Judge, LookAlike
from examples.demo.questions import DAYS, Questions, read_questions
from tests.running import Running
from tests.upstream import Upstream

ROOT = Path(__file__).parents[2]
SECTIONS = (
    "CacheDistill demo",
    "The same question, at the same moment",
    "The questions, in their order",
    "What became of the error budget",
    "Look-alikes that were told apart",
    "One trace",
)


def demo(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    environment = kept | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'sidecar'}"} | variables
    command = [sys.executable, "-m", "examples.demo", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


def in_order(text: str, parts: tuple[str, ...]) -> bool:
    places = [text.find(part) for part in parts]
    return -1 not in places and places == sorted(places)


def test_the_demo_answers_every_question_and_shows_all_that_it_promises(embedder_folder: Path) -> None:
    result = demo()
    total = len(read_questions().asked)
    assert result.returncode == 0, result.stderr
    assert in_order(result.stdout, SECTIONS)
    assert f"{total} of {total} questions were answered." in result.stdout
    assert "8 apps asked, 1 call went to the provider, 7 shared its answer." in result.stdout
    assert in_order(result.stdout, ("not certified: ", "semantic_hit", "money", "Wh"))
    assert in_order(result.stdout, ("recall.exact", "recall.embed", "recall.search", "export OPENAI_BASE_URL="))

    budget = re.search(r"First certified: after (\d+) questions\. Now: certified by (\d+) labels", result.stdout)
    assert budget is not None, result.stdout
    assert 100 <= int(budget[2]) < total
    counted = re.search(r"Counted by this demo, .*: (\d+) of (\d+) were wrong", result.stdout)
    assert counted is not None, result.stdout
    assert int(counted[1]) <= 0.05 * int(counted[2])
    assert int(counted[2]) > 100


def test_a_real_provider_is_asked_with_the_apps_key_and_no_wrong_hit_is_counted(embedder_folder: Path) -> None:
    questions = read_questions()
    with Running(lambda: Upstream(questions.groups, questions.answers)) as provider:
        result = demo("--real", OPENAI_API_KEY="mine", OPENAI_BASE_URL=f"{provider.url}/v1")
        assert result.returncode == 0, result.stderr
        assert {call.headers["authorization"] for call in provider.calls} == {"Bearer mine"}
    assert f"{len(questions.asked)} of {len(questions.asked)} questions were answered." in result.stdout
    assert "Wrong hits can't be counted" in result.stdout


def test_the_real_provider_needs_a_key() -> None:
    result = demo("--real")
    assert result.returncode == 2
    assert "--real needs OPENAI_API_KEY" in result.stderr


@pytest.fixture
def judge() -> Judge:
    asked = ("Where is order 1?", "Where is order 2?", "Where's order 1?")
    groups = dict(zip(asked, ("one", "two", "one"), strict=True))
    return Judge(Questions(asked, groups, {"one": "Here.", "two": "There."}), known=True)


def reply(line: int, reason: str, answer: str, entry: str, nearest: dict[str, object] | None = None) -> Reply:
    decision = "semantic_hit" if reason == "similar" else "fallback"
    body = orjson.dumps({"choices": [{"message": {"content": answer}}]})
    debug = orjson.dumps({"entry": entry, "reason": reason, "candidates": [nearest] if nearest else []}).decode()
    return Reply(Outcome(line, 200, decision, reason, f"trace-{line}", 0.01), body, debug)


def test_a_hit_is_wrong_when_it_serves_another_meanings_answer(judge: Judge) -> None:
    judge.take(reply(1, "cold", "Here.", "a"))
    judge.take(reply(2, "similar", "Here.", "a"))
    judge.take(reply(3, "similar", "Here.", "a"))
    assert judge.wrong == [("Where is order 2?", "Where is order 1?")]


def test_a_look_alike_is_shown_with_what_it_resembles(judge: Judge) -> None:
    nearest: dict[str, object] = {"entry": "a", "similarity": 0.99, "blocked_by": "guard_number"}
    judge.take(reply(1, "cold", "Here.", "a"))
    judge.take(reply(2, "guard_number", "There.", "b", nearest))
    assert judge.look_alikes() == [LookAlike("Where is order 2?", "Where is order 1?", 0.99, "guard_number")]


def test_what_means_the_same_is_no_look_alike(judge: Judge) -> None:
    nearest: dict[str, object] = {"entry": "a", "similarity": 0.99, "blocked_by": "below_confidence"}
    judge.take(reply(1, "cold", "Here.", "a"))
    judge.take(reply(3, "below_confidence", "Here.", "b", nearest))
    assert judge.look_alikes() == []


def test_what_was_refused_because_nothing_was_certified_was_not_told_apart(judge: Judge) -> None:
    nearest: dict[str, object] = {"entry": "a", "similarity": 0.99, "blocked_by": "uncertified"}
    judge.take(reply(1, "cold", "Here.", "a"))
    judge.take(reply(2, "uncertified", "There.", "b", nearest))
    assert judge.look_alikes() == []


def test_nobody_asks_on_a_later_day_as_on_the_first_and_means_something_else() -> None:
    questions = read_questions()
    assert len(questions.asked) % DAYS == 0
    day = len(questions.asked) // DAYS
    first, last = questions.asked[:day], questions.asked[-day:]
    meanings = [sorted(questions.groups[query] for query in asked) for asked in (first, last)]
    assert meanings[0] == meanings[1]
    assert len(set(last) - set(first)) > 0.5 * len(set(last))
