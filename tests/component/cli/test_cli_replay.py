"""`cachedistill replay`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.component.cli.command_line import (
    PARAPHRASES,
    QUESTION,
    Process,
    cachedistill,
    learn,
    one_sentence,
)
from tests.upstream import Upstream


def replay(process: Process, file: Path | str, *options: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    urls = ("--url", process.url, "--admin-url", process.admin_url)
    return cachedistill("replay", file, *urls, *options, stdin=stdin)


def test_a_replay_tells_shares_latencies_money_and_energy(
    process: Process, redis_url: str, model: str, tmp_path: Path
) -> None:
    learn(redis_url, f"{process.url}/v1", QUESTION, model)
    log = tmp_path / "log.jsonl"
    queries = ["Is there a light mode?", QUESTION, PARAPHRASES[0], "Is there a dark mode?"]
    log.write_text("\n".join(json.dumps({"query": query, "user": 7}) for query in queries) + "\n\n")
    shown = replay(process, log, "--concurrency", "1", "--model", model)
    assert shown.returncode == 0
    rows = {line.split()[0]: line.split()[1:] for line in shown.stdout.splitlines() if line.strip()}
    assert {rows[name][-4] for name in ("exact_hit", "semantic_hit")} == {"1"}
    assert rows["fallback"][-4:-2] == ["2", "50.0%"]
    for name in ("money", "energy", "carbon"):
        assert "less" in rows[name]
    assert "accounts of" not in shown.stdout


@pytest.mark.parametrize("options", [(), ("--stream",), ("--dialect", "anthropic")])
def test_a_query_is_asked_as_the_options_say(
    process: Process, provider: Upstream, model: str, options: tuple[str, ...]
) -> None:
    before = len(provider.calls)
    assert replay(process, "-", "--model", model, *options, stdin='{"query": "What is this?"}').returncode == 0
    [call] = provider.calls[before:]
    body = json.loads(call.body)
    assert body["messages"] == [{"role": "user", "content": "What is this?"}]
    assert body["model"] == model
    assert body.get("stream", False) == ("--stream" in options)
    assert call.path == ("/v1/messages" if "anthropic" in options else "/v1/chat/completions")


def test_a_whole_request_is_sent_as_it_is(process: Process, provider: Upstream) -> None:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "As it is"}], "temperature": 0.5}
    line = {
        "path": "/v1/chat/completions?a=1",
        "body": body,
        "headers": {"Authorization": "Bearer mine", "x-team": "a"},
    }
    before = len(provider.calls)
    assert replay(process, "-", stdin=json.dumps(line)).returncode == 0
    [call] = provider.calls[before:]
    assert json.loads(call.body) == body
    assert (call.headers["authorization"], call.headers["x-team"]) == ("Bearer mine", "a")


def test_failures_are_counted_and_placed(process: Process, provider: Upstream, model: str) -> None:
    provider.fail("401", match="broken")
    log = "\n".join(json.dumps({"query": query}) for query in ("fine", "broken", "fine too"))
    shown = replay(process, "-", "--concurrency", "1", "--model", model, stdin=log).stdout
    assert "1 of 3 requests failed" in shown
    assert "status 401: 1, first at line 2" in shown


def test_wrong_lines_are_named_and_nothing_is_sent(process: Process, provider: Upstream) -> None:
    before = len(provider.calls)
    log = '{"query": "good"}\n{"query": 7}\nnonsense\n{"path": "/v1/x"}\n[1]\n'
    shown = one_sentence(replay(process, "-", stdin=log))
    assert [line.split(":")[0] for line in shown.splitlines()[1:]] == ["line 2", "line 3", "line 4", "line 5"]
    assert len(provider.calls) == before


def test_a_sidecar_that_is_not_there_is_one_sentence() -> None:
    result = cachedistill("replay", "-", "--url", "http://127.0.0.1:1", stdin='{"query": "x"}')
    assert "nobody listens at http://127.0.0.1:1" in one_sentence(result)
