"""The `cachedistill` command, as processes: what a user types, and what comes of it."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from anthropic import Anthropic
from openai import AzureOpenAI, OpenAI
from redis import Redis

from cachedistill_sidecar.cli.default_route import default_route
from cachedistill_sidecar.local.models import cache_home
from tests.conftest import StartSidecar
from tests.routes import route_document
from tests.upstream import Pace, UpstreamThread

COMMAND = [sys.executable, "-m", "cachedistill_sidecar"]
PATIENCE = 60
QUESTION = "How do I reset my password?"
PARAPHRASE = "How can I reset my password?"
Environment = dict[str, str]


class Process:
    """A running `cachedistill run`, from the moment that it says where it listens."""

    def __init__(self, arguments: list[str], environment: Environment) -> None:
        command = [*COMMAND, "run", "--port", "0", "--admin-port", "0", *arguments]
        pipe = subprocess.PIPE
        self._popen = subprocess.Popen(command, env=environment, stdout=pipe, stderr=subprocess.STDOUT, text=True)
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.said: list[str] = []
        words = self.line("Listening at").replace("(", " ").replace(")", " ").split()
        self.url, self.admin_url = (word.rstrip(".") for word in words if word.startswith("http://"))

    def line(self, part: str) -> str:
        """The next line that holds `part`."""
        while (line := self._lines.get(timeout=PATIENCE)) is not None:
            self.said.append(line)
            if part in line:
                return line
        raise AssertionError(f"ended without saying {part!r}, after {self.said}")

    def exported(self, name: str) -> str:
        """The value of the `export` line for a variable."""
        start = f"  export {name}="
        known = next((line for line in self.said if line.startswith(start)), None)
        return (known or self.line(start)).partition("=")[2].strip()

    def signal(self, number: int) -> None:
        self._popen.send_signal(number)

    def end(self) -> int:
        """The exit code."""
        return self._popen.wait(timeout=PATIENCE)

    def close(self) -> None:
        if self._popen.poll() is None:
            self._popen.terminate()
        self.end()
        self._reader.join()

    def _read(self) -> None:
        assert self._popen.stdout is not None
        with self._popen.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put(None)


Run = Callable[..., Process]


def cachedistill(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=PATIENCE, check=False)


def one_sentence(result: subprocess.CompletedProcess[str]) -> str:
    """The error of a command that failed as it should."""
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    return result.stderr


@pytest.fixture(scope="module")
def provider() -> Iterator[UpstreamThread]:
    with UpstreamThread(groups={QUESTION: "reset", PARAPHRASE: "reset"}) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, embedder_folder: Path) -> Path:
    """A $CACHEDISTILL_HOME of the test's own, with the embedder that is there already."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "models").symlink_to(cache_home() / "models")
    return folder


@pytest.fixture
def environment(home: Path) -> Environment:
    return own_environment(home)


def own_environment(home: Path) -> Environment:
    ours = ("CACHEDISTILL_", "OPENAI_", "ANTHROPIC_", "AZURE_", "PYTHONUNBUFFERED")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    paths = [str(Path(__file__).parents[2] / "sidecar"), *filter(None, [kept.get("PYTHONPATH")])]
    return kept | {"CACHEDISTILL_HOME": str(home), "PYTHONPATH": os.pathsep.join(paths)}


@pytest.fixture
def run(environment: Environment) -> Iterator[Run]:
    started: list[Process] = []

    def start(*arguments: str | Path, **variables: str) -> Process:
        started.append(Process([str(each) for each in arguments], environment | variables))
        return started[-1]

    yield start
    for process in started:
        process.close()


@pytest.fixture
def route_file(tmp_path: Path, provider: UpstreamThread, redis_url: str, cache_name: str) -> Path:
    file = tmp_path / "route.json"
    document = route_document(provider.url, redis_url=redis_url, cache=cache_name)
    file.write_text(document.model_dump_json(by_alias=True))
    return file


