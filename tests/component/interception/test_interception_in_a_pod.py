"""An app that calls providers by their real names, over TLS, is answered by the sidecar in its pod."""

from __future__ import annotations

import hashlib
import shutil
import sys

import orjson
import pytest

from tests.component.interception.conftest import ADMIN
from tests.interception.pod import UNVOUCHED, Json, Pod

OPENAI = """
import sys
from openai import OpenAI
client = OpenAI(base_url="https://api.openai.com/v1", max_retries=0)
raw = client.chat.completions.with_raw_response.create(
    model=sys.argv[1], messages=[{"role": "user", "content": sys.argv[2]}]
)
head = raw.headers
print(head["x-cachedistill-decision"], head["x-cachedistill-reason"], raw.parse().choices[0].finish_reason)
"""
STREAMED = """
import sys
from openai import OpenAI
stream = OpenAI(base_url="https://api.openai.com/v1", max_retries=0).chat.completions.create(
    model=sys.argv[1], messages=[{"role": "user", "content": sys.argv[2]}], stream=True
)
print([chunk.choices[0].finish_reason for chunk in stream][-1])
"""
ANTHROPIC = """
import sys
from anthropic import Anthropic
raw = Anthropic(base_url="https://api.anthropic.com", max_retries=0).messages.with_raw_response.create(
    model=sys.argv[1], max_tokens=64, messages=[{"role": "user", "content": sys.argv[2]}]
)
print(raw.headers["x-cachedistill-decision"], raw.headers["x-cachedistill-reason"], raw.parse().stop_reason)
"""
NODE = """
fetch(process.argv[1], {method: process.argv[2] ? "POST" : "GET", body: process.argv[2]})
  .then((answer) => console.log(answer.status, answer.headers.get("x-cachedistill-decision")))
  .catch((error) => { console.log(String(error.cause ?? error)); process.exitCode = 1 })
"""
PYTHON = """
import ssl, sys, urllib.request
with urllib.request.urlopen(sys.argv[1]) as answer:
    print(answer.status)
"""
CHAT = "https://api.openai.com/v1/chat/completions"

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not on this machine")
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on this machine")


def said(answer: Json) -> str:
    assert answer["code"] == 0, answer
    return str(answer["out"]).strip()


def python(pod: Pod, program: str, *arguments: str, env: dict[str, str]) -> str:
    return said(pod.run(sys.executable, "-c", program, *arguments, env=env))


def body(text: str, model: str = "gpt-4o") -> str:
    return orjson.dumps({"model": model, "messages": [{"role": "user", "content": text}]}).decode()


def curl(pod: Pod, trust: dict[str, str], *arguments: str) -> Json:
    return pod.run("curl", "-sS", "-m", "20", "-D", "-", *arguments, env=trust)


def test_an_openai_client_is_answered_by_the_provider_and_then_by_the_cache(
    intercepted: Pod, trust: dict[str, str]
) -> None:
    intercepted.seen()
    question = "How do I reset my password?"
    assert python(intercepted, OPENAI, "gpt-4o", question, env=trust) == "fallback cold stop"
    [call] = intercepted.seen()["provider"]
    assert call == {"path": "/v1/chat/completions", "host": "api.openai.com", "key": "Bearer key-of-openai"}
    decision, _, finish = python(intercepted, OPENAI, "gpt-4o", question, env=trust).split()
    assert (decision, finish) == ("exact_hit", "stop")
    assert python(intercepted, STREAMED, "gpt-4o", question, env=trust) == "stop"
    assert intercepted.seen()["provider"] == []


def test_an_anthropic_client_is_answered_by_its_own_provider(intercepted: Pod, trust: dict[str, str]) -> None:
    intercepted.seen()
    question = "How do I cancel my order?"
    assert python(intercepted, ANTHROPIC, "claude-sonnet-5", question, env=trust) == "fallback cold end_turn"
    assert [call["host"] for call in intercepted.seen()["provider"]] == ["api.anthropic.com"]
    assert python(intercepted, ANTHROPIC, "claude-sonnet-5", question, env=trust).startswith("exact_hit")


@needs_curl
def test_a_curl_command_is_intercepted_by_http_1_1(intercepted: Pod, trust: dict[str, str]) -> None:
    answer = said(curl(intercepted, trust, "-d", body("A question by curl"), CHAT))
    assert answer.startswith("HTTP/1.1 200")
    assert "x-cachedistill-decision: fallback" in answer.lower()


