"""Azure OpenAI through the client of the official `openai` package."""

from __future__ import annotations

from typing import Any

import openai
from openai import AsyncAzureOpenAI, AzureOpenAI, OpenAI

from tests.contract.comparison import adrained, drained
from tests.contract.scenario import run, scenario
from tests.contract.scenarios.openai_chat import asks, failing

DEPLOYMENT = "team-gpt"
VERSION = "2024-10-21"


def client(base_url: str) -> AzureOpenAI:
    return AzureOpenAI(azure_endpoint=base_url, api_key="test-key", api_version=VERSION, max_retries=0)


@scenario(cached=True)
def answers(base_url: str) -> Any:
    messages = asks("Which metals float on water?")
    return client(base_url).chat.completions.create(model=DEPLOYMENT, messages=messages)


@scenario(cached=True)
def streams(base_url: str) -> Any:
    messages = asks("How old is the oldest tree?")
    return drained(client(base_url).chat.completions.create(model=DEPLOYMENT, messages=messages, stream=True))


@scenario(cached=True)
def streams_asynchronously(base_url: str) -> Any:
    async def ask() -> Any:
        api = AsyncAzureOpenAI(azure_endpoint=base_url, api_key="test-key", api_version=VERSION, max_retries=0)
        async with api:
            messages = asks("Do fish sleep at night?")
            stream = await api.chat.completions.create(model=DEPLOYMENT, messages=messages, stream=True)
            return await adrained(stream)

    return run(ask())


@scenario(cached=True)
def answers_without_a_version(base_url: str) -> Any:
    """Azure's newer form: OpenAI's own client, and the deployment as the model."""
    api = OpenAI(base_url=f"{base_url}/openai/v1", api_key="test-key", max_retries=0)
    return api.chat.completions.create(model=DEPLOYMENT, messages=asks("Which metals melt in the hand?"))


@scenario()
def embeds(base_url: str) -> Any:
    return client(base_url).embeddings.create(model="team-embedding", input="a paper kite", dimensions=32)


@scenario(raises=openai.RateLimitError)
def is_rate_limited(base_url: str) -> Any:
    messages = asks("Is my quota used up?")
    return client(base_url).chat.completions.create(model=DEPLOYMENT, messages=messages, extra_headers=failing("429:1"))


@scenario(raises=openai.NotFoundError)
def is_told_that_a_deployment_is_unknown(base_url: str) -> Any:
    messages = asks("Which deployments are there?")
    return client(base_url).chat.completions.create(model="no-such-deployment", messages=messages)
