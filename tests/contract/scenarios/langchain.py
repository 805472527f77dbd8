"""An app on `langchain-openai`."""

from __future__ import annotations

from typing import Any

import openai
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from tests.contract.comparison import adrained, drained
from tests.contract.scenario import run, scenario
from tests.contract.scenarios.openai_chat import failing


class Trip(BaseModel):
    """A trip to plan."""

    destination: str
    days: int


@tool
def measure_rain(village: str) -> str:
    """Measures the rain in a village."""
    return f"none in {village}"


def model(base_url: str, **options: Any) -> ChatOpenAI:
    return ChatOpenAI(
        model="gpt-4o-mini", base_url=f"{base_url}/v1", api_key=SecretStr("test-key"), max_retries=0, **options
    )


@scenario(cached=True)
def invokes(base_url: str) -> Any:
    return model(base_url).invoke("How do snails climb walls?")


@scenario(cached=True)
def streams(base_url: str) -> Any:
    return drained(model(base_url).stream("What is felt made of?"))


@scenario(cached=True)
def streams_asynchronously(base_url: str) -> Any:
    async def ask() -> Any:
        return await adrained(model(base_url, stream_usage=True).astream("Who invented the zip fastener?"))

    return run(ask())


@scenario(cached=True)
def parses_a_structured_answer(base_url: str) -> Any:
    trip = model(base_url).with_structured_output(Trip).invoke("A week among vineyards.")
    assert isinstance(trip, Trip)
    return trip


@scenario(cached=False)
def parses_a_structured_answer_out_of_a_tool_call(base_url: str) -> Any:
    trip = model(base_url).with_structured_output(Trip, method="function_calling").invoke("A weekend by a lake.")
    assert isinstance(trip, Trip)
    return trip


@scenario(cached=False)
def binds_tools(base_url: str) -> Any:
    answer = model(base_url).bind_tools([measure_rain]).invoke("Is it wet up there? You may use the tool.")
    assert answer.tool_calls
    return answer


@scenario(raises=openai.RateLimitError)
def is_rate_limited(base_url: str) -> Any:
    return model(base_url, default_headers=failing("429:1")).invoke("Did I ask too often?")
