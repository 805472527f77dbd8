"""`cachedistill run`."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from anthropic import Anthropic
from openai import OpenAI

from cachedistill_sidecar.local.models import DEFAULT
from tests.component.cli.command_line import (
    COMMAND,
    NO_DOWNLOADS,
    PARAPHRASES,
    PATIENCE,
    QUESTION,
    Environment,
    Process,
    Run,
    ask,
    ask_azure,
    compared,
    learn,
    one_sentence,
)
from tests.routes import route_document
from tests.running import Running
from tests.upstream import Pace, Upstream


def test_without_a_route_document_answers_are_cached_and_outlive_the_process(
    run: Run, provider: Upstream, home: Path
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
    assert compared(base_url, PARAPHRASES)[0] == "semantic_hit"
    assert not (home / "redis").exists()


def test_models_of_an_image_are_found_in_their_folder(
    run: Run, route_file: Path, redis_url: str, tmp_path: Path, embedder_folder: Path
) -> None:
    models, empty = tmp_path / "models", tmp_path / "empty"
    models.mkdir()
    (models / DEFAULT).symlink_to(embedder_folder)
    process = run("--route", route_file, CACHEDISTILL_MODELS=str(models), CACHEDISTILL_HOME=str(empty), **NO_DOWNLOADS)
    base_url = process.exported("OPENAI_BASE_URL")
    learn(redis_url, base_url, QUESTION)
    assert compared(base_url, PARAPHRASES)[0] == "semantic_hit"
    assert not empty.exists()


def test_without_any_model_the_apps_calls_are_answered_all_the_same(run: Run, route_file: Path, tmp_path: Path) -> None:
    process = run("--route", route_file, CACHEDISTILL_HOME=str(tmp_path / "empty"), **NO_DOWNLOADS)
    assert any("could not be downloaded" in line for line in process.said)
    assert ask(process.exported("OPENAI_BASE_URL"))[:2] == ("fallback", "embedder_unavailable")


def test_an_answer_under_way_ends_before_the_process_does(run: Run, tmp_path: Path, redis_url: str) -> None:
    with Running(lambda: Upstream(pace=Pace(first_token_ms=10, per_chunk_ms=30))) as slow:
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
        ({"CACHEDISTILL_REDIS_URL": "localhost:6379"}, "CACHEDISTILL_REDIS_URL: must be one of redis://"),
        ({"AZURE_OPENAI_ENDPOINT": "http://127.0.0.1:18473"}, "AZURE_OPENAI_ENDPOINT is this sidecar's own address"),
    ],
)
def test_a_wrong_environment_variable_is_named(environment: Environment, variables: Environment, sentence: str) -> None:
    command = [*COMMAND, "run", "--port", "18473", "--admin-port", "0"]
    given = environment | variables
    result = subprocess.run(command, env=given, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert sentence in one_sentence(result)


def test_an_anthropic_client_is_served_by_its_export_line(process: Process, model: str) -> None:
    client = Anthropic(base_url=process.exported("ANTHROPIC_BASE_URL"), api_key="test", max_retries=0)
    answer = client.messages.create(
        model="claude-sonnet-5", max_tokens=64, messages=[{"role": "user", "content": QUESTION}]
    )
    assert answer.stop_reason == "end_turn"