@pytest.fixture(scope="module")
def process(provider: UpstreamThread, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A sidecar that tests share; they keep apart by asking for another model each."""
    folder = tmp_path_factory.mktemp("cli")
    file = folder / "route.json"
    file.write_text(route_document(provider.url, redis_url=redis_url, cache="cli").model_dump_json(by_alias=True))
    process = Process(["--route", str(file)], own_environment(cache_home()))
    yield process
    process.close()


@pytest.fixture
def model() -> str:
    """A model of the test's own, with the price of gpt-4o-mini."""
    return f"gpt-4o-mini-20{uuid.uuid4().hex}"


def ask(base_url: str, text: str = QUESTION, model: str = "gpt-4o-mini") -> tuple[str, str, str]:
    """Decision, reason and trace of one answer to the OpenAI SDK."""
    client = OpenAI(base_url=base_url, api_key="test", max_retries=0)
    raw = client.chat.completions.with_raw_response.create(model=model, messages=[{"role": "user", "content": text}])
    decision, reason, trace = (raw.headers[f"x-cachedistill-{name}"] for name in ("decision", "reason", "trace"))
    return decision, reason, trace


def learn(redis_url: str, base_url: str, text: str, model: str = "gpt-4o-mini") -> None:
    """Ask, and wait until the answer can be found by meaning: its vector is written after the client has it."""
    with Redis.from_url(redis_url) as client:
        before = set(client.scan_iter("cachedistill:*:v:*"))
        ask(base_url, text, model)
        deadline = time.monotonic() + PATIENCE
        while set(client.scan_iter("cachedistill:*:v:*")) == before:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def ask_azure(endpoint: str) -> tuple[str, str]:
    client = AzureOpenAI(azure_endpoint=endpoint, api_key="test", api_version="2024-10-21", max_retries=0)
    raw = client.chat.completions.with_raw_response.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": QUESTION}]
    )
    return raw.headers["x-cachedistill-decision"], raw.headers["x-cachedistill-reason"]


# run


def test_without_a_route_document_answers_are_cached_and_outlive_the_process(
    run: Run, provider: UpstreamThread, home: Path
) -> None:
    first = run(AZURE_OPENAI_ENDPOINT=provider.url)
    assert first.exported("OPENAI_BASE_URL") == f"{first.url}/v1"
    assert first.exported("ANTHROPIC_BASE_URL") == first.url
    endpoint = first.exported("AZURE_OPENAI_ENDPOINT")
    assert [ask_azure(endpoint)[0] for _ in range(2)] == ["fallback", "exact_hit"]
    first.signal(signal.SIGTERM)
    assert first.end() == 0
    assert first.line("Stopped.")
    assert (home / "redis" / "dump.rdb").is_file()
    second = run(AZURE_OPENAI_ENDPOINT=provider.url)
    assert ask_azure(second.url) == ("exact_hit", "stored")
    second.signal(signal.SIGINT)
    assert second.end() == 0


def test_a_redis_of_the_environment_spares_the_embedded_one(run: Run, redis_url: str, home: Path) -> None:
    process = run(CACHEDISTILL_REDIS_URL=redis_url)
    assert any("as $CACHEDISTILL_REDIS_URL says" in line for line in process.said)
    assert not (home / "redis").exists()


def test_a_route_document_decides_on_redis_and_providers(
    run: Run, route_file: Path, redis_url: str, home: Path
) -> None:
    process = run("--route", route_file)
    base_url = process.exported("OPENAI_BASE_URL")
    learn(redis_url, base_url, QUESTION)
    assert ask(base_url)[0] == "exact_hit"
    assert ask(base_url, PARAPHRASE)[0] == "semantic_hit"
    assert not (home / "redis").exists()


def test_models_of_an_image_are_found_in_their_folder(
    run: Run, route_file: Path, redis_url: str, tmp_path: Path, embedder_folder: Path
) -> None:
    models, empty = tmp_path / "models", tmp_path / "empty"
    models.mkdir()
    (models / "all-MiniLM-L6-v2").symlink_to(embedder_folder)
    # No package index: a download would fail.
    process = run(
        "--route", route_file, CACHEDISTILL_MODELS=str(models), CACHEDISTILL_HOME=str(empty), PIP_NO_INDEX="1"
    )
    base_url = process.exported("OPENAI_BASE_URL")
    learn(redis_url, base_url, QUESTION)
    assert ask(base_url, PARAPHRASE)[0] == "semantic_hit"
    assert not empty.exists()


def test_without_any_model_the_apps_calls_are_answered_all_the_same(run: Run, route_file: Path, tmp_path: Path) -> None:
    process = run("--route", route_file, CACHEDISTILL_HOME=str(tmp_path / "empty"), PIP_NO_INDEX="1")
    assert any("could not be downloaded" in line for line in process.said)
    assert ask(process.exported("OPENAI_BASE_URL"))[:2] == ("fallback", "embedder_unavailable")


def test_an_answer_under_way_ends_before_the_process_does(run: Run, tmp_path: Path, redis_url: str) -> None:
    with UpstreamThread(pace=Pace(first_token_ms=10, per_chunk_ms=30)) as slow:
        file = tmp_path / "route.json"
        document = route_document(slow.url, redis_url=redis_url, cache="sigterm")
        file.write_text(document.model_dump_json(by_alias=True))
        process = run("--route", file)
        client = OpenAI(base_url=f"{process.url}/v1", api_key="test", max_retries=0)
        stream = client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "A slow one"}], stream=True
        )
        chunks = iter(stream)
        next(chunks)
        process.signal(signal.SIGTERM)
        process.line("Stopping")
        assert list(chunks)[-1].choices[0].finish_reason == "stop"
        assert process.end() == 0


