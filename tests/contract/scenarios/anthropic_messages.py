"""Messages through the official `anthropic` package."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx
import httpx2
from anthropic import Anthropic, AsyncAnthropic
from anthropic.types import MessageParam, ToolParam
from pydantic import BaseModel

from tests.contract.comparison import adrained, broken, drained
from tests.contract.scenario import run, scenario
from tests.contract.scenarios.openai_chat import NOT_STORED, PIXEL, failing

MODEL = "claude-opus-4-8"
SHELF: ToolParam = {
    "name": "count_books",
    "description": "Counts the books on a shelf",
    "input_schema": {
        "type": "object",
        "properties": {"shelf": {"type": "string"}, "room": {"type": "string"}},
        "required": ["shelf", "room"],
    },
}


class Plant(BaseModel):
    name: str
    height: int
    evergreen: bool


def client(base_url: str, **options: Any) -> Anthropic:
    return Anthropic(base_url=base_url, api_key="test-key", **{"max_retries": 0, **options})


def aclient(base_url: str) -> AsyncAnthropic:
    return AsyncAnthropic(base_url=base_url, api_key="test-key", max_retries=0)


def asks(text: str) -> list[MessageParam]:
    return [{"role": "user", "content": text}]


@scenario(cached=True)
def answers(base_url: str) -> Any:
    return client(base_url).messages.create(model=MODEL, max_tokens=500, messages=asks("How tall do giraffes get?"))


@scenario(cached=True)
def answers_under_a_system_prompt(base_url: str) -> Any:
    system: Any = [{"type": "text", "text": "You teach chemistry.", "cache_control": {"type": "ephemeral"}}]
    messages = asks("Why does iron rust?")
    return client(base_url).messages.create(model=MODEL, max_tokens=500, system=system, messages=messages)


@scenario(cached=True)
def answers_asynchronously(base_url: str) -> Any:
    async def ask() -> Any:
        async with aclient(base_url) as api:
            messages = asks("What language do they speak in Suriname?")
            return await api.messages.create(model=MODEL, max_tokens=500, messages=messages)

    return run(ask())


@scenario(cached=True)
def streams(base_url: str) -> Any:
    messages = asks("How does a compass find north?")
    return drained(client(base_url).messages.create(model=MODEL, max_tokens=500, messages=messages, stream=True))


@scenario(cached=True)
def streams_asynchronously(base_url: str) -> Any:
    async def ask() -> Any:
        async with aclient(base_url) as api:
            messages = asks("What makes bread rise?")
            stream = await api.messages.create(model=MODEL, max_tokens=500, messages=messages, stream=True)
            return await adrained(stream)

    return run(ask())


@scenario(cached=True)
def streams_through_the_helper(base_url: str) -> Any:
    messages = asks("Describe the sound of an oboe.")
    with client(base_url).messages.stream(model=MODEL, max_tokens=500, messages=messages) as stream:
        return ["".join(stream.text_stream), stream.get_final_message()]


@scenario(cached=False)
def uses_a_tool(base_url: str) -> Any:
    messages = asks("How many novels are on the top shelf? Do use the tool.")
    return client(base_url).messages.create(model=MODEL, max_tokens=500, messages=messages, tools=[SHELF])


@scenario(cached=False)
def streams_a_tool_use(base_url: str) -> Any:
    messages = asks("How many atlases are on the low shelf? Do use the tool.")
    api = client(base_url)
    return drained(api.messages.create(model=MODEL, max_tokens=500, messages=messages, tools=[SHELF], stream=True))


@scenario()
def goes_on_after_a_tool_result(base_url: str) -> Any:
    api = client(base_url)
    messages = asks("How many maps are on the desk? Do use the tool.")
    first = api.messages.create(model=MODEL, max_tokens=500, messages=messages, tools=[SHELF])
    (block,) = first.content
    assert block.type == "tool_use"
    messages.append({"role": "assistant", "content": first.content})
    result: Any = {"type": "tool_result", "tool_use_id": block.id, "content": "42"}
    messages.append({"role": "user", "content": [result]})
    return [first, api.messages.create(model=MODEL, max_tokens=500, messages=messages, tools=[SHELF])]


@scenario(cached=False)
def is_made_to_use_a_tool(base_url: str) -> Any:
    choice: Any = {"type": "tool", "name": "count_books"}
    messages = asks("Dictionaries in the study.")
    return client(base_url).messages.create(
        model=MODEL, max_tokens=500, messages=messages, tools=[SHELF], tool_choice=choice
    )


@scenario(cached=True)
def parses_a_structured_answer(base_url: str) -> Any:
    messages = asks("A plant for a dark corner.")
    parsed = client(base_url).messages.parse(model=MODEL, max_tokens=500, messages=messages, output_format=Plant)
    assert isinstance(parsed.parsed_output, Plant)
    return parsed


@scenario()
def sends_an_image(base_url: str) -> Any:
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL.partition(",")[2]}
    content: Any = [{"type": "image", "source": source}, {"type": "text", "text": "What colour is this?"}]
    messages: list[MessageParam] = [{"role": "user", "content": content}]
    return client(base_url).messages.create(model=MODEL, max_tokens=500, messages=messages)


@scenario(cached=True)
def reads_the_raw_response(base_url: str) -> Any:
    messages = asks("When do swallows return?")
    raw = client(base_url).messages.with_raw_response.create(model=MODEL, max_tokens=500, messages=messages)
    return [raw.status_code, raw.headers["content-type"], "request-id" in raw.headers, raw.parse()]


@scenario(cached=False)
def counts_tokens(base_url: str) -> Any:
    return client(base_url).messages.count_tokens(model=MODEL, messages=asks("How long is this?"))


@scenario()
def lists_models(base_url: str) -> Any:
    return list(client(base_url).models.list())


@scenario(cached=False)
def gets_a_truncated_answer(base_url: str) -> Any:
    messages = asks("List every bird of the islands.")
    return client(base_url).messages.create(model=MODEL, max_tokens=9, messages=messages)


@scenario(cached=False)
def is_refused(base_url: str) -> Any:
    messages = asks("Say what you must not say.")
    api = client(base_url)
    return api.messages.create(model=MODEL, max_tokens=500, messages=messages, extra_headers=failing("filtered"))


@scenario(raises=anthropic.BadRequestError)
def is_told_that_max_tokens_is_missing(base_url: str) -> Any:
    body = {"model": MODEL, "messages": asks("Did I forget something?")}
    return client(base_url).post("/v1/messages", body=body, cast_to=object)


@scenario(raises=anthropic.NotFoundError)
def is_told_that_a_model_is_unknown(base_url: str) -> Any:
    messages = asks("Who are you?")
    return client(base_url).messages.create(model="no-such-model", max_tokens=500, messages=messages)


@scenario(raises=anthropic.AuthenticationError)
def is_told_that_the_key_is_wrong(base_url: str) -> Any:
    messages = asks("May I come in?")
    api = client(base_url)
    return api.messages.create(model=MODEL, max_tokens=500, messages=messages, extra_headers=failing("401"))


@scenario(raises=anthropic.RateLimitError)
def is_rate_limited(base_url: str) -> Any:
    messages = asks("Faster, please?")
    api = client(base_url)
    return api.messages.create(model=MODEL, max_tokens=500, messages=messages, extra_headers=failing("429:1"))


@scenario(raises=anthropic.APIStatusError)
def meets_an_overloaded_provider(base_url: str) -> Any:
    messages = asks("Is it crowded?")
    return client(base_url).messages.create(
        model=MODEL, max_tokens=500, messages=messages, stream=True, extra_headers=failing("529")
    )


@scenario(cached=False)
def gets_an_error_within_the_stream(base_url: str) -> Any:
    messages = asks("Tell a tale that breaks off.")
    return broken(
        client(base_url).messages.create(
            model=MODEL, max_tokens=500, messages=messages, stream=True, extra_headers=failing("error-in-stream")
        ),
        anthropic.APIStatusError,
    )


@scenario(cached=False)
def loses_the_stream(base_url: str) -> Any:
    messages = asks("Tell a tale that ends too early.")
    return broken(
        client(base_url).messages.create(
            model=MODEL, max_tokens=500, messages=messages, stream=True, extra_headers=failing("cut")
        ),
        httpx2.RemoteProtocolError,
    )


@scenario(cached=False)
def retries_until_it_works(base_url: str) -> Any:
    question = "What is worth a third try?"
    failure = {"mode": "529", "match": question}
    httpx.post(f"{base_url}/_upstream/fail", json=failure).raise_for_status()
    api = client(base_url, max_retries=2, default_headers=NOT_STORED)
    return api.messages.create(model=MODEL, max_tokens=500, messages=asks(question))
