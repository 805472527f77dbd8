"""Unmodified SDKs see through the sidecar what they see at the provider: on a miss and on a hit."""

from __future__ import annotations

import time

import pytest

from tests.contract.comparison import joined
from tests.contract.scenario import Scenario, scenarios_of
from tests.contract.scenarios import (
    anthropic_messages,
    azure,
    langchain,
    ollama_chat,
    openai_chat,
    openai_failures,
    openai_responses,
)
from tests.upstream import Upstream

SCENARIOS = scenarios_of(
    openai_chat, openai_failures, openai_responses, anthropic_messages, azure, ollama_chat, langchain
)
REMEMBERED_WITHIN_SECONDS = 5.0

each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)


@each_scenario
def test_the_provider_itself_answers_twice_the_same(upstream: Upstream, scenario: Scenario) -> None:
    assert scenario.outcome(upstream.url) == scenario.outcome(upstream.url)


@each_scenario
def test_the_first_answer_through_the_sidecar_equals_the_providers(
    upstream: Upstream, sidecar_url: str, scenario: Scenario
) -> None:
    direct = scenario.outcome(upstream.url)
    calls = len(upstream.calls)
    assert scenario.outcome(sidecar_url) == direct
    assert len(upstream.calls) > calls, "another scenario's answer was served: their prompts mean too much the same"


@each_scenario
def test_a_repeated_answer_through_the_sidecar_equals_the_providers(
    upstream: Upstream, sidecar_url: str, scenario: Scenario
) -> None:
    direct = joined(scenario.outcome(upstream.url))
    assert joined(scenario.outcome(sidecar_url)) == direct
    deadline = time.monotonic() + REMEMBERED_WITHIN_SECONDS
    while True:
        calls = len(upstream.calls)
        assert joined(scenario.outcome(sidecar_url)) == direct
        reached_the_provider = len(upstream.calls) > calls
        # An answer is stored after its last byte was sent, so that a repetition may come too early.
        if scenario.cached is not True or not reached_the_provider or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    if scenario.cached is not None:
        assert reached_the_provider is not scenario.cached
