"""The Responses API through the official `openai` package."""

from __future__ import annotations

from typing import Any

import openai
from openai.types.responses import FunctionToolParam
from pydantic import BaseModel

from tests.contract.comparison import adrained, drained
from tests.contract.scenario import run, scenario
from tests.contract.scenarios.openai_chat import MODEL, PIXEL, aclient, client, failing

LAMP: FunctionToolParam = {
    "type": "function",
    "name": "switch_lamp",
    "description": "Switches a lamp",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"lamp": {"type": "string"}, "on": {"type": "boolean"}},
        "required": ["lamp", "on"],
        "additionalProperties": False,
    },
}


class Route(BaseModel):
    start: str
    end: str
    kilometres: int


@scenario(cached=True)
def answers(base_url: str) -> Any:
    return client(base_url).responses.create(model=MODEL, input="How is parchment made?")


@scenario(cached=True)
def answers_under_instructions(base_url: str) -> Any:
    items: Any = [{"role": "user", "content": [{"type": "input_text", "text": "What should I plant in March?"}]}]
    return client(base_url).responses.create(model=MODEL, instructions="Answer as a gardener.", input=items)


@scenario(cached=True)
def streams(base_url: str) -> Any:
    return drained(client(base_url).responses.create(model=MODEL, input="Where do eels go to breed?", stream=True))


@scenario(cached=True)
def streams_asynchronously(base_url: str) -> Any:
    async def ask() -> Any:
        async with aclient(base_url) as api:
            question = "Who keeps bees on rooftops?"
            return await adrained(await api.responses.create(model=MODEL, input=question, stream=True))

    return run(ask())


@scenario(cached=True)
def streams_through_the_helper(base_url: str) -> Any:
    with client(base_url).responses.stream(model=MODEL, input="Tell me about the first bicycle.") as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        return [text, stream.get_final_response()]


@scenario(cached=False)
def calls_a_function(base_url: str) -> Any:
    question = "Switch off the lamp in the hall, use the tool."
    return client(base_url).responses.create(model=MODEL, input=question, tools=[LAMP])


@scenario(cached=False)
def streams_a_function_call(base_url: str) -> Any:
    question = "Switch on the lamp on the stairs, use the tool."
    return drained(client(base_url).responses.create(model=MODEL, input=question, tools=[LAMP], stream=True))


@scenario(cached=True)
def parses_a_structured_answer(base_url: str) -> Any:
    question = "The shortest walk from the harbour to the castle."
    parsed = client(base_url).responses.parse(model=MODEL, input=question, text_format=Route)
    assert isinstance(parsed.output_parsed, Route)
    return parsed


@scenario()
def sends_an_image(base_url: str) -> Any:
    content: Any = [{"type": "input_text", "text": "Describe this."}, {"type": "input_image", "image_url": PIXEL}]
    items: Any = [{"role": "user", "content": content}]
    return client(base_url).responses.create(model=MODEL, input=items)


@scenario(cached=False)
def gets_an_incomplete_answer(base_url: str) -> Any:
    question = "Recite an epic about the sea."
    return drained(client(base_url).responses.create(model=MODEL, input=question, max_output_tokens=16, stream=True))


@scenario(raises=openai.NotFoundError)
def is_told_that_a_model_is_unknown(base_url: str) -> Any:
    return client(base_url).responses.create(model="no-such-model", input="Is anybody there?")


@scenario(raises=openai.RateLimitError)
def is_rate_limited(base_url: str) -> Any:
    question = "May I ask once more?"
    return client(base_url).responses.create(model=MODEL, input=question, extra_headers=failing("429:1"))


@scenario(cached=False)
def gets_an_error_within_the_stream(base_url: str) -> Any:
    question = "Count all the stars for me."
    api = client(base_url)
    return drained(
        api.responses.create(model=MODEL, input=question, stream=True, extra_headers=failing("error-in-stream"))
    )