def test_a_port_that_is_taken_is_one_sentence(environment: Environment) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for option in ("--port", "--admin-port"):
            others = ["--port", "0"] if option == "--admin-port" else []
            command = [*COMMAND, "run", *others, option, port]
            result = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
            )
            assert one_sentence(result) == (
                f"Error: port {port} of 127.0.0.1 is taken: choose another one with {option}.\n"
            )


def test_json_logs_are_json_to_the_last_line(run: Run, route_file: Path) -> None:
    process = run("--route", route_file, "--log-format", "json")
    process.signal(signal.SIGTERM)
    assert process.end() == 0
    process.line("Stopped.")
    assert all({"time", "level", "logger", "message"} <= set(json.loads(line)) for line in process.said)


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"AZURE_OPENAI_ENDPOINT": "my-resource"}, "AZURE_OPENAI_ENDPOINT: must be an http:// or https:// URL"),
        ({"CACHEDISTILL_REDIS_URL": "localhost:6379"}, "CACHEDISTILL_REDIS_URL: must be a redis://"),
        ({"AZURE_OPENAI_ENDPOINT": "http://127.0.0.1:18473"}, "AZURE_OPENAI_ENDPOINT is this sidecar's own address"),
    ],
)
def test_a_wrong_environment_variable_is_named(environment: Environment, variables: Environment, sentence: str) -> None:
    command = [*COMMAND, "run", "--port", "18473", "--admin-port", "0"]
    given = environment | variables
    result = subprocess.run(command, env=given, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert sentence in one_sentence(result)


# route


def test_a_good_route_document_is_summed_up(route_file: Path, provider: UpstreamThread) -> None:
    result = cachedistill("route", "check", route_file)
    assert result.returncode == 0
    assert result.stdout.startswith("ok: default/test\n")
    assert "(semantic from 0.900); fallbacks openai, anthropic, azureopenai, ollama" in result.stdout
    assert f"fallback openai: OpenAI at {provider.url}; the app's own key" in result.stdout


def test_a_password_in_a_redis_url_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "route.json"
    file.write_text(default_route("redis://me:secret@redis.example:6379/0").model_dump_json(by_alias=True))
    shown = cachedistill("route", "check", file).stdout
    assert "redis://redis.example:6379/0" in shown
    assert "secret" not in shown


def test_every_wrong_field_is_named_on_a_line_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "route.json"
    file.write_text('{"name": "x", "rules": [{"name": "all", "fallbacks": "cloud"}], "extra": 1}')
    for command in (("route", "check", file), ("run", "--port", "0", "--admin-port", "0", "--route", file)):
        lines = one_sentence(cachedistill(*command)).splitlines()
        fields = ("rules.0.fallbacks: ", "fallbacks: ", "extra: ")
        assert [field in line for field, line in zip(fields, lines, strict=True)] == [True, True, True]


def test_a_missing_route_document_is_one_sentence(tmp_path: Path) -> None:
    missing = tmp_path / "none.json"
    for command in (("route", "check", missing), ("run", "--port", "0", "--admin-port", "0", "--route", missing)):
        assert one_sentence(cachedistill(*command)) == f"Error: {missing}: No such file or directory\n"


def test_the_schema_tells_the_fields_in_the_documents_own_spelling() -> None:
    schema = json.loads(cachedistill("route", "schema").stdout)
    assert "failurePolicy" in schema["properties"]
    assert "similarityPermille" in schema["$defs"]["Semantic"]["properties"]


# explain


def test_a_decision_is_explained_by_its_trace(process: Process, redis_url: str, model: str) -> None:
    base_url = process.exported("OPENAI_BASE_URL")
    learn(redis_url, base_url, "What does error E1042 mean?", model)
    _, reason, trace = ask(base_url, "What does error E1024 mean?", model)
    told = cachedistill("explain", trace, "--admin-url", process.admin_url).stdout
    assert told.startswith(f"fallback: {reason}\n")
    assert "blocked by guard_identifier: has other identifiers" in told
    for part in ("cut-off   0.900", "recall.search", "escalate", "USD", "Wh", "g CO2"):
        assert part in told


def test_a_hit_is_explained_with_its_candidate_and_how_to_remove_it(
    process: Process, redis_url: str, model: str
) -> None:
    base_url = process.exported("OPENAI_BASE_URL")
    learn(redis_url, base_url, QUESTION, model)
    trace = ask(base_url, PARAPHRASE, model)[2]
    told = cachedistill("explain", trace, "--admin-url", process.admin_url).stdout
    assert told.startswith("semantic_hit: similar\n")
    assert "  served" in told
    assert "DELETE /cachedistill/entries/" in told


def test_without_an_id_the_last_decisions_are_listed(process: Process, model: str) -> None:
    traces = [ask(f"{process.url}/v1", text, model)[2] for text in (QUESTION, QUESTION)]
    lines = cachedistill("explain", "--admin-url", process.admin_url, "--count", "2").stdout.splitlines()
    assert [line.split()[1:4] for line in lines[1:]] == [
        [traces[1], "exact_hit", "near"],
        [traces[0], "fallback", "cold"],
    ]


async def test_a_sidecar_that_has_seen_no_request_says_so(start_sidecar: StartSidecar) -> None:
    sidecar = await start_sidecar()
    result = await asyncio.to_thread(cachedistill, "explain", "--admin-url", sidecar.admin_url)
    assert result.stdout == f"{sidecar.admin_url} has seen no request yet.\n"


def test_an_unknown_trace_is_told_where_ids_come_from(process: Process) -> None:
    result = cachedistill("explain", "no/such", "--admin-url", process.admin_url)
    assert "knows no decision no/such" in one_sentence(result)
    assert "x-cachedistill-trace" in result.stderr


def test_an_admin_port_that_is_none_is_one_sentence(provider: UpstreamThread) -> None:
    assert "is no admin port of a sidecar" in one_sentence(cachedistill("explain", "--admin-url", provider.url))
    assert "nobody answers at" in one_sentence(cachedistill("explain", "--admin-url", "http://127.0.0.1:1"))


# replay


def replay(process: Process, file: Path | str, *options: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    urls = ("--url", process.url, "--admin-url", process.admin_url)
    return cachedistill("replay", file, *urls, *options, stdin=stdin)


def test_a_replay_tells_shares_latencies_money_and_energy(
    process: Process, redis_url: str, model: str, tmp_path: Path
) -> None:
    learn(redis_url, f"{process.url}/v1", QUESTION, model)
    log = tmp_path / "log.jsonl"
    queries = ["Is there a light mode?", QUESTION, PARAPHRASE, "Is there a dark mode?"]
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
    process: Process, provider: UpstreamThread, model: str, options: tuple[str, ...]
) -> None:
    before = len(provider.calls)
    assert replay(process, "-", "--model", model, *options, stdin='{"query": "What is this?"}').returncode == 0
    [call] = provider.calls[before:]
    body = json.loads(call.body)
    assert body["messages"] == [{"role": "user", "content": "What is this?"}]
    assert body["model"] == model
    assert body.get("stream", False) == ("--stream" in options)
    assert call.path == ("/v1/messages" if "anthropic" in options else "/v1/chat/completions")


def test_a_whole_request_is_sent_as_it_is(process: Process, provider: UpstreamThread) -> None:
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


def test_failures_are_counted_and_placed(process: Process, provider: UpstreamThread, model: str) -> None:
    provider.fail("401", match="broken")
    log = "\n".join(json.dumps({"query": query}) for query in ("fine", "broken", "fine too"))
    shown = replay(process, "-", "--concurrency", "1", "--model", model, stdin=log).stdout
    assert "1 of 3 requests failed" in shown
    assert "status 401: 1, first at line 2" in shown


def test_wrong_lines_are_named_and_nothing_is_sent(process: Process, provider: UpstreamThread) -> None:
    before = len(provider.calls)
    log = '{"query": "good"}\n{"query": 7}\nnonsense\n{"path": "/v1/x"}\n[1]\n'
    shown = one_sentence(replay(process, "-", stdin=log))
    assert [line.split(":")[0] for line in shown.splitlines()[1:]] == ["line 2", "line 3", "line 4", "line 5"]
    assert len(provider.calls) == before


def test_a_sidecar_that_is_not_there_is_one_sentence() -> None:
    result = cachedistill("replay", "-", "--url", "http://127.0.0.1:1", stdin='{"query": "x"}')
    assert "nobody listens at http://127.0.0.1:1" in one_sentence(result)


def test_an_anthropic_client_is_served_by_its_export_line(process: Process, model: str) -> None:
    client = Anthropic(base_url=process.exported("ANTHROPIC_BASE_URL"), api_key="test", max_retries=0)
    answer = client.messages.create(
        model="claude-sonnet-5", max_tokens=64, messages=[{"role": "user", "content": QUESTION}]
    )
    assert answer.stop_reason == "end_turn"