@needs_node
def test_a_node_app_is_intercepted(intercepted: Pod, trust: dict[str, str]) -> None:
    assert said(intercepted.run("node", "-e", NODE, CHAT, body("A question by Node"), env=trust)) == "200 fallback"


@needs_curl
def test_what_is_no_llm_call_goes_to_the_host_it_was_meant_for(intercepted: Pod, trust: dict[str, str]) -> None:
    intercepted.seen()
    for host in ("api.openai.com", "api.anthropic.com", "api.mistral.ai"):
        answer = said(curl(intercepted, trust, f"https://{host}/v1/models"))
        assert "x-cachedistill-reason: not_llm" in answer.lower()
        assert [call["host"] for call in intercepted.seen()["provider"]] == [host]


@needs_curl
def test_a_call_to_a_provider_without_a_fallback_never_goes_to_another_provider(
    intercepted: Pod, trust: dict[str, str]
) -> None:
    intercepted.seen()
    key = ["-H", "authorization: Bearer key-of-mistral"]
    answer = said(
        curl(intercepted, trust, *key, "-d", body("For Mistral"), "https://api.mistral.ai/v1/chat/completions")
    )
    assert "x-cachedistill-reason: not_routed" in answer.lower()
    [call] = intercepted.seen()["provider"]
    assert (call["host"], call["key"]) == ("api.mistral.ai", "Bearer key-of-mistral")


@needs_curl
def test_names_are_resolved_past_the_hosts_file_where_it_leads_back_and_by_it_elsewhere(
    intercepted: Pod, trust: dict[str, str]
) -> None:
    intercepted.seen()
    for model, place in (("llama-3", "in_cluster"), ("house-model", "aliased")):
        assert said(curl(intercepted, trust, "-d", body("Whom do you ask?", model), CHAT)).startswith("HTTP/1.1 200")
        seen = intercepted.seen()
        assert {name: len(seen[name]) for name in ("provider", place)} == {"provider": 0, place: 1}


@needs_curl
def test_other_hosts_are_refused_within_the_handshake(intercepted: Pod, trust: dict[str, str]) -> None:
    to_us = ["--connect-to", "::127.0.0.1:443"]
    assert curl(intercepted, trust, "-k", *to_us, "https://api.example.com/")["code"] == 35
    assert curl(intercepted, trust, *to_us, "https://api.openai.com/")["code"] == 0


@needs_curl
def test_another_host_in_the_host_header_is_misdirected(intercepted: Pod, trust: dict[str, str]) -> None:
    answer = said(curl(intercepted, trust, "-H", "host: api.example.com", "-d", body("To whom?"), CHAT))
    assert answer.startswith("HTTP/1.1 421")
    assert "x-cachedistill-reason: misdirected" in answer.lower()


def test_clients_refuse_a_certificate_that_the_ca_may_not_issue(intercepted: Pod, trust: dict[str, str]) -> None:
    url = f"https://{UNVOUCHED}/v1/models"
    refused = intercepted.run(sys.executable, "-c", PYTHON, url, env=trust)
    assert refused["code"] == 1
    assert "permitted subtree violation" in refused["err"]
    if shutil.which("curl"):
        assert curl(intercepted, trust, url)["code"] == 60
    if shutil.which("node"):
        refused = intercepted.run("node", "-e", NODE, url, env=trust)
        assert refused["code"] == 1
        assert "permitted subtree violation" in refused["out"]


def test_apps_that_trust_the_public_roots_alone_refuse_the_sidecar(intercepted: Pod) -> None:
    env = {"SSL_CERT_FILE": str(intercepted.folder / "public.pem")}
    refused = intercepted.run(sys.executable, "-c", PYTHON, "https://api.openai.com/v1/models", env=env)
    assert "unable to get local issuer certificate" in refused["err"]


@needs_curl
def test_the_admin_port_tells_what_is_intercepted(intercepted: Pod) -> None:
    state = orjson.loads(said(intercepted.run("curl", "-s", f"{ADMIN}/readyz?verbose")))
    assert state["interception"]["hosts"] == ["api.anthropic.com", "api.mistral.ai", "api.openai.com"]
    assert state["interception"]["problem"] is None
    certificate = (intercepted.folder / "authority" / "tls.crt").read_bytes()
    assert state["interception"]["ca"] == f"sha256:{hashlib.sha256(certificate).hexdigest()}"
